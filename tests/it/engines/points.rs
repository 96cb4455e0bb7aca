//! Points that a row's answer gave, as text that a person can read. Two test programs share it, each uses a part.
#![allow(dead_code)]

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use watchward::engines::contract::{Answer, Emit, Engine, Facts, Row, Table};
use watchward::engines::take::take;
use watchward::model::labels::{Labels, NAME};
use watchward::model::reading::Unknown;
use watchward::model::row::{Family, Metric};
use watchward::sys::files;

/// Series, as PromQL writes them, and their values.
#[derive(Debug, Default)]
pub struct Points {
    pub all: BTreeMap<String, f64>,
    /// Series that came twice: a fault of the row.
    pub twice: Vec<String>,
}

impl Points {
    /// What a row makes of an answer.
    pub fn of(row: &'static Row, answer: &Answer, facts: &Facts) -> Result<Points, Unknown> {
        let mut points = Points::default();
        take(row, answer, facts, &mut points)?;
        Ok(points)
    }

    /// The value of a series, or the end of the test with what there is.
    pub fn value(&self, series: &str) -> f64 {
        *self.all.get(series).unwrap_or_else(|| panic!("no {series} among {:#?}", self.all.keys()))
    }

    /// All series with their values, one in a line.
    pub fn text(&self) -> String {
        self.all.iter().map(|(series, value)| format!("{series} {value}\n")).collect()
    }

    fn add(&mut self, name: String, labels: &[(&str, &str)], value: f64) {
        let pairs = labels.iter().map(|(label, value)| ((*label).to_string(), (*value).to_string()));
        let series = Labels::new(pairs.chain([(NAME.to_string(), name)])).to_string();
        if self.all.insert(series.clone(), value).is_some() {
            self.twice.push(series);
        }
    }
}

impl Emit for Points {
    fn metric(&mut self, metric: &'static Metric, labels: &[(&str, &str)], value: f64) {
        self.add(metric.name.to_string(), labels, value);
    }

    fn family(&mut self, family: &'static Family, part: &str, labels: &[(&str, &str)], value: f64) {
        self.add(family.name(part), labels, value);
    }
}

/// The row of a name that exists for a server.
pub fn row(engine: &'static dyn Engine, name: &str, facts: &Facts) -> &'static Row {
    let row = engine.rows().iter().find(|row| row.name == name && row.exists(facts));
    row.unwrap_or_else(|| panic!("no row {name} for {facts:?}"))
}

/// An answer as a fixture keeps it: a row in a line. Paths of the machine that was recorded are left out.
pub fn to_fixture(answer: &Answer) -> String {
    let lines = |values: Vec<Value>| {
        let lines: Vec<String> = values.iter().map(|value| format!("    {value}")).collect();
        if lines.is_empty() { "[]".to_string() } else { format!("[\n{}\n  ]", lines.join(",\n")) }
    };
    let is_path = |line: &&str| !line.starts_with("executable:") && !line.starts_with("config_file:");
    match answer {
        Answer::Table(table) | Answer::Partial(table, _) => {
            let rows = table.rows.iter().map(|row| json!(row)).collect();
            format!("{{\n  \"columns\": {},\n  \"rows\": {}\n}}\n", json!(table.columns), lines(rows))
        }
        Answer::Text(text) => {
            format!("{{\n  \"text\": {}\n}}\n", lines(text.lines().filter(is_path).map(|line| json!(line)).collect()))
        }
        Answer::Json(Value::Array(all)) => format!("{{\n  \"json\": {}\n}}\n", lines(all.clone())),
        Answer::Json(value) => format!("{}\n", json!({ "json": value })),
    }
}

/// The answer that a fixture keeps: `tests/fixtures/<path>`.
pub fn from_fixture(path: &str) -> Answer {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path);
    let text = files::read_text(&file, 8 << 20).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let mut value: Value = serde_json::from_str(&text).expect("JSON");
    if let Some(lines) = value.get("text") {
        let lines: Vec<&str> = lines.as_array().expect("lines").iter().filter_map(Value::as_str).collect();
        return Answer::Text(lines.join("\r\n"));
    }
    if let Some(json) = value.get_mut("json") {
        return Answer::Json(json.take());
    }
    let texts = |value: &Value| -> Vec<Option<String>> {
        value.as_array().expect("a row").iter().map(|cell| cell.as_str().map(str::to_string)).collect()
    };
    Answer::Table(Table {
        columns: texts(&value["columns"]).into_iter().flatten().collect(),
        rows: value["rows"].as_array().expect("rows").iter().map(texts).collect(),
    })
}
