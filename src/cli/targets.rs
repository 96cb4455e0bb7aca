//! `targets`: what is watched, in full.

use crate::cli::WELL;
use crate::cli::ask::Agent;
use crate::cli::output;
use crate::cli::seen::{self, Seen, Target, Wanted};
use crate::cli::table::{Side, age, clean, columns};
use crate::config::Source;
use crate::model::reading::UnknownKind;
use crate::sys::clock;

/// Asks the running agent and prints a table, or the targets as JSON.
pub fn run(source: &Source, wanted: &Wanted, as_json: bool) -> u8 {
    match Agent::of(source).and_then(|mut agent| seen::ask(&mut agent, wanted)) {
        Ok(seen) if as_json => output::answer(&format!("{}\n", serde_json::Value::Array(seen.raw_targets)), WELL),
        Ok(seen) => output::answer(&text(&seen, clock::system_ms()), WELL),
        Err(refused) => refused.say(),
    }
}

/// The table; below it, why targets are down and which rows are unknown.
pub fn text(seen: &Seen, now_ms: i64) -> String {
    let heads = [
        ("STATE", Side::Left),
        ("FOR", Side::Right),
        ("TARGET", Side::Left),
        ("ENGINE", Side::Left),
        ("ROLE", Side::Left),
        ("INSTANCE", Side::Left),
        ("EVERY", Side::Right),
        ("READ", Side::Right),
        ("TOOK", Side::Right),
        ("SERIES", Side::Right),
    ];
    let row = |one: &Target| {
        let read = one.last_cycle.as_deref().map_or(String::new(), |at| format!("{} ago", since(at, now_ms)));
        let took = if read.is_empty() { String::new() } else { format!("{:.0} ms", one.cycle_took_s * 1000.0) };
        let lasts = one.up.and(one.since.as_deref()).map_or(String::new(), |at| since(at, now_ms));
        vec![
            one.state().to_string(),
            lasts,
            one.title(),
            one.kind(),
            clean(&one.role),
            clean(&one.instance),
            format!("{}s", one.interval_s),
            read,
            took,
            one.series.to_string(),
        ]
    };
    let mut out = columns(&heads, &seen.targets.iter().map(row).collect::<Vec<_>>());
    for one in &seen.targets {
        if let Some(fault) = &one.fault {
            out.push_str(&format!("\n{}: {}\n", one.title(), clean(&fault.what)));
            if !fault.hint.is_empty() {
                out.push_str(&format!("  hint: {}\n", clean(&fault.hint)));
            }
        }
        for row in one.unknown_rows.iter().filter(|row| row.kind != UnknownKind::NotHere.word()) {
            let (name, kind) = (clean(&row.row), clean(&row.kind));
            out.push_str(&format!("\n{}: the row {name} is unknown ({kind}): {}\n", one.title(), clean(&row.reason)));
        }
    }
    out
}

fn since(at: &str, now_ms: i64) -> String {
    let moment: Option<jiff::Timestamp> = at.parse().ok();
    moment.map_or_else(|| "?".to_string(), |at| age((now_ms - at.as_millisecond()) / 1000))
}
