//! Changes parameters that CONFIG SET takes at once, and reads back. The server's file stays as it is.

pub mod kinds;

use crate::engines::contract::{Access, Engine, Hand, LATEST, Task, Version, named};
use crate::engines::redis::monitor::info::Info;
use crate::engines::redis::session::{self, Open};
use crate::engines::redis::tune::kinds::{Load, is_fixed, is_harmless, kind, never, would_show};
use crate::model::fault::Fault;
use crate::model::nearest::nearest;
use crate::model::plan::{Held, Refusal, Step};
use crate::model::target::Target;

/// The longest value, in bytes.
const VALUE_BYTES_MAX: usize = 1000;

/// The parameters with which a server throws data away, or turns clients and writes away, from one moment to the next.
const CAN_HARM: &[&str] =
    &["maxmemory", "maxmemory-policy", "maxclients", "min-replicas-to-write", "min-slaves-to-write"];

/// The most names that a hint tells.
const NEAR_MAX: usize = 3;

struct Tuner {
    open: Open,
}

/// Opens a session that may change parameters.
///
/// # Errors
/// As for a session that reads. `redis-20`: it is a Sentinel.
pub async fn reach(engine: &dyn Engine, target: &Target, access: &Access) -> Result<Box<dyn Hand>, Refusal> {
    let open = session::open(engine, target, access).await?;
    if open.facts().role == "sentinel" {
        return Err(Fault::new(
            "redis-20",
            format!("{} is a Sentinel: it has no settings that the agent could set", open.door()),
        )
        .hint("Name the server that holds the data as the target."));
    }
    Ok(Box::new(Tuner { open }))
}

impl Hand for Tuner {
    fn look<'a>(&'a mut self, key: &'a str) -> Task<'a, Result<Held, Fault>> {
        Box::pin(async move {
            let shown = self.shown(&key.to_ascii_lowercase()).await?;
            Ok(held(shown))
        })
    }

    fn plan<'a>(&'a mut self, key: &'a str, value: &'a str) -> Task<'a, Result<Step, Refusal>> {
        Box::pin(self.work_out(key, value))
    }

    fn put<'a>(&'a mut self, key: &'a str, held: &'a Held) -> Task<'a, Result<(), Fault>> {
        Box::pin(self.write(key, held))
    }
}

/// There is one place: what is written is what holds.
fn held(shown: String) -> Held {
    Held { written: Some(shown.clone()), effective: shown }
}

impl Tuner {
    /// What CONFIG GET shows of one parameter.
    async fn shown(&mut self, name: &str) -> Result<String, Fault> {
        // The answer could hold more than one parameter, and secrets among them, if the name were a pattern.
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name.is_empty() || !name.chars().all(is_name) {
            return Err(self.unknown(name, &[]));
        }
        if let Some(reason) = never(name) {
            return Err(never_set(name, reason));
        }
        let found = self.config(name).await?;
        if let Some((_, text)) = found.into_iter().find(|(known, _)| known == name) {
            return Ok(text);
        }
        let all = self.config("*").await?;
        let known: Vec<&str> =
            all.iter().map(|(known, _)| known.as_str()).filter(|known| kind(known).is_some()).collect();
        Err(self.unknown(name, &known))
    }

    /// Names with their values.
    async fn config(&mut self, pattern: &str) -> Result<Vec<(String, String)>, Fault> {
        let answer = self.open.say(&["CONFIG", "GET", pattern]).await;
        let flat = answer.map_err(|words| self.refused(&format!("look at '{pattern}'"), &words))?;
        let texts: Vec<String> = session::texts(flat);
        Ok(texts.chunks_exact(2).map(|pair| (pair[0].clone(), pair[1].clone())).collect())
    }

    async fn work_out(&mut self, key: &str, value: &str) -> Result<Step, Refusal> {
        let name = key.to_ascii_lowercase();
        let now = self.shown(&name).await?;
        if is_fixed(&name) {
            return Err(Fault::new("redis-22", format!("'{name}' needs a restart"))
                .detail("The server takes it only when it starts.")
                .hint("Set it in the server's file, and restart when it suits you."));
        }
        let Some(kind) = kind(&name) else {
            return Err(Fault::new("redis-23", format!("'{name}' is not among what the agent sets"))
                .detail("It does not know what the parameter takes, and so not what the server would show then.")
                .hint("Set it yourself, with CONFIG SET."));
        };
        let wrong =
            |why: String| Fault::new("redis-24", format!("'{name}' cannot be '{}': it {why}", value.escape_debug()));
        if value.len() > VALUE_BYTES_MAX {
            let why = format!("has {} bytes, and {VALUE_BYTES_MAX} are allowed", value.len());
            return Err(Fault::new("redis-24", format!("'{name}' cannot be what was given: it {why}")));
        }
        let shown = would_show(kind, &now, value).map_err(wrong)?;
        if shown != now {
            self.is_harmless(&name, &shown).await?;
        }
        let words = |text: &str| format!("CONFIG SET {name} {}", quoted(text));
        Ok(Step { words: words(&shown), undo_words: words(&now), before: held(now), after: held(shown), key: name })
    }

    /// Whether the change would hurt at once; before an undo too, for the server may have grown since.
    async fn is_harmless(&mut self, name: &str, shown: &str) -> Result<(), Fault> {
        if !CAN_HARM.contains(&name) {
            return Ok(());
        }
        let load = self.load(name).await?;
        is_harmless(name, shown, &load).map_err(|what| {
            Fault::new("redis-25", format!("'{name}' is not set to '{shown}': that would do harm at once"))
                .detail(what)
                .hint("Make room first, or set it yourself.")
        })
    }

    async fn load(&mut self, name: &str) -> Result<Load, Fault> {
        let mut text = String::new();
        for section in ["memory", "clients", "replication"] {
            let answer = self.open.say(&["INFO", section]).await;
            let answer = answer.map_err(|words| self.refused(&format!("look at '{name}'"), &words))?;
            text.extend(session::texts(answer));
        }
        let info = Info::of(&text);
        let number = |field: &str| info.first(field).and_then(|text| text.parse().ok());
        let missing = |field: &str| {
            Fault::new("redis-27", format!("{} does not say its {field}", self.open.door()))
                .detail(format!("Without it nobody knows whether setting '{name}' does harm."))
        };
        Ok(Load {
            used_bytes: number("used_memory").ok_or_else(|| missing("used_memory"))?,
            maxmemory_bytes: number("maxmemory").ok_or_else(|| missing("maxmemory"))?,
            clients: number("connected_clients").ok_or_else(|| missing("connected_clients"))?,
            replicas: number("connected_slaves").ok_or_else(|| missing("connected_slaves"))?,
            policy: info.first("maxmemory_policy").unwrap_or("").to_string(),
            is_replica: info.first("role") == Some("slave"),
        })
    }

    async fn write(&mut self, key: &str, held: &Held) -> Result<(), Fault> {
        if let Some(reason) = never(key) {
            return Err(never_set(key, reason));
        }
        let Some(text) = held.written.as_deref() else {
            return Err(Fault::new("redis-29", format!("nothing is known to put back for '{key}'")));
        };
        let now = self.shown(key).await?;
        if now == text {
            return Ok(());
        }
        self.is_harmless(key, text).await?;
        let answer = self.open.say(&["CONFIG", "SET", key, text]).await;
        answer.map(|_| ()).map_err(|words| self.refused(&format!("change '{key}'"), &words))
    }

    fn unknown(&self, name: &str, known: &[&str]) -> Fault {
        let hint = match nearest(name, known).as_slice() {
            [] => "CONFIG GET * lists what there is.".to_string(),
            near => format!("Did you mean {}?", near[..near.len().min(NEAR_MAX)].join(" or ")),
        };
        let facts = self.open.facts();
        let flavour = if facts.flavour.is_empty() { "redis" } else { &facts.flavour };
        Fault::new("redis-21", format!("the server knows no parameter '{}'", name.escape_debug()))
            .detail(format!("Asked of {flavour} {} at {}.", facts.version_text, self.open.door()))
            .hint(hint)
    }

    fn refused(&self, what: &str, words: &str) -> Fault {
        let whom = if self.open.user().is_empty() { String::new() } else { format!(" as '{}'", self.open.user()) };
        let known = [
            ("NOPERM", "ACL SETUSER for the action's user: +config|get +config|set +info."),
            ("ERR unknown command", "A managed service keeps its parameters outside the server; change it there."),
            ("READONLY", "Is the target the primary?"),
            ("ERR", "The server's log may say more."),
        ];
        let hint = known.iter().find(|(begin, _)| words.starts_with(begin)).map_or("", |(_, hint)| hint);
        let hint = if hint.is_empty() { "Whether it happened shows when the parameter is read again." } else { hint };
        Fault::new("redis-26", format!("could not {what} at {}{whom}: {words}", self.open.door())).hint(hint)
    }
}

/// A parameter that the agent sets for nobody.
fn never_set(name: &str, reason: &str) -> Refusal {
    Fault::new("redis-30", format!("'{name}' is not for a program to set"))
        .detail(format!("The reason: {reason}."))
        .hint("Set it yourself, with CONFIG SET or in the server's file.")
}

/// A value as one word of a command line.
fn quoted(text: &str) -> String {
    if text.is_empty() || text.contains(' ') { format!("\"{text}\"") } else { text.to_string() }
}

/// The first version that knows users.
const KNOWS_USERS: Version = (6, 0);
/// The first version that knows channels.
const KNOWS_CHANNELS: Version = (6, 2);

/// The script that makes the user for actions, as that of the user who watches.
pub fn grants(login: &str, version: Option<Version>) -> String {
    let known = version.unwrap_or(LATEST);
    let server = named("Redis", version);
    if known < KNOWS_USERS {
        return format!(
            "# {server} knows no users: the agent logs in without a name, with the password that is in requirepass.\n"
        );
    }
    let channels = if known >= KNOWS_CHANNELS { " resetchannels" } else { "" };
    format!(
        "# The login with which Watchward changes parameters of {server}: CONFIG, and no key.\n\
         # It is off until it gets a password, from a file so that no history has it:\n\
         #   printf 'ACL SETUSER {login} on >%s\\n' \"$(cat PASSWORD_FILE)\" | redis-cli\n\
         # To outlive a restart: ACL SAVE where aclfile is set, else CONFIG REWRITE.\n\
         # What the agent sets does not outlive one: the server then goes by its own file again.\n\
         ACL SETUSER {login} reset{channels} -@all +ping +client|setname +info +config|get +config|set\n"
    )
}
