//! The world as act meets it: a clock, targets that are up or not, hands on servers, and whoever is told.

use std::time::Duration;

use crate::engines;
use crate::engines::contract::{Access, Hand, Task};
use crate::model::fault::Fault;
use crate::model::moment::Moment;
use crate::model::plan::{Held, Refusal, Step};
use crate::model::span::Trace;
use crate::model::status::Event;
use crate::model::target::{SecretSource, Target};
use crate::sys::secrets;

/// What act needs and does not have itself. Pipeline gives it; stories have their own.
pub trait World: Send + Sync {
    fn now(&self) -> Moment;

    /// Whether a target is up; `None`: it was not read yet.
    fn up(&self, tenant: &str, target: &str) -> Option<bool>;

    /// Opens a session that may change settings, with the target's second login.
    fn reach<'a>(&'a self, target: &'a Target) -> Task<'a, Result<Box<dyn Hand>, Refusal>>;

    /// Something happened, and is on disk.
    fn tell(&self, event: &Event);

    /// A policy was held back for this reason, which it was not before.
    fn count_refused(&self, code: &'static str);

    /// How long each part of a piece of work took, now that it is over.
    fn trace(&self, trace: Trace);
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Times {
    /// One change or its undo, from the connection to the last reading.
    pub action: Duration,
    /// One question to the server.
    pub question: Duration,
    /// Until a value that was written must hold.
    pub hold: Duration,
    /// Between two readings of it, at first; it doubles.
    pub pause: Duration,
    /// Until what could not be done is tried again, at first; it doubles.
    pub retry: Duration,
    pub retry_max: Duration,
    /// How long an answer waits for a change to be over; what takes longer goes on, and the answer says where to look.
    pub answer: Duration,
    /// How long `stop`, and the end of the agent, wait for what is under way.
    pub wait: Duration,
}

impl Default for Times {
    fn default() -> Times {
        Times {
            action: Duration::from_secs(30),
            question: Duration::from_secs(10),
            hold: Duration::from_secs(5),
            pause: Duration::from_millis(50),
            retry: Duration::from_secs(5),
            retry_max: Duration::from_secs(300),
            answer: Duration::from_secs(6),
            wait: Duration::from_secs(3),
        }
    }
}

/// Where a target is: its engine and address.
pub fn server(target: &Target) -> String {
    let address = engines::find(&target.engine).map(|engine| engine.instance(target)).unwrap_or_default();
    format!("{} {address}", target.engine)
}

/// Opens a hand on a server: reads the second login's secret this moment, and keeps it out of every word.
///
/// # Errors
/// The secret cannot be read, the server refuses, or its engine has nothing that can be set.
pub async fn reach(target: &Target) -> Result<Box<dyn Hand>, Refusal> {
    let Some(engine) = engines::find(&target.engine) else {
        return Err(Fault::new("act-21", format!("engine '{}' is not one", target.engine)));
    };
    let mut second = target.clone();
    if let Some(login) = &target.action {
        second.url.user.clone_from(&login.user);
        second.password = login.password.clone();
        second.api_key = SecretSource::None;
    }
    let access = Access { password: secrets::read(&second.password)?, api_key: secrets::read(&second.api_key)? };
    let user = second.url.user.clone();
    let hand = engine.reach(&second, &access).await.map_err(|fault| access.concealed(&user, fault))?;
    Ok(Box::new(Careful { hand, access, user }))
}

/// A hand whose words never hold the secrets it was opened with.
struct Careful {
    hand: Box<dyn Hand>,
    access: Access,
    user: String,
}

impl Hand for Careful {
    fn look<'a>(&'a mut self, key: &'a str) -> Task<'a, Result<Held, Fault>> {
        let Careful { hand, access, user } = self;
        Box::pin(async move { hand.look(key).await.map_err(|fault| access.concealed(user, fault)) })
    }

    fn plan<'a>(&'a mut self, key: &'a str, value: &'a str) -> Task<'a, Result<Step, Refusal>> {
        let Careful { hand, access, user } = self;
        Box::pin(async move { hand.plan(key, value).await.map_err(|fault| access.concealed(user, fault)) })
    }

    fn put<'a>(&'a mut self, key: &'a str, held: &'a Held) -> Task<'a, Result<(), Fault>> {
        let Careful { hand, access, user } = self;
        Box::pin(async move { hand.put(key, held).await.map_err(|fault| access.concealed(user, fault)) })
    }
}
