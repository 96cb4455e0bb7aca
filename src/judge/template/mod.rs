//! Templates of labels and annotations, as Prometheus renders them: the part of Go's text/template that rules use.
//!
//! Everything that can be known before there is data is checked when a template is read: syntax, names of functions,
//! variables and fields, numbers of arguments. Rendering is bounded in output and in steps.

pub mod lex;
pub mod parse;
pub mod render;
pub mod functions;
pub mod numbers;

use std::fmt;
use std::sync::Arc;

use crate::judge::template::parse::Part;
use crate::model::labels::Labels;

/// The longest text that is read as a template, and the longest it may render to.
pub const TEXT_BYTES_MAX: usize = 16 << 10;

/// How deep blocks and parentheses may nest.
pub const DEPTH_MAX: usize = 20;

/// What one rendering may do: parts printed, functions called.
pub const STEPS_MAX: usize = 10_000;

/// A template that was read. Cloning shares it.
#[derive(Clone)]
pub struct Template {
    text: Arc<str>,
    parts: Arc<[Part]>,
}

/// Why a text is not a template; line and column (of characters) begin at 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TemplateError {
    pub what: String,
    pub line: usize,
    pub column: usize,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// What a template may speak of.
#[derive(Clone, Copy, Debug)]
pub struct Data<'a> {
    /// `$labels`, `.Labels`: of the expression's result.
    pub labels: &'a Labels,
    /// `$value`, `.Value`.
    pub value: f64,
    /// `$externalLabels`, `.ExternalLabels`: of the agent.
    pub external_labels: &'a Labels,
    /// `$externalURL`, `.ExternalURL`: where people reach the agent; empty where it is unknown.
    pub external_url: &'a str,
}

impl Template {
    /// # Errors
    /// The first fault in the text, with its place.
    pub fn read(text: &str) -> Result<Template, TemplateError> {
        Ok(Template { text: text.into(), parts: parse::parse(text)?.into() })
    }

    /// A text that is printed as it stands, whatever is in it.
    pub fn plain(text: &str) -> Template {
        Template { text: text.into(), parts: Arc::from(vec![Part::Text(text.to_string())]) }
    }

    /// # Errors
    /// What cannot be printed with this data, as a sentence.
    pub fn render(&self, data: &Data<'_>) -> Result<String, String> {
        match &*self.parts {
            [] => Ok(String::new()),
            [Part::Text(text)] => Ok(text.clone()),
            parts => render::render(parts, data),
        }
    }

    /// The rendered text; what cannot be rendered becomes a text that says why, as in Prometheus: an alert with an ugly
    /// annotation is worth more than none.
    pub fn render_or_say_why(&self, data: &Data<'_>) -> String {
        self.render(data).unwrap_or_else(|why| format!("<error expanding template: {why}>"))
    }

    /// As it was written.
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl PartialEq for Template {
    fn eq(&self, other: &Template) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Template({:?})", self.text)
    }
}
