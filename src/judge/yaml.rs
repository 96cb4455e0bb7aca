//! YAML as a small bounded tree, scalars as they were written, and the line of any node.
//!
//! The reader under it reports a place only with an error. So a file is read twice, first for its shape and then for
//! its scalars' own text (`1.10` is a fine label and must not become `1.1`), and once more for each place asked for.

use std::cell::Cell;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

/// The most nodes and bytes a document may unfold to; aliases can make much out of little.
const NODES_MAX: usize = 200_000;
const BYTES_MAX: usize = 8 << 20;

/// One part of a document.
#[derive(Clone, Debug, PartialEq)]
pub enum Node {
    Null,
    /// Any scalar, in the text that stands in the file.
    Scalar(String),
    List(Vec<Node>),
    /// In the file's order. Keys are unique.
    Map(Vec<(String, Node)>),
}

impl Node {
    /// What it is, for messages.
    pub fn word(&self) -> &'static str {
        match self {
            Node::Null => "nothing",
            Node::Scalar(_) => "a value",
            Node::List(_) => "a list",
            Node::Map(_) => "a mapping",
        }
    }
}

/// The way from a document's root to a node: at each step the place in a list, or of an entry in a mapping.
pub type Path = Vec<usize>;

/// What is not YAML, in the reader's words, and where (both begin at 1; 0 where unknown).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YamlError {
    pub what: String,
    pub line: usize,
    pub column: usize,
}

impl From<serde_norway::Error> for YamlError {
    fn from(error: serde_norway::Error) -> YamlError {
        let (line, column) = error.location().map_or((0, 0), |at| (at.line(), at.column()));
        let whole = error.to_string();
        let what = whole.rsplit_once(" at line ").map_or(whole.as_str(), |(before, _)| before);
        YamlError { what: what.to_string(), line, column }
    }
}

/// Reads one document.
///
/// # Errors
/// The first thing that is not YAML, is given twice, or passes the limits.
pub fn read(text: &str) -> Result<Node, YamlError> {
    let says_nothing = |line: &str| matches!(line.trim(), "" | "---") || line.trim_start().starts_with('#');
    if text.lines().all(says_nothing) {
        return Ok(Node::Null);
    }
    let budget = Budget { nodes: Cell::new(NODES_MAX), bytes: Cell::new(BYTES_MAX) };
    let mut node = Shape(&budget).deserialize(serde_norway::Deserializer::from_str(text))?;
    Texts(&mut node).deserialize(serde_norway::Deserializer::from_str(text))?;
    Ok(node)
}

/// The line and column of the node at the end of `path`, or with `key` of that entry's key. Zeros where there is no such
/// node.
pub fn locate(text: &str, path: &[usize], key: bool) -> (usize, usize) {
    let sought = Sought { path, key };
    match sought.deserialize(serde_norway::Deserializer::from_str(text)) {
        Err(error) => error.location().map_or((0, 0), |at| (at.line(), at.column())),
        Ok(()) => (0, 0),
    }
}

struct Budget {
    nodes: Cell<usize>,
    bytes: Cell<usize>,
}

impl Budget {
    fn spend<E: Error>(&self, bytes: usize) -> Result<(), E> {
        let (Some(nodes), Some(bytes)) = (self.nodes.get().checked_sub(1), self.bytes.get().checked_sub(bytes)) else {
            return Err(E::custom(format!("the document unfolds to more than {NODES_MAX} nodes or {BYTES_MAX} bytes")));
        };
        self.nodes.set(nodes);
        self.bytes.set(bytes);
        Ok(())
    }
}

/// First reading: the shape. Scalars stay empty, but nulls are known.
struct Shape<'a>(&'a Budget);

impl<'de> DeserializeSeed<'de> for Shape<'_> {
    type Value = Node;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Shape<'_> {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value, a list or a mapping")
    }

    fn visit_unit<E: Error>(self) -> Result<Node, E> {
        self.0.spend(0)?;
        Ok(Node::Null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Node, E> {
        self.visit_str("")
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Node, E> {
        self.visit_str("")
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Node, E> {
        self.visit_str("")
    }

    fn visit_i128<E: Error>(self, _: i128) -> Result<Node, E> {
        self.visit_str("")
    }

    fn visit_u128<E: Error>(self, _: u128) -> Result<Node, E> {
        self.visit_str("")
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Node, E> {
        self.visit_str("")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Node, E> {
        self.0.spend(text.len())?;
        Ok(Node::Scalar(String::new()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        self.0.spend(0)?;
        let mut list = Vec::new();
        while let Some(node) = access.next_element_seed(Shape(self.0))? {
            list.push(node);
        }
        Ok(Node::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Node, A::Error> {
        self.0.spend(0)?;
        let mut map: Vec<(String, Node)> = Vec::new();
        let mut seen = HashSet::new();
        while let Some(key) = access.next_key_seed(Key(self.0, &mut seen))? {
            map.push((key, access.next_value_seed(Shape(self.0))?));
        }
        Ok(Node::Map(map))
    }
}

/// A key that was not there before; checked here, so that the error's place is the key's.
struct Key<'a>(&'a Budget, &'a mut HashSet<String>);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<String, E> {
        self.0.spend(text.len())?;
        if self.1.insert(text.to_string()) {
            Ok(text.to_string())
        } else {
            Err(E::custom(format!("the key '{text}' is given twice")))
        }
    }
}

/// Second reading: fills the scalars of a tree whose shape is known with their own text.
struct Texts<'a>(&'a mut Node);

impl<'de> DeserializeSeed<'de> for Texts<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        match self.0 {
            Node::Null => deserializer.deserialize_ignored_any(IgnoredAny).map(|_| ()),
            Node::Scalar(_) => deserializer.deserialize_str(self),
            Node::List(_) | Node::Map(_) => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Texts<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what was there a moment ago")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        *self.0 = Node::Scalar(text.to_string());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        if let Node::List(list) = self.0 {
            for node in list {
                access.next_element_seed(Texts(node))?;
            }
        }
        while access.next_element::<IgnoredAny>()?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        if let Node::Map(map) = self.0 {
            for (_, node) in map {
                access.next_key::<IgnoredAny>()?;
                access.next_value_seed(Texts(node))?;
            }
        }
        while access.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(())
    }
}

/// Walks to one node and fails there on purpose: the reader adds the place to the error.
#[derive(Clone, Copy)]
struct Sought<'a> {
    path: &'a [usize],
    key: bool,
}

impl<'a> Sought<'a> {
    fn next(self) -> Option<(usize, Sought<'a>)> {
        let (&first, path) = self.path.split_first()?;
        Some((first, Sought { path, key: self.key }))
    }
}

impl<'de> DeserializeSeed<'de> for Sought<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        if self.path.is_empty() { deserializer.deserialize_any(Here) } else { deserializer.deserialize_any(self) }
    }
}

impl<'de> Visitor<'de> for Sought<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the way to a node")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.next() else { return Ok(()) };
        for _ in 0..first {
            if access.next_element::<IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        access.next_element_seed(rest).map(|_| ())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<(), A::Error> {
        let Some((first, rest)) = self.next() else { return Ok(()) };
        for _ in 0..first {
            if access.next_entry::<IgnoredAny, IgnoredAny>()?.is_none() {
                return Ok(());
            }
        }
        if rest.path.is_empty() && self.key {
            return access.next_key_seed(Here).map(|_| ());
        }
        match access.next_key::<IgnoredAny>()? {
            Some(_) => access.next_value_seed(rest),
            None => Ok(()),
        }
    }
}

/// Accepts nothing, so that whatever comes is an error, whose place the reader knows.
struct Here;

impl<'de> DeserializeSeed<'de> for Here {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl Visitor<'_> for Here {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place")
    }
}
