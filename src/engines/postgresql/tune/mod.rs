//! Changes settings that a reload puts into effect: ALTER SYSTEM, pg_reload_conf(), and reading back.

pub mod judge;
pub mod keys;
pub mod text;
pub mod units;

use crate::engines::contract::{Access, Engine, Facts, Hand, Task, Version, named};
use crate::engines::postgresql::session::{self, Open, Said};
use crate::engines::postgresql::tune::judge::{
    Asker, PARAMETER_GRANTS_SINCE, Setting, files_are_sound, never_set, unknown,
};
use crate::engines::postgresql::tune::keys::never;
use crate::engines::postgresql::tune::text::{identifier, literal, value as value_text};
use crate::model::fault::Fault;
use crate::model::plan::{Held, Refusal, Step};
use crate::model::target::Target;

/// The database that PgBouncer's console pretends to be.
const CONSOLE: &str = "pgbouncer";

/// The longest name of a setting, in bytes; an extension's has two identifiers in it.
const NAME_BYTES_MAX: usize = 127;

struct Tuner {
    open: Open,
}

/// Opens a session that may change settings.
///
/// # Errors
/// As for a session that reads. `postgresql-32`: it is a pooler's console.
pub async fn reach(engine: &dyn Engine, target: &Target, access: &Access) -> Result<Box<dyn Hand>, Refusal> {
    if target.url.path == CONSOLE {
        return Err(Fault::new("postgresql-32", "the console of PgBouncer has no settings of PostgreSQL")
            .hint("Name a database of the server in the target's url."));
    }
    Ok(Box::new(Tuner { open: session::open(engine, target, access).await? }))
}

impl Hand for Tuner {
    fn look<'a>(&'a mut self, key: &'a str) -> Task<'a, Result<Held, Fault>> {
        Box::pin(async move {
            let setting = self.setting(key).await?;
            self.held(&setting).await
        })
    }

    fn plan<'a>(&'a mut self, key: &'a str, value: &'a str) -> Task<'a, Result<Step, Refusal>> {
        Box::pin(self.work_out(key, value))
    }

    fn put<'a>(&'a mut self, key: &'a str, held: &'a Held) -> Task<'a, Result<(), Fault>> {
        Box::pin(self.write(key, held.written.as_deref()))
    }
}

impl Tuner {
    fn asker(&self) -> Asker<'_> {
        Asker { facts: self.open.facts(), door: self.open.door(), user: self.open.user() }
    }

    async fn setting(&mut self, key: &str) -> Result<Setting, Fault> {
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '$');
        if key.is_empty() || key.len() > NAME_BYTES_MAX || !key.chars().all(is_name) {
            return Err(unknown(self.asker(), key, &[]));
        }
        let question = question(key, self.open.facts());
        let table = self.open.say(&question).await.map_err(|said| self.silent("look at", key, &said))?;
        if let Some(setting) = Setting::of(&table) {
            return Ok(setting);
        }
        let all =
            self.open.say("SELECT name FROM pg_settings").await.map_err(|said| self.silent("look at", key, &said))?;
        let known: Vec<&str> = all.rows.iter().filter_map(|row| row.first()?.as_deref()).collect();
        Err(unknown(self.asker(), key, &known))
    }

    async fn held(&mut self, setting: &Setting) -> Result<Held, Fault> {
        let question = format!(
            "SELECT setting FROM pg_file_settings WHERE sourcefile LIKE '%/postgresql.auto.conf' \
             AND lower(name) = lower({}) ORDER BY seqno DESC LIMIT 1",
            literal(&setting.name)
        );
        let table = self.open.say(&question).await.map_err(|said| self.silent("look at", &setting.name, &said))?;
        let written = table.rows.into_iter().next().and_then(|row| row.into_iter().next()?);
        Ok(Held { written, effective: setting.effective() })
    }

    async fn work_out(&mut self, key: &str, value: &str) -> Result<Step, Refusal> {
        let setting = self.setting(key).await?;
        setting.allows(self.asker())?;
        let name = setting.name.as_str();
        let shown = setting.would_show(value)?;
        let mistakes = "SELECT name, sourcefile, sourceline, error FROM pg_file_settings WHERE error IS NOT NULL";
        let mistakes = self.open.say(mistakes).await.map_err(|said| self.silent("look at", name, &said))?;
        files_are_sound(&mistakes, name)?;
        let before = self.held(&setting).await?;
        let after = if setting.kind == "string" {
            self.rehearsed(&setting, value).await?
        } else {
            Held { written: Some(value.to_string()), effective: shown }
        };
        if after.effective == before.effective {
            return Err(Fault::new("postgresql-28", format!("'{name}' is '{}' already", before.effective))
                .detail("There is nothing to change, and so nothing to take back."));
        }
        self.is_exact(&setting, &before).await?;
        let words = |held: &Held| match &held.written {
            Some(text) => value_text(name, text).map(|text| format!("ALTER SYSTEM SET {} = {text}", plain(name))),
            None => Some(format!("ALTER SYSTEM RESET {}", plain(name))),
        };
        let sentence = |held: &Held| words(held).map(|words| format!("{words}; SELECT pg_reload_conf()"));
        let unwritable = || self.unwritable(name, value);
        Ok(Step {
            key: name.to_string(),
            words: sentence(&after).ok_or_else(unwritable)?,
            undo_words: sentence(&before).ok_or_else(unwritable)?,
            before,
            after,
        })
    }

    /// What a text becomes, where only the server knows: it is set for one transaction that ends in a rollback.
    async fn rehearsed(&mut self, setting: &Setting, value: &str) -> Result<Held, Refusal> {
        let name = setting.name.as_str();
        let text = value_text(name, value).ok_or_else(|| self.unwritable(name, value))?;
        // Only a reload changes log_timezone, and it reads as TimeZone does.
        let stage = if name == "log_timezone" { "TimeZone" } else { name };
        if !setting.may_rehearse && stage == name {
            return Ok(Held { written: Some(value.to_string()), effective: value.to_string() });
        }
        let rehearsal = format!(
            "BEGIN READ ONLY; SET LOCAL {} = {text}; SELECT setting FROM pg_settings WHERE name = {}; ROLLBACK",
            identifier(stage),
            literal(stage)
        );
        let table = self.open.say(&rehearsal).await.map_err(|said| match said.sqlstate.as_str() {
            "" => self.silent("look at", name, &said),
            _ => Fault::new("postgresql-24", format!("'{name}' cannot be '{value}': {}", said.words))
                .detail("The server said so when it was tried in a transaction that was taken back."),
        })?;
        let shown = table.rows.into_iter().next().and_then(|row| row.into_iter().next()?).unwrap_or_default();
        // The server writes lists of identifiers in its own way, and other texts as they are.
        let is_list = keys::is_list_of_identifiers(name);
        Ok(Held { written: Some(if is_list { shown.clone() } else { value.to_string() }), effective: shown })
    }

    /// Whether what is written can be written again as it stands; else a change could not be taken back.
    async fn is_exact(&mut self, setting: &Setting, before: &Held) -> Result<(), Refusal> {
        let name = setting.name.as_str();
        let Some(text) = before.written.as_deref().filter(|_| keys::is_list_of_identifiers(name)) else {
            return Ok(());
        };
        let again = match value_text(name, text) {
            Some(_) => self.rehearsed(setting, text).await.ok().and_then(|held| held.written),
            None => None,
        };
        if again.as_deref() == Some(text) {
            return Ok(());
        }
        Err(Fault::new("postgresql-29", format!("'{name}' could not be put back to what it is: {text}"))
            .detail("It stands in postgresql.auto.conf as no ALTER SYSTEM writes it.")
            .hint(format!(
                "Write it anew with ALTER SYSTEM SET {name}; then the agent can change it and take that back."
            )))
    }

    async fn write(&mut self, key: &str, written: Option<&str>) -> Result<(), Fault> {
        if let Some(reason) = never(key) {
            return Err(never_set(key, reason));
        }
        let name = identifier(key);
        let statement = match written {
            Some(text) => {
                let text = value_text(key, text).ok_or_else(|| self.unwritable(key, text))?;
                format!("ALTER SYSTEM SET {name} = {text}")
            }
            None => format!("ALTER SYSTEM RESET {name}"),
        };
        // ALTER SYSTEM stands alone: it is refused within a transaction, which two statements in one message are.
        self.open.say(&statement).await.map_err(|said| self.silent("change", key, &said))?;
        let told =
            self.open.say("SELECT pg_reload_conf()").await.map_err(|said| self.silent("reload after", key, &said))?;
        if told.rows.first().and_then(|row| row.first()?.as_deref()) != Some("t") {
            return Err(Fault::new("postgresql-31", format!("'{key}' is written, and the server does not reload"))
                .hint("pg_reload_conf() returned false: the server's log says why."));
        }
        Ok(())
    }

    fn unwritable(&self, name: &str, text: &str) -> Fault {
        Fault::new("postgresql-24", format!("'{name}' cannot be '{text}': it is not a list of names"))
            .hint("Names are divided by commas; one with capitals or signs in it stands in double quotes.")
    }

    /// What the server said in place of an answer.
    fn silent(&self, what: &str, key: &str, said: &Said) -> Fault {
        let (door, user) = (self.open.door(), self.open.user());
        if said.sqlstate.is_empty() {
            return Fault::new("postgresql-33", format!("could not {what} '{key}' at {door}: {}", said.words))
                .hint("Whether it happened shows when the setting is read again.");
        }
        let hint = match said.sqlstate.as_str() {
            "42501" if what == "look at" => format!(
                "GRANT SELECT ON pg_file_settings TO {user}; GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO \
                 {user}; in the database it logs in to."
            ),
            "42501" => format!(
                "May the login change it (GRANT ALTER SYSTEM ON PARAMETER {key} TO {user};), and can the server write \
                 postgresql.auto.conf?"
            ),
            "0A000" => "Something else keeps this server's settings; change the setting there.".to_string(),
            _ => "The server's log may say more.".to_string(),
        };
        Fault::new("postgresql-30", format!("could not {what} '{key}' at {door} as '{user}': {}", said.words))
            .detail(format!("The server said {}.", said.sqlstate))
            .hint(hint)
    }
}

/// A name as a person writes it: quoted where it has to be.
fn plain(name: &str) -> String {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
    if name.chars().all(is_plain) { name.to_string() } else { identifier(name) }
}

/// All that is to be known of one setting, in one row. Nothing is set for this transaction, not even a limit: it would
/// show up as the setting's value.
fn question(key: &str, facts: &Facts) -> String {
    let granted = |right: &str| {
        if facts.version.0 < PARAMETER_GRANTS_SINCE {
            String::new()
        } else {
            format!(" OR has_parameter_privilege(s.name, '{right}')")
        }
    };
    format!(
        "SELECT s.name, s.setting, s.unit, s.context, s.vartype, s.source, s.min_val, s.max_val, \
         array_to_string(s.enumvals, E'\\n') AS words, \
         current_setting('is_superuser') = 'on'{} AS may_alter, \
         s.context = 'user' OR s.context = 'superuser' AND (current_setting('is_superuser') = 'on'{}) AS may_rehearse, \
         has_function_privilege('pg_reload_conf()', 'EXECUTE') AS may_reload, \
         coalesce(current_setting('allow_alter_system', true), 'on') = 'off' AS alter_system_is_off \
         FROM pg_settings s WHERE lower(s.name) = lower({})",
        granted("ALTER SYSTEM"),
        granted("SET"),
        literal(key)
    )
}

/// The script that makes the login for actions, for psql, as that of the login that watches.
pub fn grants(login: &str, version: Option<Version>) -> String {
    let (role, text, server) = (plain(login), literal(login), named("PostgreSQL", version));
    let old = version.is_some_and(|(major, _)| major < PARAMETER_GRANTS_SINCE);
    let rights = if old {
        format!(
            "-- Before PostgreSQL 15 only superusers may change settings.\n\
             ALTER ROLE {role} SUPERUSER CONNECTION LIMIT 2;\n"
        )
    } else {
        format!(
            "ALTER ROLE {role} CONNECTION LIMIT 2;\n\
             GRANT CONNECT ON DATABASE postgres TO {role};\n\
             GRANT pg_read_all_settings TO {role};\n\
             GRANT SELECT ON pg_file_settings TO {role};\n\
             GRANT EXECUTE ON FUNCTION pg_show_all_file_settings() TO {role};\n\
             GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {role};\n\
             -- One such line for each setting that a policy names:\n\
             GRANT ALTER SYSTEM ON PARAMETER work_mem TO {role};\n"
        )
    };
    format!(
        "-- The login with which Watchward changes settings of {server}, and nothing else.\n\
         -- For psql as a superuser, in the database that the target's url names. At its end \\password asks twice for the\n\
         -- password, and sends only its SCRAM hash.\n\
         \\set ON_ERROR_STOP on\n\
         SELECT 'CREATE ROLE {role} LOGIN' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {text}) \\gexec\n\
         {rights}\
         SET password_encryption = 'scram-sha-256';\n\
         \\password {role}\n"
    )
}
