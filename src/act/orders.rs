//! Orders: what people ask of act, each within what they may see. Who asked is on record.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use crate::act::guard::By;
use crate::act::phases::Phases;
use crate::act::run::{What, of_alert};
use crate::act::work::{Job, Report, Trigger, is_so_already, no_longer};
use crate::act::{Acting, Claim, show, tell};
use crate::model::caller::Caller;
use crate::model::command::Order;
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::policy::{Mode, Policy, Undo};
use crate::model::scope::Scope;
use crate::model::status::Event;
use crate::model::target::DEFAULT_TENANT;
use crate::model::transition::Phase as AlertPhase;
use crate::state::journal::{Close, Entry, Phase, Turn, Why};
use crate::state::policies::{Armed, Ruling, Stopped};

/// What a person's own run is on record as, where nothing fires.
const BY_HAND: &str = "by hand";

impl Acting {
    /// Carries out an order.
    ///
    /// # Errors
    /// What is not there, or not the caller's; and why it was not done.
    pub async fn answer(self: &Arc<Self>, order: &Order, caller: &Caller) -> Result<Value, Fault> {
        let scope = &caller.scope;
        match order {
            Order::Policies => self.policies(scope).await,
            Order::Run { policy, tenant, dry_run } => {
                let policy = self.named(scope, policy, tenant.as_deref())?;
                if *dry_run { self.rehearse(&policy).await } else { self.run_by_hand(&policy, &caller.name).await }
            }
            Order::Arm { policy, tenant } => {
                let policy = self.named(scope, policy, tenant.as_deref())?;
                self.arm(&policy.tenant, &policy.name, &caller.name).await
            }
            Order::Disarm { policy, tenant } => {
                let policy = self.named(scope, policy, tenant.as_deref())?;
                self.disarm(&policy, &caller.name).await
            }
            Order::Stop => self.stop(caller).await,
            Order::Start => self.start(caller).await,
            Order::Journal { rows_max } => {
                let changes = self.state.journal(scope, *rows_max).await?;
                Ok(changes.iter().map(show::change).collect())
            }
            Order::Change(id) => {
                let entry = self.entry(scope, *id).await?;
                Ok(show::change_with_story(&entry, &self.state.story(&entry).await?))
            }
            Order::Undo(id) => {
                let entry = self.entry(scope, *id).await?;
                let job = Job::Undo { entry, why: Why::Asked, actor: caller.name.clone() };
                self.done(job).await
            }
            Order::Close(id) => self.close(&self.entry(scope, *id).await?, &caller.name).await,
        }
    }

    async fn policies(&self, scope: &Scope) -> Result<Value, Fault> {
        let settings = self.settings();
        let (armed, plans) = (self.state.armed().await?, self.state.plans().await?);
        let mut shown = Vec::new();
        for policy in settings.policies.iter().filter(|one| scope.sees(&one.tenant)) {
            let is_its = |tenant: &str, name: &str| tenant == policy.tenant && name == policy.name;
            let armed = armed.iter().find(|one| is_its(&one.tenant, &one.policy));
            let plans: Vec<_> = plans.iter().filter(|one| is_its(&one.tenant, &one.policy)).collect();
            let refusals = self.known(policy).await?.refusals(policy, By::Itself, &policy.set.key);
            shown.push(show::policy(policy, armed, &refusals, &plans));
        }
        Ok(json!({ "stopped": show::stopped(self.state.stopped().await?.as_ref()), "policies": shown }))
    }

    /// The policy that a name means.
    fn named(&self, scope: &Scope, name: &str, tenant: Option<&str>) -> Result<Arc<Policy>, Fault> {
        let settings = self.settings();
        let is_meant = |one: &&Arc<Policy>| {
            one.name == name && scope.sees(&one.tenant) && tenant.is_none_or(|tenant| one.tenant == tenant)
        };
        let found: Vec<&Arc<Policy>> = settings.policies.iter().filter(is_meant).collect();
        match found.as_slice() {
            [one] => Ok(Arc::clone(one)),
            [] => Err(Fault::new("act-40", format!("there is no policy '{name}' here"))
                .hint("`watchward policy list` has them; each stands in a [[policy]] of the configuration.")),
            several => {
                let tenants: Vec<&str> = several.iter().map(|one| one.tenant.as_str()).collect();
                let what = format!("policy '{name}' is one of each of the tenants {}", tenants.join(", "));
                Err(Fault::new("act-41", what).hint("Say whose you mean with --tenant."))
            }
        }
    }

    async fn entry(&self, scope: &Scope, id: i64) -> Result<Entry, Fault> {
        self.state.change(scope, id).await?.ok_or_else(|| {
            Fault::new("act-42", format!("there is no entry {id} in the journal here"))
                .hint("`watchward journal` has the newest.")
        })
    }

    /// What a run would do now, and everything that speaks against it: by hand, and by itself.
    async fn rehearse(&self, policy: &Arc<Policy>) -> Result<Value, Fault> {
        let trigger = self.trigger(policy).await?;
        let limit = self.times.answer;
        let planned = timeout(limit, self.rehearsed(policy, &Phases::begin())).await.unwrap_or_else(|_| {
            let what = format!("target '{}' gave no answer within {}", policy.set.target, duration::format(limit));
            Err(Fault::new("act-22", what))
        });
        let key = planned.as_ref().map_or(&policy.set.key, |step| &step.key);
        let known = self.known(policy).await?;
        let is_so = planned.as_ref().ok().and_then(|step| is_so_already(step, &policy.set.target));
        let refusals = |by: By| {
            let mut refusals = known.refusals(policy, by, key);
            refusals.extend(is_so.clone());
            refusals
        };
        Ok(json!({
            "policy": policy.name,
            "tenant": policy.tenant,
            "target": policy.set.target,
            "dry_run": true,
            "cause": trigger.words,
            "undo": trigger.undo.word(),
            "step": planned.as_ref().ok().map(show::step),
            "fault": planned.as_ref().err(),
            "refusals": refusals(By::Hand),
            "refusals_by_itself": refusals(By::Itself),
        }))
    }

    /// A person's approval of exactly this run. Arming and the cooldown are for policies that act by themselves;
    /// everything else holds.
    async fn run_by_hand(self: &Arc<Self>, policy: &Arc<Policy>, actor: &str) -> Result<Value, Fault> {
        let trigger = self.trigger(policy).await?;
        self.done(Job::Act { policy: policy.clone(), trigger, by: By::Hand, actor: actor.to_string() }).await
    }

    /// What a run by hand is the answer to: the firing that waits for it, so that its end takes the change back and it
    /// acts once; else nothing but the person.
    async fn trigger(&self, policy: &Policy) -> Result<Trigger, Fault> {
        let mut fires = false;
        for one in self.state.active_instances().await? {
            let is_its = one.tenant == policy.tenant && policy.when.hears(&one.labels);
            if one.to != AlertPhase::Firing || one.discovered || !is_its {
                continue;
            }
            fires = true;
            let trigger = of_alert(policy, &one);
            let identity = (policy.tenant.as_str(), policy.name.as_str());
            if !self.state.has_acted(identity, &trigger.instance, trigger.since_ms).await? {
                return Ok(trigger);
            }
        }
        Ok(Trigger {
            cause: policy.when.to_string(),
            instance: BY_HAND.to_string(),
            since_ms: self.world.now().stored_ms,
            undo: if fires { policy.undo } else { Undo::Manual },
            words: "a run by hand".to_string(),
        })
    }

    /// Has a piece of work done, and waits for its end as long as an answer may wait.
    async fn done(self: &Arc<Self>, job: Job) -> Result<Value, Fault> {
        let target = job.target();
        let Some(told) = self.begin(job) else {
            let under_way = self.claims().get(&target).cloned().unwrap_or_default();
            return Err(Fault::new("act-12", format!("target '{target}' has a change under way: {under_way}"))
                .hint("Ask again when it is over; nothing takes longer than half a minute."));
        };
        let report = ended(told, self.times.answer).await?;
        let Report::Change { entry, phase, words } = report else {
            return Err(Fault::new("act-43", "only a plan was made")); // a plan is never ordered this way
        };
        Ok(json!({ "entry": entry, "phase": phase.word(), "words": words }))
    }

    /// Arms a policy as it is defined now.
    ///
    /// # Errors
    /// `act-40`: it is not configured. `act-44`: its mode lets nobody arm it.
    pub async fn arm(&self, tenant: &str, name: &str, actor: &str) -> Result<Value, Fault> {
        let policy = self.named(&Scope::of_tenant(tenant), name, None)?;
        if policy.mode != Mode::Auto {
            let what = format!("policy '{name}' is in mode {} and cannot be armed", policy.mode.word());
            return Err(Fault::new("act-44", what).hint("Only mode = \"auto\" acts by itself."));
        }
        let at_ms = self.world.now().stored_ms;
        let armed = Armed {
            tenant: tenant.to_string(),
            policy: name.to_string(),
            definition: self.settings().definition(&policy),
            at_ms,
            actor: actor.to_string(),
        };
        let event = tell::ruled("policy.armed", (tenant, name), "is armed", actor, at_ms);
        self.ruled(&Ruling::Arm(&armed), &event).await?;
        Ok(json!({ "policy": name, "tenant": tenant, "armed": true }))
    }

    async fn disarm(&self, policy: &Policy, actor: &str) -> Result<Value, Fault> {
        let (tenant, name) = (policy.tenant.as_str(), policy.name.as_str());
        let event = tell::ruled("policy.disarmed", (tenant, name), "is disarmed", actor, self.world.now().stored_ms);
        self.ruled(&Ruling::Disarm { tenant, policy: name }, &event).await?;
        Ok(json!({ "policy": name, "tenant": tenant, "armed": false }))
    }

    /// Stops everything, and answers once nothing is under way, or says what still is.
    async fn stop(&self, caller: &Caller) -> Result<Value, Fault> {
        all_tenants(caller)?;
        let at_ms = self.world.now().stored_ms;
        let stopped = Stopped { at_ms, actor: caller.name.clone() };
        let event = tell::switched("actions.stopped", DEFAULT_TENANT, "are stopped", &caller.name, at_ms);
        self.ruled(&Ruling::Stop(&stopped), &event).await?;
        let under_way = self.quiet(self.times.wait).await;
        Ok(json!({ "stopped": show::stopped(self.state.stopped().await?.as_ref()), "under_way": under_way }))
    }

    async fn start(&self, caller: &Caller) -> Result<Value, Fault> {
        all_tenants(caller)?;
        let at_ms = self.world.now().stored_ms;
        let event = tell::switched("actions.started", DEFAULT_TENANT, "may be done again", &caller.name, at_ms);
        self.ruled(&Ruling::Start, &event).await?;
        self.memory().reloaded();
        Ok(json!({ "stopped": null, "under_way": [] }))
    }

    async fn close(self: &Arc<Self>, entry: &Entry, actor: &str) -> Result<Value, Fault> {
        let words = match entry.phase {
            Phase::Done => "stays as it is",
            Phase::Begun | Phase::Undoing => {
                self.give_up(entry, actor).await?;
                "its end is not waited for"
            }
            _ => "looked at",
        };
        let close = Close { entry: entry.id, at_ms: self.world.now().stored_ms, actor, words };
        if !self.state.close_change(&close).await? {
            return Err(Fault::new("act-46", format!("entry {} is closed already", entry.id)));
        }
        self.wake();
        Ok(show::change(&self.entry(&Scope::of_tenant(&entry.tenant), entry.id).await?))
    }

    /// Waits no longer for the end of a change that cannot be brought to one: its server is gone, or will not have it.
    async fn give_up(self: &Arc<Self>, entry: &Entry, actor: &str) -> Result<(), Fault> {
        let claim = Claim::on(self, &Job::Settle { entry: entry.clone() });
        let is_stuck = self.target_of(entry).is_err() || self.memory().retries.contains_key(&What::Entry(entry.id));
        if claim.is_none() || !is_stuck {
            let what = format!("entry {} is under way: it comes to an end of its own", entry.id);
            let hint = format!("Look at `watchward journal show {}` in a minute.", entry.id);
            return Err(Fault::new("act-45", what).hint(hint));
        }
        let words = format!("given up while it was {}", entry.phase.word());
        let at_ms = self.world.now().stored_ms;
        let given_up = Entry { phase: Phase::Unclear, changed_ms: at_ms, ..entry.clone() };
        let event = tell::turned(&given_up, &words, actor);
        let (to, words) = (Phase::Unclear, words.as_str());
        let turn =
            Turn { entry: entry.id, from: entry.phase, to, why: None, at_ms, actor, words, event: event.as_ref() };
        if !self.state.turn(&turn).await? {
            return Err(no_longer(entry));
        }
        event.iter().for_each(|event| self.world.tell(event));
        Ok(())
    }

    async fn ruled(&self, ruling: &Ruling<'_>, event: &Event) -> Result<(), Fault> {
        if self.state.rule(ruling, Some(event)).await? {
            self.world.tell(event);
        }
        self.wake();
        Ok(())
    }
}

async fn ended(told: oneshot::Receiver<Result<Report, Fault>>, limit: Duration) -> Result<Report, Fault> {
    match timeout(limit, told).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(_)) => Err(Fault::new("act-47", "the change was cut off").hint("Look at `watchward journal`.")),
        Err(_) => {
            let what = format!("the change is not over after {}, and goes on", duration::format(limit));
            Err(Fault::new("act-48", what).hint("Look at `watchward journal`."))
        }
    }
}

/// The switch is one for all tenants.
fn all_tenants(caller: &Caller) -> Result<(), Fault> {
    if caller.scope.tenants().is_none() {
        return Ok(());
    }
    Err(Fault::new("act-49", "actions are stopped and started for all tenants together, and you act for some")
        .hint("Disarm your own policies with `watchward policy disarm`."))
}
