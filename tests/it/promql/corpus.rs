//! Prometheus' own PromQL tests, run against our evaluator. The files are not part of a clone: they lie beside it.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use watchward::model::labels::Labels;
use watchward::model::series::is_stale;
use watchward::promql;
use watchward::promql::{Limits, SeriesSamples, Value};

use crate::promql::notation::{Point, Table, metric, milliseconds, number, quoted, series};

/// How many evals of each file pass, of those that touch no native histogram. May only grow.
const FLOOR: &[(&str, usize)] = &[
    ("aggregators", 126),
    ("at_modifier", 78),
    ("collision", 2),
    ("functions", 323),
    ("histograms", 93),
    ("literals", 25),
    ("name_label_dropping", 30),
    ("operators", 142),
    ("staleness", 17),
    ("trig_functions", 19),
];

/// Functions that see nothing but native histograms.
const ONLY_NATIVE: &[&str] =
    &["histogram_avg(", "histogram_count(", "histogram_stddev(", "histogram_stdvar(", "histogram_sum("];

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/data/promqltest");

#[test]
fn prometheus_own_tests_pass_as_often_as_they_ever_did() {
    if !Path::new(FOLDER).is_dir() {
        #[allow(clippy::disallowed_methods)] // The one place that a test of this folder reads the environment.
        let checked_by_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!checked_by_ci, "{FOLDER} is missing where CI=true");
        println!("skipped: ../shared/data is not here");
        return;
    }
    let mut table = String::from("file                    evals  float   pass\n");
    let (mut float, mut pass) = (0, 0);
    let mut lost = Vec::new();
    for (name, floor) in FLOOR {
        let text = fs::read_to_string(format!("{FOLDER}/{name}.test")).unwrap();
        let outcome = run(&text);
        let failed: Vec<_> = outcome.failed.iter().map(|failed| format!("{name}.test:{failed}")).collect();
        println!("{}", failed.join("\n"));
        writeln!(table, "{name:22} {:6} {:6} {:6}", outcome.evals, outcome.float, outcome.pass).unwrap();
        float += outcome.float;
        pass += outcome.pass;
        if outcome.pass < *floor {
            lost.push(format!("{name}: {} pass, {floor} did", outcome.pass));
        }
    }
    println!("{table}all: {pass} of {float} pass");
    assert!(lost.is_empty(), "{lost:?}");
}

/// What a file came to.
#[derive(Default)]
struct Outcome {
    evals: usize,
    float: usize,
    pass: usize,
    failed: Vec<String>,
}

/// One eval: what is asked, at which times, and the lines that say what must come.
struct Eval {
    line: usize,
    text: String,
    times: Times,
    fails: bool,
    ordered: bool,
    expected: Vec<String>,
}

enum Times {
    At(i64),
    Range(i64, i64, i64),
}

fn run(text: &str) -> Outcome {
    let mut outcome = Outcome::default();
    let mut table = Table::default();
    let mut lines = text.lines().enumerate().peekable();
    while let Some((at, line)) = lines.next() {
        let line = line.trim();
        let mut body = Vec::new();
        if line.starts_with("load") || line.starts_with("eval") {
            while let Some((_, next)) = lines.peek() {
                let next = next.trim();
                let command = ["load", "eval", "clear"].iter().any(|word| is_command(next, word));
                if next.is_empty() || command {
                    break;
                }
                if !next.starts_with('#') {
                    body.push(next.to_string());
                }
                lines.next();
            }
        }
        match line {
            "clear" => table = Table::default(),
            _ if line.starts_with("load") => load(&mut table, line, &body),
            _ if line.starts_with("eval") => {
                let eval = eval(at + 1, line, body);
                outcome.evals += 1;
                table.histogram_seen.set(false);
                let result = judge(&table, &eval);
                let native = table.histogram_seen.get()
                    || eval.expected.iter().any(|line| line.contains("{{"))
                    || ONLY_NATIVE.iter().any(|function| eval.text.contains(function));
                if native {
                    continue;
                }
                outcome.float += 1;
                match result {
                    Ok(()) => outcome.pass += 1,
                    Err(why) => outcome.failed.push(format!("{}: {}\n    {why}", eval.line, eval.text)),
                }
            }
            _ => {}
        }
    }
    outcome
}

fn is_command(line: &str, word: &str) -> bool {
    line.strip_prefix(word).is_some_and(|rest| rest.is_empty() || rest.starts_with([' ', '_']))
}

fn load(table: &mut Table, line: &str, body: &[String]) {
    let (command, interval) = line.split_once(' ').unwrap();
    let lines: Vec<&str> = body.iter().map(String::as_str).collect();
    table.load(milliseconds(interval.trim()), &lines);
    if command == "load_with_nhcb" {
        // Each classic histogram also becomes a native one, under its bare name.
        for line in lines {
            let (labels, _) = metric(line);
            if let Some(base) = labels.name().strip_suffix("_bucket") {
                table.histograms.push(labels.with("le", "").with("__name__", base));
            }
        }
    }
}

fn eval(line_number: usize, line: &str, body: Vec<String>) -> Eval {
    let (command, rest) = line.split_once(' ').unwrap();
    let words: Vec<&str> = rest.split_whitespace().collect();
    let (times, used) = match words[0] {
        "instant" => (Times::At(milliseconds(words[2])), 3),
        _ => (Times::Range(milliseconds(words[2]), milliseconds(words[4]), milliseconds(words[6])), 7),
    };
    let mut text = rest;
    for _ in 0..used {
        text = text.trim_start().split_once(char::is_whitespace).unwrap().1;
    }
    let (mut fails, mut ordered) = (command == "eval_fail", command == "eval_ordered");
    let mut expected = Vec::new();
    for line in body {
        match line.strip_prefix("expect ") {
            Some(rest) if rest.starts_with("fail") => fails = true,
            Some("ordered") => ordered = true,
            Some(rest) if rest.starts_with("string") => expected.push(line),
            Some(_) => {}
            None => expected.push(line),
        }
    }
    Eval { line: line_number, text: text.trim().to_string(), times, fails, ordered, expected }
}

fn judge(table: &Table, eval: &Eval) -> Result<(), String> {
    let limits = Limits::default();
    let expression = match promql::parse(&eval.text) {
        Ok(expression) => expression,
        Err(_) if eval.fails => return Ok(()),
        Err(error) => return Err(error.to_string()),
    };
    let outcome = match eval.times {
        Times::At(at) => promql::instant(&expression, table, at, &limits),
        Times::Range(from, to, step) => promql::range(&expression, table, from, to, step, &limits).map(Value::Matrix),
    };
    match (outcome, eval.fails) {
        (Err(_), true) => Ok(()),
        (Ok(value), true) => Err(format!("should fail, gives {value:?}")),
        (Err(error), false) => Err(error.to_string()),
        (Ok(value), false) => {
            compare(&value, eval)?;
            match (&eval.times, &value) {
                (Times::At(at), Value::Vector(_) | Value::Scalar(_)) => middle(table, eval, *at),
                _ => Ok(()),
            }
        }
    }
}

/// As Prometheus' own runner: an instant must also come out as the middle one of three steps, where nothing in the
/// expression speaks of the range itself.
fn middle(table: &Table, eval: &Eval, at: i64) -> Result<(), String> {
    if eval.ordered || ["start()", "end()", "range()", "step()"].iter().any(|word| eval.text.contains(word)) {
        return Ok(());
    }
    let minute = 60_000;
    let expression = promql::parse(&eval.text).map_err(|error| error.to_string())?;
    let steps = promql::range(&expression, table, at - minute, at + minute, minute, &Limits::default());
    let steps = steps.map_err(|error| format!("as a range: {error}"))?;
    let here = |series: &SeriesSamples| {
        let found = series.samples.iter().find(|(time, _)| *time == at);
        found.map(|(_, value)| (series.labels.clone(), vec![Some(*value)]))
    };
    compare_series(steps.iter().filter_map(here).collect(), eval).map_err(|why| format!("as a range: {why}"))
}

fn compare(value: &Value, eval: &Eval) -> Result<(), String> {
    match (value, &eval.times) {
        (Value::Scalar(value), _) => {
            let expected = number(eval.expected.first().ok_or("a scalar is expected nowhere")?);
            same(expected, *value).then_some(()).ok_or(format!("gives {value}"))
        }
        (Value::Text(text), _) => {
            let line = eval.expected.first().ok_or("a text is expected nowhere")?;
            let expected = quoted(line.trim_start_matches("expect string").trim()).0;
            (expected == *text).then_some(()).ok_or(format!("gives {text:?}"))
        }
        (Value::Vector(samples), _) => {
            let found = samples.iter().map(|sample| (sample.labels.clone(), vec![Some(sample.value)])).collect();
            compare_series(found, eval)
        }
        (Value::Matrix(all), Times::Range(from, to, step)) => {
            let count = ((to - from) / step + 1) as usize;
            let row = |series: &SeriesSamples| {
                let mut values = vec![None; count];
                series.samples.iter().for_each(|(at, value)| values[((at - from) / step) as usize] = Some(*value));
                (series.labels.clone(), values)
            };
            compare_series(all.iter().map(row).collect(), eval)
        }
        (Value::Matrix(all), Times::At(_)) => {
            let row = |series: &SeriesSamples| {
                (series.labels.clone(), series.samples.iter().map(|(_, value)| Some(*value)).collect())
            };
            compare_series(all.iter().map(row).collect(), eval)
        }
    }
}

type Row = (Labels, Vec<Option<f64>>);

fn compare_series(mut found: Vec<Row>, eval: &Eval) -> Result<(), String> {
    let width = found.iter().map(|(_, values)| values.len()).max().unwrap_or(0);
    let mut expected: Vec<Row> = eval.expected.iter().map(|line| row(line, width)).collect();
    expected.retain(|(_, values)| values.iter().any(Option::is_some));
    if !eval.ordered {
        found.sort_by(|a, b| a.0.cmp(&b.0));
        expected.sort_by(|a, b| a.0.cmp(&b.0));
    }
    let fits = found.len() == expected.len()
        && found.iter().zip(&expected).all(|(found, expected)| {
            found.0 == expected.0
                && found.1.len() == expected.1.len()
                && found.1.iter().zip(&expected.1).all(|pair| match pair {
                    (Some(found), Some(expected)) => same(*expected, *found),
                    (None, None) => true,
                    _ => false,
                })
        });
    if fits { Ok(()) } else { Err(format!("gives {found:?}\n    wants {expected:?}")) }
}

fn row(line: &str, width: usize) -> Row {
    let (labels, points) = match line.trim().parse::<f64>() {
        Ok(value) => (Labels::empty(), vec![Point::Value(value)]),
        Err(_) => series(line),
    };
    let mut values: Vec<Option<f64>> = points
        .iter()
        .map(|point| match point {
            Point::Value(value) if !is_stale(*value) => Some(*value),
            _ => None,
        })
        .collect();
    while values.len() > width.max(1) && values.last() == Some(&None) {
        values.pop();
    }
    values.resize(values.len().max(width), None);
    (labels, values)
}

/// Prometheus' own tolerance for its tests is one in a million.
fn same(expected: f64, found: f64) -> bool {
    if expected.is_nan() || expected.is_infinite() || found.is_infinite() {
        return expected.is_nan() && found.is_nan() || expected == found;
    }
    let apart = (expected - found).abs();
    expected == found || apart <= 1e-6 * (expected.abs() + found.abs())
}
