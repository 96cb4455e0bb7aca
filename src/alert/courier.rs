//! A courier: tells one outlet what waits for it, one message at a time, in order for each group.
//!
//! What waits was committed before; the message is sent; then the attempt is logged and what arrived is taken off the
//! outbox, in one transaction. A kill before sending loses nothing, for the outbox stands; a kill between sending and
//! settling sends the same message again, with the same delivery id.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::alert::config::Config;
use crate::alert::message::{ALERTS_MAX, Letter, compose, compose_unrecorded};
use crate::alert::retry::{Verdict, wait};
use crate::alert::statistics::Counters;
use crate::alert::urgent::{Urgent, Urgents};
use crate::alert::webhook::{Poster, Reply, Webhook};
use crate::model::moment::Moment;
use crate::state::State;
use crate::state::deliveries::{Attempt, Outcome};
use crate::state::error::StateError;
use crate::state::outbox::{Outlet, Place, Waiting};
use crate::sys::clock::Stopwatch;

/// How long to wait before the state is tried again that could not be read or written.
const STATE_WAIT_MS: i64 = 5_000;

/// An answer too large to be read does not say whether the message was taken; after so many attempts that counts as no.
const OVERSIZED_MAX: u32 = 3;

/// What to do after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// There may be more: go on.
    Again,
    /// Nothing before this stored time, unless woken.
    At(i64),
    /// Nothing, until woken.
    Idle,
}

/// Why an outlet is not told at the moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub since_ms: i64,
    pub is_refusal: bool,
    /// The receiver's words, or why there are none.
    pub words: String,
}

/// What a courier works with; lent for each step.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    pub state: &'a State,
    pub config: &'a Config,
    pub counters: &'a Counters,
    pub external_url: &'a str,
}

/// The courier of one outlet.
pub struct Courier {
    pub outlet: Outlet,
    /// Something new waits.
    pub wake: Notify,
    urgents: Mutex<Urgents>,
    trouble: Mutex<Option<Trouble>>,
    hand: tokio::sync::Mutex<Hand>,
}

/// What only the step under way touches.
#[derive(Default)]
struct Hand {
    poster: Option<Poster>,
    /// Groups whose last message failed.
    tries: BTreeMap<i64, Try>,
    /// How often in a row there was no answer at all: then it is not the message that is at fault.
    unanswered: u32,
    /// The receiver is left alone until then: it asked for it, or did not answer.
    hold_until_ms: i64,
    unsettled: Option<Unsettled>,
}

#[derive(Clone, Copy, Debug)]
struct Try {
    failures: u32,
    next_ms: i64,
}

/// A message whose fate is known and could not be written down. Its group waits, or it would be told again.
struct Unsettled {
    group: i64,
    place: Place,
    letter: Letter,
    number: u32,
    at_ms: i64,
    outcome: Outcome,
    reply: Reply,
}

impl Unsettled {
    async fn settle(&self, context: &Context<'_>) -> bool {
        let attempt = Attempt {
            group: self.group,
            place: &self.place,
            notices: &self.letter.notices,
            delivery: &self.letter.delivery,
            number: self.number,
            at_ms: self.at_ms,
            outcome: self.outcome,
            status: self.reply.status,
            answer: &self.reply.words,
        };
        match context.state.settle(&attempt).await {
            Ok(queue) => {
                context.counters.note(queue);
                true
            }
            Err(error) => {
                let Outlet { receiver, channel } = &self.place.outlet;
                tracing::warn!("an attempt to tell {receiver} by {channel} cannot be logged: {error}");
                false
            }
        }
    }
}

impl Courier {
    pub fn new(outlet: Outlet) -> Courier {
        Courier {
            outlet,
            wake: Notify::new(),
            urgents: Mutex::default(),
            trouble: Mutex::default(),
            hand: tokio::sync::Mutex::default(),
        }
    }

    /// Why this outlet is not told at the moment; `None` while all goes well.
    pub fn trouble(&self) -> Option<Trouble> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Does something to what goes past the state.
    pub fn urgents<T>(&self, work: impl FnOnce(&mut Urgents) -> T) -> T {
        work(&mut self.urgents.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// One step: at most one message is sent.
    pub async fn step(&self, context: &Context<'_>, now: Moment) -> Next {
        let Some(webhook) = context.config.webhook(&self.outlet) else { return Next::Idle };
        let mut hand = self.hand.lock().await;
        let now_ms = now.stored_ms;
        if hand.hold_until_ms > now_ms {
            return Next::At(hand.hold_until_ms);
        }
        if let Some(urgent) = self.urgents(|urgents| urgents.take_due(now_ms)) {
            self.tell_urgent(&mut hand, context, webhook, urgent, now).await;
            return Next::Again;
        }
        if let Some(unsettled) = &hand.unsettled {
            if !unsettled.settle(context).await {
                return Next::At(now_ms + STATE_WAIT_MS);
            }
            hand.unsettled = None;
        }
        match hand.next_group(context.state, &self.outlet, now_ms).await {
            Ok(Some(group)) => self.tell_group(&mut hand, context, webhook, group, now).await,
            Ok(None) => self.rest(&mut hand),
            Err(error) => {
                tracing::warn!("the outbox cannot be read: {error}");
                Next::At(now_ms + STATE_WAIT_MS)
            }
        }
    }

    /// Nothing is due. An idle connection is not kept: by the next alert it would be a dead one.
    fn rest(&self, hand: &mut Hand) -> Next {
        hand.poster = None;
        let tries = hand.tries.values().map(|one| one.next_ms);
        let next = tries.chain(self.urgents(|urgents| urgents.next_ms())).min();
        next.map_or(Next::Idle, Next::At)
    }

    async fn tell_group(
        &self,
        hand: &mut Hand,
        context: &Context<'_>,
        webhook: &Webhook,
        group: i64,
        now: Moment,
    ) -> Next {
        let waiting = match context.state.waiting(group, ALERTS_MAX).await {
            Ok(Some(waiting)) => waiting,
            Ok(None) => {
                hand.tries.remove(&group);
                return Next::Again;
            }
            Err(error) => {
                tracing::warn!("the outbox cannot be read: {error}");
                return Next::At(now.stored_ms + STATE_WAIT_MS);
            }
        };
        let bytes_max = context.config.limits.body_bytes_max;
        let letter = compose(&waiting, context.state.origin(), context.external_url, bytes_max);
        let number = hand.tries.get(&group).map_or(1, |one| one.failures + 1);
        let (reply, at_ms) = self.post(hand, webhook, &letter, number, context, now).await;
        let outcome = outcome(&reply, number);
        self.count(context, &reply, outcome, number, at_ms);
        let Waiting { place, .. } = waiting;
        let unsettled = Unsettled { group, place, letter, number, at_ms, outcome, reply };
        if !unsettled.settle(context).await && outcome != Outcome::Failed {
            hand.after(context, &unsettled);
            hand.unsettled = Some(unsettled);
            return Next::At(now.stored_ms + STATE_WAIT_MS);
        }
        hand.after(context, &unsettled);
        Next::Again
    }

    async fn tell_urgent(
        &self,
        hand: &mut Hand,
        context: &Context<'_>,
        webhook: &Webhook,
        mut urgent: Urgent,
        now: Moment,
    ) {
        let letter = compose_unrecorded(&urgent.place, &urgent.alert, context.state.origin(), context.external_url);
        let number = urgent.failures + 1;
        let (reply, at_ms) = self.post(hand, webhook, &letter, number, context, now).await;
        let outcome = outcome(&reply, number);
        self.count(context, &reply, outcome, number, at_ms);
        if outcome != Outcome::Failed {
            return;
        }
        urgent.failures = number;
        urgent.next_ms = at_ms + milliseconds(pause(&reply, number, urgent.id.labels.fingerprint(), context));
        self.urgents(|urgents| urgents.put_back(urgent));
    }

    async fn post(
        &self,
        hand: &mut Hand,
        webhook: &Webhook,
        letter: &Letter,
        number: u32,
        context: &Context<'_>,
        now: Moment,
    ) -> (Reply, i64) {
        if number > 1 {
            Counters::add(&context.counters.retried, 1);
        }
        let watch = Stopwatch::start();
        let kept = hand.poster.take().filter(|poster| poster.is_for(webhook));
        let poster = hand.poster.insert(kept.unwrap_or_else(|| Poster::new(webhook)));
        let reply = poster.post(&letter.delivery, letter.body.clone(), now.wall_ms).await;
        let at_ms = now.stored_ms + milliseconds(watch.elapsed());
        hand.unanswered = if reply.status.is_none() { hand.unanswered + 1 } else { 0 };
        let hold = match reply.verdict {
            Verdict::Retry { not_before: Some(asked) } => Some(asked.min(context.config.limits.give_up_after)),
            _ if reply.status.is_none() => Some(wait(hand.unanswered, seed(context.state.origin()))),
            _ => None,
        };
        hand.hold_until_ms = hold.map_or(0, |hold| at_ms + milliseconds(hold));
        (reply, at_ms)
    }

    /// Counts an attempt, tells the log what people must know, and remembers whether the outlet is in trouble.
    fn count(&self, context: &Context<'_>, reply: &Reply, outcome: Outcome, number: u32, at_ms: i64) {
        let Outlet { receiver, channel } = &self.outlet;
        let status = reply.status.map_or("no status".to_string(), |status| status.to_string());
        let mut trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Outcome::Delivered => {
                Counters::add(&context.counters.sent, 1);
                *trouble = None;
                return;
            }
            Outcome::Failed | Outcome::GivenUp => {
                Counters::add(&context.counters.failed, 1);
                if number == 1 {
                    tracing::warn!("{receiver} cannot be told by {channel} ({status}: {}); trying again", reply.words);
                }
            }
            Outcome::Refused => {
                Counters::add(&context.counters.refused, 1);
                tracing::error!("{receiver} refused a message by {channel} ({status}: {})", reply.words);
            }
        }
        let since_ms = trouble.as_ref().map_or(at_ms, |before| before.since_ms);
        let words = format!("{status}: {}", reply.words);
        *trouble = Some(Trouble { since_ms, is_refusal: outcome == Outcome::Refused, words });
    }
}

impl Hand {
    /// The group to be told now: the longest waiting that has not failed, else the one that failed longest ago and is due.
    async fn next_group(&self, state: &State, outlet: &Outlet, now_ms: i64) -> Result<Option<i64>, StateError> {
        let failed: Vec<i64> = self.tries.keys().copied().collect();
        if let Some(group) = state.next_group(outlet, &failed).await? {
            return Ok(Some(group));
        }
        let due = self.tries.iter().filter(|(_, one)| one.next_ms <= now_ms);
        Ok(due.min_by_key(|(_, one)| one.next_ms).map(|(group, _)| *group))
    }

    /// When the group may be tried again. A receiver that is back is told at once of everything that waits.
    fn after(&mut self, context: &Context<'_>, done: &Unsettled) {
        if done.outcome == Outcome::Failed {
            let seed = done.group.unsigned_abs() ^ seed(context.state.origin());
            let next_ms = done.at_ms + milliseconds(pause(&done.reply, done.number, seed, context));
            self.tries.insert(done.group, Try { failures: done.number, next_ms });
            return;
        }
        self.tries.remove(&done.group);
        if done.outcome == Outcome::Delivered && done.number > 1 {
            for one in self.tries.values_mut() {
                one.next_ms = 0;
            }
        }
    }
}

fn outcome(reply: &Reply, number: u32) -> Outcome {
    match reply.verdict {
        Verdict::Delivered => Outcome::Delivered,
        Verdict::Refused => Outcome::Refused,
        Verdict::Retry { .. } if reply.is_oversized && number >= OVERSIZED_MAX => Outcome::Refused,
        Verdict::Retry { .. } => Outcome::Failed,
    }
}

/// The wait after a failure: ours, or the one the receiver asked for if that is longer.
fn pause(reply: &Reply, failures: u32, seed: u64, context: &Context<'_>) -> Duration {
    let own = wait(failures, seed);
    match reply.verdict {
        Verdict::Retry { not_before: Some(asked) } => own.max(asked.min(context.config.limits.give_up_after)),
        _ => own,
    }
}

/// A number that differs between databases, so that agents that share a receiver do not retry in step.
fn seed(origin: &str) -> u64 {
    u64::from_str_radix(origin.get(..16).unwrap_or(""), 16).unwrap_or(0)
}

fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX / 2)
}
