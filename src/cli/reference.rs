//! The manual's page of metrics, rendered from the engines' tables.

use std::collections::BTreeSet;
use std::fmt::Write;

use crate::engines;
use crate::engines::contract::{Engine, NEWEST, Row, Take, Version};
use crate::model::catalogue::{Catalogue, Entry};
use crate::model::row::{Family, Metric};
use crate::model::strict::strict;
use crate::pipeline::agent::catalogue;
use crate::pipeline::mirror::FIGURES;
use crate::pipeline::own::Own;
use crate::sample::words::{COMMON, COMMON_FAMILIES};

const HEAD: &str = "\
# Metrics

*Rendered from the engines' tables; a test fails when they differ. `UPDATE_DOCS=1 cargo test --test it cli::reference` renders it anew.*

Every metric with its exporter's name, type and help, as `/metrics` has them with `[serve] naming = \"compat\"`. Where names come from data, `*` stands for that.

- **Type**: as the exposition says it.
- **Labels**: those of the metric's own, as far as the table says them. Every series also has `instance`, `job`, `target`, `tenant`, and the labels of its target.
- **Unit**: of the value under the strict name, as UCUM writes it: `By` bytes, `s` seconds, `{connection}` a count of them.
- **Strict name**: with `naming = \"strict\"`; empty where it is the same. A factor says what a value is multiplied with there. Names that come from data are spelled anew: small letters, base units, `_total` on counters.
- **OpenTelemetry name**: in what `[export.otlp]` pushes; empty where it is the exporter's name.

A **row** is one question to a server. It is asked every cycle unless it says otherwise; for other versions it does not exist; where a need or a privilege is missing it is `unknown`, and costs nothing else.
What comes into being on a server (a database, a table, a replica) is seen when its row is next asked, so within the row's cycles × the target's `interval`: its discovery interval. The series of what is gone have ended within the same.

";

/// docs/metrics.md.
pub fn page() -> String {
    let catalogue = catalogue();
    let mut out = HEAD.to_string();
    for engine in engines::ALL {
        section(&mut out, *engine, &catalogue);
    }
    let _ =
        write!(out, "## Every target\n\nBeside its engine's rows. PREFIX is the first word of the engine's names.\n\n");
    table_head(&mut out);
    for metric in COMMON {
        metric_line(&mut out, metric, "", &catalogue);
    }
    for family in COMMON_FAMILIES {
        family_line(&mut out, family, &format!("PREFIX{}", family.suffix), family_labels(family));
    }
    own_section(&mut out);
    out
}

/// Those of the families that every target has.
fn family_labels(family: &Family) -> &'static str {
    if family.suffix.starts_with("_scrape_collector") { "`collector`" } else { "" }
}

/// What the agent counts of itself.
fn own_section(out: &mut String) {
    let Ok(own) = Own::new(FIGURES) else { return };
    let _ = write!(
        out,
        "\n## The agent itself\n\nThese carry no tenant. At `/metrics`, and pushed beside the samples.\n\n\
         | metric | type | labels | what it says |\n|---|---|---|---|\n"
    );
    for one in own.described() {
        let labels: Vec<String> = one.labels.iter().map(|label| code(label)).collect();
        let (name, kind, help) = (code(&one.name), one.kind.word(), cell(&one.help));
        let _ = writeln!(out, "| {name} | {kind} | {} | {help} |", labels.join(", "));
    }
}

/// Writing to a String does not fail.
fn section(out: &mut String, engine: &dyn Engine, catalogue: &Catalogue) {
    let card = engine.card();
    let _ = write!(out, "## {}\n\nThe job is `{}` unless the target names another.\n\n", card.word, card.job);
    table_head(out);
    metric_line(out, card.up, "", catalogue);
    out.push('\n');
    for row in engine.rows() {
        let _ = write!(out, "### {} · {}\n\n", card.word, row.name);
        let about = conditions(row);
        if !about.is_empty() {
            let _ = write!(out, "{about}\n\n");
        }
        table_head(out);
        let mut told: BTreeSet<&str> = BTreeSet::new();
        for metric in row.metrics.iter().filter(|metric| told.insert(metric.name)) {
            metric_line(out, metric, &labels(row, metric), catalogue);
        }
        for family in row.families {
            let name = format!("{}*{}", family.prefix, family.suffix);
            family_line(out, family, &name, "");
        }
        out.push('\n');
    }
}

fn table_head(out: &mut String) {
    out.push_str("| metric | type | labels | unit | strict name | OpenTelemetry name | what it says |\n");
    out.push_str("|---|---|---|---|---|---|---|\n");
}

fn metric_line(out: &mut String, metric: &Metric, labels: &str, catalogue: &Catalogue) {
    let Some(entry) = catalogue.find(metric.name) else { return };
    let Entry { kind, help, unit, otel, attribute, .. } = entry;
    let strict = strict(metric.name, &entry);
    let strict = match (strict.name == metric.name, strict.scale == 1.0) {
        (true, _) => String::new(),
        (false, true) => code(&strict.name),
        (false, false) => format!("{} × {}", code(&strict.name), strict.scale),
    };
    let otel = match (otel, attribute) {
        ("", _) => String::new(),
        (otel, ("", _)) => code(otel),
        (otel, (name, value)) => format!("{} with `{name}={value}`", code(otel)),
    };
    let (name, unit, help) = (code(metric.name), code(unit), cell(help));
    let _ = writeln!(out, "| {name} | {} | {labels} | {unit} | {strict} | {otel} | {help} |", kind.word());
}

fn family_line(out: &mut String, family: &Family, name: &str, labels: &str) {
    let (name, unit, help) = (code(name), code(family.unit), cell(family.help));
    let _ = writeln!(out, "| {name} | {} | {labels} | {unit} |  |  | {help} |", family.kind.word());
}

/// When a row is asked, for which servers, and by whom.
fn conditions(row: &Row) -> String {
    let mut parts = Vec::new();
    if row.optional {
        parts.push("Optional: read where `collect` names it".to_string());
    }
    if let Take::Busiest(busiest) = row.take {
        parts.push(format!("The {} busiest are series, all others together `other`", busiest.keep));
    }
    if row.every > 1 {
        parts.push(format!("Asked every {} cycles", row.every));
    }
    if !row.when.is_empty() {
        let one = |when: &crate::engines::contract::When| {
            let version =
                |(major, minor): Version| if minor == 0 { major.to_string() } else { format!("{major}.{minor}") };
            let span = match (when.from, when.below) {
                ((0, 0), NEWEST) => "all versions".to_string(),
                (from, NEWEST) => format!("{} and newer", version(from)),
                ((0, 0), below) => format!("before {}", version(below)),
                (from, below) => format!("{} to before {}", version(from), version(below)),
            };
            if when.flavour.is_empty() { span } else { format!("{} {span}", when.flavour) }
        };
        parts.push(format!("Versions: {}", row.when.iter().map(one).collect::<Vec<_>>().join(", ")));
    }
    if !row.only.is_empty() {
        parts.push(format!("Only where there is: {}", row.only.join(", ")));
    }
    if !row.needs.is_empty() {
        parts.push(format!("Needs: {}", row.needs.join(", ")));
    }
    if !row.privilege.is_empty() {
        parts.push(format!("Privilege: `{}`", row.privilege));
    }
    parts.iter().map(|part| format!("{part}.")).collect::<Vec<_>>().join(" ")
}

/// A metric's own labels, where the table says them; a row's own code may add others.
fn labels(row: &Row, metric: &Metric) -> String {
    let mut all: Vec<&str> = match row.take {
        Take::Columns { labels } | Take::Query { labels } => labels.to_vec(),
        Take::Busiest(busiest) => busiest.labels.to_vec(),
        Take::Paths | Take::Own(_) => Vec::new(),
    };
    let in_path = metric.from.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
    all.extend(in_path.map(|(label, _)| label));
    all.iter().map(|label| code(label)).collect::<Vec<_>>().join(", ")
}

fn code(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!("`{text}`") }
}

fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}
