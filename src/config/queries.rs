//! Queries of the user's own: what the schema alone cannot check, and which targets are asked.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::config::problem::{Report, shown_name};
use crate::config::targets::{Tenant, find_engine, tenant_names, twice, unknown};
use crate::engines;
use crate::engines::contract::{Engine, NEWEST, Version};
use crate::model::fault::Fault;
use crate::model::filter::Glob;
use crate::model::query::{Query, QueryMetric};
use crate::model::row::MetricKind;
use crate::model::schema::{Origin, Table};
use crate::model::target::Target;

/// Reads `[[query]]`, and gives each to the targets that it names.
pub fn read(tables: &[&Table], tenants: &[Tenant], report: &mut Report, targets: &mut [Target]) {
    let mut names: BTreeMap<(String, String, String), Origin> = BTreeMap::new();
    let mut kinds: BTreeMap<String, (MetricKind, Origin)> = BTreeMap::new();
    for table in tables {
        let (name, tenant) = (table.text("name"), table.text("tenant"));
        if let Some(origin) = table.origin("name") {
            check_name(name, origin, report);
            let key = (tenant.to_string(), table.text("engine").to_string(), name.to_string());
            if let Some(before) = names.insert(key, origin.clone()) {
                report.problem(origin, twice("query", name, &before));
            }
        }
        if let Some(origin) = table.origin("tenant").filter(|_| !tenants.iter().any(|one| one.id == tenant)) {
            report.problem(origin, unknown("tenant", tenant, &tenant_names(tenants)));
        }
        let Some(engine) = find_engine(table, report) else { continue };
        if let (Some(origin), Err(fault)) = (table.origin("ask"), engine.may_ask(table.text("ask"))) {
            report.problem(origin, fault);
            continue;
        }
        let query = Arc::new(Query {
            name: name.to_string(),
            tenant: tenant.to_string(),
            engine: engine.word().to_string(),
            targets: table.texts("targets").into_iter().map(Glob::new).collect(),
            ask: asked(engine, table.text("ask")),
            since: version("since", table.text("since"), table.origin("since"), (0, 0), report),
            before: version("before", table.text("before"), table.origin("before"), NEWEST, report),
            interval: table.duration("interval"),
            deadline: table.duration("deadline"),
            series_max: usize::try_from(table.whole("series_max")).unwrap_or(usize::MAX),
            labels: table.texts("labels"),
            metrics: metrics(table, engine, &mut kinds, report),
        });
        check_labels(table, engine, report);
        let mut is_asked = false;
        for target in targets.iter_mut().filter(|one| query.is_for(&one.tenant, &one.engine, &one.name)) {
            target.queries.push(query.clone());
            is_asked = true;
        }
        if let Some(origin) = table.origin("name").filter(|_| !is_asked) {
            let what = format!("query '{}' asks no target", shown_name(name));
            let detail = format!("Tenant '{tenant}' has no target of engine '{}' that its targets fit.", engine.word());
            report.warning(origin, Fault::new("config-18", what).detail(detail));
        }
    }
}

/// The longest name of a query or metric, in characters.
const NAME_CHARS_MAX: usize = 100;

fn is_name(text: &str, also: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || c == '_' || also.contains(c);
    !text.is_empty()
        && text.len() <= NAME_CHARS_MAX
        && text.chars().all(fits)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

fn check_name(name: &str, origin: &Origin, report: &mut Report) {
    if !is_name(name, "") {
        let fault = Fault::new("config-05", format!("name is '{}', not a query's name", shown_name(name)));
        report.problem(origin, fault.hint("It has letters, digits and '_', and no digit first."));
    }
}

fn no_label(text: &str) -> Fault {
    Fault::new("config-05", format!("'{}' is not a label's name", shown_name(text)))
        .hint("It has letters, digits and '_', no digit first, and does not begin with '__'.")
}

fn check_labels(table: &Table, engine: &dyn Engine, report: &mut Report) {
    let Some(origin) = table.origin("labels") else { return };
    let labels = table.texts("labels");
    if let Some(wrong) = labels.iter().find(|label| !is_name(label, "") || label.starts_with("__")) {
        report.problem(origin, no_label(wrong));
    }
    if !labels.is_empty() && !engine.has_tables() {
        let what = format!("labels are columns, and engine '{}' answers with documents", engine.word());
        let hint = "Write the label into the path of a metric: from = \"indices.{index}.docs.count\".";
        report.problem(origin, Fault::new("config-10", what).hint(hint));
    }
}

fn metrics(
    table: &Table,
    engine: &dyn Engine,
    kinds: &mut BTreeMap<String, (MetricKind, Origin)>,
    report: &mut Report,
) -> Vec<QueryMetric> {
    let catalogue = engines::catalogue();
    let mut all: Vec<QueryMetric> = Vec::new();
    for one in table.tables("metric") {
        let (name, Some(origin)) = (one.text("name"), one.origin("name")) else { continue };
        let kind = if one.text("type") == "counter" { MetricKind::Counter } else { MetricKind::Gauge };
        if !is_name(name, ":") {
            let fault = Fault::new("config-05", format!("name is '{}', not a metric's name", shown_name(name)));
            report.problem(origin, fault.hint("It has letters, digits, '_' and ':', and no digit first."));
        } else if catalogue.find(name).is_some() || OWN.iter().any(|own| name.starts_with(own)) || name == "up" {
            let fault = Fault::new("config-10", format!("the agent has a metric '{name}' itself"));
            report.problem(origin, fault.hint("Begin the names of your own metrics with a word of yours: \"app_…\"."));
        }
        let other = kinds.entry(name.to_string()).or_insert_with(|| (kind, origin.clone()));
        if other.0 != kind {
            let fault = Fault::new(
                "config-10",
                format!("'{name}' is a {} here, and a {} elsewhere", kind.word(), other.0.word()),
            );
            report.problem(origin, fault.detail(format!("The other is on line {} of {}.", other.1.line, other.1.file)));
        }
        let from = if one.has("from") { one.text("from") } else { name };
        if !engine.has_tables() && from.matches('{').count() > 1 {
            let fault = Fault::new("config-05", format!("from is '{}', and has several labels", shown_name(from)));
            report.problem(one.origin("from").unwrap_or(origin), fault.hint("A path may have one {label} in it."));
        }
        let labels = one.map("labels");
        if let Some(wrong) = labels.keys().find(|label| !is_name(label, "") || label.starts_with("__")) {
            report.problem(one.origin("labels").unwrap_or(origin), no_label(wrong));
        }
        if all.iter().any(|known| known.name == name && (known.from == from || known.labels == labels)) {
            report.problem(origin, Fault::new("config-07", format!("metric '{name}' is there twice")));
        }
        let (help, unit) = (one.text("help").to_string(), one.text("unit").to_string());
        all.push(QueryMetric { name: name.to_string(), from: from.to_string(), kind, help, unit, labels });
    }
    if table.tables("metric").is_empty() {
        let fault = Fault::new("config-06", "[[query]] has no [[query.metric]]: it would give nothing");
        report.problem(&table.origin, fault.hint("Name each value of the answer that is a metric."));
    }
    all
}

/// How names begin that are made at run time.
const OWN: &[&str] = &["watchward_", "scrape_", "ALERTS"];

/// `14` or `14.2`.
fn version(key: &str, text: &str, origin: Option<&Origin>, otherwise: Version, report: &mut Report) -> Version {
    let Some(origin) = origin else { return otherwise };
    let (major, minor) = text.split_once('.').unwrap_or((text, "0"));
    match (major.parse(), minor.parse()) {
        (Ok(major), Ok(minor)) => (major, minor),
        _ => {
            let fault = Fault::new("config-05", format!("{key} is '{}', not a version", shown_name(text)));
            report.problem(origin, fault.hint("Write it like \"14\" or \"7.17\"."));
            otherwise
        }
    }
}

/// The text as it is asked: behind SQL the session writes more, which a comment at its end must not swallow.
fn asked(engine: &dyn Engine, text: &str) -> String {
    let text = text.trim();
    if engine.has_tables() { format!("{}\n", text.trim_end_matches(';')) } else { text.to_string() }
}
