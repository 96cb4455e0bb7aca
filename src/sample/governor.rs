//! The governor: what the agent itself may use, and what it does without when it uses more. Pure: measurements and time
//! are given.

use std::cmp::Ordering;
use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

/// How often rows are asked at each level, as a part of their own pace.
const STRETCH: [u32; LEVELS] = [1, 2, 4, 8, 8, 8, 8, 8];

/// What is not asked at each level: `None` is nothing, else every optional row, and of the others the heaviest that
/// make up this part of what they all weigh.
const DROPPED: [Option<f64>; LEVELS] = [None, None, None, None, Some(0.0), Some(0.25), Some(0.5), Some(0.75)];

const LEVELS: usize = 8;

/// Below this part of the budget the agent is at ease. Between it and the budget everything stays as it is.
const EASE: f64 = 0.8;

/// How long it must be at ease before it asks more again, in windows.
const CALM: u32 = 5;

/// What that grows to, where asking more was too much time and again.
const CALM_MAX: u32 = 360;

/// How long memory may stay above its budget before the next step, in windows: samples leave memory slowly.
const MEMORY_PATIENCE: u32 = 5;

/// What the agent may use.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Budget {
    /// Processor time, as a part of one core.
    pub cpu_cores: f64,
    /// Memory that is the process' own.
    pub memory_bytes: u64,
    /// Over how long it is measured.
    pub window: Duration,
}

/// What the agent has used until a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Processor time since the process began.
    pub cpu: Duration,
    /// What it holds of memory.
    pub memory_bytes: u64,
}

/// What it used over the last whole window.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    pub cpu_cores: f64,
    /// The least it held at any time of the window: what passes is no reason to drop anything.
    pub memory_bytes: u64,
}

impl Load {
    /// The processor time, as a part of what it may be.
    pub fn cpu_ratio(&self, budget: &Budget) -> f64 {
        self.cpu_cores / budget.cpu_cores
    }

    /// The memory, as a part of what it may be.
    #[allow(clippy::cast_precision_loss)] // bytes of memory are far below 2^53
    pub fn memory_ratio(&self, budget: &Budget) -> f64 {
        self.memory_bytes as f64 / budget.memory_bytes.max(1) as f64
    }
}

/// How much the agent does without: 0 is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Level(usize);

impl Level {
    pub const MAX: Level = Level(LEVELS - 1);

    pub fn number(self) -> usize {
        self.0
    }

    /// How many times less often rows are asked.
    pub fn stretch(self) -> u32 {
        STRETCH[self.0]
    }
}

/// Decides the level. It never asks more again before it has been at ease for a while, and for longer each time that
/// this was too much.
#[derive(Clone, Debug)]
pub struct Governor {
    budget: Budget,
    level: Level,
    /// The last window, oldest first; the first is the last one from before it.
    readings: VecDeque<(Duration, Used)>,
    load: Load,
    changed_at: Duration,
    calm_since: Option<Duration>,
    /// How long it must be at ease, in windows.
    calm: u32,
    /// When it last asked more again.
    eased_at: Option<Duration>,
}

impl Governor {
    pub fn new(budget: Budget) -> Governor {
        Governor {
            budget,
            level: Level::default(),
            readings: VecDeque::new(),
            load: Load::default(),
            changed_at: Duration::ZERO,
            calm_since: None,
            calm: CALM,
            eased_at: None,
        }
    }

    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    pub fn level(&self) -> Level {
        self.level
    }

    /// What was used over the last whole window.
    pub fn load(&self) -> Load {
        self.load
    }

    /// Takes what has been used until `now` (monotonic). Says whether the level changed.
    pub fn observe(&mut self, now: Duration, used: Used) -> bool {
        self.readings.push_back((now, used));
        let window = self.budget.window;
        while self.readings.get(1).is_some_and(|(at, _)| now.saturating_sub(*at) >= window) {
            self.readings.pop_front();
        }
        let Some((from, first)) = self.readings.front().copied() else { return false };
        let span = now.saturating_sub(from);
        if span < window || span.is_zero() {
            return false; // since it began, or since the last step: not yet a whole window
        }
        self.load = Load {
            cpu_cores: used.cpu.saturating_sub(first.cpu).as_secs_f64() / span.as_secs_f64(),
            memory_bytes: self.readings.iter().map(|(_, used)| used.memory_bytes).min().unwrap_or(0),
        };
        let before = self.level;
        self.step(now);
        if self.level == before {
            return false;
        }
        // What follows is measured by itself.
        self.readings.clear();
        self.readings.push_back((now, used));
        self.changed_at = now;
        self.calm_since = None;
        true
    }

    fn step(&mut self, now: Duration) {
        let (cpu, memory) = (self.load.cpu_ratio(&self.budget), self.load.memory_ratio(&self.budget));
        let window = self.budget.window;
        if cpu.max(memory) > 1.0 {
            self.calm_since = None;
            let patience = if cpu > 1.0 || self.level.0 == 0 { window } else { window * MEMORY_PATIENCE };
            if self.level < Level::MAX && now.saturating_sub(self.changed_at) >= patience {
                let was_too_much = self.eased_at.take().is_some_and(|at| now.saturating_sub(at) <= window * self.calm);
                self.calm = if was_too_much { (self.calm * 2).min(CALM_MAX) } else { CALM };
                self.level = Level(self.level.0 + 1);
            }
        } else if cpu.max(memory) <= EASE {
            let since = *self.calm_since.get_or_insert(now);
            if now.saturating_sub(since) < window * self.calm {
                return;
            }
            if self.level.0 == 0 {
                self.calm = CALM;
            } else {
                self.level = Level(self.level.0 - 1);
                self.eased_at = Some(now);
            }
        } else {
            self.calm_since = None;
        }
    }
}

/// One row of one target, and what it weighs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Weight {
    /// `tenant/name`.
    pub target: Arc<str>,
    pub row: &'static str,
    pub optional: bool,
    /// In cycles, as its table says.
    pub every: u32,
    /// What it last gave.
    pub series: usize,
}

impl Weight {
    /// Points that are read for it in a cycle, on average.
    #[allow(clippy::cast_precision_loss)] // series are far below 2^53
    fn points(&self) -> f64 {
        self.series as f64 / f64::from(self.every.max(1))
    }
}

/// From the least important to the most: optional rows, then what gives most points; names make it definite.
pub fn by_importance(one: &Weight, other: &Weight) -> Ordering {
    let names = |weight: &Weight| (weight.target.clone(), weight.row);
    let optional = other.optional.cmp(&one.optional);
    optional.then_with(|| other.points().total_cmp(&one.points())).then_with(|| names(one).cmp(&names(other)))
}

/// What every target is to do without.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orders {
    /// Rows are asked this many times less often.
    pub stretch: u32,
    /// Rows that are not asked: target and row.
    pub dropped: BTreeSet<(Arc<str>, &'static str)>,
}

impl Default for Orders {
    fn default() -> Orders {
        Orders { stretch: 1, dropped: BTreeSet::new() }
    }
}

impl Orders {
    pub fn drops(&self, target: &Arc<str>, row: &'static str) -> bool {
        !self.dropped.is_empty() && self.dropped.contains(&(target.clone(), row))
    }

    /// The orders of the level that follows. What is dropped already stays so on the way up, and on the way down
    /// nothing is dropped that was not: what rows weigh may have changed meanwhile.
    pub fn follow(&self, before: Level, level: Level, weights: Vec<Weight>) -> Orders {
        let wanted = dropped(level, weights);
        let dropped = if level > before {
            wanted.union(&self.dropped).cloned().collect()
        } else {
            wanted.intersection(&self.dropped).cloned().collect()
        };
        Orders { stretch: level.stretch(), dropped }
    }
}

/// What a level drops of these rows.
fn dropped(level: Level, mut weights: Vec<Weight>) -> BTreeSet<(Arc<str>, &'static str)> {
    let Some(part) = DROPPED[level.0] else { return BTreeSet::new() };
    weights.sort_by(by_importance);
    let all: f64 = weights.iter().filter(|weight| !weight.optional).map(Weight::points).sum();
    let mut gone = 0.0;
    let goes = |weight: &Weight| {
        let goes = weight.optional || gone < part * all;
        gone += if goes && !weight.optional { weight.points() } else { 0.0 };
        goes
    };
    weights.into_iter().filter(goes).map(|weight| (weight.target, weight.row)).collect()
}
