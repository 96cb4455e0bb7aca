//! What `top` shows: for each target the figures that its engine's tables name, and the alerts that fire.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::cli::ask::{Asker, Refused};
use crate::cli::query::Answer;
use crate::cli::seen::{self, Alert, Seen, Target, Wanted};
use crate::cli::table::{clean, count, cut, short};
use crate::config::url::encode;
use crate::engines;
use crate::judge::thresholds;
use crate::model::duration;
use crate::model::moment::rfc3339;

/// The shortest span of a rate. It is four intervals where these are longer, so that a cycle may be late.
const WINDOW_MIN_S: f64 = 20.0;

/// A figure by the key that engines' tables give it: its head, and what stands behind its number.
const FIGURES: &[(&str, &str, &str)] = &[
    ("connection_count", "CONN", ""),
    ("operations", "OPS/S", ""),
    ("lag", "LAG", "s"),
    ("cpu_usage", "CPU", "%"),
    ("memory_usage", "MEM", "%"),
    ("disk_usage", "DISK", "%"),
];

/// Tenant and name.
type Identity = (String, String);

/// Everything at one moment.
#[derive(Clone, Debug, Default)]
pub struct Glance {
    pub at_ms: i64,
    pub seen: Seen,
    /// By key, by target.
    pub figures: BTreeMap<&'static str, BTreeMap<Identity, f64>>,
}

/// The expressions to ask for the targets' engines: key and expression, the highest value of each target.
pub fn expressions(targets: &[Target]) -> Vec<(&'static str, String)> {
    let mut out = Vec::new();
    for engine in engines::ALL {
        let mine = targets.iter().filter(|one| one.engine == engine.word());
        let Some(interval_s) = mine.map(|one| one.interval_s).reduce(f64::max) else { continue };
        let window = Duration::try_from_secs_f64((4.0 * interval_s).max(WINDOW_MIN_S).ceil()).unwrap_or_default();
        let card = engine.card();
        let measured = card.thresholds.iter().map(|row| (row.key, thresholds::with_matchers(row.expression, "")));
        let named = card.glance.iter();
        let others = named.map(|row| (row.key, row.expression.replace("{window}", &duration::format(window))));
        for (key, expression) in measured.chain(others) {
            out.push((key, format!("max by (tenant, target) ({expression})")));
        }
    }
    out
}

/// Asks the running agent for everything.
///
/// # Errors
/// As `Asker::get`; `cli-06`: there is no such target.
pub async fn look(asker: &mut Asker, wanted: &Wanted, at_ms: i64) -> Result<Glance, Refused> {
    let (targets, alerts) = (asker.get("/api/v1/targets").await?, asker.get("/api/v1/alerts").await?);
    let seen = seen::read(targets, alerts, wanted)?;
    let mut figures: BTreeMap<&'static str, BTreeMap<Identity, f64>> = BTreeMap::new();
    for (key, expression) in expressions(&seen.targets) {
        let answer = asker.get(&format!("/api/v1/query?query={}", encode(&expression, ""))).await?;
        for series in Answer::read(&answer["data"]).series {
            let label = |name: &str| series.labels.get(name).cloned().unwrap_or_default();
            let value = series.values.last().and_then(|(_, value)| value.parse().ok());
            if let Some(value) = value {
                figures.entry(key).or_default().insert((label("tenant"), label("target")), value);
            }
        }
    }
    Ok(Glance { at_ms, seen, figures })
}

/// How grave a cell is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Tone {
    #[default]
    Plain,
    Bad,
    Warning,
    Faint,
}

impl Tone {
    fn paint(self, text: &str, has_colours: bool) -> String {
        let code = match self {
            _ if !has_colours => return text.to_string(),
            Tone::Plain => return text.to_string(),
            Tone::Bad => "1;31",
            Tone::Warning => "33",
            Tone::Faint => "2",
        };
        format!("\x1b[{code}m{text}\x1b[0m")
    }
}

struct Column {
    head: &'static str,
    /// Columns with the lowest go first where the terminal is narrow.
    rank: usize,
    is_number: bool,
    cells: Vec<(String, Tone)>,
}

impl Column {
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|(cell, _)| cell.chars().count());
        cells.chain([self.head.chars().count()]).max().unwrap_or(0)
    }

    fn cell(&self, text: &str) -> String {
        let width = self.width();
        if self.is_number { format!("{text:>width$}") } else { format!("{text:width$}") }
    }
}

impl Glance {
    fn alerts_of(&self, target: &Target, severity: &str) -> usize {
        let alerts = self.seen.alerts.iter().filter(|one| one.is_firing(severity));
        alerts.filter(|one| one.tenant == target.tenant && one.label("target") == target.name).count()
    }

    fn figure(&self, key: &str, target: &Target) -> Option<f64> {
        self.figures.get(key)?.get(&(target.tenant.clone(), target.name.clone())).copied()
    }

    /// What is down or alerts comes first.
    fn sorted(&self) -> Vec<&Target> {
        let mut targets: Vec<&Target> = self.seen.targets.iter().collect();
        targets.sort_by_key(|one| {
            let (critical, warning) = (self.alerts_of(one, "critical"), self.alerts_of(one, "warning"));
            (one.up != Some(false), critical == 0, warning == 0, &one.tenant, &one.name)
        });
        targets
    }

    fn table(&self) -> Vec<Column> {
        let targets = self.sorted();
        let column = |head, rank, is_number, cell: &dyn Fn(&Target) -> (String, Tone)| Column {
            head,
            rank,
            is_number,
            cells: targets.iter().map(|one| cell(one)).collect(),
        };
        let plain = |text: String| (text, Tone::Plain);
        let state_tone = |one: &Target| match one.up {
            Some(true) => Tone::Plain,
            Some(false) => Tone::Bad,
            None => Tone::Faint,
        };
        let took = |one: &Target| match one.last_cycle {
            Some(_) => format!("{:.0}ms", one.cycle_took_s * 1000.0),
            None => String::new(),
        };
        let mut columns = vec![
            column("STATE", 20, false, &|one| (one.state().to_string(), state_tone(one))),
            column("TARGET", 19, false, &|one| plain(one.title())),
            column("ALERTS", 18, false, &|one| self.alerts_cell(one)),
        ];
        let ranks = (10..18).rev();
        for ((key, head, unit), rank) in FIGURES.iter().zip(ranks) {
            let cell = |one: &Target| plain(self.figure(key, one).map_or(String::new(), |value| short(value) + unit));
            columns.push(column(head, rank, true, &cell));
        }
        columns.push(column("ROLE", 3, false, &|one| plain(clean(&one.role))));
        columns.push(column("TOOK", 2, true, &|one| plain(took(one))));
        columns.push(column("ENGINE", 1, false, &|one| plain(one.kind())));
        columns.retain(|column| column.rank > 18 || column.cells.iter().any(|(cell, _)| !cell.is_empty()));
        columns
    }

    fn alerts_cell(&self, one: &Target) -> (String, Tone) {
        let (critical, warning) = (self.alerts_of(one, "critical"), self.alerts_of(one, "warning"));
        let words = [(critical, "crit"), (warning, "warn")];
        let words = words.iter().filter(|(number, _)| *number > 0).map(|(number, word)| format!("{number} {word}"));
        let tone = match (critical, warning) {
            (0, 0) => Tone::Plain,
            (0, _) => Tone::Warning,
            _ => Tone::Bad,
        };
        (words.collect::<Vec<_>>().join(" "), tone)
    }

    /// The lines for a terminal of this size; what has no room is left out, and said to be.
    pub fn lines(&self, width: usize, height: usize, has_colours: bool) -> Vec<String> {
        let mut columns = self.table();
        let total = |columns: &[Column]| columns.iter().map(|one| one.width() + 2).sum::<usize>().saturating_sub(2);
        while columns.len() > 2 && total(&columns) > width {
            let least = columns.iter().enumerate().min_by_key(|(_, one)| one.rank).map_or(0, |(at, _)| at);
            columns.remove(least);
        }
        let mut out = vec![cut(&self.headline(), width), String::new()];
        let heads: Vec<String> = columns.iter().map(|one| one.cell(one.head)).collect();
        out.push(Tone::Faint.paint(&cut(heads.join("  ").trim_end(), width), has_colours));
        for row in 0..self.seen.targets.len() {
            out.push(line(&columns, row, width, has_colours));
        }
        let alerts = self.firing();
        if !alerts.is_empty() {
            out.push(String::new());
        }
        out.extend(alerts.iter().map(|(words, tone)| tone.paint(&cut(words, width), has_colours)));
        if out.len() > height {
            let hidden = out.len() + 1 - height;
            out.truncate(height.saturating_sub(1));
            out.push(cut(&format!("… {} more", count(hidden, "line")), width));
        }
        out
    }

    fn headline(&self) -> String {
        let targets = |up: Option<bool>| self.seen.targets.iter().filter(|one| one.up == up).count();
        let alerts = |severity: &str| self.seen.alerts.iter().filter(|one| one.is_firing(severity)).count();
        let mut parts = vec![format!("{} of {} up", targets(Some(true)), count(self.seen.targets.len(), "target"))];
        let wanting = self.seen.targets.iter().filter(|one| one.up.is_none() && one.needs_credentials).count();
        for (number, word) in
            [(wanting, "without a login"), (alerts("critical"), "critical"), (alerts("warning"), "warning")]
        {
            if number > 0 {
                parts.push(format!("{number} {word}"));
            }
        }
        format!("watchward  {}  {}", parts.join(", "), rfc3339(self.at_ms))
    }

    fn firing(&self) -> Vec<(String, Tone)> {
        let words = |one: &Alert| {
            let summary = one.annotations.get("summary").map_or("", String::as_str);
            clean(&format!("{} {} {}: {summary}", one.label("severity"), one.label("alertname"), one.label("target")))
        };
        let of = |severity: &'static str, tone: Tone| {
            self.seen.alerts.iter().filter(move |one| one.is_firing(severity)).map(move |one| (words(one), tone))
        };
        of("critical", Tone::Bad).chain(of("warning", Tone::Warning)).collect()
    }

    /// One JSON object.
    pub fn document(&self) -> Value {
        let target = |one: &&Target| {
            let figures =
                FIGURES.iter().filter_map(|(key, _, _)| Some((key.to_string(), json!(self.figure(key, one)?))));
            json!({
                "tenant": one.tenant,
                "target": one.name,
                "engine": one.engine,
                "role": one.role,
                "up": one.up,
                "cycle_took_s": one.cycle_took_s,
                "figures": figures.collect::<Map<String, Value>>(),
                "alerts": { "critical": self.alerts_of(one, "critical"), "warning": self.alerts_of(one, "warning") },
            })
        };
        let targets: Vec<Value> = self.sorted().iter().map(target).collect();
        json!({ "at": rfc3339(self.at_ms), "targets": targets })
    }

    /// The engines' keys that no column shows: a table's row that nobody would see.
    pub fn unshown() -> BTreeSet<&'static str> {
        let rows = engines::ALL.iter().flat_map(|engine| engine.card().glance);
        rows.map(|row| row.key).filter(|key| !FIGURES.iter().any(|(known, _, _)| known == key)).collect()
    }
}

fn line(columns: &[Column], row: usize, width: usize, has_colours: bool) -> String {
    let mut out = String::new();
    let mut left = width;
    for (at, column) in columns.iter().enumerate() {
        let (text, tone) = &column.cells[row];
        let is_last = at + 1 == columns.len();
        let cell = column.cell(text);
        let cell = if is_last { cell.trim_end().to_string() } else { cell + "  " };
        let cell = cut(&cell, left);
        left -= cell.chars().count();
        out.push_str(&tone.paint(&cell, has_colours));
    }
    if has_colours { out } else { out.trim_end().to_string() }
}
