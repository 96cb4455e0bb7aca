//! The one error at every edge: what failed with the value seen, the detail, and the question an expert would ask.

use std::fmt;

use serde::Serialize;

/// An error a person reads. The first line is short and factual; detail and hint are sentences. Never holds a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Stable and short, `folder-number`, for searching: `config-03`.
    pub code: &'static str,
    /// What failed, with the value seen. Lower case, no full stop.
    pub what: String,
    /// What was read, where, as whom. Empty where there is no more to say.
    pub detail: String,
    /// What to do, or what to look at. Empty where nobody knows.
    pub hint: String,
    /// The server wants a login, or refuses the one it was given: asking again only makes accounts lock.
    #[serde(skip)]
    pub of_login: bool,
}

impl Fault {
    pub fn new(code: &'static str, what: impl Into<String>) -> Fault {
        Fault { code, what: what.into(), detail: String::new(), hint: String::new(), of_login: false }
    }

    pub fn detail(mut self, detail: impl Into<String>) -> Fault {
        self.detail = detail.into();
        self
    }

    /// Marks a fault as one of the login.
    pub fn of_login(mut self, is_one: bool) -> Fault {
        self.of_login = is_one;
        self
    }

    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = hint.into();
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.what, self.code)?;
        if !self.detail.is_empty() {
            write!(f, "\ndetail: {}", self.detail)?;
        }
        if !self.hint.is_empty() {
            write!(f, "\nhint: {}", self.hint)?;
        }
        Ok(())
    }
}

impl std::error::Error for Fault {}
