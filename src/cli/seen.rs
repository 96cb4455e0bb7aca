//! What the running agent says of its targets and alerts, and which of them are asked for.

use std::collections::BTreeMap;

use clap::Args;
use serde::Deserialize;
use serde_json::Value;

use crate::cli::ask::{Agent, Refused};
use crate::cli::table::clean;
use crate::model::fault::Fault;
use crate::model::nearest::nearest;
use crate::model::reading::UnknownKind;

/// Which targets are meant; without a flag all.
#[derive(Args, Clone, Debug, Default)]
pub struct Wanted {
    /// Only targets of this tenant
    #[arg(long, value_name = "NAME")]
    pub tenant: Option<String>,
    /// Only this target, as NAME or TENANT/NAME
    #[arg(long, value_name = "NAME")]
    pub target: Option<String>,
}

impl Wanted {
    /// Whether something of a tenant's target is meant; `target` is empty for what concerns the agent itself.
    pub fn takes(&self, tenant: &str, target: &str) -> bool {
        let of_tenant = self.tenant.as_ref().is_none_or(|wanted| wanted == tenant);
        of_tenant
            && self.target.as_ref().is_none_or(|wanted| match wanted.split_once('/') {
                Some(both) => both == (tenant, target),
                None => wanted == target,
            })
    }
}

/// A target as `/api/v1/targets` tells of it. An agent of another version may tell less.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Target {
    pub tenant: String,
    pub name: String,
    pub engine: String,
    pub instance: String,
    pub up: Option<bool>,
    /// It was found, and wants a login that nobody gave.
    pub needs_credentials: bool,
    /// RFC 3339.
    pub since: Option<String>,
    /// RFC 3339.
    pub last_cycle: Option<String>,
    pub cycle_took_s: f64,
    pub interval_s: f64,
    pub series: u64,
    pub version: String,
    pub flavour: String,
    pub role: String,
    pub fault: Option<Why>,
    pub unknown_rows: Vec<UnknownRow>,
}

/// Why a target is down.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Why {
    pub what: String,
    pub hint: String,
}

/// A row that could not be read.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct UnknownRow {
    pub row: String,
    pub kind: String,
    pub reason: String,
}

/// An alert as `/api/v1/alerts` tells of it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub struct Alert {
    pub tenant: String,
    pub to: String,
    pub labels: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, String>,
    pub since: Option<String>,
}

impl Target {
    /// The name; with its tenant before it where it is not the default one.
    pub fn title(&self) -> String {
        if self.tenant == "default" { clean(&self.name) } else { clean(&format!("{}/{}", self.tenant, self.name)) }
    }

    /// `up`, `DOWN`, `needs credentials`, or `...` before the first cycle.
    pub fn state(&self) -> &'static str {
        match self.up {
            Some(true) => "up",
            Some(false) => "DOWN",
            None if self.needs_credentials => "needs credentials",
            None => "...",
        }
    }

    /// The engine, its version's number (packagers add words to it), and the flavour: 2.19 is another's than 7.17.
    pub fn kind(&self) -> String {
        let number = self.version.split(' ').next().unwrap_or("");
        let words = [self.engine.as_str(), number, self.flavour.as_str()];
        clean(&words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" "))
    }

    /// Rows that could not be read although the server has what they ask for.
    pub fn unread_rows(&self) -> usize {
        self.unknown_rows.iter().filter(|row| row.kind != UnknownKind::NotHere.word()).count()
    }
}

impl Alert {
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    pub fn is_firing(&self, severity: &str) -> bool {
        self.to == "firing" && self.label("severity") == severity
    }
}

/// Both, as they came and as they are read, of what was asked for.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    pub raw_targets: Vec<Value>,
    pub raw_alerts: Vec<Value>,
    pub targets: Vec<Target>,
    pub alerts: Vec<Alert>,
}

/// Asks the running agent.
///
/// # Errors
/// As `Agent::get`; `cli-06`: there is no such target.
pub fn ask(agent: &mut Agent, wanted: &Wanted) -> Result<Seen, Refused> {
    let (targets, alerts) = (agent.get("/api/v1/targets")?, agent.get("/api/v1/alerts")?);
    Ok(read(targets, alerts, wanted)?)
}

/// Reads the two answers, and leaves what was not asked for.
///
/// # Errors
/// `cli-06`: there is no such target.
pub fn read(targets: Value, alerts: Value, wanted: &Wanted) -> Result<Seen, Fault> {
    let all: Vec<(Target, Value)> = list(targets);
    let taken: Vec<_> = all.iter().filter(|(one, _)| wanted.takes(&one.tenant, &one.name)).cloned().collect();
    if taken.is_empty() && (wanted.tenant.is_some() || wanted.target.is_some()) {
        return Err(nothing(&all, wanted));
    }
    let (targets, raw_targets) = taken.into_iter().unzip();
    let alerts: Vec<(Alert, Value)> = list(alerts);
    let of_wanted = |one: &(Alert, Value)| wanted.takes(&one.0.tenant, one.0.label("target"));
    let (alerts, raw_alerts) = alerts.into_iter().filter(of_wanted).unzip();
    Ok(Seen { raw_targets, raw_alerts, targets, alerts })
}

fn list<T: for<'de> Deserialize<'de>>(answer: Value) -> Vec<(T, Value)> {
    let Value::Array(items) = answer else { return Vec::new() };
    items.into_iter().filter_map(|item| Some((T::deserialize(&item).ok()?, item))).collect()
}

fn nothing(all: &[(Target, Value)], wanted: &Wanted) -> Fault {
    let names = |of: fn(&Target) -> &str| all.iter().map(|(one, _)| of(one)).collect::<Vec<&str>>();
    match (&wanted.target, &wanted.tenant) {
        (None, Some(tenant)) => {
            let fault = Fault::new("cli-06", format!("the agent watches nothing of the tenant '{tenant}'"));
            hinted(fault, tenant, &names(|one| &one.tenant))
        }
        (target, tenant) => {
            let of_tenant = tenant.as_ref().map_or(String::new(), |tenant| format!(" of the tenant '{tenant}'"));
            let target = target.as_ref().map_or("", String::as_str);
            let fault = Fault::new("cli-06", format!("the agent watches no target '{target}'{of_tenant}"));
            hinted(fault, target, &names(|one| &one.name))
        }
    }
}

fn hinted(fault: Fault, name: &str, known: &[&str]) -> Fault {
    match nearest(name, known).first() {
        Some(near) => fault.hint(format!("Did you mean '{near}'?")),
        None => fault.hint("`watchward targets` lists what it watches."),
    }
}
