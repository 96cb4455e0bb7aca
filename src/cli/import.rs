//! `watchward import`: query files of other exporters as `[[query]]` sections, and what of them cannot be taken over.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};

use clap::Args;
use clap::builder::PossibleValuesParser;

use crate::cli::output::{self, tell};
use crate::cli::{REFUSED, WARNING, WELL};
use crate::config::value::text_literal;
use crate::engines;
use crate::engines::contract::Engine;
use crate::judge::yaml::{self, Node};
use crate::model::fault::Fault;
use crate::sys::files;

/// The largest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 4 << 20;

const POSTGRES_EXPORTER: &str = "postgres_exporter";
const SQL_EXPORTER: &str = "sql_exporter";

#[derive(Debug, Args)]
pub struct Import {
    /// Whose file it is
    #[arg(value_parser = PossibleValuesParser::new([POSTGRES_EXPORTER, SQL_EXPORTER]))]
    from: String,

    /// The file
    file: PathBuf,

    /// The engine whose targets are to be asked, as in engine = "…" [default: the one whose URLs begin with postgres://]
    #[arg(long)]
    engine: Option<String>,

    /// The targets that are to be asked, by name; `*` and `?` are wildcards
    #[arg(long, default_value = "*")]
    targets: String,

    /// Machine-readable
    #[arg(long)]
    json: bool,
}

/// One query, as its section will have it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    pub name: String,
    pub ask: String,
    pub since: String,
    pub before: String,
    pub interval: String,
    pub labels: Vec<String>,
    pub metrics: Vec<MetricSection>,
}

/// One metric of it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct MetricSection {
    pub name: String,
    pub from: String,
    pub kind: &'static str,
    pub help: String,
    pub labels: BTreeMap<String, String>,
}

/// What became of a file.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Imported {
    pub sections: Vec<Section>,
    /// What was left out, and why.
    pub left_out: Vec<String>,
}

/// Prints the sections, and what was left out.
pub fn print(wanted: &Import) -> u8 {
    let Import { from, file, engine, targets, json } = wanted;
    let (engine, imported) = match read(from, file, engine.as_deref()) {
        Ok(read) => read,
        Err(fault) => {
            tell(&format!("error: {fault}"));
            return REFUSED;
        }
    };
    let text = render(&imported, engine.word(), targets);
    let code = if imported.left_out.is_empty() { WELL } else { WARNING };
    if *json {
        let answer = serde_json::json!({ "queries": text, "left_out": imported.left_out });
        return output::answer(&format!("{answer}\n"), code);
    }
    imported.left_out.iter().for_each(|one| tell(&format!("left out: {one}")));
    output::answer(&text, code)
}

fn read(from: &str, file: &Path, wanted: Option<&str>) -> Result<(&'static dyn Engine, Imported), Fault> {
    let engine = match wanted {
        Some(word) => engines::find(word),
        None => engines::ALL.iter().copied().find(|engine| engine.card().schemes.contains(&"postgres")),
    };
    let engine = engine.ok_or_else(|| {
        let known: Vec<&str> = engines::ALL.iter().map(|engine| engine.word()).collect();
        Fault::new("cli-40", format!("unknown engine '{}'", wanted.unwrap_or("")))
            .hint(format!("Known: {}.", known.join(", ")))
    })?;
    let text = files::read_text(file, FILE_BYTES_MAX)
        .map_err(|error| Fault::new("cli-41", format!("{} cannot be read: {error}", file.display())))?;
    let node = yaml::read(&text).map_err(|error| {
        let place = format!("line {}, column {} of {}", error.line, error.column, file.display());
        Fault::new("cli-42", format!("this is not YAML: {}", error.what)).detail(format!("It is {place}."))
    })?;
    let imported = if from == POSTGRES_EXPORTER { postgres_exporter(&node) } else { sql_exporter(&node) };
    if imported.sections.is_empty() && imported.left_out.is_empty() {
        return Err(Fault::new("cli-43", format!("{} has no queries of {from} in it", file.display()))
            .hint("Is it a file of another exporter?"));
    }
    Ok((engine, checked(imported, engine)))
}

/// Leaves out what the configuration would refuse.
pub fn checked(imported: Imported, engine: &dyn Engine) -> Imported {
    let catalogue = engines::catalogue();
    let mut kept = Imported { sections: Vec::new(), left_out: imported.left_out };
    let mut names = BTreeSet::new();
    for mut section in imported.sections {
        if let Err(fault) = engine.may_ask(&section.ask) {
            kept.left_out.push(format!("{}: {}", section.name, fault.what));
            continue;
        }
        section.metrics.retain(|metric| {
            let is_own = catalogue.find(&metric.name).is_some();
            if is_own {
                kept.left_out.push(format!("{}: the agent has a metric '{}' itself", section.name, metric.name));
            }
            !is_own
        });
        section.name = free(&section.name, &mut names);
        if section.metrics.is_empty() {
            kept.left_out.push(format!("{}: no metric of it is left", section.name));
        } else {
            kept.sections.push(section);
        }
    }
    kept
}

/// A name that fits a query, and that none has yet.
fn free(name: &str, taken: &mut BTreeSet<String>) -> String {
    let clean: String = name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let clean =
        if clean.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') { clean } else { format!("q_{clean}") };
    let names = std::iter::once(clean.clone()).chain((2..).map(|n| format!("{clean}_{n}")));
    let name = names.into_iter().find(|name| !taken.contains(name)).unwrap_or(clean);
    taken.insert(name.clone());
    name
}

fn text(node: Option<&Node>) -> Option<&str> {
    if let Some(Node::Scalar(text)) = node { Some(text) } else { None }
}

fn list(node: Option<&Node>) -> &[Node] {
    if let Some(Node::List(list)) = node { list } else { &[] }
}

fn map(node: Option<&Node>) -> &[(String, Node)] {
    if let Some(Node::Map(map)) = node { map } else { &[] }
}

fn at<'n>(node: &'n Node, key: &str) -> Option<&'n Node> {
    map(Some(node)).iter().find(|(name, _)| name == key).map(|(_, value)| value)
}

fn texts(node: Option<&Node>) -> Vec<String> {
    list(node).iter().filter_map(|one| text(Some(one)).map(str::to_string)).collect()
}

/// The queries.yaml of postgres_exporter: a mapping from the beginning of the metrics' names to a query and its columns.
pub fn postgres_exporter(root: &Node) -> Imported {
    let mut imported = Imported::default();
    for (namespace, node) in map(Some(root)) {
        let Some(ask) = text(at(node, "query")) else { continue };
        let mut section = Section { name: namespace.clone(), ask: ask.trim().to_string(), ..Section::default() };
        if let Some(seconds) = text(at(node, "cache_seconds")) {
            section.interval = format!("{seconds}s");
        }
        match text(at(node, "runonserver")).map(range).transpose() {
            Ok(range) => (section.since, section.before) = range.unwrap_or_default(),
            Err(range) => {
                imported.left_out.push(format!("{namespace}: the versions '{range}' are not from … to below …"));
                continue;
            }
        }
        for (column, about) in list(at(node, "metrics")).iter().flat_map(|one| map(Some(one))) {
            let usage = text(at(about, "usage")).unwrap_or("").to_uppercase();
            let kind = match usage.as_str() {
                "LABEL" => {
                    section.labels.push(column.clone());
                    continue;
                }
                "DISCARD" => continue,
                "COUNTER" => "counter",
                "GAUGE" => "gauge",
                other => {
                    imported.left_out.push(format!("{namespace}: the column '{column}' is of usage {other}"));
                    continue;
                }
            };
            section.metrics.push(MetricSection {
                name: format!("{namespace}_{column}"),
                from: column.clone(),
                kind,
                help: text(at(about, "description")).unwrap_or("").to_string(),
                labels: BTreeMap::new(),
            });
        }
        imported.sections.push(section);
    }
    imported
}

/// `>=10.0.0`, `<10.0.0`, `>=9.2.0 <10.0.0` as the first version that is asked, and the first that is not.
fn range(words: &str) -> Result<(String, String), String> {
    let mut range = (String::new(), String::new());
    let spaced = words.replace(',', " ").replace(">= ", ">=").replace("< ", "<");
    for word in spaced.split_whitespace() {
        let place = if word.starts_with(">=") { &mut range.0 } else { &mut range.1 };
        let version = word.strip_prefix(">=").or_else(|| word.strip_prefix('<')).filter(|rest| !rest.starts_with('='));
        let parts: Vec<u32> = version.unwrap_or("").split('.').map_while(|part| part.parse().ok()).collect();
        *place = match parts.as_slice() {
            [major, 0, ..] | [major] => major.to_string(),
            [major, minor, ..] => format!("{major}.{minor}"),
            [] => return Err(words.to_string()),
        };
    }
    Ok(range)
}

/// Files of the two exporters of this name: collectors with metrics, and jobs with queries.
pub fn sql_exporter(root: &Node) -> Imported {
    let mut imported = Imported::default();
    let inline = list(at(root, "collectors")).iter();
    for collector in std::iter::once(root).chain(inline) {
        collect(collector, &mut imported);
    }
    let shared = map(at(root, "queries"));
    for job in list(at(root, "jobs")) {
        let interval = text(at(job, "interval")).unwrap_or("");
        for query in list(at(job, "queries")) {
            let name = text(at(query, "name")).unwrap_or("query");
            let named = text(at(query, "query_ref"));
            let referred = named.and_then(|named| shared.iter().find(|(name, _)| name == named));
            let Some(ask) = text(at(query, "query").or(referred.map(|(_, ask)| ask))) else {
                imported.left_out.push(format!("{name}: it has no query"));
                continue;
            };
            let help = text(at(query, "help")).unwrap_or("").to_string();
            let metric = |column: String| MetricSection {
                name: format!("sql_{name}"),
                labels: [("col".to_string(), column.clone())].into(),
                from: column,
                kind: "gauge",
                help: help.clone(),
            };
            imported.sections.push(Section {
                name: name.to_string(),
                ask: ask.trim().to_string(),
                interval: duration(interval),
                labels: texts(at(query, "labels")),
                metrics: texts(at(query, "values")).into_iter().map(metric).collect(),
                ..Section::default()
            });
        }
    }
    imported
}

/// One collector: metrics that have a query of their own, or refer to one.
fn collect(collector: &Node, imported: &mut Imported) {
    let interval = duration(text(at(collector, "min_interval")).unwrap_or(""));
    let mut places: BTreeMap<(String, Vec<String>), usize> = BTreeMap::new();
    for metric in list(at(collector, "metrics")) {
        let name = text(at(metric, "metric_name")).unwrap_or("metric");
        let named = text(at(metric, "query_ref"));
        let is_it = |query: &&Node| named.is_some() && text(at(query, "query_name")) == named;
        let referred = list(at(collector, "queries")).iter().find(is_it);
        let Some(ask) = text(at(metric, "query").or_else(|| at(referred?, "query"))) else {
            imported.left_out.push(format!("{name}: it has no query"));
            continue;
        };
        let values = texts(at(metric, "values"));
        let label = text(at(metric, "value_label"));
        let kind = match text(at(metric, "type")).unwrap_or("gauge").to_lowercase().as_str() {
            "counter" => "counter",
            "gauge" => "gauge",
            other => {
                imported.left_out.push(format!("{name}: its type is {other}"));
                continue;
            }
        };
        let mut fixed: BTreeMap<String, String> = BTreeMap::new();
        for (label, value) in map(at(metric, "static_labels")) {
            fixed.insert(label.clone(), text(Some(value)).unwrap_or("").to_string());
        }
        let of_column = |column: &String| MetricSection {
            name: name.to_string(),
            from: column.clone(),
            kind,
            help: text(at(metric, "help")).unwrap_or("").to_string(),
            labels: fixed.clone().into_iter().chain(label.map(|label| (label.to_string(), column.clone()))).collect(),
        };
        let labels = texts(at(metric, "key_labels"));
        let place = *places.entry((ask.to_string(), labels.clone())).or_insert_with(|| {
            imported.sections.push(Section {
                name: named.unwrap_or(name).to_string(),
                ask: ask.trim().to_string(),
                interval: interval.clone(),
                labels,
                ..Section::default()
            });
            imported.sections.len() - 1
        });
        imported.sections[place].metrics.extend(values.iter().map(of_column));
    }
}

/// A duration as ours are written; nothing where theirs says 0 or nothing.
fn duration(theirs: &str) -> String {
    let theirs = theirs.trim();
    if theirs.trim_matches(['0', 's', 'm', 'h']).is_empty() { String::new() } else { theirs.to_string() }
}

/// The sections as they stand in a configuration.
pub fn render(imported: &Imported, engine: &str, targets: &str) -> String {
    let mut out = String::new();
    let quoted = |list: &[String]| list.iter().map(|one| text_literal(one)).collect::<Vec<_>>().join(", ");
    // Writing to a String cannot fail.
    for section in &imported.sections {
        let _ = write!(out, "[[query]]\nname     = {}\nengine   = \"{engine}\"\n", text_literal(&section.name));
        if targets != "*" {
            let _ = writeln!(out, "targets  = [{}]", text_literal(targets));
        }
        let _ = writeln!(out, "ask      = {}", long_text(&section.ask));
        for (key, value) in
            [("since   ", &section.since), ("before  ", &section.before), ("interval", &section.interval)]
        {
            if !value.is_empty() {
                let _ = writeln!(out, "{key} = {}", text_literal(value));
            }
        }
        if !section.labels.is_empty() {
            let _ = writeln!(out, "labels   = [{}]", quoted(&section.labels));
        }
        for metric in &section.metrics {
            let _ = write!(out, "\n[[query.metric]]\nname = {}\n", text_literal(&metric.name));
            let _ = writeln!(out, "from = {}\ntype = \"{}\"", text_literal(&metric.from), metric.kind);
            if !metric.help.is_empty() {
                let _ = writeln!(out, "help = {}", text_literal(&metric.help));
            }
            if !metric.labels.is_empty() {
                let pairs: Vec<String> =
                    metric.labels.iter().map(|(label, value)| format!("{label} = {}", text_literal(value))).collect();
                let _ = writeln!(out, "labels = {{ {} }}", pairs.join(", "));
            }
        }
        out.push('\n');
    }
    out
}

/// A text of several lines as it is, where TOML can write it so. What looks like a variable of ours is none.
fn long_text(ask: &str) -> String {
    let ask = ask.replace("${", "$${");
    let is_plain = !ask.contains("'''") && !ask.contains(|c: char| c.is_control() && c != '\n' && c != '\t');
    if ask.contains('\n') && is_plain { format!("'''\n{ask}'''") } else { text_literal(&ask) }
}
