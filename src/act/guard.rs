//! The guard: every reason for which a policy may not change anything now. Pure; each reason has a code and its words.

use std::time::Duration;

use crate::model::calendar::Zone;
use crate::model::calendar::cron::Cron;
use crate::model::duration;
use crate::model::moment::Moment;
use crate::model::plan::Refusal;
use crate::model::policy::{Mode, Policy, Undo};
use crate::state::journal::{Entry, Tally};
use crate::state::policies::{Armed, Stopped};

/// Who or what would have it done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// An alert or a schedule.
    Itself,
    /// A person: who stands for having looked, which is what arming and the cooldown are for.
    Hand,
}

/// Everything that is known.
#[derive(Clone, Copy, Debug)]
pub struct Facts<'a> {
    pub policy: &'a Policy,
    pub by: By,
    /// Whether the feature switch `ai_optimization` is on.
    pub is_enabled: bool,
    pub stopped: Option<&'a Stopped>,
    pub armed: Option<&'a Armed>,
    /// What would be armed now.
    pub definition: &'a str,
    pub tally: Tally,
    /// Whether the target is up; `None`: it was not read yet.
    pub up: Option<bool>,
    /// Changes that are not over, of this target and of every other that is the same server.
    pub others: &'a [Entry],
    /// The setting as the server knows it, once that was asked; else as the policy writes it.
    pub key: &'a str,
    pub now: Moment,
}

/// Every reason against it, in the order in which they are checked; none: it may be done.
pub fn refusals(facts: &Facts<'_>) -> Vec<Refusal> {
    CHECKS.iter().filter_map(|check| check(facts)).collect()
}

const CHECKS: &[fn(&Facts<'_>) -> Option<Refusal>] =
    &[feature, mode, arming, stop, cooldown, window, day, target, is_busy, stacked];

fn refuse(code: &'static str, what: String, hint: impl Into<String>) -> Option<Refusal> {
    Some(Refusal::new(code, what).hint(hint))
}

fn feature(facts: &Facts<'_>) -> Option<Refusal> {
    if facts.is_enabled {
        return None;
    }
    let hint = "It is switched off by ai_optimization = false in [features].";
    refuse("act-01", "the agent may set nothing: the feature ai_optimization is off".to_string(), hint)
}

fn mode(facts: &Facts<'_>) -> Option<Refusal> {
    let name = &facts.policy.name;
    match (facts.policy.mode, facts.by) {
        (Mode::DryRun, _) => {
            let hint = "Set mode = \"approve\" to have it done by hand, or mode = \"auto\" and arm it.";
            refuse("act-02", format!("policy '{name}' is in mode dry-run, which changes nothing"), hint)
        }
        (Mode::Approve, By::Itself) => {
            let hint = format!("Have it done with `watchward policy run '{name}'`.");
            refuse("act-03", format!("policy '{name}' is in mode approve and waits for a person"), hint)
        }
        _ => None,
    }
}

fn arming(facts: &Facts<'_>) -> Option<Refusal> {
    if facts.policy.mode != Mode::Auto || facts.by == By::Hand {
        return None;
    }
    let name = &facts.policy.name;
    let hint = format!("Look at `watchward policy run '{name}' --dry-run`, then `watchward policy arm '{name}'`.");
    match facts.armed {
        None => refuse("act-04", format!("policy '{name}' is not armed"), hint),
        Some(armed) if armed.definition != facts.definition => {
            refuse("act-05", format!("policy '{name}' was edited since {} armed it", armed.actor), hint)
        }
        Some(_) => None,
    }
}

fn stop(facts: &Facts<'_>) -> Option<Refusal> {
    facts.stopped.map(is_stopped)
}

/// Everything is stopped.
pub fn is_stopped(stopped: &Stopped) -> Refusal {
    Refusal::new("act-06", format!("all actions are stopped, by {}", stopped.actor))
        .hint("`watchward policy start` lets policies act again.")
}

fn cooldown(facts: &Facts<'_>) -> Option<Refusal> {
    let last_ms = facts.tally.last_ms.filter(|_| facts.by == By::Itself)?;
    let passed = Duration::from_millis(u64::try_from(facts.now.stored_ms - last_ms).unwrap_or(0));
    let left = facts.policy.limits.cooldown.checked_sub(passed).filter(|left| !left.is_zero())?;
    let (left, whole) = (seconds_up(left), duration::format(facts.policy.limits.cooldown));
    let what = format!("policy '{}' cools down for another {}", facts.policy.name, duration::format(left));
    refuse("act-07", what, format!("After each change it rests for cooldown = \"{whole}\"."))
}

/// Whole seconds, so that two looks at the same moment read the same.
fn seconds_up(left: Duration) -> Duration {
    Duration::from_secs(left.as_secs() + u64::from(left.subsec_nanos() > 0))
}

fn window(facts: &Facts<'_>) -> Option<Refusal> {
    let window = facts.policy.limits.window.as_ref().filter(|window| !window.contains(facts.now.wall_ms))?;
    let what = format!("it is outside the window '{window}' of policy '{}' ({})", facts.policy.name, window.zone());
    refuse("act-08", what, "The policy changes settings in its window only, be it by hand.")
}

fn day(facts: &Facts<'_>) -> Option<Refusal> {
    let most = facts.policy.limits.per_day_max;
    if facts.tally.today < most {
        return None;
    }
    let what = format!("policy '{}' has made {} of {most} changes today", facts.policy.name, facts.tally.today);
    refuse("act-09", what, "Its limit is max_per_day; the count begins anew at midnight.")
}

fn target(facts: &Facts<'_>) -> Option<Refusal> {
    let name = &facts.policy.set.target;
    match facts.up {
        Some(true) => None,
        Some(false) => {
            refuse("act-10", format!("target '{name}' is down"), "It must be read well before it is changed.")
        }
        None => {
            let what = format!("nothing is known of target '{name}' yet");
            refuse("act-11", what, "It must be read well before it is changed.")
        }
    }
}

fn is_busy(facts: &Facts<'_>) -> Option<Refusal> {
    under_way(&facts.policy.tenant, &facts.policy.set.target, facts.others)
}

/// One of these changes is under way. What others do to a server that they share is theirs to know.
pub fn under_way(tenant: &str, target: &str, others: &[Entry]) -> Option<Refusal> {
    let entry = others.iter().find(|one| one.phase.is_under_way())?;
    if entry.tenant != tenant {
        let what = format!("another tenant has a change under way on the server of target '{target}'");
        return Some(Refusal::new("act-12", what));
    }
    let (target, key) = (&entry.target, &entry.step.key);
    let what = format!("target '{target}' has a change under way: entry {} of {key}", entry.id);
    refuse("act-12", what, format!("Look at `watchward journal show {}`.", entry.id))
}

/// A change that owes its undo must not lie under another one.
fn stacked(facts: &Facts<'_>) -> Option<Refusal> {
    let is_same = |one: &&Entry| one.step.key == facts.key && one.is_open() && !one.phase.is_under_way();
    let entry = facts.others.iter().find(is_same)?;
    if entry.tenant != facts.policy.tenant {
        let (key, target) = (&entry.step.key, &facts.policy.set.target);
        let what = format!("another tenant has changed {key} on the server of target '{target}' and is not over");
        return Some(Refusal::new("act-13", what));
    }
    let what = format!(
        "entry {} of policy '{}' has changed {} of target '{}' and is not over",
        entry.id, entry.policy, entry.step.key, entry.target
    );
    let hint = match entry.undo {
        Undo::OnResolve => {
            format!("It is taken back when its alert ends, or with `watchward journal undo {}`.", entry.id)
        }
        Undo::Manual => format!("Look at `watchward journal show {}`.", entry.id),
    };
    refuse("act-13", what, hint)
}

/// When the policy's day began, by the calendar: midnight of its window's time zone, else of the agent's.
pub fn day_began_ms(policy: &Policy, zone: &Zone, now_wall_ms: i64) -> i64 {
    const LOOK_BACK_MS: i64 = 27 * 3_600_000; // the longest day there is has 25 hours
    let zone = policy.limits.window.as_ref().map_or(zone, |window| window.zone());
    let midnights = Cron::parse("0 0 * * *", zone).ok();
    midnights.and_then(|cron| latest(&cron, now_wall_ms - LOOK_BACK_MS, now_wall_ms)).unwrap_or(now_wall_ms)
}

/// The last time a schedule names, after the one moment and not after the other.
pub fn latest(cron: &Cron, after_ms: i64, until_ms: i64) -> Option<i64> {
    let times = std::iter::successors(cron.next_after(after_ms), |at_ms| cron.next_after(*at_ms));
    times.take_while(|at_ms| *at_ms <= until_ms).last()
}
