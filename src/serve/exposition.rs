//! The exposition: the newest samples as text that a scraper reads, under the exporters' names, strict ones, or both. What a
//! series looks like is worked out once; after that a scrape sorts nothing, and costs its numbers.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use crate::model::catalogue::{ALERTS, Catalogue};
use crate::model::labels::{Label, Labels, NAME};
use crate::model::row::MetricKind;
use crate::model::series::SeriesId;
use crate::model::status::OwnFamily;
use crate::model::strict::{parted, strict, unit_word};
use crate::serve::format::{Format, Head, head, line, pairs};

/// How long the text of a series is kept that nobody asks for any more.
const UNASKED_KEPT_MS: i64 = 10 * 60 * 1000;

/// The labels that the scraper of a single exporter adds itself.
const SCRAPERS: [&str; 4] = ["instance", "job", "target", "tenant"];

/// Labels that say which part of its histogram or summary a series is.
const EDGES: [&str; 2] = ["le", "quantile"];

/// The help of a name that no table has.
const RECORDED: &str = "Recorded by a rule.";

/// Which names are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Naming {
    /// The exporters' own.
    #[default]
    Compat,
    /// Lint-clean ones, their values in base units.
    Strict,
    /// Every metric under each name it has.
    Both,
}

impl Naming {
    /// The configuration's words, in the order of the type.
    pub const WORDS: &[&str] = &["compat", "strict", "both"];

    pub fn of(word: &str) -> Naming {
        match word {
            "strict" => Naming::Strict,
            "both" => Naming::Both,
            _ => Naming::Compat,
        }
    }
}

/// A series and its newest value.
pub type Latest = (SeriesId, Labels, f64);

/// How a scrape wants its text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Wish {
    pub format: Format,
    /// Without the labels that the scraper of a single exporter adds itself.
    pub as_exporter: bool,
}

/// Writes expositions, and remembers what its series look like.
pub struct Exposition {
    catalogue: Arc<Catalogue>,
    naming: Naming,
    known: Mutex<Known>,
}

/// What is known of names and series.
#[derive(Default)]
struct Known {
    names: Vec<Name>,
    /// What a metric is written as, by the exporter's name.
    spelled: HashMap<Arc<str>, Vec<usize>>,
    /// Whose strict family is which, by the exporter's name of it.
    owners: HashMap<Arc<str>, String>,
    families: HashSet<Arc<str>>,
    texts: HashSet<Arc<str>>,
    lines: Vec<Line>,
    /// Where the lines of a series begin; it has as many as its metric has names.
    places: HashMap<SeriesId, usize>,
    /// The lines as they are written: families together, a histogram's groups together, buckets in order.
    order: Vec<usize>,
    scrapes: u64,
    swept_ms: i64,
}

/// A name under which series are written.
struct Name {
    name: Arc<str>,
    family: Arc<str>,
    kind: MetricKind,
    help: &'static str,
    unit: Option<&'static str>,
    scale: f64,
}

/// A series under one name.
struct Line {
    id: SeriesId,
    labels: Labels,
    name: usize,
    /// Its labels as text, but for those of its target.
    own: Box<str>,
    /// Those of its target, one text for all its series.
    target: Arc<str>,
    value: f64,
    /// The scrape that last wrote it.
    scrape: u64,
    asked_ms: i64,
}

impl Exposition {
    pub fn new(catalogue: Arc<Catalogue>, naming: Naming) -> Exposition {
        Exposition { catalogue, naming, known: Mutex::default() }
    }

    /// Writes these series, then the agent's own metrics. `now_ms`: for forgetting what nobody asks for.
    pub fn write(&self, latest: &[Latest], own: &[OwnFamily], wish: Wish, now_ms: i64) -> String {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.scrapes += 1;
        let before = known.lines.len();
        for (id, labels, value) in latest {
            let (place, count) = match known.places.get(id).copied() {
                Some(place) => (place, known.lines[place..].iter().take_while(|line| line.id == *id).count()),
                None => self.learn(&mut known, *id, labels),
            };
            let scrapes = known.scrapes;
            for at in place..place + count {
                let scale = known.names[known.lines[at].name].scale;
                let line = &mut known.lines[at];
                (line.value, line.scrape, line.asked_ms) = (value * scale, scrapes, now_ms);
            }
        }
        if known.lines.len() > before {
            known.sort(before);
        }
        let text = known.text(own, wish);
        if now_ms - known.swept_ms > UNASKED_KEPT_MS {
            known.sweep(now_ms);
        }
        text
    }

    /// Works out what a series looks like: where its lines begin, and how many they are.
    fn learn(&self, known: &mut Known, id: SeriesId, labels: &Labels) -> (usize, usize) {
        let names = match known.spelled.get(labels.name()) {
            Some(names) => names.clone(),
            None => self.spell(known, labels.name()),
        };
        let is_of_target = |label: &&Label| SCRAPERS.contains(&&*label.name);
        let of_target: Vec<&Label> = labels.iter().filter(is_of_target).collect();
        let target = known.text_kept(&pairs(of_target.into_iter()));
        let own = pairs(labels.iter().filter(|label| !is_of_target(label) && &*label.name != NAME));
        let place = known.lines.len();
        for name in &names {
            let (labels, own, target) = (labels.clone(), own.as_str().into(), target.clone());
            known.lines.push(Line { id, labels, name: *name, own, target, value: 0.0, scrape: 0, asked_ms: 0 });
        }
        known.places.insert(id, place);
        (place, names.len())
    }

    /// Works out the names under which a metric is written.
    fn spell(&self, known: &mut Known, compat: &str) -> Vec<usize> {
        let entry = self.catalogue.find(compat);
        let recorded = if compat == ALERTS { "Alerts that are pending or firing." } else { RECORDED };
        let (kind, help) = entry.map_or((MetricKind::Untyped, recorded), |entry| (entry.kind, entry.help));
        let strict = entry.map(|entry| strict(compat, &entry));
        let mut wanted = Vec::new();
        if self.naming != Naming::Strict || strict.is_none() {
            wanted.push((compat.to_string(), 1.0));
        }
        if let (Naming::Strict | Naming::Both, Some(strict)) = (self.naming, strict) {
            let name = known.claim(&strict.name, compat, kind);
            if name != compat || self.naming == Naming::Strict {
                wanted.push((name, strict.scale));
            }
        }
        let mut places = Vec::new();
        for (name, scale) in wanted {
            let (family, _) = parted(&name, kind);
            let unit = entry.and_then(|entry| unit_word(entry.unit)).filter(|unit| ends_with(family, unit));
            let family = known.text_kept(family);
            known.families.insert(family.clone());
            let name = known.text_kept(&name);
            places.push(known.names.len());
            known.names.push(Name { name, family, kind, help, unit, scale });
        }
        known.spelled.insert(compat.into(), places.clone());
        places
    }
}

/// Whether a unit is the last word of a name, but for `total`.
fn ends_with(family: &str, unit: &str) -> bool {
    let stem = family.strip_suffix("_total").unwrap_or(family);
    stem.strip_suffix(unit).is_some_and(|rest| rest.ends_with('_'))
}

impl Known {
    /// One copy of a text.
    fn text_kept(&mut self, text: &str) -> Arc<str> {
        if let Some(kept) = self.texts.get(text) {
            return kept.clone();
        }
        let kept: Arc<str> = text.into();
        self.texts.insert(kept.clone());
        kept
    }

    /// A strict name for a metric alone. Names that come from data may be spelled alike; the later one then carries the
    /// fingerprint of its own name.
    fn claim(&mut self, name: &str, compat: &str, kind: MetricKind) -> String {
        let ((family, part), (own, _)) = (parted(name, kind), parted(compat, kind));
        match self.owners.get(family) {
            Some(owner) if owner != own => {
                let mark = Labels::new([(NAME, own)]).fingerprint() & 0xffff;
                match family.strip_suffix("_total") {
                    Some(stem) => format!("{stem}_x{mark:04x}_total{part}"),
                    None => format!("{family}_x{mark:04x}{part}"),
                }
            }
            Some(_) => name.to_string(),
            None => {
                let family = self.text_kept(family);
                self.owners.insert(family, own.to_string());
                name.to_string()
            }
        }
    }

    /// Brings the lines from a place on into the order in which they are written.
    fn sort(&mut self, from: usize) {
        let mut order = std::mem::take(&mut self.order);
        order.extend(from..self.lines.len());
        // What is sorted already is a run, which this sort merges.
        order.sort_by(|a, b| {
            let (a, b) = (&self.lines[*a], &self.lines[*b]);
            let (name, other) = (&self.names[a.name], &self.names[b.name]);
            let families = name.family.cmp(&other.family).then_with(|| group(a).cmp(group(b)));
            families.then_with(|| name.name.cmp(&other.name)).then_with(|| edge(a).total_cmp(&edge(b)))
        });
        self.order = order;
    }

    /// Forgets what nobody has asked for lately.
    fn sweep(&mut self, now_ms: i64) {
        self.swept_ms = now_ms;
        if self.lines.iter().all(|line| now_ms - line.asked_ms <= UNASKED_KEPT_MS) {
            return;
        }
        self.lines.retain(|line| now_ms - line.asked_ms <= UNASKED_KEPT_MS);
        self.places.clear();
        for (at, line) in self.lines.iter().enumerate() {
            self.places.entry(line.id).or_insert(at);
        }
        self.order.clear();
        self.sort(0);
        let used: HashSet<usize> = self.lines.iter().map(|line| line.name).collect();
        if used.len() * 2 < self.names.len() {
            // Names are few and stay, but those that came from data and went must not stay for ever.
            *self = Known { scrapes: self.scrapes, swept_ms: now_ms, ..Known::default() };
        }
        self.texts.retain(|text| Arc::strong_count(text) > 1);
    }

    /// The text of the lines that this scrape wrote values into.
    fn text(&self, own: &[OwnFamily], wish: Wish) -> String {
        let present: Vec<&Line> =
            self.order.iter().map(|at| &self.lines[*at]).filter(|line| line.scrape == self.scrapes).collect();
        let mut text = String::with_capacity(present.len() * 128 + 4096);
        for lines in present.chunk_by(|a, b| Arc::ptr_eq(&self.names[a.name].family, &self.names[b.name].family)) {
            let first = &self.names[lines[0].name];
            let about = Head { name: &first.family, kind: first.kind, help: first.help, unit: first.unit };
            if wish.format == Format::Text || about.kind == MetricKind::Gauge {
                head(&mut text, about, wish.format);
                lines.iter().for_each(|line| self.line(&mut text, line, wish));
            } else {
                self.open_metrics(&mut text, about, lines, wish);
            }
        }
        for family in own {
            let about = Head { name: &family.name, kind: family.kind, help: &family.help, unit: None };
            let name = if wish.format == Format::OpenMetrics { about.stem() } else { about.name };
            head(&mut text, Head { name, ..about }, wish.format);
            for sample in &family.samples {
                let labels: Labels = sample.labels.iter().map(|(name, value)| (&**name, &**value)).collect();
                let name = [&*family.name, sample.part].concat();
                line(&mut text, &name, &pairs(labels.iter()), "", sample.value);
            }
        }
        if wish.format == Format::OpenMetrics {
            text.push_str("# EOF\n");
        }
        text
    }

    /// A family in OpenMetrics, which is stricter: what its type would not allow is told without a type, and not left out.
    fn open_metrics(&self, text: &mut String, about: Head<'_>, lines: &[&Line], wish: Wish) {
        let fits = match about.kind {
            MetricKind::Counter => {
                let stem = about.stem();
                let is_alone = |end: &str| !self.families.contains(&*format!("{stem}{end}"));
                stem != about.name && is_alone("") && is_alone("_created") && lines.iter().all(|line| line.value >= 0.0)
            }
            MetricKind::Histogram => {
                lines.chunk_by(|a, b| group(a).eq(group(b))).all(|group| self.is_whole_histogram(about.name, group))
            }
            MetricKind::Summary => {
                lines.chunk_by(|a, b| group(a).eq(group(b))).all(|group| self.is_whole_summary(about.name, group))
            }
            MetricKind::Gauge | MetricKind::Untyped => true,
        };
        if fits {
            head(text, Head { name: about.stem(), ..about }, wish.format);
            lines.iter().for_each(|line| self.line(text, line, wish));
            return;
        }
        let mut lines = lines.to_vec();
        lines.sort_by(|a, b| self.names[a.name].name.cmp(&self.names[b.name].name)); // stable: else they stay as they are
        for lines in lines.chunk_by(|a, b| a.name == b.name) {
            let name = &*self.names[lines[0].name].name;
            let unit = about.unit.filter(|_| name == about.name).filter(|unit| name.ends_with(unit));
            head(text, Head { name, kind: MetricKind::Untyped, unit, ..about }, wish.format);
            lines.iter().for_each(|line| self.line(text, line, wish));
        }
    }

    /// Whether a group has buckets that grow up to infinity, and a count with its sum.
    fn is_whole_histogram(&self, family: &str, group: &[&Line]) -> bool {
        let is = |line: &&&Line, end: &str| &self.names[line.name].name[family.len()..] == end;
        let buckets: Vec<_> =
            group.iter().filter(|line| is(line, "_bucket")).map(|line| (edge(line), line.value)).collect();
        let grow = buckets.is_sorted_by(|a, b| a.0 < b.0 && a.1 <= b.1);
        let whole = |value: f64| value >= 0.0 && value.fract() == 0.0;
        let of = |end: &str| group.iter().find(|line| is(line, end)).map(|line| line.value);
        let (count, sum) = (of("_count"), of("_sum"));
        grow && buckets.iter().all(|(edge, value)| *edge >= 0.0 && whole(*value))
            && buckets
                .last()
                .is_some_and(|(edge, value)| edge.is_infinite() && count.is_none_or(|count| count == *value))
            && sum.is_some() == count.is_some()
            && sum.is_none_or(|sum| sum >= 0.0)
    }

    /// Whether a group's quantiles are parts of one, and what is counted is.
    fn is_whole_summary(&self, family: &str, group: &[&Line]) -> bool {
        group.iter().all(|line| match &self.names[line.name].name[family.len()..] {
            "" => (0.0..=1.0).contains(&edge(line)) && (line.value >= 0.0 || line.value.is_nan()),
            "_count" => line.value >= 0.0 && line.value.fract() == 0.0,
            _ => line.value >= 0.0,
        })
    }

    fn line(&self, text: &mut String, one: &Line, wish: Wish) {
        let target = if wish.as_exporter { "" } else { &*one.target };
        line(text, &self.names[one.name].name, &one.own, target, one.value);
    }
}

/// What the series of one group of a histogram or summary have in common.
fn group(line: &Line) -> impl Iterator<Item = &Label> {
    line.labels.iter().filter(|label| &*label.name != NAME && !EDGES.contains(&&*label.name))
}

/// The bound of a bucket, the part of one of a quantile; of others no number.
fn edge(line: &Line) -> f64 {
    let text = EDGES.iter().find_map(|label| line.labels.get(label));
    text.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN)
}
