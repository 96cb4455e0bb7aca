//! `status`: a monitoring plug-in. Its first line is the plug-in's (state, words, figures behind a bar), its exit code
//! the plug-in's, and a table for people follows.

use serde_json::json;

use crate::cli::ask::{Agent, Refused};
use crate::cli::output;
use crate::cli::seen::{self, Alert, Seen, Target, Wanted};
use crate::cli::table::{Side, clean, columns, count};
use crate::cli::{REFUSED, UNKNOWN, WARNING, WELL};
use crate::config::Source;

/// How many names a line gives before it only counts.
const NAMES_MAX: usize = 3;

/// What is said in one line, and with which code to exit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    pub code: u8,
    /// Without the state before and the figures behind.
    pub words: String,
}

/// Asks the running agent, prints line and table or JSON, and says with which code to exit.
pub fn run(source: &Source, wanted: &Wanted, as_json: bool) -> u8 {
    match Agent::of(source).and_then(|mut agent| seen::ask(&mut agent, wanted)) {
        Ok(seen) => {
            let verdict = judge(&seen);
            output::answer(&if as_json { document(&verdict, &seen) } else { text(&verdict, &seen) }, verdict.code)
        }
        // Whatever hinders us, it says nothing about the databases.
        Err(refused) => output::answer(&unanswered(&refused, as_json), UNKNOWN),
    }
}

/// The plug-ins' word for a code.
pub fn word(code: u8) -> &'static str {
    match code {
        WELL => "OK",
        WARNING => "WARNING",
        REFUSED => "CRITICAL",
        _ => "UNKNOWN",
    }
}

/// 2: a target is down, or something critical fires. 3: nothing is watched, or nothing was read yet. 1: a warning fires,
/// or something could not be read. 0: all is up, and nothing fires but information.
pub fn judge(seen: &Seen) -> Verdict {
    let Seen { targets, alerts, .. } = seen;
    let firing = |severity: &str| alerts.iter().filter(|one| one.is_firing(severity)).collect::<Vec<_>>();
    let (critical, warning) = (firing("critical"), firing("warning"));
    let down: Vec<&Target> = targets.iter().filter(|one| one.up == Some(false)).collect();
    // A server that was found and wants a login nobody gave is no trouble, and no news of it either.
    let (wanting, unread): (Vec<&Target>, Vec<&Target>) =
        targets.iter().filter(|one| one.up.is_none()).partition(|one| one.needs_credentials);
    let partly: Vec<&Target> = targets.iter().filter(|one| one.up == Some(true) && one.unread_rows() > 0).collect();
    let code = if !down.is_empty() || !critical.is_empty() {
        REFUSED
    } else if unread.len() + wanting.len() == targets.len() {
        UNKNOWN
    } else if !warning.is_empty() || !unread.is_empty() || !partly.is_empty() {
        WARNING
    } else {
        WELL
    };
    let mut words = Vec::new();
    let mut tell = |what: String, names: Vec<String>| {
        if !names.is_empty() {
            words.push(format!("{what}: {}", listed(&names)));
        }
    };
    let of = |some: &[&Target], what: &str| format!("{} of {} {what}", some.len(), count(targets.len(), "target"));
    let titles = |some: &[&Target]| some.iter().map(|one| one.title()).collect::<Vec<_>>();
    tell(of(&down, "down"), titles(&down));
    tell(count(critical.len(), "critical alert"), critical.iter().map(name).collect());
    tell(count(warning.len(), "warning"), warning.iter().map(name).collect());
    tell(of(&unread, "not read yet"), titles(&unread));
    tell(of(&partly, "partly unknown"), titles(&partly));
    if targets.is_empty() {
        words.push("nothing is watched".to_string());
    } else if code == WELL {
        words.push(format!("{} up, nothing fires", count(targets.len() - wanting.len(), "target")));
    }
    if !wanting.is_empty() {
        words.push(format!("{} found without a login: {}", wanting.len(), listed(&titles(&wanting))));
    }
    Verdict { code, words: words.join("; ") }
}

/// `DiskFull (orders)`.
fn name(alert: &&Alert) -> String {
    let target = alert.label("target");
    let of = if target.is_empty() { String::new() } else { format!(" ({target})") };
    clean(&format!("{}{of}", alert.label("alertname")))
}

fn listed(names: &[String]) -> String {
    let more = names.len().saturating_sub(NAMES_MAX);
    let first = names.iter().take(NAMES_MAX).cloned().collect::<Vec<_>>().join(", ");
    if more == 0 { first } else { format!("{first} and {more} more") }
}

/// The figures, as plug-ins write them: `label=value;warn;crit;min;max`.
fn figures(seen: &Seen) -> String {
    let targets = |up: Option<bool>| seen.targets.iter().filter(|one| one.up == up).count();
    let alerts = |severity: &str| seen.alerts.iter().filter(|one| one.is_firing(severity)).count();
    format!(
        "up={};;;0;{} down={} unread={} critical={} warning={}",
        targets(Some(true)),
        seen.targets.len(),
        targets(Some(false)),
        seen.targets.iter().filter(|one| one.up.is_none() && !one.needs_credentials).count(),
        alerts("critical"),
        alerts("warning")
    )
}

/// The plug-in's line, then the table, then the alerts.
pub fn text(verdict: &Verdict, seen: &Seen) -> String {
    let mut out = format!("WATCHWARD {} - {} | {}\n", word(verdict.code), verdict.words, figures(seen));
    let heads = [
        ("STATE", Side::Left),
        ("TARGET", Side::Left),
        ("ENGINE", Side::Left),
        ("ROLE", Side::Left),
        ("SERIES", Side::Right),
        ("WHY", Side::Left),
    ];
    let row = |one: &Target| {
        let why = match &one.fault {
            // What to do says more here than how we were turned away.
            Some(fault) if one.needs_credentials => clean(&fault.hint),
            Some(fault) => clean(&fault.what),
            None if one.unread_rows() > 0 => format!("{} unknown", count(one.unread_rows(), "row")),
            None => String::new(),
        };
        let state = one.state().to_string();
        vec![state, one.title(), one.kind(), clean(&one.role), one.series.to_string(), why]
    };
    if !seen.targets.is_empty() {
        out.push_str(&columns(&heads, &seen.targets.iter().map(row).collect::<Vec<_>>()));
    }
    for alert in &seen.alerts {
        let words = [&alert.to, alert.label("severity"), alert.label("alertname"), alert.label("target")].join(" ");
        let summary = alert.annotations.get("summary").map_or("", String::as_str);
        out.push_str(&format!("{}: {}\n", clean(words.trim_end()), clean(summary)));
    }
    out
}

fn document(verdict: &Verdict, seen: &Seen) -> String {
    let Verdict { code, words } = verdict;
    let status = word(*code).to_ascii_lowercase();
    let (targets, alerts) = (&seen.raw_targets, &seen.raw_alerts);
    format!("{}\n", json!({ "status": status, "code": code, "summary": words, "targets": targets, "alerts": alerts }))
}

/// What a plug-in says that could not look: on standard output, where the monitoring system reads it.
pub fn unanswered(refused: &Refused, as_json: bool) -> String {
    let (first, rest) = refused.words.split_once('\n').unwrap_or((&refused.words, ""));
    if as_json {
        let status = word(UNKNOWN).to_ascii_lowercase();
        return format!("{}\n", json!({ "status": status, "code": UNKNOWN, "summary": first, "why": rest }));
    }
    let rest: String = rest.lines().map(|line| format!("{}\n", clean(line))).collect();
    format!("WATCHWARD {} - {}\n{rest}", word(UNKNOWN), clean(first))
}
