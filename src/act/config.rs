//! The sections `[[policy]]`: what each waits for, what it sets, how far it may go by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::act::when;
use crate::model::calendar::Zone;
use crate::model::calendar::window::Window;
use crate::model::fault::Fault;
use crate::model::policy::{Limits, Mode, Policy, Set, Undo, When};
use crate::model::schema::{Key, Kind, Origin, Table};

pub const KEYS: &[Key] = &[
    Key::required("name", Kind::Text, "What it is called in commands and records.")
        .example("\"more memory for sorting\""),
    Key::new("tenant", Kind::Text, "\"default\"", "The tenant it belongs to; it hears and touches only that one's."),
    Key::required(
        "when",
        Kind::Text,
        "What it waits for: `alert:NAME`, or `alert:NAME{label=\"value\"}` for some of them, or `schedule:` and a \
         cron expression, with a time zone behind it if need be.",
    )
    .example("\"alert:TempFilesHigh{target=\\\"orders\\\"}\""),
    Key::required("do", Kind::Section(DO_KEYS), "What it does."),
    Key::new(
        "mode",
        Kind::Choice(Mode::WORDS),
        "\"dry-run\"",
        "How far it may go by itself. dry-run: it says what it would do; approve: it proposes, and a person has it \
         done with `watchward policy run`; auto: it does it, once armed with `watchward policy arm`.",
    ),
    Key::new(
        "undo",
        Kind::Choice(Undo::WORDS),
        "\"manual\"",
        "What takes a change back. manual: `watchward journal undo`; on_resolve: the end of the alert.",
    ),
    Key::new("guard", Kind::Section(GUARD_KEYS), "{}", "What holds it back."),
];

pub const DO_KEYS: &[Key] =
    &[Key::new("set", Kind::Section(SET_KEYS), "", "Gives a setting of a server a value, without a restart.")];

pub const SET_KEYS: &[Key] = &[
    Key::required("target", Kind::Text, "The target, one of the policy's tenant.").example("\"orders\""),
    Key::required("key", Kind::Text, "The setting, as the server calls it.").example("\"work_mem\""),
    Key::required("value", Kind::Text, "The value, as one would write it for the server.").example("\"64MB\""),
];

pub const GUARD_KEYS: &[Key] = &[
    Key::new(
        "cooldown",
        Kind::Duration { min: "0", max: "30d" },
        "\"15m\"",
        "How long after a change of this policy it makes no other by itself.",
    ),
    Key::new(
        "window",
        Kind::Window,
        "",
        "When it may change anything: days, times, and a time zone if it is not the agent's. Without it, always.",
    )
    .example("\"Mon-Fri 22:00-05:00 Europe/Berlin\""),
    Key::new(
        "max_per_day",
        Kind::Whole { min: 1, max: 1000 },
        "4",
        "How many changes it may make in a day, which begins at midnight in the window's time zone, else the agent's.",
    ),
];

/// What is wrong, and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    pub origin: Origin,
    pub fault: Fault,
}

/// Reads the sections, whose keys and types were checked before. `zone` is that of schedules and windows that name none.
///
/// # Errors
/// Every mistake at once: names given twice, a `when` or window that cannot be read, nothing to do, an undo that nothing
/// would cause.
pub fn read(tables: &[&Table], zone: &Zone) -> Result<Vec<Policy>, Vec<Mistake>> {
    let (mut policies, mut mistakes) = (Vec::new(), Vec::new());
    let mut names: BTreeMap<(String, String), Origin> = BTreeMap::new();
    for table in tables {
        let name = table.text("name").to_string();
        if name.trim().is_empty() || name.chars().any(char::is_control) || name.chars().count() > NAME_CHARS_MAX {
            let what =
                format!("a policy's name has 1 to {NAME_CHARS_MAX} characters, none of them a control character");
            mistakes.push(mistake(table, "name", Fault::new("act-30", what)));
        }
        let identity = (table.text("tenant").to_string(), name.clone());
        if let Some(before) = names.insert(identity, table.origin("name").unwrap_or(&table.origin).clone()) {
            let fault = Fault::new("act-31", format!("policy '{name}' is there twice"))
                .detail(format!("It is also on line {} of {}.", before.line, before.file))
                .hint("Name each policy of a tenant differently.");
            mistakes.push(mistake(table, "name", fault));
        }
        policies.extend(read_one(table, zone, &mut mistakes));
    }
    if mistakes.is_empty() { Ok(policies) } else { Err(mistakes) }
}

const NAME_CHARS_MAX: usize = 100;

fn read_one(table: &Table, zone: &Zone, mistakes: &mut Vec<Mistake>) -> Option<Policy> {
    let name = table.text("name").to_string();
    let when = when::read(table.text("when"), zone).map_err(|fault| mistakes.push(mistake(table, "when", fault))).ok();
    let undo = Undo::from_word(table.text("undo")).unwrap_or(Undo::Manual);
    if let (Undo::OnResolve, Some(When::Schedule(_))) = (undo, &when) {
        let fault = Fault::new("act-33", format!("policy '{name}' has undo = \"on_resolve\" and a schedule"))
            .hint("A schedule never resolves: take undo = \"manual\", or a second schedule that sets the value back.");
        mistakes.push(mistake(table, "undo", fault));
    }
    let guard = table.table("guard");
    let limits = guard.map(|guard| read_limits(guard, zone, mistakes));
    let set = table.table("do").and_then(|table| table.table("set"));
    if set.is_none() && table.has("do") {
        let fault = Fault::new("act-34", format!("policy '{name}' has nothing to do"))
            .hint("Write do = { set = { target = \"…\", key = \"…\", value = \"…\" } }.");
        mistakes.push(mistake(table, "do", fault));
    }
    let set = set?;
    Some(Policy {
        tenant: table.text("tenant").to_string(),
        when: when?,
        set: Set {
            target: set.text("target").to_string(),
            key: set.text("key").to_string(),
            value: set.text("value").to_string(),
        },
        mode: Mode::from_word(table.text("mode")).unwrap_or(Mode::DryRun),
        undo,
        limits: limits?,
        name,
    })
}

fn read_limits(guard: &Table, zone: &Zone, mistakes: &mut Vec<Mistake>) -> Limits {
    let window = match guard.text("window") {
        "" => None,
        text => Window::parse(text, zone).map_err(|fault| mistakes.push(mistake(guard, "window", fault))).ok(),
    };
    Limits {
        cooldown: if guard.has("cooldown") { guard.duration("cooldown") } else { Duration::from_secs(15 * 60) },
        window,
        per_day_max: u32::try_from(guard.whole("max_per_day")).unwrap_or(1),
    }
}

fn mistake(table: &Table, key: &str, fault: Fault) -> Mistake {
    Mistake { origin: table.origin(key).unwrap_or(&table.origin).clone(), fault }
}
