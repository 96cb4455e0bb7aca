//! What is measured of single indices and data streams; all of it optional, and the busiest indices only.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::engines::contract::{Answer, Busiest, Emit, Facts, Table};
use crate::engines::elasticsearch::monitor::{document, missing};
use crate::engines::take::{at_path, number, take_paths};
use crate::model::filter::{Filter, Glob};
use crate::model::reading::Unknown;
use crate::model::row::{Metric, Rename};

/// Its labels in the words of OpenTelemetry's receiver.
const PLACE: &[Rename] =
    &[Rename::new("cluster", "elasticsearch.cluster.name"), Rename::new("index", "elasticsearch.index.name")];

/// The column that says how busy an index is: the time that went into indexing and searching.
const BUSY: &str = "busy";

const BUSY_PATHS: [&str; 2] = ["total.indexing.index_time_in_millis", "total.search.query_time_in_millis"];

/// Where in the answer the indices are, and what stands for each one's name.
const EACH: &str = "indices.{index}.";

pub const BUSIEST: Busiest = Busiest { labels: &["cluster", "index"], rank_by: BUSY, keep: 100, most: 20_000 };

/// Paths in the statistics of indices.
pub static STATS: &[Metric] = &[
    Metric::gauge("elasticsearch_indices_docs_primary", "Documents of an index.")
        .unit("{document}")
        .otel("elasticsearch.index.documents")
        .renames(PLACE)
        .from("indices.{index}.primaries.docs.count"),
    Metric::gauge("elasticsearch_indices_deleted_docs_primary", "Deleted documents that a merge has still to remove.")
        .unit("{document}")
        .from("indices.{index}.primaries.docs.deleted"),
    Metric::gauge("elasticsearch_indices_store_size_bytes_primary", "Size of an index's primary shards.")
        .unit("By")
        .strict("elasticsearch_indices_store_size_primary_bytes")
        .from("indices.{index}.primaries.store.size_in_bytes"),
    Metric::gauge("elasticsearch_indices_store_size_bytes_total", "Size of all shards of an index.")
        .unit("By")
        .strict("elasticsearch_indices_store_size_all_bytes")
        .otel("elasticsearch.index.shards.size")
        .renames(PLACE)
        .from("indices.{index}.total.store.size_in_bytes"),
    Metric::counter("elasticsearch_index_stats_indexing_index_total", "Documents indexed, in all shards.")
        .unit("{document}")
        .from("indices.{index}.total.indexing.index_total"),
    Metric::counter("elasticsearch_index_stats_indexing_index_time_seconds_total", "Time spent indexing.")
        .unit("s")
        .from("indices.{index}.total.indexing.index_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_search_query_total", "Searches, by shard.")
        .unit("{query}")
        .from("indices.{index}.total.search.query_total"),
    Metric::counter("elasticsearch_index_stats_search_query_time_seconds_total", "Time spent searching.")
        .unit("s")
        .from("indices.{index}.total.search.query_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_search_fetch_total", "Fetches of found documents, by shard.")
        .unit("{fetch}")
        .from("indices.{index}.total.search.fetch_total"),
    Metric::counter("elasticsearch_index_stats_search_fetch_time_seconds_total", "Time spent fetching.")
        .unit("s")
        .from("indices.{index}.total.search.fetch_time_in_millis"),
];

/// The question that `STATS` are the answer to.
pub const STATS_ASK: &str = "/{indices}/_stats/docs,store,indexing,search?ignore_unavailable=true&filter_path=indices.*.primaries.docs,\
    indices.*.primaries.store.size_in_bytes,indices.*.total.store.size_in_bytes,indices.*.total.indexing.index_total,\
    indices.*.total.indexing.index_time_in_millis,indices.*.total.search.query_total,\
    indices.*.total.search.query_time_in_millis,indices.*.total.search.fetch_total,\
    indices.*.total.search.fetch_time_in_millis";

/// Stands, in a row's path, for the indices that are watched.
pub const WATCHED: &str = "{indices}";

/// The longest list of indices that goes into a path; a server takes 4096 bytes for the whole line.
const WATCHED_BYTES_MAX: usize = 1500;

/// The indices that a server is asked for, in its own words: those that `include` names, without those that `exclude`
/// names. The server knows no `?`; what it cannot be told it gives, and the reader leaves out. `other` is the name of the
/// sum of what is left.
pub fn watched(filter: &Filter) -> String {
    let globs = |by: &BTreeMap<String, Vec<Glob>>| -> Vec<String> {
        by.get("index").into_iter().flatten().map(|glob| glob.as_str().to_string()).collect()
    };
    let included: Vec<String> = match filter.include.get("index") {
        Some(_) => globs(&filter.include).iter().map(|glob| glob.replace('?', "*")).collect(),
        None => vec!["*".to_string()],
    };
    // Only behind a wildcard does a minus leave something out; elsewhere it is a part of a name.
    let has_wildcard = included.iter().any(|one| one.contains('*'));
    let excluded =
        globs(&filter.exclude).into_iter().filter(|glob| has_wildcard && is_plain(glob) && !glob.contains('?'));
    let all: Vec<String> = included.iter().cloned().chain(excluded.map(|glob| format!("-{glob}"))).collect();
    let text = all.join(",");
    let is_plain = included.iter().all(|one| is_plain(one));
    if !is_plain || text == "*" || text.len() > WATCHED_BYTES_MAX { "_all".to_string() } else { text }
}

/// Whether a server takes this for nothing but the name of an index or a pattern, and a path for nothing else.
fn is_plain(glob: &str) -> bool {
    let first = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || ".*".contains(c);
    let inner = |c: char| first(c) || "-_".contains(c);
    glob.starts_with(first) && glob.chars().all(inner) && glob != "." && glob != ".."
}

/// The statistics as a table, an index a row: columns are the labels, the metrics' paths, and how busy it is.
pub fn table(metrics: &[Metric], cluster: &str, document: &Value) -> Table {
    let fixed = ["cluster", "index", BUSY].map(str::to_string);
    let columns = fixed.into_iter().chain(metrics.iter().map(|metric| metric.from.to_string())).collect();
    let row = |(index, stats): (&String, &Value)| {
        let at = |path: &str| at_path(stats, path).and_then(number);
        let busy: f64 = BUSY_PATHS.iter().filter_map(|path| at(path)).sum();
        let cell = |metric: &Metric| {
            let value = at(metric.from.strip_prefix(EACH)?)?;
            let is_millis = metric.unit == "s" && metric.from.ends_with("_in_millis");
            Some(if is_millis { value / 1000.0 } else { value }.to_string())
        };
        let fixed = [cluster.to_string(), index.clone(), busy.to_string()].map(Some);
        fixed.into_iter().chain(metrics.iter().map(cell)).collect()
    };
    let rows = document["indices"].as_object().into_iter().flatten().map(row).collect();
    Table { columns, rows }
}

/// Paths in an index's settings.
pub static SETTINGS: &[Metric] = &[
    Metric::gauge("elasticsearch_indices_settings_total_fields", "The most fields that an index may map.")
        .unit("{field}")
        .strict("elasticsearch_indices_settings_fields_limit")
        .from("{index}.fields"),
    Metric::gauge("elasticsearch_indices_settings_replicas", "Replicas that an index is to have.")
        .unit("{replica}")
        .from("{index}.replicas"),
    Metric::gauge("elasticsearch_indices_settings_creation_timestamp_seconds", "When an index was made.")
        .unit("s")
        .from("{index}.created"),
];

/// What holds where an index does not set its own.
const FIELDS_MAX: u32 = 1000;

pub fn take_settings(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let indices = document(answer)?.as_object().ok_or_else(|| missing("indices"))?;
    for (index, found) in indices {
        let setting = |path: &str| at_path(&found["settings"]["index"], path);
        let own = json!({ index: {
            "fields": setting("mapping.total_fields.limit").cloned().unwrap_or_else(|| json!(FIELDS_MAX)),
            "replicas": setting("number_of_replicas"),
            "created": setting("creation_date").and_then(number).map(|millis| millis / 1000.0),
        } });
        take_paths(SETTINGS, &[], &own, emit);
    }
    Ok(())
}

pub static FIELDS: [Metric; 1] =
    [Metric::gauge("elasticsearch_indices_mappings_stats_fields", "Fields that an index maps.").unit("{field}")];

pub fn take_mappings(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let indices = document(answer)?.as_object().ok_or_else(|| missing("indices"))?;
    for (index, found) in indices {
        emit.metric(&FIELDS[0], &[("index", index)], f64::from(fields(&found["mappings"])));
    }
    Ok(())
}

/// Fields below a mapping: those with a type, and under other names the same ones again. An object is no field.
fn fields(mapping: &Value) -> u32 {
    let below = ["properties", "fields"].into_iter().filter_map(|part| mapping[part].as_object());
    below
        .flatten()
        .map(|(_, field)| {
            let is_field = field["type"].as_str().is_some_and(|kind| kind != "object" && kind != "nested");
            u32::from(is_field) + fields(field)
        })
        .sum()
}

/// Paths in the statistics of data streams.
pub static STREAMS: &[Metric] = &[
    Metric::gauge("elasticsearch_data_stream_backing_indices_total", "Indices behind a data stream.")
        .unit("{index}")
        .strict("elasticsearch_data_stream_backing_indices")
        .from("stream.{data_stream}.backing_indices"),
    Metric::gauge("elasticsearch_data_stream_store_size_bytes", "Size of a data stream.")
        .unit("By")
        .from("stream.{data_stream}.store_size_bytes"),
];

pub fn take_streams(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for stream in document(answer)?["data_streams"].as_array().into_iter().flatten() {
        let name = stream["data_stream"].as_str().ok_or_else(|| missing("data_stream"))?;
        take_paths(STREAMS, &[], &json!({ "stream": { name: stream } }), emit);
    }
    Ok(())
}
