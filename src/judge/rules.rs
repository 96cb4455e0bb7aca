//! What a rule is: groups of rules as loaded, each with an identity that outlives a reload.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::judge::load;
use crate::judge::template::{Template, TemplateError};
use crate::judge::thresholds::Ceiling;
use crate::model::fault::Fault;
use crate::promql;
use crate::promql::expression::{Expression, ParseError};

/// How much may be loaded.
#[derive(Clone, Copy, Debug)]
pub struct LoadLimits {
    pub file_bytes_max: usize,
    pub groups_max: usize,
    /// Over all files.
    pub rules_max: usize,
}

impl Default for LoadLimits {
    fn default() -> LoadLimits {
        LoadLimits { file_bytes_max: 1 << 20, groups_max: 1_000, rules_max: 10_000 }
    }
}

/// Every rule that is judged by.
#[derive(Debug, Default)]
pub struct Rules {
    pub groups: Vec<Group>,
    /// What the thresholds could reach at most; see `thresholds`.
    pub ceilings: Vec<Ceiling>,
}

/// Rules that are evaluated one after the other, at one time.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The file, or what stands in for it: `builtin/host.yml`, `[alert.thresholds]`.
    pub origin: String,
    pub name: String,
    /// `None`: the interval of `[judge]`.
    pub interval: Option<Duration>,
    /// The most results one rule may have; 0: as many as the agent's own limit allows.
    pub limit: usize,
    /// How far in the past the expressions are evaluated.
    pub query_offset: Duration,
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `origin;group;name`, with `#2`, `#3` for further ones of that name. The same after a reload of the same file.
    pub id: Arc<str>,
    /// The alert's name, or of the series that is recorded.
    pub name: String,
    pub expression: Expression,
    /// By name, as the annotations are.
    pub labels: Vec<(String, Template)>,
    /// `None` for a recording rule.
    pub alert: Option<Alerting>,
}

/// What only alerting rules have.
#[derive(Clone, Debug, PartialEq)]
pub struct Alerting {
    /// `for`.
    pub hold: Duration,
    pub keep_firing: Duration,
    pub annotations: Vec<(String, Template)>,
}

/// Why a rule made in code is none.
#[derive(Debug, thiserror::Error)]
pub enum RuleError {
    #[error("expression: {0}")]
    Expression(ParseError),
    #[error("template: {0}")]
    Template(TemplateError),
}

impl PartialEq for Rule {
    fn eq(&self, other: &Rule) -> bool {
        (&self.id, &self.name, &self.labels, &self.alert) == (&other.id, &other.name, &other.labels, &other.alert)
            && self.expression.to_string() == other.expression.to_string()
    }
}

impl Rules {
    /// Loads rule files: Prometheus' format, every fault of every file at once.
    ///
    /// # Errors
    /// The faults, each with file, line, group and rule.
    pub fn load(files: &[(String, String)], limits: &LoadLimits) -> Result<Rules, Vec<Fault>> {
        let (groups, faults) = load::files(files, limits);
        if faults.is_empty() { Ok(Rules { groups, ceilings: Vec::new() }) } else { Err(faults) }
    }

    /// Groups with their rules, in order.
    pub fn each(&self) -> impl Iterator<Item = (&Group, &Rule)> {
        self.groups.iter().flat_map(|group| group.rules.iter().map(move |rule| (group, rule)))
    }
}

impl Rule {
    /// An alerting rule made in code; its id is given by `Group::identify`.
    ///
    /// # Errors
    /// The fault in the expression or in a template.
    pub fn alert(
        name: &str,
        expression: &str,
        hold: Duration,
        labels: &[(&str, &str)],
        annotations: &[(&str, &str)],
    ) -> Result<Rule, RuleError> {
        let read = |pairs: &[(&str, &str)]| {
            let one = |(name, text): &(&str, &str)| Ok(((*name).to_string(), Template::read(text)?));
            let read: Result<BTreeMap<String, Template>, TemplateError> = pairs.iter().map(one).collect();
            read.map(|sorted| sorted.into_iter().collect::<Vec<_>>()).map_err(RuleError::Template)
        };
        Ok(Rule {
            id: Arc::from(""),
            name: name.to_string(),
            expression: promql::parse(expression).map_err(RuleError::Expression)?,
            labels: read(labels)?,
            alert: Some(Alerting { hold, keep_firing: Duration::ZERO, annotations: read(annotations)? }),
        })
    }
}

impl Group {
    /// Gives each rule its id.
    pub fn identify(mut self) -> Group {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for rule in &mut self.rules {
            let count = counts.entry(rule.name.clone()).or_default();
            *count += 1;
            let again = if *count == 1 { String::new() } else { format!("#{count}") };
            rule.id = format!("{};{};{}{again}", self.origin, self.name, rule.name).into();
        }
        self
    }
}
