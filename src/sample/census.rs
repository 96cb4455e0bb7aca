//! Between the governor and the targets' tasks: what their rows weigh, and what they are to do without.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::duration;
use crate::sample::governor::{Budget, Governor, Level, Load, Orders, Used, Weight};

/// How the budget stands, for people.
#[derive(Clone, Debug)]
pub struct Standing {
    pub budget: Budget,
    pub load: Load,
    pub level: Level,
    pub stretch: u32,
    pub rows_dropped: usize,
    /// What it used when it last had to do with less.
    over: Load,
}

impl Standing {
    /// What the agent does without, and why; `None` where it asks everything.
    pub fn complaint(&self) -> Option<String> {
        if self.level.number() == 0 {
            return None;
        }
        let Standing { budget, over, .. } = self;
        let mut why = Vec::new();
        if over.cpu_ratio(budget) > 1.0 {
            why.push(format!("it used {:.3} cores of {:.3}", over.cpu_cores, budget.cpu_cores));
        }
        if over.memory_ratio(budget) > 1.0 {
            why.push(format!("it held {} MiB of {} MiB", over.memory_bytes >> 20, budget.memory_bytes >> 20));
        }
        let rows = match self.rows_dropped {
            0 => "every row is still asked".to_string(),
            1 => "1 row is not asked".to_string(),
            count => format!("{count} rows are not asked"),
        };
        let (why, window) = (why.join(" and "), duration::format(budget.window));
        Some(format!("Over {window} {why}. Rows are asked {} times less often; {rows}.", self.stretch))
    }
}

/// What all targets' tasks share.
#[derive(Debug)]
pub struct Census {
    governor: Mutex<(Governor, Load)>,
    orders: Mutex<Arc<Orders>>,
    weights: Mutex<BTreeMap<Arc<str>, Vec<Weight>>>,
}

impl Census {
    /// That of a reading of its own, which ends before any budget could be measured.
    pub fn unbounded() -> Census {
        let window = Duration::from_secs(60);
        Census::new(Budget { cpu_cores: f64::INFINITY, memory_bytes: u64::MAX, window })
    }

    pub fn new(budget: Budget) -> Census {
        Census {
            governor: Mutex::new((Governor::new(budget), Load::default())),
            orders: Mutex::default(),
            weights: Mutex::default(),
        }
    }

    /// Another budget: what was done without is asked again, and measured anew.
    pub fn set_budget(&self, budget: Budget) {
        let mut governor = lock(&self.governor);
        if *governor.0.budget() != budget {
            *governor = (Governor::new(budget), Load::default());
            *lock(&self.orders) = Arc::default();
        }
    }

    /// Takes what the agent has used until now. Says how it stands, if that changed what is asked.
    pub fn observe(&self, now: Duration, used: Used) -> Option<Standing> {
        let mut governor = lock(&self.governor);
        let before = governor.0.level();
        if !governor.0.observe(now, used) {
            return None;
        }
        let level = governor.0.level();
        if level > before {
            governor.1 = governor.0.load();
        }
        drop(governor);
        let weights = lock(&self.weights).values().flatten().cloned().collect();
        let mut orders = lock(&self.orders);
        *orders = Arc::new(orders.follow(before, level, weights));
        drop(orders);
        Some(self.standing())
    }

    pub fn standing(&self) -> Standing {
        let (governor, orders) = (lock(&self.governor), self.orders());
        Standing {
            budget: *governor.0.budget(),
            load: governor.0.load(),
            level: governor.0.level(),
            stretch: orders.stretch,
            rows_dropped: orders.dropped.len(),
            over: governor.1,
        }
    }

    pub fn orders(&self) -> Arc<Orders> {
        lock(&self.orders).clone()
    }

    /// What the rows of a target weigh now.
    pub fn report(&self, target: &Arc<str>, weights: Vec<Weight>) {
        lock(&self.weights).insert(target.clone(), weights);
    }

    /// Forgets the targets that are watched no longer.
    pub fn retain(&self, is_watched: impl Fn(&str) -> bool) {
        lock(&self.weights).retain(|target, _| is_watched(target));
        let mut orders = lock(&self.orders);
        if orders.dropped.iter().any(|(target, _)| !is_watched(target)) {
            let mut left = Orders::clone(&orders);
            left.dropped.retain(|(target, _)| is_watched(target));
            *orders = Arc::new(left);
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
