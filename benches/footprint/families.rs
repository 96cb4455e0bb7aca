//! Which families of the exporters need not be ours, and why; every other must be. The live tests check the same.

use std::collections::{BTreeMap, BTreeSet};

use watchward::model::filter::Glob;

/// What an exporter says of itself. Another program has other things to say there.
const OF_THEMSELVES: &[(&str, &str)] = &[
    ("go_*", "the runtime of the exporter's language"),
    ("promhttp_*", "the exporter's own door"),
    ("process_*", "the exporter's own process"),
    ("*exporter_*", "the exporter's build, settings and errors"),
    ("*_json_parse_failures*", "answers that the exporter did not understand: here the row is unknown, and says why"),
    ("*_total_scrapes", "how often the exporter was asked: watchward_sample_cycles_total"),
    ("*_scrapes_total", "how often the exporter was asked: watchward_sample_cycles_total"),
    ("*_scrape_*", "how its collectors went: …_scrape_collector_success is given here under our rows' names"),
    ("elasticsearch_*_stats_up", "whether one of its requests went well: elasticsearch_scrape_collector_success"),
    ("elasticsearch_clusterinfo_up", "whether its cache of the cluster's name is filled"),
    ("elasticsearch_clusterinfo_last_retrieval_success_ts", "when its cache of the cluster's name was filled"),
    ("node_time_zone_offset_seconds", "the zone of the exporter's own process"),
];

/// What the source does not say: there the exporter has this value for every series, which nobody measured.
const SAYS_NOTHING: &[(&str, f64, &str)] = &[
    ("elasticsearch_indices_filter_cache_evictions", 0.0, "gone with Elasticsearch 2"),
    ("elasticsearch_indices_filter_cache_memory_size_bytes", 0.0, "gone with Elasticsearch 2"),
    ("elasticsearch_indices_store_throttle_time_seconds_total", 0.0, "gone with Elasticsearch 6"),
    ("elasticsearch_os_mem_actual_free_bytes", 0.0, "gone with Elasticsearch 2"),
    ("elasticsearch_os_mem_actual_used_bytes", 0.0, "gone with Elasticsearch 2"),
    ("elasticsearch_process_mem_resident_size_bytes", 0.0, "gone with Elasticsearch 2"),
    ("elasticsearch_process_mem_share_size_bytes", 0.0, "gone with Elasticsearch 2"),
    ("node_network_speed_bytes", -125_000.0, "a device that does not know its speed"),
];

/// Optional rows of ours that give what the exporters give as they are started here.
pub const ROWS: &[(&str, &[&str])] = &[("elasticsearch", &["indices", "index_stats"])];

/// The name of a series as an exposition writes it.
pub fn name(series: &str) -> &str {
    series.split('{').next().unwrap_or(series).trim()
}

/// The families that must be ours, of the series that the exporters gave with all values that were seen.
pub fn wanted(seen: &BTreeMap<String, Vec<f64>>) -> BTreeSet<String> {
    let mut values: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for (series, all) in seen {
        values.entry(name(series)).or_default().extend(all);
    }
    let says_nothing = |name: &str, all: &[f64]| {
        let known = SAYS_NOTHING.iter().find(|(silent, ..)| *silent == name);
        known.is_some_and(|(_, value, _)| all.iter().all(|one| one.to_bits() == value.to_bits()))
    };
    let is_own = |name: &str| OF_THEMSELVES.iter().any(|(glob, _)| Glob::new(*glob).fits(name));
    let wanted = values.iter().filter(|(name, all)| !is_own(name) && !says_nothing(name, all));
    wanted.map(|(name, _)| (*name).to_string()).collect()
}
