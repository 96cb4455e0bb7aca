//! Carrying out: one change from its plan to its record, its undo, and what a crash left. Only here a server is changed.

use std::borrow::Cow;
use std::sync::Arc;

use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::act::Acting;
use crate::act::decide::{self, Next, Stands, stands};
use crate::act::guard::{self, By};
use crate::act::phases::Phases;
use crate::act::tell;
use crate::act::world::server;
use crate::engines::contract::Hand;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::plan::{Held, Step};
use crate::model::policy::{Policy, Undo};
use crate::model::scope::Scope;
use crate::model::span::Span;
use crate::model::target::Target;
use crate::state::journal::{Begin, Entry, Phase, Turn, Why};
use crate::state::policies::{Planned, Ruling};
use crate::sys::clock::Stopwatch;

/// What has a policy act: a firing, a scheduled time, a person.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    pub cause: String,
    pub instance: String,
    pub since_ms: i64,
    /// What takes the change back; a person's run without a firing is taken back by a person.
    pub undo: Undo,
    /// For the record: `alert CacheFull of cache`, `its schedule`.
    pub words: String,
}

/// One piece of work on one target.
#[derive(Clone, Debug)]
pub enum Job {
    /// Make the change.
    Act { policy: Arc<Policy>, trigger: Trigger, by: By, actor: String },
    /// Say what the change would be.
    Plan { policy: Arc<Policy>, trigger: Trigger },
    /// Take a change back.
    Undo { entry: Entry, why: Why, actor: String },
    /// Find out what became of a change, and bring it to an end.
    Settle { entry: Entry },
}

impl Job {
    /// `tenant/target`.
    pub fn target(&self) -> String {
        match self {
            Job::Act { policy, .. } | Job::Plan { policy, .. } => format!("{}/{}", policy.tenant, policy.set.target),
            Job::Undo { entry, .. } | Job::Settle { entry } => entry.target_identity(),
        }
    }

    /// What it is, the policy, the setting, and the entry of the journal, 0 while there is none.
    fn facts(&self) -> (&'static str, &str, &str, i64) {
        match self {
            Job::Act { policy, .. } => ("set", &policy.name, &policy.set.key, 0),
            Job::Plan { policy, .. } => ("plan", &policy.name, &policy.set.key, 0),
            Job::Undo { entry, .. } => ("undo", &entry.policy, &entry.step.key, entry.id),
            Job::Settle { entry } => ("settle", &entry.policy, &entry.step.key, entry.id),
        }
    }

    fn span(&self) -> tracing::Span {
        let (kind, policy, key, entry) = self.facts();
        tracing::info_span!("action", kind, target = self.target(), policy, key, entry)
    }

    /// The whole of its trace.
    fn whole(&self, outcome: &Result<Report, Fault>) -> Span {
        let (kind, policy, key, entry) = self.facts();
        let entry = match outcome {
            Ok(Report::Change { entry, .. }) => *entry,
            _ => entry,
        };
        let mut attributes = vec![("watchward.policy", policy.to_string()), ("watchward.setting", key.to_string())];
        if entry > 0 {
            attributes.push(("watchward.entry", entry.to_string()));
        }
        match outcome {
            Ok(Report::Change { phase, .. }) => attributes.push(("watchward.outcome", phase.word().to_string())),
            Ok(Report::Plan(_)) => attributes.push(("watchward.outcome", "planned".to_string())),
            Err(fault) => attributes.push(("error.type", fault.code.to_string())),
        }
        let failed = outcome.as_ref().err().map(|fault| fault.what.clone());
        Span { name: Cow::Borrowed(kind), attributes, failed, ..Span::default() }
    }
}

/// How a piece of work ended well. What it did not do is a fault.
#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// A change is in this phase now.
    Change { entry: i64, phase: Phase, words: String },
    /// This would be done.
    Plan(Step),
}

/// Who is on record where nobody asked.
pub const AGENT: &str = "agent";

impl Acting {
    /// Does one piece of work within its time. Whoever calls has claimed the target. Cut off anywhere, the journal knows
    /// what was begun, and `Settle` brings it to an end.
    ///
    /// # Errors
    /// Why it was not done, or why its end is not known yet.
    pub async fn perform(&self, job: &Job) -> Result<Report, Fault> {
        let limit = self.times.action;
        let (phases, at_ms) = (Phases::begin(), self.world.now().stored_ms);
        let work = async {
            let outcome = timeout(limit, self.work(job, &phases)).await.unwrap_or_else(|_| {
                let what = format!("the change was not over within {}", duration::format(limit));
                Err(Fault::new("act-17", what).hint("What was begun is in the journal, and is brought to an end."))
            });
            match &outcome {
                Ok(Report::Change { phase, .. }) => tracing::debug!(outcome = phase.word()),
                Ok(Report::Plan(_)) => tracing::debug!(outcome = "planned"),
                Err(fault) => tracing::debug!(outcome = "refused", code = fault.code),
            }
            outcome
        };
        let outcome = work.instrument(job.span()).await;
        self.world.trace(phases.end(&job.target(), at_ms, job.whole(&outcome)));
        outcome
    }

    async fn work(&self, job: &Job, phases: &Phases) -> Result<Report, Fault> {
        match job {
            Job::Act { policy, trigger, by, actor } => self.act((policy, trigger), (*by, actor), phases).await,
            Job::Plan { policy, trigger } => self.plan(policy, trigger, phases).await,
            Job::Undo { entry, why, actor } => self.undo(self.fresh(entry).await?, (*why, actor), phases).await,
            Job::Settle { entry } => self.settle(self.fresh(entry).await?, phases).await,
        }
    }

    /// A change as it is now that its target is claimed.
    async fn fresh(&self, entry: &Entry) -> Result<Entry, Fault> {
        let found = self.state.change(&Scope::of_tenant(&entry.tenant), entry.id).await?;
        found.filter(|found| found.phase == entry.phase).ok_or_else(|| no_longer(entry))
    }

    /// plan → guard → journal → do → verify → record.
    async fn act(
        &self,
        (policy, trigger): (&Policy, &Trigger),
        (by, actor): (By, &str),
        phases: &Phases,
    ) -> Result<Report, Fault> {
        let target = self.target(&policy.tenant, &policy.set.target)?;
        // The guard is asked before the server is, and again when its own name for the setting is known.
        phases.own("guard", self.guard(policy, by, &policy.set.key)).await?;
        let mut work = Work::on(self, target.clone(), phases);
        let step = work.plan(&policy.set.key, &policy.set.value).await?;
        if let Some(fault) = is_so_already(&step, &target.name) {
            return Err(fault);
        }
        phases.own("guard", self.guard(policy, by, &step.key)).await?;
        let now = self.world.now();
        let begin = Begin {
            tenant: policy.tenant.clone(),
            policy: policy.name.clone(),
            cause: trigger.cause.clone(),
            instance: trigger.instance.clone(),
            since_ms: trigger.since_ms,
            target: target.name.clone(),
            server: server(&target),
            undo: trigger.undo,
            actor: actor.to_string(),
            words: format!("{}: {}; undo: {}", trigger.words, step.words, step.undo_words),
            at_ms: now.stored_ms,
            wall_ms: now.wall_ms,
            step,
        };
        let Some(id) = phases.own("journal", self.state.begin_change(&begin)).await? else {
            let what =
                format!("policy '{}' has acted on this already, or its target has a change under way", policy.name);
            return Err(Fault::new("act-15", what).hint("Look at `watchward journal`."));
        };
        let entry = begin.entry(id);
        // From here on the change is on record, and whatever happens is an end of this record.
        if let Err(fault) = self.is_untouched(&mut work, &entry).await {
            work.arrive(&entry, Phase::Void, &fault.what, AGENT).await?;
            return Err(fault);
        }
        work.carry(entry, Next::PutAfter, actor).await
    }

    /// The last look before something is written: nobody has stopped everything, or changed the setting since the plan.
    async fn is_untouched(&self, work: &mut Work<'_>, entry: &Entry) -> Result<(), Fault> {
        self.is_running().await?;
        let seen = work.look(&entry.step.key).await?;
        if seen == entry.step.before {
            return Ok(());
        }
        let (key, seen, before) = (&entry.step.key, decide::words(&seen), decide::words(&entry.step.before));
        Err(Fault::new("act-16", format!("somebody changed {key} meanwhile: it is {seen}, and was {before}")))
    }

    /// What a policy would do now; changes nothing, and is not told.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub async fn rehearsed(&self, policy: &Policy, phases: &Phases) -> Result<Step, Fault> {
        let target = self.target(&policy.tenant, &policy.set.target)?;
        Work::on(self, target, phases).plan(&policy.set.key, &policy.set.value).await
    }

    async fn plan(&self, policy: &Policy, trigger: &Trigger, phases: &Phases) -> Result<Report, Fault> {
        let step = self.rehearsed(policy, phases).await?;
        if let Some(fault) = is_so_already(&step, &policy.set.target) {
            return Err(fault);
        }
        let now = self.world.now();
        let planned = Planned {
            tenant: policy.tenant.clone(),
            policy: policy.name.clone(),
            instance: trigger.instance.clone(),
            since_ms: trigger.since_ms,
            cause: trigger.words.clone(),
            step: step.clone(),
            at_ms: now.stored_ms,
        };
        let event = tell::planned(policy, &planned);
        if self.state.rule(&Ruling::Plan(&planned), Some(&event)).await? {
            self.world.tell(&event);
        }
        Ok(Report::Plan(step))
    }

    async fn undo(&self, entry: Entry, (why, actor): (Why, &str), phases: &Phases) -> Result<Report, Fault> {
        if let Some(later) = self.state.change_after(&entry).await?.filter(Entry::stands) {
            return Err(lies_under(&entry, &later));
        }
        let target = self.target_of(&entry)?;
        let is_other = |one: &Entry| one.target_identity() == entry.target_identity() && one.id != entry.id;
        let others: Vec<Entry> = self.state.changes_not_over().await?.into_iter().filter(is_other).collect();
        if let Some(fault) = guard::under_way(&entry.tenant, &entry.target, &others) {
            return Err(fault);
        }
        if why == Why::Resolved {
            // Somebody may have stopped everything since the round. What a person asks for is done all the same.
            self.is_running().await?;
        }
        let mut work = Work::on(self, target, phases);
        let entry = work.cleared(entry).await?;
        let seen = work.look(&entry.step.key).await?;
        match decide::undo(&entry.step, &seen) {
            Next::Is(Phase::Undone) => {
                let words = format!("nothing was to be done: {} is {} already", entry.step.key, decide::words(&seen));
                work.arrive_for(&entry, Phase::Undone, Some(why), &words, actor).await
            }
            Next::PutBefore => {
                let words = format!("{}: {}", why.word(), entry.step.undo_words);
                let entry = work.turn(&entry, Phase::Undoing, Some(why), &words, actor).await?;
                // What somebody changed while that was being written is not ours to write over.
                let seen = work.look(&entry.step.key).await?;
                if stands(&entry.step, &seen) != Stands::After {
                    return work.refuse(&entry, &seen, actor).await;
                }
                work.carry(entry, Next::PutBefore, actor).await
            }
            _ => work.refuse(&entry, &seen, actor).await,
        }
    }

    async fn settle(&self, entry: Entry, phases: &Phases) -> Result<Report, Fault> {
        let target = self.target_of(&entry)?;
        let mut work = Work::on(self, target, phases);
        let mut seen = work.look(&entry.step.key).await?;
        if entry.phase != Phase::Undoing && stands(&entry.step, &seen) == Stands::Before {
            // What was on its way when a connection was lost may still arrive: the server may have hung until now, and do
            // in a moment what it was told long ago.
            sleep(self.times.hold).await;
            seen = work.look(&entry.step.key).await?;
        }
        match decide::recover(entry.phase, &entry.step, &seen) {
            Next::Is(phase) if phase == entry.phase => Ok(Report::Change {
                entry: entry.id,
                phase,
                words: format!("{} is {}", entry.step.key, decide::words(&seen)),
            }),
            Next::Is(Phase::UndoRefused) => work.refuse(&entry, &seen, AGENT).await,
            Next::Is(phase) => {
                let words = tell::found(&entry, phase, &seen);
                work.arrive(&entry, phase, &words, AGENT).await
            }
            next => {
                self.is_running().await?;
                work.carry(entry, next, AGENT).await
            }
        }
    }

    /// The target of a change, if it still is where it was.
    pub(crate) fn target_of(&self, entry: &Entry) -> Result<Arc<Target>, Fault> {
        let target = self.target(&entry.tenant, &entry.target)?;
        let now = server(&target);
        if now == entry.server {
            return Ok(target);
        }
        let what =
            format!("target '{}' is another server now: entry {} was made on {}", entry.target, entry.id, entry.server);
        Err(Fault::new("act-25", what).detail(format!("It is {now} now.")).hint(format!(
            "Undo it there by hand ({}), then `watchward journal close {}`.",
            entry.step.undo_words, entry.id
        )))
    }
}

/// There is nothing to change, and nothing that could be taken back.
pub fn is_so_already(step: &Step, target: &str) -> Option<Fault> {
    let held = decide::words(&step.before);
    (step.before == step.after).then(|| Fault::new("act-14", format!("{} of '{target}' is {held} already", step.key)))
}

/// A change lies under a later one of the same setting, perhaps under another name of the server.
fn lies_under(entry: &Entry, later: &Entry) -> Fault {
    let what =
        |what: String| Fault::new("act-24", format!("entry {} cannot be undone: {what} stands on top of it", entry.id));
    if later.tenant != entry.tenant {
        return what("a change of another tenant".to_string());
    }
    what(format!("entry {}", later.id)).hint(format!("Undo that one first: `watchward journal undo {}`.", later.id))
}

/// A change is in another phase than it was a moment ago.
pub fn no_longer(entry: &Entry) -> Fault {
    Fault::new("act-19", format!("entry {} is {} no longer", entry.id, entry.phase.word()))
}

/// One target, with the hand on it that is opened when first needed and again after a fault.
struct Work<'a> {
    acting: &'a Acting,
    target: Arc<Target>,
    hand: Option<Box<dyn Hand>>,
    phases: &'a Phases,
}

impl<'a> Work<'a> {
    fn on(acting: &'a Acting, target: Arc<Target>, phases: &'a Phases) -> Work<'a> {
        Work { acting, target, hand: None, phases }
    }

    async fn plan(&mut self, key: &str, value: &str) -> Result<Step, Fault> {
        let phases = self.phases;
        let question = async {
            let limit = self.acting.times.question;
            let outcome = timeout(limit, async { self.hand().await?.plan(key, value).await }).await;
            self.heard(outcome)
        };
        phases.call("plan", question).await
    }

    async fn look(&mut self, key: &str) -> Result<Held, Fault> {
        let phases = self.phases;
        let question = async {
            let limit = self.acting.times.question;
            let outcome = timeout(limit, async { self.hand().await?.look(key).await }).await;
            self.heard(outcome)
        };
        phases.call("look", question).await
    }

    async fn put(&mut self, key: &str, held: &Held) -> Result<(), Fault> {
        let phases = self.phases;
        let question = async {
            let limit = self.acting.times.question;
            let outcome = timeout(limit, async { self.hand().await?.put(key, held).await }).await;
            self.heard(outcome)
        };
        phases.call("put", question).await
    }

    async fn hand(&mut self) -> Result<&mut Box<dyn Hand>, Fault> {
        let hand = match self.hand.take() {
            Some(hand) => hand,
            None => self.phases.call("connect", self.acting.world.reach(&self.target)).await?,
        };
        Ok(self.hand.insert(hand))
    }

    /// After a fault the session is of no more use: nobody knows what its next answer belongs to.
    fn heard<T>(&mut self, outcome: Result<Result<T, Fault>, tokio::time::error::Elapsed>) -> Result<T, Fault> {
        let question = self.acting.times.question;
        let heard = outcome.unwrap_or_else(|_| {
            let what = format!("target '{}' gave no answer within {}", self.target.name, duration::format(question));
            Err(Fault::new("act-22", what))
        });
        if heard.is_err() {
            self.hand = None;
        }
        heard
    }

    /// Writes, has it hold, and records how that ended. A change that does not hold is taken back at once.
    async fn carry(&mut self, mut entry: Entry, mut next: Next, actor: &str) -> Result<Report, Fault> {
        loop {
            let (held, wanted) = match next {
                Next::PutAfter => (entry.step.after.clone(), Stands::After),
                Next::PutBefore => (entry.step.before.clone(), Stands::Before),
                Next::Is(phase) => return self.arrive(&entry, phase, "", actor).await,
            };
            let put = self.put(&entry.step.key, &held).await;
            let seen = self.watch(&entry.step, wanted).await?;
            let words = tell::outcome(&entry.step, &seen, put.as_ref().err());
            match (entry.phase, stands(&entry.step, &seen)) {
                (Phase::Undoing, Stands::Before) => return self.arrive(&entry, Phase::Undone, &words, actor).await,
                (Phase::Undoing, Stands::Otherwise) if decide::is_put_back(&entry.step, &seen) => {
                    return self.arrive(&entry, Phase::Undone, &words, actor).await;
                }
                (Phase::Undoing, Stands::Otherwise) => return self.refuse(&entry, &seen, actor).await,
                (Phase::Undoing, _) => {
                    return Err(Fault::new("act-18", format!("entry {} is not taken back yet: {words}", entry.id)));
                }
                (_, Stands::After) => return self.arrive(&entry, Phase::Done, &words, actor).await,
                (_, Stands::Before) => return self.arrive(&entry, Phase::Failed, &words, actor).await,
                (_, Stands::Otherwise) => return self.arrive(&entry, Phase::Unclear, &words, actor).await,
                (_, Stands::Between) => {
                    entry = self.turn(&entry, Phase::Undoing, Some(Why::DidNotHold), &words, actor).await?;
                    next = Next::PutBefore;
                }
            }
        }
    }

    /// Reads back until it stands as wanted, or the time for that is over; then how it stands. The time counts from the
    /// first answer: a server that hung may do then what it was told before.
    async fn watch(&mut self, step: &Step, wanted: Stands) -> Result<Held, Fault> {
        let (watch, hold) = (Stopwatch::start(), self.acting.times.hold);
        let mut answered: Option<Stopwatch> = None;
        let mut pause = self.acting.times.pause;
        loop {
            match self.look(&step.key).await {
                Ok(seen) => {
                    let since = answered.get_or_insert_with(Stopwatch::start);
                    if stands(step, &seen) == wanted || since.elapsed() >= hold {
                        return Ok(seen);
                    }
                }
                Err(fault) if watch.elapsed() >= hold => return Err(fault),
                Err(_) => {}
            }
            sleep(pause).await;
            pause = (pause * 2).min(hold / 4);
        }
    }

    /// A change whose end was unclear and that stands exactly as one of its two sides is clear again.
    async fn cleared(&mut self, entry: Entry) -> Result<Entry, Fault> {
        match entry.phase {
            Phase::Done => Ok(entry),
            Phase::Unclear => {
                let seen = self.look(&entry.step.key).await?;
                match decide::recover(entry.phase, &entry.step, &seen) {
                    Next::Is(Phase::Done) => {
                        self.turn(&entry, Phase::Done, None, &tell::found(&entry, Phase::Done, &seen), AGENT).await
                    }
                    _ => Err(self.changed(&entry, &seen).await?),
                }
            }
            Phase::Begun | Phase::Undoing => {
                let what = format!("entry {} is under way", entry.id);
                Err(Fault::new("act-12", what).hint(format!("Look at `watchward journal show {}`.", entry.id)))
            }
            over => Err(Fault::new("act-23", format!("entry {} cannot be undone: it is {}", entry.id, over.word()))),
        }
    }

    /// Does not take a change back, because somebody else changed the setting since.
    async fn refuse(&mut self, entry: &Entry, seen: &Held, actor: &str) -> Result<Report, Fault> {
        let fault = self.changed(entry, seen).await?;
        let words = format!("{}. {}", fault.what, fault.detail);
        self.arrive(entry, Phase::UndoRefused, words.trim_end(), actor).await?;
        Err(fault)
    }

    /// What stands where ours should, and who is on record for it.
    async fn changed(&mut self, entry: &Entry, seen: &Held) -> Result<Fault, Fault> {
        let (key, after) = (&entry.step.key, decide::words(&entry.step.after));
        let what = format!(
            "someone else changed {key} of '{}' since: it is {}, not {after}",
            entry.target,
            decide::words(seen)
        );
        let detail = match self.acting.state.change_after(entry).await? {
            Some(later) if later.tenant != entry.tenant => "On record: a policy of another tenant.".to_string(),
            Some(later) => format!(
                "On record: entry {} of policy '{}', by {}, which is {}.",
                later.id,
                later.policy,
                later.actor,
                later.phase.word()
            ),
            None => "Nobody is on record: the agent has not changed it since.".to_string(),
        };
        let hint = format!("If it is to be as before: {}", entry.step.undo_words);
        Ok(Fault::new("act-26", what).detail(detail).hint(hint))
    }

    /// The end of a piece of work.
    async fn arrive(&mut self, entry: &Entry, to: Phase, words: &str, actor: &str) -> Result<Report, Fault> {
        self.arrive_for(entry, to, None, words, actor).await
    }

    async fn arrive_for(
        &mut self,
        entry: &Entry,
        to: Phase,
        why: Option<Why>,
        words: &str,
        actor: &str,
    ) -> Result<Report, Fault> {
        // A change that did not hold and is taken back has failed.
        let has_failed = to == Phase::Undone && entry.why_undone == Some(Why::DidNotHold);
        let taken_back = format!("it did not hold, and is taken back: {words}");
        let (to, words) = if has_failed { (Phase::Failed, taken_back.as_str()) } else { (to, words) };
        let entry = self.turn(entry, to, why, words, actor).await?;
        Ok(Report::Change { entry: entry.id, phase: entry.phase, words: words.to_string() })
    }

    /// Records a phase, with the event that tells it, in one transaction; then tells it.
    async fn turn(
        &mut self,
        entry: &Entry,
        to: Phase,
        why: Option<Why>,
        words: &str,
        actor: &str,
    ) -> Result<Entry, Fault> {
        let at_ms = self.acting.world.now().stored_ms;
        let turned = Entry { phase: to, why_undone: why.or(entry.why_undone), changed_ms: at_ms, ..entry.clone() };
        let event = tell::turned(&turned, words, actor);
        let turn = Turn { entry: entry.id, from: entry.phase, to, why, at_ms, actor, words, event: event.as_ref() };
        if !self.phases.own("journal", self.acting.state.turn(&turn)).await? {
            return Err(no_longer(entry));
        }
        if let Some(event) = &event {
            self.acting.world.tell(event);
        }
        Ok(turned)
    }
}
