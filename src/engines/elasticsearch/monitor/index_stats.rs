//! What else the exporter says of single indices and shards: segments, caches, merges. Optional, and the busiest only.

use crate::engines::contract::{Busiest, Table};
use crate::engines::take::{at_path, number};
use crate::model::row::Metric;
use serde_json::Value;

/// Paths in the statistics of indices, as the row `indices` has them.
pub static STATS: &[Metric] = &[
    Metric::gauge("elasticsearch_indices_docs_total", "Documents, in all shards.")
        .unit("{document}")
        .strict("elasticsearch_indices_docs_all")
        .from("indices.{index}.total.docs.count"),
    Metric::gauge(
        "elasticsearch_indices_deleted_docs_total",
        "Deleted documents that a merge has still to remove, in all shards.",
    )
    .unit("{document}")
    .strict("elasticsearch_indices_deleted_docs_all")
    .from("indices.{index}.total.docs.deleted"),
    Metric::gauge("elasticsearch_indices_segment_count_primary", "Segments, in primary shards.")
        .unit("{segment}")
        .strict("elasticsearch_indices_segment_primary")
        .from("indices.{index}.primaries.segments.count"),
    Metric::gauge("elasticsearch_indices_segment_count_total", "Segments, in all shards.")
        .unit("{segment}")
        .strict("elasticsearch_indices_segment_all")
        .from("indices.{index}.total.segments.count"),
    Metric::gauge(
        "elasticsearch_indices_segment_memory_bytes_primary",
        "Memory that segments keep, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_memory_primary_bytes")
    .from("indices.{index}.primaries.segments.memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_memory_bytes_total", "Memory that segments keep, in all shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_memory_all_bytes")
        .from("indices.{index}.total.segments.memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_terms_memory_primary", "Memory of terms, in primary shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_terms_memory_primary_bytes")
        .from("indices.{index}.primaries.segments.terms_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_terms_memory_total", "Memory of terms, in all shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_terms_memory_all_bytes")
        .from("indices.{index}.total.segments.terms_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_fields_memory_bytes_primary",
        "Memory of stored fields, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_fields_memory_primary_bytes")
    .from("indices.{index}.primaries.segments.stored_fields_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_fields_memory_bytes_total", "Memory of stored fields, in all shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_fields_memory_all_bytes")
        .from("indices.{index}.total.segments.stored_fields_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_norms_memory_bytes_primary", "Memory of norms, in primary shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_norms_memory_primary_bytes")
        .from("indices.{index}.primaries.segments.norms_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_norms_memory_bytes_total", "Memory of norms, in all shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_norms_memory_all_bytes")
        .from("indices.{index}.total.segments.norms_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_points_memory_bytes_primary", "Memory of points, in primary shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_points_memory_primary_bytes")
        .from("indices.{index}.primaries.segments.points_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segment_points_memory_bytes_total", "Memory of points, in all shards.")
        .unit("By")
        .strict("elasticsearch_indices_segment_points_memory_all_bytes")
        .from("indices.{index}.total.segments.points_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_doc_values_memory_bytes_primary",
        "Memory of doc values, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_doc_values_memory_primary_bytes")
    .from("indices.{index}.primaries.segments.doc_values_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_doc_values_memory_bytes_total",
        "Memory of doc values, in all shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_doc_values_memory_all_bytes")
    .from("indices.{index}.total.segments.doc_values_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_index_writer_memory_bytes_primary",
        "Memory of the index writer, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_index_writer_memory_primary_bytes")
    .from("indices.{index}.primaries.segments.index_writer_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_index_writer_memory_bytes_total",
        "Memory of the index writer, in all shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_index_writer_memory_all_bytes")
    .from("indices.{index}.total.segments.index_writer_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_version_map_memory_bytes_primary",
        "Memory of the version map, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_version_map_memory_primary_bytes")
    .from("indices.{index}.primaries.segments.version_map_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_version_map_memory_bytes_total",
        "Memory of the version map, in all shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_version_map_memory_all_bytes")
    .from("indices.{index}.total.segments.version_map_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_fixed_bit_set_memory_bytes_primary",
        "Memory of fixed bit sets, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_fixed_bit_set_memory_primary_bytes")
    .from("indices.{index}.primaries.segments.fixed_bit_set_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_fixed_bit_set_memory_bytes_total",
        "Memory of fixed bit sets, in all shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_segment_fixed_bit_set_memory_all_bytes")
    .from("indices.{index}.total.segments.fixed_bit_set_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_term_vectors_memory_primary_bytes",
        "Memory of term vectors, in primary shards.",
    )
    .unit("By")
    .from("indices.{index}.primaries.segments.term_vectors_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_segment_term_vectors_memory_total_bytes",
        "Memory of term vectors, in all shards.",
    )
    .unit("By")
    .from("indices.{index}.total.segments.term_vectors_memory_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_completion_bytes_primary",
        "Memory of suggestions for completion, in primary shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_completion_primary_bytes")
    .from("indices.{index}.primaries.completion.size_in_bytes"),
    Metric::gauge(
        "elasticsearch_indices_completion_bytes_total",
        "Memory of suggestions for completion, in all shards.",
    )
    .unit("By")
    .strict("elasticsearch_indices_completion_all_bytes")
    .from("indices.{index}.total.completion.size_in_bytes"),
    Metric::gauge("elasticsearch_search_active_queries", "Searches under way, by shard.")
        .unit("{query}")
        .from("indices.{index}.total.search.query_current"),
    Metric::gauge("elasticsearch_index_stats_search_scroll_current", "Scrolls open.")
        .unit("{scroll}")
        .from("indices.{index}.total.search.scroll_current"),
    Metric::counter("elasticsearch_index_stats_search_scroll_total", "Scrolls.")
        .unit("{scroll}")
        .from("indices.{index}.total.search.scroll_total"),
    Metric::counter("elasticsearch_index_stats_search_scroll_time_seconds_total", "Time spent scrolling.")
        .unit("s")
        .from("indices.{index}.total.search.scroll_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_search_suggest_total", "Suggestions.")
        .unit("{suggestion}")
        .from("indices.{index}.total.search.suggest_total"),
    Metric::counter("elasticsearch_index_stats_search_suggest_time_seconds_total", "Time spent suggesting.")
        .unit("s")
        .from("indices.{index}.total.search.suggest_time_in_millis"),
    Metric::gauge("elasticsearch_index_stats_index_current", "Documents being indexed.")
        .unit("{document}")
        .from("indices.{index}.total.indexing.index_current"),
    Metric::counter("elasticsearch_index_stats_indexing_delete_total", "Documents deleted, in all shards.")
        .unit("{document}")
        .from("indices.{index}.total.indexing.delete_total"),
    Metric::counter("elasticsearch_index_stats_indexing_delete_time_seconds_total", "Time spent deleting.")
        .unit("s")
        .from("indices.{index}.total.indexing.delete_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_indexing_noop_update_total", "Updates that changed nothing.")
        .unit("{update}")
        .from("indices.{index}.total.indexing.noop_update_total"),
    Metric::counter(
        "elasticsearch_index_stats_indexing_throttle_time_seconds_total",
        "Time that indexing was held back for merges.",
    )
    .unit("s")
    .from("indices.{index}.total.indexing.throttle_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_get_total", "Documents asked for by id.")
        .unit("{document}")
        .from("indices.{index}.total.get.total"),
    Metric::counter("elasticsearch_index_stats_get_time_seconds_total", "Time spent on documents asked for by id.")
        .unit("s")
        .from("indices.{index}.total.get.time_in_millis"),
    Metric::counter("elasticsearch_index_stats_merge_total", "Merges of segments.")
        .unit("{merge}")
        .from("indices.{index}.total.merges.total"),
    Metric::counter("elasticsearch_index_stats_merge_time_seconds_total", "Time spent merging segments.")
        .unit("s")
        .from("indices.{index}.total.merges.total_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_merge_throttle_time_seconds_total", "Time that merges were held back.")
        .unit("s")
        .from("indices.{index}.total.merges.total_throttled_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_merge_stopped_time_seconds_total", "Time that merges were stopped.")
        .unit("s")
        .from("indices.{index}.total.merges.total_stopped_time_in_millis"),
    Metric::gauge(
        "elasticsearch_index_stats_merge_auto_throttle_bytes_total",
        "Bytes a second to which merges are held back, summed over the shards.",
    )
    .unit("By")
    .strict("elasticsearch_index_stats_merge_auto_throttle_bytes")
    .from("indices.{index}.total.merges.total_auto_throttle_in_bytes"),
    Metric::counter("elasticsearch_index_stats_refresh_total", "Refreshes: new documents made searchable.")
        .unit("{refresh}")
        .from("indices.{index}.total.refresh.total"),
    Metric::counter("elasticsearch_index_stats_refresh_time_seconds_total", "Time spent refreshing.")
        .unit("s")
        .from("indices.{index}.total.refresh.total_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_flush_total", "Flushes to disk.")
        .unit("{flush}")
        .from("indices.{index}.total.flush.total"),
    Metric::counter("elasticsearch_index_stats_flush_time_seconds_total", "Time spent flushing to disk.")
        .unit("s")
        .from("indices.{index}.total.flush.total_time_in_millis"),
    Metric::counter("elasticsearch_index_stats_warmer_total", "Warmings of new segments.")
        .unit("{warming}")
        .from("indices.{index}.total.warmer.total"),
    Metric::counter("elasticsearch_index_stats_warmer_time_seconds_total", "Time spent warming.")
        .unit("s")
        .from("indices.{index}.total.warmer.total_time_in_millis"),
    Metric::gauge("elasticsearch_index_stats_fielddata_memory_bytes_total", "Memory of the field data cache.")
        .unit("By")
        .strict("elasticsearch_index_stats_fielddata_memory_bytes")
        .from("indices.{index}.total.fielddata.memory_size_in_bytes"),
    Metric::counter(
        "elasticsearch_index_stats_fielddata_evictions_total",
        "Entries thrown out of the field data cache.",
    )
    .unit("{eviction}")
    .from("indices.{index}.total.fielddata.evictions"),
    Metric::gauge("elasticsearch_index_stats_query_cache_memory_bytes_total", "Memory of the query cache.")
        .unit("By")
        .strict("elasticsearch_index_stats_query_cache_memory_bytes")
        .from("indices.{index}.total.query_cache.memory_size_in_bytes"),
    Metric::gauge("elasticsearch_index_stats_query_cache_size", "Entries of the query cache.")
        .unit("{entry}")
        .from("indices.{index}.total.query_cache.cache_size"),
    Metric::counter(
        "elasticsearch_index_stats_query_cache_caches_total",
        "Entries that were ever put into the query cache.",
    )
    .unit("{entry}")
    .from("indices.{index}.total.query_cache.cache_count"),
    Metric::counter("elasticsearch_index_stats_query_cache_hits_total", "Lookups in the query cache that hit.")
        .unit("{lookup}")
        .from("indices.{index}.total.query_cache.hit_count"),
    Metric::counter("elasticsearch_index_stats_query_cache_misses_total", "Lookups in the query cache that missed.")
        .unit("{lookup}")
        .from("indices.{index}.total.query_cache.miss_count"),
    Metric::counter("elasticsearch_index_stats_query_cache_evictions_total", "Entries thrown out of the query cache.")
        .unit("{eviction}")
        .from("indices.{index}.total.query_cache.evictions"),
    Metric::gauge("elasticsearch_index_stats_request_cache_memory_bytes_total", "Memory of the request cache.")
        .unit("By")
        .strict("elasticsearch_index_stats_request_cache_memory_bytes")
        .from("indices.{index}.total.request_cache.memory_size_in_bytes"),
    Metric::counter("elasticsearch_index_stats_request_cache_hits_total", "Lookups in the request cache that hit.")
        .unit("{lookup}")
        .from("indices.{index}.total.request_cache.hit_count"),
    Metric::counter(
        "elasticsearch_index_stats_request_cache_misses_total",
        "Lookups in the request cache that missed.",
    )
    .unit("{lookup}")
    .from("indices.{index}.total.request_cache.miss_count"),
    Metric::counter(
        "elasticsearch_index_stats_request_cache_evictions_total",
        "Entries thrown out of the request cache.",
    )
    .unit("{eviction}")
    .from("indices.{index}.total.request_cache.evictions"),
];

/// The question that `STATS` are the answer to; to rank the indices, it has what `busy` is made of as well.
pub const STATS_ASK: &str = "/{indices}/_stats/docs,segments,completion,search,indexing,get,merge,refresh,flush,warmer,\
    fielddata,query_cache,request_cache?ignore_unavailable=true&filter_path=indices.*.primaries.segments.count,\
    indices.*.primaries.segments.*memory_in_bytes,indices.*.primaries.completion.size_in_bytes,indices.*.total.docs,\
    indices.*.total.segments.count,indices.*.total.segments.*memory_in_bytes,indices.*.total.completion.size_in_bytes,\
    indices.*.total.search.*_total,indices.*.total.search.*_time_in_millis,indices.*.total.search.*_current,\
    indices.*.total.indexing.*_total,indices.*.total.indexing.*_time_in_millis,indices.*.total.indexing.index_current,\
    indices.*.total.get.total,indices.*.total.get.time_in_millis,indices.*.total.merges.total,\
    indices.*.total.merges.total_*_in_*,indices.*.total.refresh.total,indices.*.total.refresh.total_time_in_millis,\
    indices.*.total.flush.total,indices.*.total.flush.total_time_in_millis,indices.*.total.warmer.total,\
    indices.*.total.warmer.total_time_in_millis,indices.*.total.fielddata.*,indices.*.total.query_cache.*,\
    indices.*.total.request_cache.*";

/// Paths in the statistics of a shard.
pub static SHARDS: &[Metric] = &[
    Metric::gauge("elasticsearch_indices_shards_docs", "Documents of a shard.").unit("{document}").from("docs.count"),
    Metric::gauge(
        "elasticsearch_indices_shards_docs_deleted",
        "Deleted documents of a shard that a merge has still to remove.",
    )
    .unit("{document}")
    .from("docs.deleted"),
    Metric::gauge("elasticsearch_indices_shards_store_size_in_bytes", "Size of a shard.")
        .unit("By")
        .strict("elasticsearch_indices_shards_store_size_bytes")
        .from(SIZE),
];

/// How large a shard is says how much it matters.
const SIZE: &str = "store.size_in_bytes";

pub const LARGEST: Busiest =
    Busiest { labels: &["cluster", "index", "node", "primary", "shard"], rank_by: SIZE, keep: 100, most: 20_000 };

pub const SHARDS_ASK: &str = "/{indices}/_stats/docs,store?level=shards&ignore_unavailable=true\
    &filter_path=indices.*.shards.*.routing.node,indices.*.shards.*.routing.primary,indices.*.shards.*.docs.count,\
    indices.*.shards.*.docs.deleted,indices.*.shards.*.store.size_in_bytes";

/// The shards as a table: columns are the labels and the metrics' paths. A copy of a shard is known by its node.
pub fn table(metrics: &[Metric], cluster: &str, document: &Value) -> Table {
    let columns = LARGEST.labels.iter().copied().chain(metrics.iter().map(|metric| metric.from)).map(str::to_string);
    let mut rows = Vec::new();
    for (index, found) in document["indices"].as_object().into_iter().flatten() {
        for (shard, copies) in found["shards"].as_object().into_iter().flatten() {
            for copy in copies.as_array().into_iter().flatten() {
                let node = copy["routing"]["node"].as_str().unwrap_or("");
                let primary = copy["routing"]["primary"].as_bool().unwrap_or(false);
                let labels = [cluster, index, node, if primary { "true" } else { "false" }, shard].map(str::to_string);
                let value = |metric: &Metric| Some(at_path(copy, metric.from).and_then(number)?.to_string());
                rows.push(labels.into_iter().map(Some).chain(metrics.iter().map(value)).collect());
            }
        }
    }
    Table { columns: columns.collect(), rows }
}
