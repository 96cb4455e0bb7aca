//! `[alert.thresholds]`: values that expand to rules, the nearest of target, tenant and global; and what cannot be reached.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::sync::Arc;

use crate::judge::rules::{Group, Rule};
use crate::model::catalogue::Threshold;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::labels::Labels;
use crate::model::nearest::nearest;
use crate::promql;
use crate::promql::expression::Expression;
use crate::promql::{Limits, SeriesSource, Value};

/// The origin of the rules made here.
pub const ORIGIN: &str = "[alert.thresholds]";

/// What the configuration wants. Environments were laid over it before.
#[derive(Clone, Debug, Default)]
pub struct Wanted {
    pub global: BTreeMap<String, f64>,
    pub tenants: BTreeMap<String, BTreeMap<String, f64>>,
    pub targets: Vec<TargetThresholds>,
}

/// The values of one target alone.
#[derive(Clone, Debug, Default)]
pub struct TargetThresholds {
    pub tenant: String,
    pub name: String,
    pub engine: String,
    pub values: BTreeMap<String, f64>,
}

/// Rules made from thresholds, and the most that each could reach.
#[derive(Clone, Debug, Default)]
pub struct Expanded {
    pub groups: Vec<Group>,
    pub ceilings: Vec<Ceiling>,
}

/// The highest value that a threshold's expression can have.
#[derive(Clone, Debug)]
pub struct Ceiling {
    pub rule: Arc<str>,
    pub key: String,
    pub value: f64,
    pub unit: &'static str,
    pub expression: Expression,
}

/// A threshold that nothing can pass.
#[derive(Clone, Debug, PartialEq)]
pub struct Unreachable {
    pub key: String,
    /// Of the series that says so.
    pub labels: Labels,
    pub threshold: f64,
    pub ceiling: f64,
    pub unit: &'static str,
}

/// Where a value applies, from far to near.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reach {
    /// Every tenant but these.
    Global(BTreeSet<String>),
    /// One tenant, but for these targets.
    Tenant(String, BTreeSet<String>),
    Target(String, String),
}

/// Expands thresholds to rules, one group per reach: a rule per engine and key.
///
/// # Errors
/// Keys that no engine knows, or that the target's own does not; values that are no numbers.
pub fn expand(rows: &[Threshold], wanted: &Wanted) -> Result<Expanded, Vec<Fault>> {
    let mut faults = check(rows, wanted);
    let mut groups: BTreeMap<(u8, String), (Vec<Rule>, Vec<Ceiling>)> = BTreeMap::new();
    for row in rows {
        for (reach, value) in reaches(row, wanted) {
            let matchers = reach.matchers();
            match rule(row, &matchers, value, &reach) {
                Ok((rule, ceiling)) => {
                    let (rules, ceilings) = groups.entry(reach.group()).or_default();
                    rules.push(rule);
                    ceilings.extend(ceiling);
                }
                Err(fault) => faults.push(fault),
            }
        }
    }
    if !faults.is_empty() {
        return Err(faults);
    }
    let mut expanded = Expanded::default();
    for ((_, name), (rules, ceilings)) in groups {
        let group =
            Group { origin: ORIGIN.into(), name, interval: None, limit: 0, query_offset: Default::default(), rules };
        expanded.groups.push(group.identify());
        expanded.ceilings.extend(ceilings);
    }
    Ok(expanded)
}

fn check(rows: &[Threshold], wanted: &Wanted) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut one = |place: &str, engine: Option<&str>, values: &BTreeMap<String, f64>| {
        let fits = |row: &&Threshold| engine.is_none_or(|engine| row.engine == engine);
        let known: BTreeSet<&str> = rows.iter().filter(fits).map(|row| row.key).collect();
        let known: Vec<&str> = known.into_iter().collect();
        for (key, value) in values {
            if !known.contains(&key.as_str()) {
                let what = match engine {
                    Some(engine) => format!("no threshold of engine '{engine}' is called '{key}'"),
                    None => format!("no engine has a threshold '{key}'"),
                };
                let hint = match nearest(key, &known).as_slice() {
                    [] if known.is_empty() => "There are none.".to_string(),
                    [] => format!("Known: {}.", known.join(", ")),
                    near => format!("Did you mean {}?", near.join(" or ")),
                };
                faults.push(Fault::new("judge-10", what).detail(format!("It stands in {place}.")).hint(hint));
            } else if !value.is_finite() {
                let what = format!("the threshold '{key}' is {value}, which is no number to compare with");
                faults.push(Fault::new("judge-10", what).detail(format!("It stands in {place}.")));
            }
        }
    };
    one("[alert.thresholds]", None, &wanted.global);
    for (tenant, values) in &wanted.tenants {
        one(&format!("the tenant '{tenant}'"), None, values);
    }
    for target in &wanted.targets {
        let TargetThresholds { tenant, name, engine, values } = target;
        one(&format!("the target '{tenant}/{name}'"), Some(engine), values);
    }
    faults
}

/// Where a row applies with which value.
fn reaches(row: &Threshold, wanted: &Wanted) -> Vec<(Reach, f64)> {
    let global = wanted.global.get(row.key).copied();
    let mut near: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    for target in wanted.targets.iter().filter(|target| target.engine == row.engine) {
        if let Some(value) = target.values.get(row.key) {
            near.entry(&target.tenant).or_default().insert(&target.name, *value);
        }
    }
    let own =
        wanted.tenants.iter().filter(|(_, values)| values.contains_key(row.key)).map(|(tenant, _)| tenant.as_str());
    let tenants: BTreeSet<&str> = own.chain(near.keys().copied()).collect();

    let mut reaches = Vec::new();
    if let Some(value) = global {
        reaches.push((Reach::Global(tenants.iter().map(ToString::to_string).collect()), value));
    }
    for tenant in tenants {
        let targets = near.remove(tenant).unwrap_or_default();
        let own = wanted.tenants.get(tenant).and_then(|values| values.get(row.key)).copied();
        if let Some(value) = own.or(global) {
            let others = targets.keys().map(ToString::to_string).collect();
            reaches.push((Reach::Tenant(tenant.to_string(), others), value));
        }
        for (target, value) in targets {
            reaches.push((Reach::Target(tenant.to_string(), target.to_string()), value));
        }
    }
    reaches
}

impl Reach {
    fn group(&self) -> (u8, String) {
        match self {
            Reach::Global(_) => (0, "thresholds".to_string()),
            Reach::Tenant(tenant, _) => (1, format!("thresholds of tenant {tenant}")),
            Reach::Target(tenant, target) => (2, format!("thresholds of target {tenant}/{target}")),
        }
    }

    fn matchers(&self) -> String {
        match self {
            Reach::Global(tenants) => none_of("tenant", tenants),
            Reach::Tenant(tenant, targets) => match none_of("target", targets).as_str() {
                "" => format!("tenant={}", quoted(tenant)),
                others => format!("tenant={},{others}", quoted(tenant)),
            },
            Reach::Target(tenant, target) => format!("tenant={},target={}", quoted(tenant), quoted(target)),
        }
    }
}

fn none_of(label: &str, values: &BTreeSet<String>) -> String {
    let mut values = values.iter();
    match (values.next(), values.next()) {
        (None, _) => String::new(),
        (Some(one), None) => format!("{label}!={}", quoted(one)),
        (Some(first), Some(second)) => {
            let escaped: Vec<String> =
                [first, second].into_iter().chain(values).map(|one| regex::escape(one)).collect();
            format!("{label}!~{}", quoted(&escaped.join("|")))
        }
    }
}

/// As PromQL writes a text.
fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            other => quoted.push(other),
        }
    }
    quoted.push('"');
    quoted
}

/// Puts matchers where `{matchers}` stands: with braces of their own behind a name, without inside of braces. Where
/// there are none, nothing of it is left.
pub fn with_matchers(expression: &str, matchers: &str) -> String {
    if matchers.is_empty() {
        return ["{{matchers}}", ",{matchers}", "{matchers}"]
            .iter()
            .fold(expression.to_string(), |text, place| text.replace(place, ""));
    }
    let mut filled = String::new();
    for (at, part) in expression.split("{matchers}").enumerate() {
        let inside = filled.trim_end().ends_with(['{', ',']);
        let _ = match at {
            0 => Ok(()),
            _ if inside => write!(filled, "{matchers}"),
            _ => write!(filled, "{{{matchers}}}"),
        };
        filled.push_str(part);
    }
    filled
}

fn rule(row: &Threshold, matchers: &str, value: f64, reach: &Reach) -> Result<(Rule, Option<Ceiling>), Fault> {
    let wrong = |what: String| Fault::new("judge-06", format!("threshold '{}' of {}: {what}", row.key, row.engine));
    let shown = value.to_string();
    let expression = format!("({}) > {shown}", with_matchers(row.expression, matchers));
    let hold = duration::parse(row.hold).map_err(wrong)?;
    let (_, group) = reach.group();
    let summary = row.summary.replace("{value}", &shown);
    let place = if matches!(reach, Reach::Global(_)) { ORIGIN } else { group.as_str() };
    let description = format!("{} is above {shown} ({place}).", row.key);
    let labels = [("severity", "warning")];
    let annotations = [("summary", summary.as_str()), ("description", description.as_str())];
    let rule = Rule::alert(row.alert, &expression, hold, &labels, &annotations);
    let rule = rule.map_err(|error| wrong(error.to_string()))?;
    if row.ceiling.is_empty() {
        return Ok((rule, None));
    }
    let expression = promql::parse(&with_matchers(row.ceiling, matchers)).map_err(|error| wrong(error.to_string()))?;
    let id = format!("{ORIGIN};{group};{}", row.alert).into();
    Ok((rule, Some(Ceiling { rule: id, key: row.key.to_string(), value, unit: row.unit, expression })))
}

impl Ceiling {
    /// Every series whose ceiling the threshold does not leave below it.
    ///
    /// # Errors
    /// Why the ceiling has no value.
    pub fn unreachable(
        &self,
        source: &dyn SeriesSource,
        at_ms: i64,
        limits: &Limits,
    ) -> Result<Vec<Unreachable>, String> {
        let value = promql::instant(&self.expression, source, at_ms, limits).map_err(|error| error.to_string())?;
        let Value::Vector(samples) = value else { return Ok(Vec::new()) };
        let low = samples.into_iter().filter(|sample| sample.value <= self.value);
        Ok(low
            .map(|sample| Unreachable {
                key: self.key.clone(),
                labels: sample.labels,
                threshold: self.value,
                ceiling: sample.value,
                unit: self.unit,
            })
            .collect())
    }
}
