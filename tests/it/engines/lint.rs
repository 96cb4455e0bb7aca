//! What `promtool check metrics` says of a metric: the classes of Prometheus' own linter (client_golang, promlint), worked
//! out anew, so that names can be judged without the program.

use watchward::model::row::MetricKind;

/// Its complaints about one metric, in its words.
pub fn complaints(name: &str, kind: MetricKind, help: &str) -> Vec<String> {
    let mut all = Vec::new();
    let words: Vec<&str> = name.split('_').collect();
    let (is_counter, is_untyped) = (kind == MetricKind::Counter, kind == MetricKind::Untyped);
    let (is_histogram, is_summary) = (kind == MetricKind::Histogram, kind == MetricKind::Summary);
    let mut say = |is_so: bool, words: &str| {
        if is_so {
            all.push(words.to_string());
        }
    };
    say(help.is_empty(), "no help text");
    for (unit, base) in words.iter().filter_map(|word| Some((word, base_unit(word)?))) {
        say(*unit != base, &format!("use base unit {base:?} instead of {unit:?}"));
    }
    let is_total = name.ends_with("_total");
    say(is_counter && !is_total, "counter metrics should have \"_total\" suffix");
    say(!is_counter && !is_untyped && is_total, "non-counter metrics should not have \"_total\" suffix");
    if !is_untyped {
        let ends = |end: &str| name.ends_with(end);
        say(!is_histogram && ends("_bucket"), "non-histogram metrics should not have \"_bucket\" suffix");
        for end in ["_count", "_sum"] {
            let words = format!("non-histogram and non-summary metrics should not have \"{end}\" suffix");
            say(!is_histogram && !is_summary && ends(end), &words);
        }
    }
    let small = name.to_lowercase();
    let has = |word: &str| small.contains(&format!("_{word}_")) || small.ends_with(&format!("_{word}"));
    for word in ["counter", "gauge", "summary", "histogram", "gauge_histogram"] {
        say(has(word), &format!("metric name should not include type '{word}'"));
    }
    say(name.contains(':'), "metric names should not contain ':'");
    let is_camel = name.as_bytes().windows(2).any(|two| two[0].is_ascii_lowercase() && two[1].is_ascii_uppercase());
    say(is_camel, "metric names should be written in 'snake_case' not 'camelCase'");
    for unit in ["s", "ms", "us", "ns", "sec", "b", "kb", "mb", "gb", "tb", "pb", "m", "h", "d"] {
        say(has(unit), "metric names should not contain abbreviated units");
    }
    all
}

/// The base unit of what the linter takes for a unit.
fn base_unit(word: &str) -> Option<&'static str> {
    const PREFIXES: [&str; 19] = [
        "", "pico", "nano", "micro", "milli", "centi", "deci", "deca", "hecto", "kilo", "kibi", "mega", "mibi", "giga",
        "gibi", "tera", "tebi", "peta", "pebi",
    ];
    PREFIXES.iter().find_map(|prefix| {
        let unit = word.strip_prefix(prefix)?;
        let base = match unit {
            "amperes" => "amperes",
            "bytes" | "bits" => "bytes",
            "celsius" | "fahrenheit" | "rankine" => "celsius",
            "grams" | "pounds" | "ounces" => "grams",
            "joules" | "calories" => "joules",
            "kelvin" | "kelvins" => "kelvin",
            "meters" | "inches" | "yards" | "miles" => "meters",
            "metres" => "metres",
            "seconds" | "minutes" | "hours" | "days" | "weeks" => "seconds",
            "volts" => "volts",
            _ => return None,
        };
        Some(base)
    })
}

#[test]
fn the_linter_complains_as_promtool_does() {
    // What promtool 2.42 says of each, one of every class.
    for (name, kind, expected) in [
        ("ok_seconds_total", MetricKind::Counter, ""),
        (
            "no_counter",
            MetricKind::Counter,
            "counter metrics should have \"_total\" suffix|metric name should not include type 'counter'",
        ),
        ("some_total", MetricKind::Gauge, "non-counter metrics should not have \"_total\" suffix"),
        ("some_total", MetricKind::Untyped, ""),
        ("some_count", MetricKind::Gauge, "non-histogram and non-summary metrics should not have \"_count\" suffix"),
        ("some_bucket", MetricKind::Summary, "non-histogram metrics should not have \"_bucket\" suffix"),
        ("took_milliseconds", MetricKind::Gauge, "use base unit \"seconds\" instead of \"milliseconds\""),
        ("took_ms", MetricKind::Gauge, "metric names should not contain abbreviated units"),
        ("bytesIn", MetricKind::Gauge, "metric names should be written in 'snake_case' not 'camelCase'"),
        ("a:b", MetricKind::Gauge, "metric names should not contain ':'"),
        ("m_summary_x", MetricKind::Gauge, "metric name should not include type 'summary'"),
    ] {
        assert_eq!(complaints(name, kind, "Help.").join("|"), expected, "{name}");
    }
    assert_eq!(complaints("a", MetricKind::Gauge, ""), ["no help text"]);
}
