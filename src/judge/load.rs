//! Reading rule files: the whole file is walked, and every fault in it is reported, with its line, group and rule.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::judge::rules::{Alerting, Group, LoadLimits, Rule};
use crate::judge::template::Template;
use crate::judge::yaml::{self, Node};
use crate::model::duration;
use crate::model::fault::Fault;
use crate::model::nearest::nearest;
use crate::promql;
use crate::promql::expression::Expression;

/// More faults of one file are counted, not shown.
const FAULTS_SHOWN_MAX: usize = 50;

const GROUP_FIELDS: &[&str] = &["name", "interval", "query_offset", "limit", "labels", "rules"];
const ALERT_FIELDS: &[&str] = &["alert", "expr", "for", "keep_firing_for", "labels", "annotations"];
const RECORD_FIELDS: &[&str] = &["record", "expr", "labels"];

/// Loads files in order. Groups that are faulty are left out; whoever asks refuses them all if there is any fault.
pub fn files(files: &[(String, String)], limits: &LoadLimits) -> (Vec<Group>, Vec<Fault>) {
    let (mut groups, mut faults) = (Vec::new(), Vec::new());
    let mut rules_left = limits.rules_max;
    for (origin, text) in files {
        let mut reader =
            Reader { origin, text, group: String::new(), rule: String::new(), faults: Vec::new(), more: 0 };
        reader.file(limits, &mut rules_left, &mut groups);
        faults.append(&mut reader.faults);
        if reader.more > 0 {
            let what = format!("{} more faults in rule file '{origin}'", reader.more);
            faults.push(Fault::new("judge-01", what).hint("Mend the ones above first."));
        }
    }
    (groups, faults)
}

struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
    /// Where the reading is, for messages.
    group: String,
    rule: String,
    faults: Vec<Fault>,
    more: usize,
}

/// A mapping's entries by key, each with its place among them.
type Fields<'a> = BTreeMap<&'a str, (usize, &'a Node)>;

/// The way to a child.
fn below(path: &[usize], step: usize) -> yaml::Path {
    [path, &[step]].concat()
}

impl Reader<'_> {
    fn fault(&mut self, code: &'static str, what: String, path: &[usize], hint: impl Into<String>) {
        if self.faults.len() >= FAULTS_SHOWN_MAX {
            self.more += 1;
            return;
        }
        let (line, _) = yaml::locate(self.text, path, false);
        self.push(code, what, line, hint.into());
    }

    /// A fault in a key itself.
    fn key_fault(&mut self, code: &'static str, what: String, path: &[usize], hint: impl Into<String>) {
        if self.faults.len() >= FAULTS_SHOWN_MAX {
            self.more += 1;
            return;
        }
        let (line, _) = yaml::locate(self.text, path, true);
        self.push(code, what, line, hint.into());
    }

    fn push(&mut self, code: &'static str, what: String, line: usize, hint: String) {
        let mut place = format!("In {}", self.origin);
        if line > 0 {
            place.push_str(&format!(", line {line}"));
        }
        for (word, name) in [("group", &self.group), ("rule", &self.rule)] {
            if !name.is_empty() {
                place.push_str(&format!(", {word} '{name}'"));
            }
        }
        self.faults.push(Fault::new(code, what).detail(place + ".").hint(hint));
    }

    fn file(&mut self, limits: &LoadLimits, rules_left: &mut usize, groups: &mut Vec<Group>) {
        let (bytes, most) = (self.text.len(), limits.file_bytes_max);
        if bytes > most {
            let what = format!("rule file '{}' has {bytes} bytes, more than {most}", self.origin);
            return self.push("judge-01", what, 0, "Split it into several files.".to_string());
        }
        let root = match yaml::read(self.text) {
            Ok(Node::Null) => return,
            Ok(root) => root,
            Err(error) => {
                let what = format!("not YAML: {}", error.what);
                return self.push("judge-02", what, error.line, "Look at the indentation and the quotes there.".into());
            }
        };
        let Some(fields) = self.fields(&root, &[], "a rule file", &["groups"]) else { return };
        let Some(&(at, node)) = fields.get("groups") else { return };
        let path = [at];
        let mut names = BTreeSet::new();
        for (number, node) in self.list(node, &path, "groups").iter().enumerate() {
            self.group.clear();
            let path = below(&path, number);
            if groups.len() >= limits.groups_max {
                let what = format!("more than {} groups of rules", limits.groups_max);
                return self.fault("judge-01", what, &path, "Put rules that belong together into one group.");
            }
            let group = self.group(node, &path, rules_left);
            self.rule.clear();
            if !self.group.is_empty() && !names.insert(self.group.clone()) {
                let what = format!("the group '{}' is there twice", self.group);
                self.fault("judge-07", what, &path, "Names of groups are unique within a file: rename one.");
            }
            groups.extend(group.map(Group::identify));
        }
    }

    fn group(&mut self, node: &Node, path: &[usize], rules_left: &mut usize) -> Option<Group> {
        let faults_before = self.faults.len() + self.more;
        if let Node::Map(entries) = node {
            let name = entries.iter().find(|(key, _)| key == "name");
            self.group = name.and_then(|(_, node)| scalar(node)).unwrap_or_default().to_string();
        }
        let fields = self.fields(node, path, "a group", GROUP_FIELDS)?;
        if self.group.is_empty() {
            self.fault("judge-04", "a group has no name".to_string(), path, "Give it one: `name: …`.");
        }
        let interval = self.duration(&fields, "interval", path);
        if interval == Some(Duration::ZERO) {
            let what = "an interval of 0 evaluates nothing".to_string();
            self.fault("judge-05", what, path, "Leave `interval` out to use the one of [judge].");
        }
        let query_offset = self.duration(&fields, "query_offset", path).unwrap_or_default();
        let limit = self.whole(&fields, "limit", path);
        let shared = self.pairs(&fields, "labels", path, false);
        let mut rules = Vec::new();
        if let Some(&(at, node)) = fields.get("rules") {
            let path = below(path, at);
            for (number, node) in self.list(node, &path, "rules").iter().enumerate() {
                let path = below(&path, number);
                if *rules_left == 0 {
                    self.rule.clear();
                    let what = "more rules than the agent judges by".to_string();
                    self.fault("judge-01", what, &path, "Leave out what nobody needs, or raise [judge].rules_max.");
                    break;
                }
                *rules_left -= 1;
                rules.extend(self.rule(node, &path, &shared));
            }
        }
        let name = self.group.clone();
        let group = Group { origin: self.origin.to_string(), name, interval, limit, query_offset, rules };
        (self.faults.len() + self.more == faults_before).then_some(group)
    }

    fn rule(&mut self, node: &Node, path: &[usize], shared: &[(String, Template)]) -> Option<Rule> {
        self.rule.clear();
        let named = |key: &str| match node {
            Node::Map(entries) => entries.iter().find(|(name, _)| name == key).map(|(_, node)| node),
            _ => None,
        };
        let (records, name) = match (named("alert"), named("record")) {
            (Some(name), None) => (false, name),
            (None, Some(name)) => (true, name),
            (Some(_), Some(_)) => {
                let what = "a rule has both 'alert' and 'record'".to_string();
                self.fault("judge-04", what, path, "Make two rules of it.");
                return None;
            }
            (None, None) => {
                let what = format!("a rule that is {} has neither 'alert' nor 'record'", node.word());
                self.fault("judge-04", what, path, "Name the alert it raises: `alert: …`.");
                return None;
            }
        };
        self.rule = scalar(name).unwrap_or_default().to_string();
        if self.rule.is_empty() {
            self.fault("judge-04", "a rule has no name".to_string(), path, "Name the alert it raises: `alert: …`.");
        }
        if records && !is_metric_name(&self.rule) {
            let what = format!("'{}' is not a metric's name", self.rule);
            self.fault("judge-09", what, path, "Write letters, digits, `_` and `:`, and no digit first.");
        }
        let known = if records { RECORD_FIELDS } else { ALERT_FIELDS };
        let fields = self.fields(node, path, if records { "a recording rule" } else { "an alerting rule" }, known)?;
        let expression = self.expression(&fields, path);
        let mut labels = shared.to_vec();
        for (name, template) in self.pairs(&fields, "labels", path, !records) {
            labels.retain(|(earlier, _)| *earlier != name);
            labels.push((name, template));
        }
        labels.sort_by(|a, b| a.0.cmp(&b.0));
        let alert = (!records).then(|| Alerting {
            hold: self.duration(&fields, "for", path).unwrap_or_default(),
            keep_firing: self.duration(&fields, "keep_firing_for", path).unwrap_or_default(),
            annotations: self.pairs(&fields, "annotations", path, true),
        });
        Some(Rule { id: "".into(), name: self.rule.clone(), expression: expression?, labels, alert })
    }

    fn expression(&mut self, fields: &Fields<'_>, path: &[usize]) -> Option<Expression> {
        let Some(&(at, node)) = fields.get("expr") else {
            self.fault("judge-04", "a rule has no 'expr'".to_string(), path, "Write the condition: `expr: …`.");
            return None;
        };
        let path = below(path, at);
        match promql::parse(scalar(node).unwrap_or_default()) {
            Ok(expression) => match expression.kind() {
                promql::ValueKind::Vector | promql::ValueKind::Scalar => Some(expression),
                promql::ValueKind::Text | promql::ValueKind::Matrix => {
                    let what = format!("the expression '{expression}' gives no single values");
                    self.fault("judge-06", what, &path, "A rule needs one value per series: wrap it in a function.");
                    None
                }
            },
            Err(error) => {
                self.fault("judge-06", format!("bad expression: {error}"), &path, "");
                None
            }
        }
    }

    /// The fields of a mapping; those that are not known are faults.
    fn fields<'n>(&mut self, node: &'n Node, path: &[usize], whose: &str, known: &[&str]) -> Option<Fields<'n>> {
        let Node::Map(entries) = node else {
            let what = format!("{whose} is {}, not a mapping", node.word());
            self.fault("judge-04", what, path, "");
            return None;
        };
        let mut fields = Fields::new();
        for (at, (key, value)) in entries.iter().enumerate() {
            if known.contains(&key.as_str()) {
                fields.insert(key, (at, value));
                continue;
            }
            let hint = match nearest(key, known).as_slice() {
                [] => format!("Known here: {}.", known.join(", ")),
                near => format!("Did you mean {}?", near.join(" or ")),
            };
            self.key_fault("judge-03", format!("{whose} has no field '{}'", shown(key)), &below(path, at), hint);
        }
        Some(fields)
    }

    fn list<'n>(&mut self, node: &'n Node, path: &[usize], what: &str) -> &'n [Node] {
        match node {
            Node::List(list) => list,
            Node::Null => &[],
            other => {
                self.fault("judge-04", format!("'{what}' is {}, not a list", other.word()), path, "");
                &[]
            }
        }
    }

    fn duration(&mut self, fields: &Fields<'_>, key: &str, path: &[usize]) -> Option<Duration> {
        let &(at, node) = fields.get(key)?;
        let text = scalar(node).unwrap_or_default();
        match duration::parse(text) {
            Ok(duration) => Some(duration),
            Err(_) => {
                let what = format!("'{key}' is '{}', not a duration", shown(text));
                self.fault("judge-05", what, &below(path, at), "Write a number and a unit: 30s, 5m, 1h30m.");
                None
            }
        }
    }

    fn whole(&mut self, fields: &Fields<'_>, key: &str, path: &[usize]) -> usize {
        let Some(&(at, node)) = fields.get(key) else { return 0 };
        let text = scalar(node).unwrap_or_default();
        text.parse().unwrap_or_else(|_| {
            let what = format!("'{key}' is '{}', not a whole number", shown(text));
            self.fault("judge-04", what, &below(path, at), "Write 0 for no limit.");
            0
        })
    }

    /// Labels or annotations: names, each with a text, which is a template where the rule renders it.
    fn pairs(&mut self, fields: &Fields<'_>, key: &str, path: &[usize], templates: bool) -> Vec<(String, Template)> {
        let Some(&(at, node)) = fields.get(key) else { return Vec::new() };
        let path = below(path, at);
        let entries = match node {
            Node::Map(entries) => entries,
            Node::Null => return Vec::new(),
            other => {
                self.fault("judge-04", format!("'{key}' is {}, not a mapping", other.word()), &path, "");
                return Vec::new();
            }
        };
        let mut pairs = Vec::new();
        for (at, (name, node)) in entries.iter().enumerate() {
            let path = below(&path, at);
            if !is_label_name(name) || (key == "labels" && name == "__name__") {
                let what = format!("'{}' cannot be the name of one of '{key}'", shown(name));
                self.key_fault("judge-09", what, &path, "Write letters, digits and `_`, and no digit first.");
            }
            let text = match node {
                Node::Scalar(text) => text.as_str(),
                Node::Null => "",
                other => {
                    self.fault("judge-04", format!("'{key}.{name}' is {}, not a text", other.word()), &path, "");
                    continue;
                }
            };
            if !templates {
                pairs.push((name.clone(), Template::plain(text)));
                continue;
            }
            match Template::read(text) {
                Ok(template) => pairs.push((name.clone(), template)),
                Err(error) => {
                    let what = format!("bad template in '{key}.{name}': {}", error.what);
                    let hint = format!("It stands at line {}, column {} of that text.", error.line, error.column);
                    self.fault("judge-08", what, &path, hint);
                }
            }
        }
        pairs.sort_by(|a, b| a.0.cmp(&b.0));
        pairs
    }
}

fn scalar(node: &Node) -> Option<&str> {
    if let Node::Scalar(text) = node { Some(text.trim()) } else { None }
}

/// A text short enough for a message.
fn shown(text: &str) -> String {
    const MOST: usize = 60;
    if text.chars().count() <= MOST { text.to_string() } else { text.chars().take(MOST).chain(['…']).collect() }
}

/// Letters, digits and `_`, no digit first.
pub fn is_label_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_metric_name(name: &str) -> bool {
    is_label_name(&name.replace(':', "_"))
}
