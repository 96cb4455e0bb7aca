//! Label sets: sorted, shared, cheap to clone. A label with an empty value does not exist, as in Prometheus.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde::{Serialize, Serializer};

/// The label that carries a series' name.
pub const NAME: &str = "__name__";

/// One name and its value.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Label {
    pub name: Arc<str>,
    pub value: Arc<str>,
}

/// A set of labels, sorted by name, names unique, no empty values. Cloning shares it.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Labels(Arc<[Label]>);

impl Labels {
    /// The set without any label.
    pub fn empty() -> Labels {
        Labels(Arc::from(Vec::new()))
    }

    /// Builds a set; of a name given twice the last value stands, an empty value removes the name.
    pub fn new<N, V>(pairs: impl IntoIterator<Item = (N, V)>) -> Labels
    where
        N: Into<Arc<str>>,
        V: Into<Arc<str>>,
    {
        let mut all: Vec<Label> =
            pairs.into_iter().map(|(name, value)| Label { name: name.into(), value: value.into() }).collect();
        all.sort_by(|a, b| a.name.cmp(&b.name)); // stable: the last of equal names stays last
        let mut kept: Vec<Label> = Vec::with_capacity(all.len());
        for label in all {
            match kept.last_mut() {
                Some(last) if last.name == label.name => *last = label,
                _ => kept.push(label),
            }
        }
        kept.retain(|label| !label.value.is_empty());
        Labels(kept.into())
    }

    /// The value of a label; `None` where it is missing.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.0.binary_search_by(|label| (*label.name).cmp(name)).ok().map(|at| &*self.0[at].value)
    }

    /// The value of a label; the empty string where it is missing, which PromQL takes to be the same.
    pub fn value(&self, name: &str) -> &str {
        self.get(name).unwrap_or("")
    }

    /// The series' name, or the empty string.
    pub fn name(&self) -> &str {
        self.value(NAME)
    }

    pub fn iter(&self) -> impl ExactSizeIterator<Item = &Label> + Clone {
        self.0.iter()
    }

    pub fn len(&self) -> usize {
        self.0.len()
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// This set with one label set, replaced, or (by an empty value) removed.
    pub fn with(&self, name: &str, value: &str) -> Labels {
        let others = self.0.iter().filter(|label| &*label.name != name).cloned();
        let own = Label { name: name.into(), value: value.into() };
        Labels::new(others.chain([own]).map(|label| (label.name, label.value)))
    }

    /// This set with all of `other` laid over it.
    pub fn overlaid(&self, other: &Labels) -> Labels {
        Labels::new(self.0.iter().chain(other.0.iter()).map(|label| (label.name.clone(), label.value.clone())))
    }

    /// Only the labels whose name passes.
    pub fn filtered(&self, keep: impl Fn(&str) -> bool) -> Labels {
        Labels(self.0.iter().filter(|label| keep(&label.name)).cloned().collect())
    }

    /// This set without the series' name.
    pub fn without_name(&self) -> Labels {
        if self.get(NAME).is_none() { self.clone() } else { self.filtered(|name| name != NAME) }
    }

    /// A stable 64-bit fingerprint (FNV-1a over names and values, as Alertmanager's), the same in every run.
    pub fn fingerprint(&self) -> u64 {
        let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
        let mut eat = |bytes: &[u8]| {
            for byte in bytes {
                hash = (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
            }
            hash = (hash ^ 0xff).wrapping_mul(0x0100_0000_01b3);
        };
        for label in self.iter() {
            eat(label.name.as_bytes());
            eat(label.value.as_bytes());
        }
        hash
    }

    /// Names and values as an ordered map, for JSON and templates.
    pub fn to_map(&self) -> BTreeMap<String, String> {
        self.iter().map(|label| (label.name.to_string(), label.value.to_string())).collect()
    }

    /// The labels as a slice, for code that interns or compares them.
    pub fn as_slice(&self) -> &[Label] {
        &self.0
    }
}

impl<N: Into<Arc<str>>, V: Into<Arc<str>>> FromIterator<(N, V)> for Labels {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Labels {
        Labels::new(pairs)
    }
}

impl fmt::Display for Labels {
    /// As PromQL writes a series: `name{a="1",b="2"}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut others = self.iter().filter(|label| &*label.name != NAME).peekable();
        f.write_str(self.name())?;
        if others.peek().is_none() && !self.name().is_empty() {
            return Ok(());
        }
        f.write_str("{")?;
        for (at, label) in others.enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{}={:?}", label.name, label.value)?;
        }
        f.write_str("}")
    }
}

impl fmt::Debug for Labels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Labels {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter().map(|label| (&*label.name, &*label.value)))
    }
}
