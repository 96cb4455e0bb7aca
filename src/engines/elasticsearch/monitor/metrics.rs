//! What is measured of a node of Elasticsearch or OpenSearch: names, types and where in the answers they stand.

use crate::model::row::{Metric, Rename};

/// The labels of every series, in the words of OpenTelemetry's receiver, which needs `name` for others.
pub const CLUSTER_NAME: Rename = Rename::new("cluster", "elasticsearch.cluster.name");
const NODE_NAME: Rename = Rename::new("name", "elasticsearch.node.name");
pub const PLACE: &[Rename] = &[CLUSTER_NAME, NODE_NAME];
const POOL: &[Rename] = &[CLUSTER_NAME, NODE_NAME, Rename::new("pool", "name")];
const COLLECTOR: &[Rename] = &[CLUSTER_NAME, NODE_NAME, Rename::new("gc", "name")];
const BREAKER: &[Rename] = &[CLUSTER_NAME, NODE_NAME, Rename::new("breaker", "name")];

/// Paths in a node's statistics; `area`, `data` and `lookups` are worked out here. A path in milliseconds under the unit `s` gives seconds.
pub static NODE: &[Metric] = &[
    Metric::gauge("elasticsearch_jvm_memory_used_bytes", "Memory of the JVM in use, by area.")
        .unit("By")
        .otel("jvm.memory.heap.used")
        .renames(PLACE)
        .from("area.{area}.used"),
    Metric::gauge("elasticsearch_jvm_memory_committed_bytes", "Memory of the JVM taken from the system, by area.")
        .unit("By")
        .otel("jvm.memory.heap.committed")
        .renames(PLACE)
        .from("area.{area}.committed"),
    Metric::gauge("elasticsearch_jvm_memory_max_bytes", "The most memory that the JVM may use, by area.")
        .unit("By")
        .otel("jvm.memory.heap.max")
        .renames(PLACE)
        .from("area.{area}.max"),
    Metric::gauge("elasticsearch_jvm_memory_pool_used_bytes", "Memory in use, by pool.")
        .unit("By")
        .otel("jvm.memory.pool.used")
        .renames(POOL)
        .from("jvm.mem.pools.{pool}.used_in_bytes"),
    Metric::gauge(
        "elasticsearch_jvm_memory_pool_max_bytes",
        "The most memory that a pool may use; 0 where nothing but the heap limits it.",
    )
    .unit("By")
    .otel("jvm.memory.pool.max")
    .renames(POOL)
    .from("jvm.mem.pools.{pool}.max_in_bytes"),
    Metric::counter("elasticsearch_jvm_gc_collection_seconds_count", "Garbage collections, by collector.")
        .unit("{collection}")
        .strict("elasticsearch_jvm_gc_collections_total")
        .otel("jvm.gc.collections.count")
        .renames(COLLECTOR)
        .from("jvm.gc.collectors.{gc}.collection_count"),
    Metric::counter("elasticsearch_jvm_gc_collection_seconds_sum", "Time spent in garbage collection, by collector.")
        .unit("s")
        .strict("elasticsearch_jvm_gc_collection_seconds_total")
        .otel("jvm.gc.collections.elapsed")
        .renames(COLLECTOR)
        .from("jvm.gc.collectors.{gc}.collection_time_in_millis"),
    Metric::gauge("elasticsearch_jvm_uptime_seconds", "Seconds since the node started.")
        .unit("s")
        .from("jvm.uptime_in_millis"),
    Metric::gauge("elasticsearch_filesystem_data_available_bytes", "Space that the node may still use on a data path.")
        .unit("By")
        .otel("elasticsearch.node.fs.disk.available")
        .renames(PLACE)
        .from("data.available_in_bytes"),
    Metric::gauge("elasticsearch_filesystem_data_free_bytes", "Free space of the file system of a data path.")
        .unit("By")
        .otel("elasticsearch.node.fs.disk.free")
        .renames(PLACE)
        .from("data.free_in_bytes"),
    Metric::gauge("elasticsearch_filesystem_data_size_bytes", "Size of the file system of a data path.")
        .unit("By")
        .otel("elasticsearch.node.fs.disk.total")
        .renames(PLACE)
        .from("data.total_in_bytes"),
    Metric::counter("elasticsearch_indices_indexing_index_total", "Documents indexed.")
        .unit("{document}")
        .from("indices.indexing.index_total"),
    Metric::counter("elasticsearch_indices_indexing_index_time_seconds_total", "Time spent indexing.")
        .unit("s")
        .from("indices.indexing.index_time_in_millis"),
    Metric::counter("elasticsearch_indices_indexing_delete_total", "Documents deleted.")
        .unit("{document}")
        .from("indices.indexing.delete_total"),
    Metric::gauge("elasticsearch_indices_index_current", "Documents being indexed.")
        .unit("{document}")
        .from("indices.indexing.index_current"),
    Metric::counter("elasticsearch_indices_search_query_total", "Searches, by shard.")
        .unit("{query}")
        .from("indices.search.query_total"),
    Metric::counter("elasticsearch_indices_search_query_time_seconds", "Time spent searching.")
        .unit("s")
        .strict("elasticsearch_indices_search_query_seconds_total")
        .from("indices.search.query_time_in_millis"),
    Metric::counter("elasticsearch_indices_search_fetch_total", "Fetches of found documents, by shard.")
        .unit("{fetch}")
        .from("indices.search.fetch_total"),
    Metric::counter("elasticsearch_indices_search_fetch_time_seconds", "Time spent fetching found documents.")
        .unit("s")
        .strict("elasticsearch_indices_search_fetch_seconds_total")
        .from("indices.search.fetch_time_in_millis"),
    Metric::gauge("elasticsearch_indices_active_queries", "Searches under way.")
        .unit("{query}")
        .from("indices.search.query_current"),
    Metric::counter("elasticsearch_indices_get_total", "Documents asked for by id.")
        .unit("{document}")
        .from("indices.get.total"),
    Metric::counter("elasticsearch_indices_get_time_seconds", "Time spent on documents asked for by id.")
        .unit("s")
        .strict("elasticsearch_indices_get_seconds_total")
        .from("indices.get.time_in_millis"),
    Metric::counter("elasticsearch_indices_merges_total", "Merges of segments.")
        .unit("{merge}")
        .from("indices.merges.total"),
    Metric::counter("elasticsearch_indices_merges_total_time_seconds_total", "Time spent merging segments.")
        .unit("s")
        .from("indices.merges.total_time_in_millis"),
    Metric::counter("elasticsearch_indices_refresh_total", "Refreshes: new documents made searchable.")
        .unit("{refresh}")
        .from("indices.refresh.total"),
    Metric::counter("elasticsearch_indices_refresh_time_seconds_total", "Time spent refreshing.")
        .unit("s")
        .from("indices.refresh.total_time_in_millis"),
    Metric::counter("elasticsearch_indices_flush_total", "Flushes to disk.")
        .unit("{flush}")
        .from("indices.flush.total"),
    Metric::counter("elasticsearch_indices_flush_time_seconds", "Time spent flushing to disk.")
        .unit("s")
        .strict("elasticsearch_indices_flush_seconds_total")
        .from("indices.flush.total_time_in_millis"),
    Metric::gauge("elasticsearch_indices_docs", "Documents on this node.")
        .unit("{document}")
        .otel("elasticsearch.node.documents")
        .renames(PLACE)
        .from("indices.docs.count"),
    Metric::gauge(
        "elasticsearch_indices_docs_deleted",
        "Deleted documents on this node that a merge has still to remove.",
    )
    .unit("{document}")
    .from("indices.docs.deleted"),
    Metric::gauge("elasticsearch_indices_store_size_bytes", "Size of the shards on this node.")
        .unit("By")
        .otel("elasticsearch.node.shards.size")
        .renames(PLACE)
        .from("indices.store.size_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_count", "Segments on this node.")
        .unit("{segment}")
        .from("indices.segments.count"),
    Metric::gauge("elasticsearch_indices_segments_memory_bytes", "Memory that segments keep.")
        .unit("By")
        .from("indices.segments.memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_translog_operations", "Operations in the transaction log.")
        .unit("{operation}")
        .otel("elasticsearch.node.translog.operations")
        .renames(PLACE)
        .from("indices.translog.operations"),
    Metric::gauge("elasticsearch_indices_translog_size_in_bytes", "Size of the transaction log.")
        .unit("By")
        .otel("elasticsearch.node.translog.size")
        .renames(PLACE)
        .from("indices.translog.size_in_bytes"),
    Metric::gauge("elasticsearch_indices_fielddata_memory_size_bytes", "Memory of the field data cache.")
        .unit("By")
        .from("indices.fielddata.memory_size_in_bytes"),
    Metric::counter("elasticsearch_indices_fielddata_evictions", "Entries thrown out of the field data cache.")
        .unit("{eviction}")
        .strict("elasticsearch_indices_fielddata_evictions_total")
        .from("indices.fielddata.evictions"),
    Metric::gauge("elasticsearch_indices_query_cache_memory_size_bytes", "Memory of the query cache.")
        .unit("By")
        .from("indices.query_cache.memory_size_in_bytes"),
    Metric::counter("elasticsearch_indices_query_cache_evictions", "Entries thrown out of the query cache.")
        .unit("{eviction}")
        .strict("elasticsearch_indices_query_cache_evictions_total")
        .from("indices.query_cache.evictions"),
    Metric::gauge("elasticsearch_indices_request_cache_memory_size_bytes", "Memory of the request cache.")
        .unit("By")
        .from("indices.request_cache.memory_size_in_bytes"),
    Metric::counter("elasticsearch_indices_request_cache_evictions", "Entries thrown out of the request cache.")
        .unit("{eviction}")
        .strict("elasticsearch_indices_request_cache_evictions_total")
        .from("indices.request_cache.evictions"),
    Metric::gauge("elasticsearch_thread_pool_active_count", "Threads at work, by pool.")
        .unit("{thread}")
        .strict("elasticsearch_thread_pool_active")
        .from("thread_pool.{type}.active"),
    Metric::gauge("elasticsearch_thread_pool_queue_count", "Tasks that wait for a thread, by pool.")
        .unit("{task}")
        .strict("elasticsearch_thread_pool_queue")
        .from("thread_pool.{type}.queue"),
    Metric::counter("elasticsearch_thread_pool_rejected_count", "Tasks refused because the queue was full, by pool.")
        .unit("{task}")
        .strict("elasticsearch_thread_pool_rejected_total")
        .from("thread_pool.{type}.rejected"),
    Metric::gauge(
        "elasticsearch_indexing_pressure_current_all_in_bytes",
        "Memory of requests to index that are under way.",
    )
    .unit("By")
    .otel("elasticsearch.memory.indexing_pressure")
    .renames(PLACE)
    .from("indexing_pressure.{indexing_pressure}.current.all_in_bytes"),
    Metric::gauge(
        "elasticsearch_indexing_pressure_limit_in_bytes",
        "The most that it may be before requests are refused.",
    )
    .unit("By")
    .otel("elasticsearch.indexing_pressure.memory.limit")
    .renames(PLACE)
    .from("indexing_pressure.{indexing_pressure}.limit_in_bytes"),
    Metric::counter("elasticsearch_breakers_tripped", "How often a circuit breaker refused a request for its memory.")
        .unit("{trip}")
        .strict("elasticsearch_breakers_tripped_total")
        .otel("elasticsearch.breaker.tripped")
        .renames(BREAKER)
        .from("breakers.{breaker}.tripped"),
    Metric::gauge("elasticsearch_breakers_estimated_size_bytes", "Memory that a circuit breaker counts.")
        .unit("By")
        .otel("elasticsearch.breaker.memory.estimated")
        .renames(BREAKER)
        .from("breakers.{breaker}.estimated_size_in_bytes"),
    Metric::gauge("elasticsearch_breakers_limit_size_bytes", "The most that a circuit breaker lets through.")
        .unit("By")
        .otel("elasticsearch.breaker.memory.limit")
        .renames(BREAKER)
        .from("breakers.{breaker}.limit_size_in_bytes"),
    Metric::gauge("elasticsearch_process_cpu_percent", "Processor time of the node, in percent.")
        .unit("%")
        .otel("elasticsearch.process.cpu.usage")
        .renames(PLACE)
        .from("process.cpu.percent"),
    Metric::counter("elasticsearch_process_cpu_seconds_total", "Processor time that the node has used.")
        .unit("s")
        .otel("elasticsearch.process.cpu.time")
        .renames(PLACE)
        .from("process.cpu.total_in_millis"),
    Metric::gauge("elasticsearch_process_open_files_count", "File descriptors in use.")
        .unit("{file}")
        .strict("elasticsearch_process_open_files")
        .from("process.open_file_descriptors"),
    Metric::gauge("elasticsearch_process_max_files_descriptors", "The most file descriptors that the node may use.")
        .unit("{file}")
        .from("process.max_file_descriptors"),
    Metric::gauge("elasticsearch_os_cpu_percent", "Processor use of the machine, in percent.")
        .unit("%")
        .otel("elasticsearch.os.cpu.usage")
        .renames(PLACE)
        .from("os.cpu.percent"),
    Metric::gauge("elasticsearch_os_load1", "Load of the machine over a minute.")
        .unit("1")
        .otel("elasticsearch.os.cpu.load_avg.1m")
        .renames(PLACE)
        .from("os.cpu.load_average.1m"),
    Metric::gauge("elasticsearch_os_load5", "Load of the machine over 5 minutes.")
        .unit("1")
        .otel("elasticsearch.os.cpu.load_avg.5m")
        .renames(PLACE)
        .from("os.cpu.load_average.5m"),
    Metric::gauge("elasticsearch_os_load15", "Load of the machine over 15 minutes.")
        .unit("1")
        .otel("elasticsearch.os.cpu.load_avg.15m")
        .renames(PLACE)
        .from("os.cpu.load_average.15m"),
    Metric::counter("elasticsearch_transport_rx_size_bytes_total", "Bytes received from other nodes.")
        .unit("By")
        .from("transport.rx_size_in_bytes"),
    Metric::counter("elasticsearch_transport_tx_size_bytes_total", "Bytes sent to other nodes.")
        .unit("By")
        .from("transport.tx_size_in_bytes"),
    Metric::counter("elasticsearch_indices_indexing_delete_time_seconds_total", "Time spent deleting.")
        .unit("s")
        .from("indices.indexing.delete_time_in_millis"),
    Metric::counter("elasticsearch_indices_get_exists_total", "Documents asked for by id that were there.")
        .unit("{document}")
        .from("indices.get.exists_total"),
    Metric::counter("elasticsearch_indices_get_exists_time_seconds", "Time spent on them.")
        .unit("s")
        .strict("elasticsearch_indices_get_exists_seconds_total")
        .from("indices.get.exists_time_in_millis"),
    Metric::counter("elasticsearch_indices_get_missing_total", "Documents asked for by id that were not there.")
        .unit("{document}")
        .from("indices.get.missing_total"),
    Metric::counter("elasticsearch_indices_get_missing_time_seconds", "Time spent on them.")
        .unit("s")
        .strict("elasticsearch_indices_get_missing_seconds_total")
        .from("indices.get.missing_time_in_millis"),
    Metric::counter("elasticsearch_indices_search_scroll_total", "Scrolls.")
        .unit("{scroll}")
        .from("indices.search.scroll_total"),
    Metric::counter("elasticsearch_indices_search_scroll_time_seconds", "Time spent scrolling.")
        .unit("s")
        .strict("elasticsearch_indices_search_scroll_seconds_total")
        .from("indices.search.scroll_time_in_millis"),
    Metric::counter("elasticsearch_indices_search_suggest_total", "Suggestions.")
        .unit("{suggestion}")
        .from("indices.search.suggest_total"),
    Metric::counter("elasticsearch_indices_search_suggest_time_seconds", "Time spent suggesting.")
        .unit("s")
        .strict("elasticsearch_indices_search_suggest_seconds_total")
        .from("indices.search.suggest_time_in_millis"),
    Metric::gauge("elasticsearch_indices_merges_current", "Merges under way.")
        .unit("{merge}")
        .from("indices.merges.current"),
    Metric::counter("elasticsearch_indices_merges_docs_total", "Documents merged.")
        .unit("{document}")
        .from("indices.merges.total_docs"),
    Metric::counter("elasticsearch_indices_merges_total_size_bytes_total", "Size of what was merged.")
        .unit("By")
        .from("indices.merges.total_size_in_bytes"),
    Metric::counter(
        "elasticsearch_indices_merges_total_throttled_time_seconds_total",
        "Time that merges were held back.",
    )
    .unit("s")
    .from("indices.merges.total_throttled_time_in_millis"),
    Metric::counter("elasticsearch_indices_warmer_total", "Warmings of new segments.")
        .unit("{warming}")
        .from("indices.warmer.total"),
    Metric::counter("elasticsearch_indices_warmer_time_seconds_total", "Time spent warming.")
        .unit("s")
        .from("indices.warmer.total_time_in_millis"),
    Metric::counter("elasticsearch_indices_query_cache_total", "Lookups in the query cache.")
        .unit("{lookup}")
        .from("indices.query_cache.total_count"),
    Metric::gauge("elasticsearch_indices_query_cache_cache_size", "Entries of the query cache.")
        .unit("{entry}")
        .from("indices.query_cache.cache_size"),
    Metric::counter(
        "elasticsearch_indices_query_cache_cache_total",
        "Entries that were ever put into the query cache.",
    )
    .unit("{entry}")
    .from("indices.query_cache.cache_count"),
    Metric::counter(
        "elasticsearch_indices_query_cache_count",
        "Lookups in the query cache that hit or missed, by cache.",
    )
    .unit("{lookup}")
    .strict("elasticsearch_indices_query_cache_lookups_total")
    .from("lookups.query_cache.{cache}"),
    Metric::counter(
        "elasticsearch_indices_request_cache_count",
        "Lookups in the request cache that hit or missed, by cache.",
    )
    .unit("{lookup}")
    .strict("elasticsearch_indices_request_cache_lookups_total")
    .from("lookups.request_cache.{cache}"),
    Metric::counter("elasticsearch_thread_pool_completed_count", "Tasks done, by pool.")
        .unit("{task}")
        .strict("elasticsearch_thread_pool_completed_total")
        .from("thread_pool.{type}.completed"),
    Metric::gauge(
        "elasticsearch_breakers_overhead",
        "The factor with which a circuit breaker multiplies its estimates.",
    )
    .unit("1")
    .from("breakers.{breaker}.overhead"),
    Metric::gauge("elasticsearch_jvm_memory_pool_peak_used_bytes", "The most memory that was ever in use, by pool.")
        .unit("By")
        .from("jvm.mem.pools.{pool}.peak_used_in_bytes"),
    Metric::gauge("elasticsearch_process_mem_virtual_size_bytes", "Address space of the node.")
        .unit("By")
        .from("process.mem.total_virtual_in_bytes"),
    Metric::counter("elasticsearch_transport_rx_packets_total", "Messages received from other nodes.")
        .unit("{message}")
        .from("transport.rx_count"),
    Metric::counter("elasticsearch_transport_tx_packets_total", "Messages sent to other nodes.")
        .unit("{message}")
        .from("transport.tx_count"),
    Metric::counter(
        "elasticsearch_indexing_pressure_coordinating_rejections_total",
        "Requests to index refused by the node that took them, for their memory.",
    )
    .unit("{request}")
    .from("indexing_pressure.{indexing_pressure}.total.coordinating_rejections"),
    Metric::counter(
        "elasticsearch_indexing_pressure_primary_rejections_total",
        "Requests to index refused on primary shards.",
    )
    .unit("{request}")
    .from("indexing_pressure.{indexing_pressure}.total.primary_rejections"),
    Metric::counter(
        "elasticsearch_indexing_pressure_replica_rejections_total",
        "Requests to index refused on replicas.",
    )
    .unit("{request}")
    .from("indexing_pressure.{indexing_pressure}.total.replica_rejections"),
    Metric::gauge("elasticsearch_nodes_roles", "1 for each role that the node has.").from("role.{role}"),
    Metric::gauge("elasticsearch_os_mem_free_bytes", "Memory of the machine that nothing uses.")
        .unit("By")
        .from("os.mem.free_in_bytes"),
    Metric::gauge("elasticsearch_os_mem_used_bytes", "Memory of the machine in use, caches of files included.")
        .unit("By")
        .from("os.mem.used_in_bytes"),
    Metric::gauge("elasticsearch_jvm_buffer_pool_used_bytes", "Memory of the JVM outside of its areas, by type.")
        .unit("By")
        .from("jvm.buffer_pools.{type}.used_in_bytes"),
    Metric::gauge("elasticsearch_jvm_memory_pool_peak_max_bytes", "The most that the most memory ever was, by pool.")
        .unit("By")
        .from("jvm.mem.pools.{pool}.peak_max_in_bytes"),
    Metric::counter(
        "elasticsearch_filesystem_io_stats_device_operations_count",
        "Reads and writes of a device that has a data path.",
    )
    .unit("{operation}")
    .strict("elasticsearch_filesystem_io_stats_device_operations_total")
    .from("device.{device}.operations"),
    Metric::counter("elasticsearch_filesystem_io_stats_device_read_operations_count", "Reads of such a device.")
        .unit("{operation}")
        .strict("elasticsearch_filesystem_io_stats_device_read_operations_total")
        .from("device.{device}.read_operations"),
    Metric::counter("elasticsearch_filesystem_io_stats_device_write_operations_count", "Writes of such a device.")
        .unit("{operation}")
        .strict("elasticsearch_filesystem_io_stats_device_write_operations_total")
        .from("device.{device}.write_operations"),
    Metric::counter(
        "elasticsearch_filesystem_io_stats_device_read_size_kilobytes_sum",
        "What was read from such a device, in units of 1024 bytes.",
    )
    .unit("By")
    .strict("elasticsearch_filesystem_io_stats_device_read_bytes_total")
    .scale(1024.0)
    .from("device.{device}.read_kilobytes"),
    Metric::counter(
        "elasticsearch_filesystem_io_stats_device_write_size_kilobytes_sum",
        "What was written to such a device, in units of 1024 bytes.",
    )
    .unit("By")
    .strict("elasticsearch_filesystem_io_stats_device_write_bytes_total")
    .scale(1024.0)
    .from("device.{device}.write_kilobytes"),
    Metric::gauge("elasticsearch_thread_pool_threads_count", "Threads, by pool.")
        .unit("{thread}")
        .strict("elasticsearch_thread_pool_threads")
        .from("thread_pool.{type}.threads"),
    Metric::gauge("elasticsearch_thread_pool_largest_count", "The most threads that there ever were, by pool.")
        .unit("{thread}")
        .strict("elasticsearch_thread_pool_largest")
        .from("thread_pool.{type}.largest"),
    Metric::gauge("elasticsearch_indices_completion_size_in_bytes", "Memory of suggestions for completion.")
        .unit("By")
        .strict("elasticsearch_indices_completion_size_bytes")
        .from("indices.completion.size_in_bytes"),
    Metric::gauge("elasticsearch_indices_indexing_is_throttled", "Whether indexing is held back for merges.")
        .from("indices.indexing.is_throttled"),
    Metric::counter(
        "elasticsearch_indices_indexing_throttle_time_seconds_total",
        "Time that indexing was held back for merges.",
    )
    .unit("s")
    .from("indices.indexing.throttle_time_in_millis"),
    Metric::gauge("elasticsearch_indices_merges_current_size_in_bytes", "Size of the merges under way.")
        .unit("By")
        .strict("elasticsearch_indices_merges_current_size_bytes")
        .from("indices.merges.current_size_in_bytes"),
    Metric::counter("elasticsearch_indices_query_miss_count", "Lookups in the query cache that missed.")
        .unit("{lookup}")
        .strict("elasticsearch_indices_query_miss_total")
        .from("missed.query_cache.{cache}"),
    Metric::counter("elasticsearch_indices_request_miss_count", "Lookups in the request cache that missed.")
        .unit("{lookup}")
        .strict("elasticsearch_indices_request_miss_total")
        .from("missed.request_cache.{cache}"),
    Metric::gauge("elasticsearch_indices_segments_doc_values_memory_in_bytes", "Memory of doc values.")
        .unit("By")
        .strict("elasticsearch_indices_segments_doc_values_memory_bytes")
        .from("indices.segments.doc_values_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_fixed_bit_set_memory_in_bytes", "Memory of fixed bit sets.")
        .unit("By")
        .strict("elasticsearch_indices_segments_fixed_bit_set_memory_bytes")
        .from("indices.segments.fixed_bit_set_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_index_writer_memory_in_bytes", "Memory of the index writer.")
        .unit("By")
        .strict("elasticsearch_indices_segments_index_writer_memory_bytes")
        .from("indices.segments.index_writer_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_norms_memory_in_bytes", "Memory of norms.")
        .unit("By")
        .strict("elasticsearch_indices_segments_norms_memory_bytes")
        .from("indices.segments.norms_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_points_memory_in_bytes", "Memory of points.")
        .unit("By")
        .strict("elasticsearch_indices_segments_points_memory_bytes")
        .from("indices.segments.points_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_stored_fields_memory_in_bytes", "Memory of stored fields.")
        .unit("By")
        .strict("elasticsearch_indices_segments_stored_fields_memory_bytes")
        .from("indices.segments.stored_fields_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_term_vectors_memory_in_bytes", "Memory of term vectors.")
        .unit("By")
        .strict("elasticsearch_indices_segments_term_vectors_memory_bytes")
        .from("indices.segments.term_vectors_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_terms_memory_in_bytes", "Memory of terms.")
        .unit("By")
        .strict("elasticsearch_indices_segments_terms_memory_bytes")
        .from("indices.segments.terms_memory_in_bytes"),
    Metric::gauge("elasticsearch_indices_segments_version_map_memory_in_bytes", "Memory of the version map.")
        .unit("By")
        .strict("elasticsearch_indices_segments_version_map_memory_bytes")
        .from("indices.segments.version_map_memory_in_bytes"),
    Metric::gauge("elasticsearch_http_open_connections", "Open client connections.")
        .unit("{connection}")
        .otel("elasticsearch.node.http.connections")
        .renames(PLACE)
        .from("http.current_open"),
];
