//! The table, and what it says about the figures to reach.

use std::fmt::Write;

use crate::blocks::{Block, Share, kib};
use crate::common::Outcome;
use crate::common::spread::Spread;
use crate::options::Options;
use crate::ours::Ours;
use crate::theirs::Stack;

/// Our PSS per 1,000 series, as a part of theirs, is not above this.
const PSS_RATIO_MAX: f64 = 0.5;
/// Our processor time per 1,000 series, as a part of theirs.
const CPU_RATIO_MAX: f64 = 1.0;
/// Row A: what the agent may hold, and its processor time as a part of the sum of theirs.
const ROW_A_PSS_MIB: f64 = 30.0;
const ROW_A_CPU_SHARE: f64 = 0.6;
/// Row B: what the agent may hold at 2,200 series, and how far from them its series may be.
const ROW_B_PSS_MIB: f64 = 40.0;
const ROW_B_SERIES: std::ops::RangeInclusive<f64> = 1_980.0..=2_420.0;

const MIB: f64 = 1024.0;

/// One row, measured.
pub struct Row {
    name: char,
    series: f64,
    their_series: Option<f64>,
    blocks: Vec<Block>,
    notes: Vec<String>,
    /// How many names of metrics the others have, and those that we lack.
    names: Option<(usize, Vec<String>)>,
}

impl Row {
    pub fn new(
        name: char,
        ours: &Ours,
        theirs: Option<&Stack>,
        blocks: Vec<Block>,
        mut notes: Vec<String>,
    ) -> Outcome<Row> {
        let their_series = theirs.map(Stack::series).transpose()?;
        notes.extend(ours.notes()?);
        Ok(Row { name, series: ours.series()?, their_series, blocks, notes, names: None })
    }

    /// Says how many names of metrics the others have, and which of them we lack.
    pub fn compare(mut self, theirs: usize, missing: Vec<String>) -> Row {
        self.names = Some((theirs, missing));
        self
    }

    /// Our figure over theirs, each per series, block by block.
    fn ratios(&self, ours: impl Fn(&Share) -> f64, theirs: impl Fn(&Block) -> f64) -> Option<Spread> {
        let their_series = self.their_series?;
        let ratio = |block: &Block| (ours(&block.ours) / self.series) / (theirs(block) / their_series);
        Some(Spread::of(self.blocks.iter().map(ratio)))
    }
}

pub fn text(options: &Options, rows: &[Row]) -> String {
    let mut text = format!(
        "Footprint: {} blocks of {} s after {} s; median (least–most) of the blocks. History: {} h, ours every 5 s, \
         Prometheus' every {} s (fewer samples: in its favour).\n",
        options.blocks,
        options.block.as_secs(),
        options.settle.as_secs(),
        options.hours,
        options.their_step.as_secs()
    );
    if cfg!(debug_assertions) && options.agent.to_string_lossy().contains("debug") {
        text.push_str("The agent is a debug build: its figures mean nothing.\n");
    }
    for row in rows {
        table(&mut text, row);
    }
    text.push_str("\nFigures to reach\n");
    for row in rows {
        figures(&mut text, row);
    }
    text
}

fn table(text: &mut String, row: &Row) {
    let heads = ["series", "PSS MiB", "RSS MiB", "anonymous MiB", "CPU % of a core"];
    let _ = writeln!(text, "\nRow {}\n| process | {} |\n|---|---|---|---|---|---|", row.name, heads.join(" | ")); // a String takes everything
    let ours: Vec<Vec<Share>> = row.blocks.iter().map(|block| vec![block.ours.clone()]).collect();
    line(text, "watchward", Some(row.series), &ours);
    let Some(their_series) = row.their_series else {
        return notes(text, row);
    };
    let count = row.blocks.first().map_or(0, |block| block.theirs.len());
    for place in 0..count {
        let one: Vec<Vec<Share>> = row.blocks.iter().map(|block| vec![block.theirs[place].clone()]).collect();
        line(text, &one[0][0].name.clone(), None, &one);
    }
    let all: Vec<Vec<Share>> = row.blocks.iter().map(|block| block.theirs.clone()).collect();
    line(text, "sum of theirs", Some(their_series), &all);
    per_thousand(text, "watchward, per 1,000 series", row.series, &ours);
    per_thousand(text, "theirs, per 1,000 series", their_series, &all);
    notes(text, row);
}

/// One line: the shares of one or more processes, added up in each block.
fn line(text: &mut String, name: &str, series: Option<f64>, blocks: &[Vec<Share>]) {
    let sum = |each: fn(&Share) -> f64| Spread::of(blocks.iter().map(|shares| shares.iter().map(each).sum()));
    let _ = writeln!(
        text,
        "| {name} | {} | {} | {} | {} | {} |",
        series.map_or(String::new(), |series| series.to_string()),
        sum(|share| kib(share.end.pss_kib) / MIB).text(1),
        sum(|share| kib(share.end.rss_kib) / MIB).text(1),
        sum(|share| kib(share.end.anonymous_kib) / MIB).text(1),
        sum(|share| share.cores * 100.0).text(2)
    );
}

fn per_thousand(text: &mut String, name: &str, series: f64, blocks: &[Vec<Share>]) {
    let scaled = |share: &Share| {
        let scale = |kib_count: u64| {
            #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // kibibytes
            let scaled = (kib(kib_count) * 1000.0 / series) as u64;
            scaled
        };
        let mut scaled = Share { cores: share.cores * 1000.0 / series, ..share.clone() };
        scaled.end.pss_kib = scale(share.end.pss_kib);
        scaled.end.rss_kib = scale(share.end.rss_kib);
        scaled.end.anonymous_kib = scale(share.end.anonymous_kib);
        scaled
    };
    let blocks: Vec<Vec<Share>> = blocks.iter().map(|shares| shares.iter().map(scaled).collect()).collect();
    line(text, name, None, &blocks);
}

fn notes(text: &mut String, row: &Row) {
    let peak = row.blocks.iter().map(|block| block.ours.end.peak_rss_kib).max().unwrap_or(0);
    let _ = writeln!(text, "- peak RSS of watchward since its start: {:.1} MiB", kib(peak) / MIB);
    for note in &row.notes {
        let _ = writeln!(text, "- {note}");
    }
}

fn figures(text: &mut String, row: &Row) {
    let mut say = |reached: bool, what: String| {
        let _ = writeln!(text, "{}  row {}: {what}", if reached { "PASS" } else { "FAIL" }, row.name);
    };
    if let Some(pss) = row.ratios(|share| kib(share.end.pss_kib), Block::their_pss_kib) {
        let what = format!("PSS per 1,000 series is {} of theirs; at most {PSS_RATIO_MAX}", pss.text(2));
        say(pss.median <= PSS_RATIO_MAX, what);
    }
    if let Some(cpu) = row.ratios(|share| share.cores, Block::their_cores) {
        let what = format!("CPU per 1,000 series is {} of theirs; at most {CPU_RATIO_MAX}", cpu.text(2));
        say(cpu.median <= CPU_RATIO_MAX, what);
    }
    let pss = Spread::of(row.blocks.iter().map(|block| kib(block.ours.end.pss_kib) / MIB));
    if row.name == 'A' {
        say(pss.median <= ROW_A_PSS_MIB, format!("PSS is {} MiB; at most {ROW_A_PSS_MIB}", pss.text(1)));
        let share = Spread::of(row.blocks.iter().map(|block| block.ours.cores / block.their_cores()));
        let what = format!("CPU is {} of the sum of theirs; at most {ROW_A_CPU_SHARE}", share.text(2));
        say(share.median <= ROW_A_CPU_SHARE, what);
    }
    if let Some((theirs, missing)) = &row.names {
        let lacks = match missing.len() {
            0 => "none".to_string(),
            count => format!("{count}: {}", missing.join(", ")),
        };
        say(
            missing.is_empty(),
            format!("of {theirs} names of metrics that they have of their servers, we lack {lacks}"),
        );
    }
    if row.name == 'B' {
        say(ROW_B_SERIES.contains(&row.series), format!("{} series; 2,200 give or take a tenth", row.series));
        say(pss.median <= ROW_B_PSS_MIB, format!("PSS is {} MiB; at most {ROW_B_PSS_MIB}", pss.text(1)));
    }
}
