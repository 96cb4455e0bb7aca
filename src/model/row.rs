//! What a metric is: its compat name, type, help, unit, and its other names. Engines' tables are made of these.

/// The type a metric has in the exposition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MetricKind {
    Counter,
    Gauge,
    /// For names whose exporter leaves them untyped.
    Untyped,
    Histogram,
    Summary,
}

impl MetricKind {
    /// The word of the text format's TYPE line.
    pub fn word(self) -> &'static str {
        match self {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
            MetricKind::Untyped => "untyped",
            MetricKind::Histogram => "histogram",
            MetricKind::Summary => "summary",
        }
    }
}

/// One metric of a row. The store and the rules know only `name`; the others are applied at output.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Metric {
    /// The name users' dashboards have: exactly the exporter's.
    pub name: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    /// UCUM, as OpenTelemetry writes it: `By`, `s`, `1`, `{connection}`. Empty where there is none. That of the value
    /// multiplied with `scale`.
    pub unit: &'static str,
    /// The lint-clean name; empty where `name` is clean already.
    pub strict: &'static str,
    /// OpenTelemetry's name; empty where there is none.
    pub otel: &'static str,
    /// The attribute that a series has beside its labels under its OpenTelemetry name, where several metrics share
    /// that: `disk.io.direction` and `read`. Both empty where there is none.
    pub attribute: (&'static str, &'static str),
    /// What its labels are called under its OpenTelemetry name; those that are not in here keep their names.
    pub renames: &'static [Rename],
    /// What a value is multiplied with under its strict or OpenTelemetry name.
    pub scale: f64,
    /// Labels that every series of it has, where several columns or paths are one metric.
    pub labels: &'static [(&'static str, &'static str)],
    /// Where the value stands in the answer: a column, a field, a dotted path. Empty where the row's own code takes it.
    pub from: &'static str,
}

impl Metric {
    pub const fn new(kind: MetricKind, name: &'static str, help: &'static str) -> Metric {
        Metric {
            name,
            kind,
            help,
            unit: "",
            strict: "",
            otel: "",
            attribute: ("", ""),
            renames: &[],
            scale: 1.0,
            labels: &[],
            from: "",
        }
    }

    pub const fn counter(name: &'static str, help: &'static str) -> Metric {
        Metric::new(MetricKind::Counter, name, help)
    }

    pub const fn gauge(name: &'static str, help: &'static str) -> Metric {
        Metric::new(MetricKind::Gauge, name, help)
    }

    pub const fn untyped(name: &'static str, help: &'static str) -> Metric {
        Metric::new(MetricKind::Untyped, name, help)
    }

    pub const fn from(mut self, from: &'static str) -> Metric {
        self.from = from;
        self
    }

    pub const fn labels(mut self, labels: &'static [(&'static str, &'static str)]) -> Metric {
        self.labels = labels;
        self
    }

    pub const fn unit(mut self, unit: &'static str) -> Metric {
        self.unit = unit;
        self
    }

    pub const fn strict(mut self, strict: &'static str) -> Metric {
        self.strict = strict;
        self
    }

    pub const fn otel(mut self, otel: &'static str) -> Metric {
        self.otel = otel;
        self
    }

    /// Sets what sets it apart from the others of its OpenTelemetry name.
    pub const fn attribute(mut self, name: &'static str, value: &'static str) -> Metric {
        self.attribute = (name, value);
        self
    }

    /// Sets what its labels are called under its OpenTelemetry name.
    pub const fn renames(mut self, renames: &'static [Rename]) -> Metric {
        self.renames = renames;
        self
    }

    pub const fn scale(mut self, scale: f64) -> Metric {
        self.scale = scale;
        self
    }
}

/// What a label is called where its metric goes by its OpenTelemetry name.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Rename {
    /// The label: `cpu`.
    pub label: &'static str,
    /// The attribute: `cpu.logical_number`.
    pub attribute: &'static str,
    /// Values for which OpenTelemetry has another word.
    pub values: &'static [(&'static str, &'static str)],
    /// Whether the attribute is a whole number.
    pub is_whole: bool,
}

impl Rename {
    pub const fn new(label: &'static str, attribute: &'static str) -> Rename {
        Rename { label, attribute, values: &[], is_whole: false }
    }

    pub const fn values(mut self, values: &'static [(&'static str, &'static str)]) -> Rename {
        self.values = values;
        self
    }

    pub const fn whole(mut self) -> Rename {
        self.is_whole = true;
        self
    }
}

/// Metrics whose names come from data: `prefix` + part + `suffix`, the part cleaned to letters, digits and `_`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Family {
    pub prefix: &'static str,
    pub suffix: &'static str,
    pub kind: MetricKind,
    pub help: &'static str,
    pub unit: &'static str,
}

impl Family {
    pub const fn new(kind: MetricKind, prefix: &'static str, suffix: &'static str, help: &'static str) -> Family {
        Family { prefix, suffix, kind, help, unit: "" }
    }

    /// The whole name for one part.
    pub fn name(&self, part: &str) -> String {
        let clean = part.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' });
        self.prefix.chars().chain(clean).chain(self.suffix.chars()).collect()
    }
}
