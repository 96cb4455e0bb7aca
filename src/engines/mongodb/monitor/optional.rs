//! The metrics of the optional rows: of collections, indexes, shapes of queries, and of a sharded cluster.

use crate::engines::mongodb::monitor::metrics::DATABASE;
use crate::model::row::Metric;

/// What `top` says of each collection.
pub static TOP: &[Metric] = &[
    Metric::counter("mongodb_top_total_time", "All operations on a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_total_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("total.time"),
    Metric::counter("mongodb_top_total_count", "All operations on a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_total_operations_total")
        .renames(DATABASE)
        .from("total.count"),
    Metric::counter("mongodb_top_readLock_time", "Operations that read a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_read_lock_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("readLock.time"),
    Metric::counter("mongodb_top_readLock_count", "Operations that read a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_read_lock_operations_total")
        .renames(DATABASE)
        .from("readLock.count"),
    Metric::counter(
        "mongodb_top_writeLock_time",
        "Operations that write to a collection: their time, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_collection_write_lock_seconds_total")
    .scale(1e-6)
    .renames(DATABASE)
    .from("writeLock.time"),
    Metric::counter("mongodb_top_writeLock_count", "Operations that write to a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_write_lock_operations_total")
        .renames(DATABASE)
        .from("writeLock.count"),
    Metric::counter("mongodb_top_queries_time", "Queries of a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_queries_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("queries.time"),
    Metric::counter("mongodb_top_queries_count", "Queries of a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_queries_operations_total")
        .renames(DATABASE)
        .from("queries.count"),
    Metric::counter(
        "mongodb_top_getmore_time",
        "Further batches of a collection's cursors: their time, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_collection_getmore_seconds_total")
    .scale(1e-6)
    .renames(DATABASE)
    .from("getmore.time"),
    Metric::counter("mongodb_top_getmore_count", "Further batches of a collection's cursors.")
        .unit("{operation}")
        .strict("mongodb_collection_getmore_operations_total")
        .renames(DATABASE)
        .from("getmore.count"),
    Metric::counter("mongodb_top_insert_time", "Inserts into a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_insert_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("insert.time"),
    Metric::counter("mongodb_top_insert_count", "Inserts into a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_insert_operations_total")
        .renames(DATABASE)
        .from("insert.count"),
    Metric::counter("mongodb_top_update_time", "Updates of a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_update_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("update.time"),
    Metric::counter("mongodb_top_update_count", "Updates of a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_update_operations_total")
        .renames(DATABASE)
        .from("update.count"),
    Metric::counter("mongodb_top_remove_time", "Removals from a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_remove_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("remove.time"),
    Metric::counter("mongodb_top_remove_count", "Removals from a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_remove_operations_total")
        .renames(DATABASE)
        .from("remove.count"),
    Metric::counter("mongodb_top_commands_time", "Commands on a collection: their time, in microseconds.")
        .unit("s")
        .strict("mongodb_collection_commands_seconds_total")
        .scale(1e-6)
        .renames(DATABASE)
        .from("commands.time"),
    Metric::counter("mongodb_top_commands_count", "Commands on a collection.")
        .unit("{operation}")
        .strict("mongodb_collection_commands_operations_total")
        .renames(DATABASE)
        .from("commands.count"),
];

/// Of each collection, by `$collStats`.
pub static COLLECTIONS: &[Metric] = &[
    Metric::gauge("mongodb_collstats_storageStats_count", "Documents in a collection.")
        .unit("{object}")
        .strict("mongodb_collection_objects")
        .renames(DATABASE)
        .from("storageStats.count"),
    Metric::gauge("mongodb_collstats_storageStats_size", "Uncompressed size of a collection's documents.")
        .unit("By")
        .strict("mongodb_collection_data_size_bytes")
        .renames(DATABASE)
        .from("storageStats.size"),
    Metric::gauge("mongodb_collstats_storageStats_storageSize", "Space allocated to a collection.")
        .unit("By")
        .strict("mongodb_collection_storage_size_bytes")
        .renames(DATABASE)
        .from("storageStats.storageSize"),
    Metric::gauge(
        "mongodb_collstats_storageStats_freeStorageSize",
        "Allocated space of a collection that could be used again.",
    )
    .unit("By")
    .strict("mongodb_collection_storage_free_bytes")
    .renames(DATABASE)
    .from("storageStats.freeStorageSize"),
    Metric::gauge("mongodb_collstats_storageStats_nindexes", "Indexes of a collection.")
        .unit("{index}")
        .strict("mongodb_collection_indexes")
        .renames(DATABASE)
        .from("storageStats.nindexes"),
    Metric::gauge("mongodb_collstats_storageStats_totalIndexSize", "Space allocated to a collection's indexes.")
        .unit("By")
        .strict("mongodb_collection_index_size_bytes")
        .renames(DATABASE)
        .from("storageStats.totalIndexSize"),
    Metric::gauge("mongodb_collstats_storageStats_totalSize", "Space allocated to a collection and its indexes.")
        .unit("By")
        .strict("mongodb_collection_total_size_bytes")
        .renames(DATABASE)
        .from("storageStats.totalSize"),
    Metric::counter(
        "mongodb_collstats_latencyStats_reads_latency",
        "Reads of a collection: their latency, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_collection_reads_latency_seconds_total")
    .scale(1e-6)
    .renames(DATABASE)
    .from("latencyStats.reads.latency"),
    Metric::counter("mongodb_collstats_latencyStats_reads_ops", "Reads of a collection whose time is in the latency.")
        .unit("{operation}")
        .strict("mongodb_collection_reads_latency_operations_total")
        .renames(DATABASE)
        .from("latencyStats.reads.ops"),
    Metric::counter(
        "mongodb_collstats_latencyStats_writes_latency",
        "Writes to a collection: their latency, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_collection_writes_latency_seconds_total")
    .scale(1e-6)
    .renames(DATABASE)
    .from("latencyStats.writes.latency"),
    Metric::counter(
        "mongodb_collstats_latencyStats_writes_ops",
        "Writes to a collection whose time is in the latency.",
    )
    .unit("{operation}")
    .strict("mongodb_collection_writes_latency_operations_total")
    .renames(DATABASE)
    .from("latencyStats.writes.ops"),
    Metric::counter(
        "mongodb_collstats_latencyStats_commands_latency",
        "Commands on a collection: their latency, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_collection_commands_latency_seconds_total")
    .scale(1e-6)
    .renames(DATABASE)
    .from("latencyStats.commands.latency"),
    Metric::counter(
        "mongodb_collstats_latencyStats_commands_ops",
        "Commands on a collection whose time is in the latency.",
    )
    .unit("{operation}")
    .strict("mongodb_collection_commands_latency_operations_total")
    .renames(DATABASE)
    .from("latencyStats.commands.ops"),
    Metric::counter(
        "mongodb_collstats_latencyStats_transactions_latency",
        "Transactions on a collection: their latency, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_collection_transactions_latency_seconds_total")
    .scale(1e-6)
    .renames(DATABASE)
    .from("latencyStats.transactions.latency"),
    Metric::counter(
        "mongodb_collstats_latencyStats_transactions_ops",
        "Transactions on a collection whose time is in the latency.",
    )
    .unit("{operation}")
    .strict("mongodb_collection_transactions_latency_operations_total")
    .renames(DATABASE)
    .from("latencyStats.transactions.ops"),
];

/// Of each index, by `$indexStats`.
pub static INDEXES: &[Metric] = &[Metric::counter(
    "mongodb_indexstats_accesses_ops",
    "Operations that used an index since it was made or its server started.",
)
.unit("{operation}")
.strict("mongodb_index_accesses_total")
.otel("mongodb.index.access.count")
.renames(DATABASE)
.from("accesses.ops")];

/// Of each shape of a query, by what the profiler keeps.
pub static SHAPES: &[Metric] = &[
    Metric::counter("mongodb_query_shape_operations_total", "Operations of a shape that the profiler kept.")
        .unit("{operation}")
        .renames(DATABASE)
        .from("operations"),
    Metric::counter("mongodb_query_shape_seconds_total", "Time that they took.")
        .unit("s")
        .renames(DATABASE)
        .from("seconds"),
    Metric::counter("mongodb_query_shape_examined_keys_total", "Index entries that they looked at.")
        .unit("{entry}")
        .renames(DATABASE)
        .from("examined_keys"),
    Metric::counter("mongodb_query_shape_examined_documents_total", "Documents that they looked at.")
        .unit("{document}")
        .renames(DATABASE)
        .from("examined_documents"),
    Metric::counter("mongodb_query_shape_returned_documents_total", "Documents that they returned.")
        .unit("{document}")
        .renames(DATABASE)
        .from("returned_documents"),
];

/// Chunks: in all, and by shard.
pub static CHUNKS: [Metric; 2] = [
    Metric::gauge("mongodb_mongos_sharding_chunks_total", "Chunks of all sharded collections.")
        .unit("{chunk}")
        .strict("mongodb_mongos_sharding_chunks"),
    Metric::gauge("mongodb_mongos_sharding_shard_chunks_total", "Chunks on a shard.")
        .unit("{chunk}")
        .strict("mongodb_mongos_sharding_shard_chunks"),
];

/// Shards: in all, and those that are being emptied.
pub static SHARDS: [Metric; 2] = [
    Metric::gauge("mongodb_mongos_sharding_shards_total", "Shards of the cluster.")
        .unit("{shard}")
        .strict("mongodb_mongos_sharding_shards"),
    Metric::gauge("mongodb_mongos_sharding_shards_draining_total", "Shards that are being emptied to be removed.")
        .unit("{shard}")
        .strict("mongodb_mongos_sharding_shards_draining"),
];

/// The balancer.
pub static BALANCER: [Metric; 2] = [
    Metric::gauge("mongodb_mongos_sharding_balancer_enabled", "1 if the balancer may move chunks."),
    Metric::gauge("mongodb_mongos_sharding_balancer_running", "1 while the balancer is in a round."),
];
