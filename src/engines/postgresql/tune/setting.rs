//! What may be set and what would then hold: decided from what the server says of a setting, without asking it again.

use crate::engines::contract::{Facts, Table};
use crate::engines::postgresql::tune::keys::never;
use crate::engines::postgresql::tune::units::{flag, general, integer, real, show_integer, show_real};
use crate::model::fault::Fault;
use crate::model::nearest::nearest;
use crate::model::plan::Refusal;

/// A setting as pg_settings shows it to our session, and what our login may do with it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Setting {
    /// As the server writes it: `work_mem`, `DateStyle`.
    pub name: String,
    /// In the setting's own unit, without it.
    pub setting: String,
    pub unit: String,
    /// Who may change it, and when that has effect: `postmaster`, `sighup`, `user`, …
    pub context: String,
    /// `bool`, `enum`, `integer`, `real`, `string`.
    pub kind: String,
    /// Where our session has the value from.
    pub source: String,
    pub min: String,
    pub max: String,
    /// The words that an `enum` may be.
    pub words: Vec<String>,
    pub may_alter: bool,
    pub may_rehearse: bool,
    pub may_reload: bool,
    pub alter_system_is_off: bool,
}

/// Who asks whom, for words.
#[derive(Clone, Copy, Debug)]
pub struct Asker<'a> {
    pub facts: &'a Facts,
    pub door: &'a str,
    pub user: &'a str,
}

impl Setting {
    /// Reads the one row of `question`. `None`: there is no such setting.
    pub fn of(table: &Table) -> Option<Setting> {
        let row = table.rows.first()?;
        let cell = |name: &str| table.column(name).ok().and_then(|at| row[at].clone()).unwrap_or_default();
        let is = |name: &str| cell(name) == "t";
        Some(Setting {
            name: cell("name"),
            setting: cell("setting"),
            unit: cell("unit"),
            context: cell("context"),
            kind: cell("vartype"),
            source: cell("source"),
            min: cell("min_val"),
            max: cell("max_val"),
            words: cell("words").split('\n').filter(|word| !word.is_empty()).map(str::to_string).collect(),
            may_alter: is("may_alter"),
            may_rehearse: is("may_rehearse"),
            may_reload: is("may_reload"),
            alter_system_is_off: is("alter_system_is_off"),
        })
    }

    /// A value in the setting's own unit, as SHOW writes it.
    pub fn shown(&self, own: &str) -> String {
        match self.kind.as_str() {
            "integer" => own.parse().map_or_else(|_| own.to_string(), |value| show_integer(value, &self.unit)),
            "real" => own.parse().map_or_else(|_| own.to_string(), |value| show_real(value, &self.unit)),
            _ => own.to_string(),
        }
    }

    /// What the server goes by, as SHOW writes it.
    pub fn effective(&self) -> String {
        self.shown(&self.setting)
    }

    /// What SHOW would write if the setting were `value`.
    ///
    /// # Errors
    /// `postgresql-24`: it cannot be that.
    pub fn would_show(&self, value: &str) -> Result<String, Refusal> {
        let told = if value.contains(char::is_control) { value.escape_debug().to_string() } else { value.to_string() };
        let wrong = |why: &str| Fault::new("postgresql-24", format!("'{}' cannot be '{told}': {why}", self.name));
        if let Some(control) = value.chars().find(|c| c.is_control()) {
            return Err(wrong(&format!("it has the character U+{:04X} in it", control as u32)));
        }
        if value.len() > VALUE_BYTES_MAX {
            let why = format!("it has {} bytes, and {VALUE_BYTES_MAX} are allowed", value.len());
            return Err(Fault::new("postgresql-24", format!("'{}' cannot be what was given: {why}", self.name)));
        }
        match self.kind.as_str() {
            "bool" => flag(value)
                .map(|on| if on { "on" } else { "off" }.to_string())
                .ok_or_else(|| wrong("it is neither on nor off")),
            "enum" => self.word(value).ok_or_else(|| {
                let known: Vec<&str> = self.words.iter().map(String::as_str).collect();
                let hint = match nearest(value, &known).as_slice() {
                    [] => String::new(),
                    near => format!("Did you mean {}?", near.join(" or ")),
                };
                wrong(&format!("it is none of {}", known.join(", "))).hint(hint)
            }),
            "integer" => {
                let own = integer(value, &self.unit).map_err(|why| wrong(&format!("it {why}")))?;
                #[allow(clippy::cast_precision_loss)] // below 2^31
                self.in_range(own as f64).map_err(|why| wrong(&why))?;
                Ok(show_integer(own, &self.unit))
            }
            "real" => {
                let own = real(value, &self.unit).map_err(|why| wrong(&format!("it {why}")))?;
                self.in_range(own).map_err(|why| wrong(&why))?;
                // As the server's own `setting` has it: six digits.
                Ok(self.shown(&general(own)))
            }
            _ => Ok(value.to_string()),
        }
    }

    fn word(&self, value: &str) -> Option<String> {
        self.words.iter().find(|word| word.eq_ignore_ascii_case(value)).cloned()
    }

    fn in_range(&self, own: f64) -> Result<(), String> {
        let bound = |text: &str| text.parse::<f64>().ok();
        let below = bound(&self.min).is_some_and(|min| own < min);
        let above = bound(&self.max).is_some_and(|max| own > max);
        if below || above {
            return Err(format!("it may be from {} to {}", self.shown(&self.min), self.shown(&self.max)));
        }
        Ok(())
    }

    /// Whether it may be changed at all, and by us, with an effect that can be read back.
    ///
    /// # Errors
    /// Why not.
    pub fn allows(&self, asker: Asker) -> Result<(), Refusal> {
        let name = &self.name;
        if let Some(reason) = never(name) {
            return Err(never_set(name, reason));
        }
        let fixed = |what: &str, detail: &str, hint: &str| {
            Err(Fault::new("postgresql-22", format!("'{name}' {what}")).detail(detail).hint(hint))
        };
        match self.context.as_str() {
            "user" | "superuser" | "sighup" => {}
            "postmaster" => {
                return fixed(
                    "needs a restart",
                    "The agent changes only what a reload puts into effect.",
                    "Set it in postgresql.conf, and restart the server when it suits you.",
                );
            }
            "backend" | "superuser-backend" => {
                return fixed(
                    "reaches only sessions that begin later",
                    "Whether it holds could not be read back in the session that changed it.",
                    "Set it yourself, with ALTER SYSTEM and pg_reload_conf().",
                );
            }
            _ => {
                return fixed("cannot be changed", "It was fixed when the server was built or its data were made.", "");
            }
        }
        self.is_not_overridden(asker)?;
        self.is_granted(asker)
    }

    /// The value must come from where ALTER SYSTEM writes, or from below it.
    fn is_not_overridden(&self, asker: Asker) -> Result<(), Refusal> {
        let name = &self.name;
        let refused =
            |what: String, detail: &str, hint: String| Err(Fault::new("postgresql-23", what).detail(detail).hint(hint));
        let login = asker.user;
        let for_us = "Our session does not see what the others go by, so the change could not be verified.";
        match self.source.as_str() {
            "default" | "dynamic default" | "configuration file" => Ok(()),
            "command line" | "environment variable" => refused(
                format!("'{name}' is given by the server's {}", self.source),
                "That goes above what ALTER SYSTEM writes, which would have no effect.",
                "Take it out of what starts the server (a unit file, a container's arguments, a cluster manager)."
                    .into(),
            ),
            "user" => refused(
                format!("'{name}' has a value of its own for the login '{login}'"),
                for_us,
                format!("ALTER ROLE {login} RESET {name};"),
            ),
            "database" | "database user" | "global" => refused(
                format!("'{name}' has a value of its own where '{login}' logs in (source: {})", self.source),
                for_us,
                "Let the agent log in to another database, or look at pg_db_role_setting and RESET it there.".into(),
            ),
            other => refused(
                format!("'{name}' has a value of its own in the agent's session (source: {other})"),
                for_us,
                "Take it out of the target's url.".into(),
            ),
        }
    }

    fn is_granted(&self, asker: Asker) -> Result<(), Refusal> {
        let (name, login, major) = (&self.name, asker.user, asker.facts.version.0);
        if self.alter_system_is_off {
            return Err(Fault::new("postgresql-27", "ALTER SYSTEM is switched off here (allow_alter_system = off)")
                .detail("Something else keeps this server's settings: an operator, a tool that manages it.")
                .hint("Change the setting there."));
        }
        let refused = |what: String| Fault::new("postgresql-26", what);
        if !self.may_alter && !asker.facts.flavour.is_empty() {
            return Err(refused(format!("'{login}' may not change '{name}': this is a managed service"))
                .detail(format!("Its kind is {}: settings are kept outside the server.", asker.facts.flavour))
                .hint("Change the setting in the service's own parameters."));
        }
        if !self.may_alter && major < PARAMETER_GRANTS_SINCE {
            return Err(refused(format!("'{login}' may not change '{name}': PostgreSQL {major} lets only superusers"))
                .hint(
                    "Give the target's action a superuser's login; from version 15 on single settings can be granted.",
                ));
        }
        if !self.may_alter {
            return Err(refused(format!("'{login}' may not change '{name}'"))
                .hint(format!("GRANT ALTER SYSTEM ON PARAMETER {name} TO {login};")));
        }
        if !self.may_reload {
            return Err(refused(format!("'{login}' may not have the server reload its files")).hint(format!(
                "GRANT EXECUTE ON FUNCTION pg_reload_conf() TO {login}; in the database it logs in to."
            )));
        }
        Ok(())
    }
}

/// The major version from which on ALTER SYSTEM can be granted.
pub const PARAMETER_GRANTS_SINCE: u32 = 15;

/// The longest value, in bytes.
const VALUE_BYTES_MAX: usize = 1000;

/// A setting that the agent sets for nobody.
pub fn never_set(name: &str, reason: &str) -> Refusal {
    Fault::new("postgresql-21", format!("'{name}' is not for a program to set"))
        .detail(format!("The reason: {reason}."))
        .hint("Set it yourself, with ALTER SYSTEM or in postgresql.conf.")
}

/// The server has no setting of this name; `known` are those it has.
pub fn unknown(asker: Asker, key: &str, known: &[&str]) -> Refusal {
    let hint = match nearest(key, known).as_slice() {
        [] => "Does it belong to an extension that is not loaded? SHOW ALL lists what there is.".to_string(),
        near => format!("Did you mean {}?", near[..near.len().min(NEAR_MAX)].join(" or ")),
    };
    Fault::new("postgresql-20", format!("the server knows no setting '{}'", key.escape_debug()))
        .detail(format!("Asked of PostgreSQL {} at {} as '{}'.", asker.facts.version_text, asker.door, asker.user))
        .hint(hint)
}

/// The most names that a hint tells.
const NEAR_MAX: usize = 3;

/// The first mistake in the configuration's files that would keep a reload from taking anything in, or this setting.
/// One of another setting, or a value that waits for a restart, does not: the server takes in the rest.
///
/// # Errors
/// `postgresql-25`: there is one.
pub fn files_are_sound(mistakes: &Table, name: &str) -> Result<(), Refusal> {
    let at = |column: &str| mistakes.column(column).ok();
    let (Some(file), Some(line), Some(error), Some(of)) = (at("sourcefile"), at("sourceline"), at("error"), at("name"))
    else {
        return Ok(());
    };
    for row in &mistakes.rows {
        let cell = |at: usize| row[at].as_deref().unwrap_or("");
        if cell(error) == "setting could not be applied" && cell(of) != name {
            continue;
        }
        let whose = if cell(of).is_empty() { String::new() } else { format!(" '{}'", cell(of)) };
        let what = format!("{}{whose} ({}, line {})", cell(error), cell(file), cell(line));
        return Err(Fault::new("postgresql-25", format!("a reload would not take '{name}' in: {what}"))
            .hint("Put that right first; pg_file_settings shows every mistake in the files."));
    }
    Ok(())
}
