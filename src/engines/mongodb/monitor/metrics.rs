//! The metrics of each row: `from` is a path in the answer. Percona's exporter types everything as untyped; here counters
//! are counters, and strict names stand where its names are not clean.

use crate::model::row::{Metric, Rename};

/// The conventions' word for the label `database`.
pub const DATABASE: &[Rename] = &[Rename::new("database", "db.namespace")];

/// Paths in the answer of serverStatus.
pub static SERVER_STATUS: &[Metric] = &[
    Metric::gauge("mongodb_ss_uptime", "Seconds since the server started.")
        .strict("mongodb_uptime_seconds")
        .otel("mongodb.uptime")
        .unit("s")
        .from("uptime"),
    Metric::gauge("mongodb_mongod_instance_uptime_seconds", "Seconds since the server started.")
        .unit("s")
        .from("uptime"),
    Metric::gauge("mongodb_ss_connections", "Client connections by kind: current, available, active, totalCreated, …")
        .unit("{connection}")
        .otel("mongodb.connection.count")
        .renames(&[Rename::new("conn_type", "type")])
        .from("connections.{conn_type}"),
    Metric::counter("mongodb_ss_opcounters", "Operations by kind since the server started.")
        .unit("{operation}")
        .strict("mongodb_operations_total")
        .otel("mongodb.operation.count")
        .renames(&[Rename::new("legacy_op_type", "operation")])
        .from("opcounters.{legacy_op_type}"),
    Metric::counter("mongodb_ss_opcountersRepl", "Replicated operations by kind since the server started.")
        .unit("{operation}")
        .strict("mongodb_replicated_operations_total")
        .otel("mongodb.operation.repl.count")
        .renames(&[Rename::new("legacy_op_type", "operation")])
        .from("opcountersRepl.{legacy_op_type}"),
    Metric::counter("mongodb_op_counters_total", "Operations by kind since the server started (older name).")
        .unit("{operation}")
        .from("opcounters.{type}"),
    Metric::counter("mongodb_ss_opLatencies_latency", "Time that operations took, by kind.")
        .unit("s")
        .strict("mongodb_operation_latency_seconds_total")
        .scale(1e-6)
        .from("opLatencies.{op_type}.latency"),
    Metric::counter("mongodb_ss_opLatencies_ops", "Operations whose time is in the latency, by kind.")
        .unit("{operation}")
        .strict("mongodb_operation_latency_operations_total")
        .from("opLatencies.{op_type}.ops"),
    Metric::counter(
        "mongodb_mongod_op_latencies_latency_total",
        "Time that operations took, in microseconds (older name).",
    )
    .unit("s")
    .strict("mongodb_mongod_operation_latency_seconds_total")
    .scale(1e-6),
    Metric::counter("mongodb_mongod_op_latencies_ops_total", "Operations whose time is in the latency (older name).")
        .unit("{operation}"),
    Metric::gauge("mongodb_version_info", "1; the server's version stands in the label."),
    Metric::gauge("mongodb_seed_list_member_info", "1; of a seed list's servers, the one that is read now."),
    Metric::gauge("mongodb_ss_globalLock_currentQueue", "Operations that wait for a lock, by kind.")
        .strict("mongodb_queued_operations")
        .unit("{operation}")
        .from("globalLock.currentQueue.{count_type}"),
    Metric::gauge("mongodb_ss_globalLock_activeClients_total", "Clients with an operation under way.")
        .strict("mongodb_active_clients")
        .unit("{client}")
        .from("globalLock.activeClients.total"),
    Metric::gauge("mongodb_ss_globalLock_activeClients_readers", "Clients that read.")
        .strict("mongodb_active_readers")
        .unit("{client}")
        .otel("mongodb.active.reads")
        .from("globalLock.activeClients.readers"),
    Metric::gauge("mongodb_ss_globalLock_activeClients_writers", "Clients that write.")
        .strict("mongodb_active_writers")
        .unit("{client}")
        .otel("mongodb.active.writes")
        .from("globalLock.activeClients.writers"),
    // Where the tickets stand changed in 8.0: a server has one of the two paths.
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_out", "Storage engine tickets in use, by kind.")
        .strict("mongodb_wiredtiger_tickets_used")
        .unit("{ticket}")
        .from("wiredTiger.concurrentTransactions.{txn_rw_type}.out"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_available", "Storage engine tickets left, by kind.")
        .strict("mongodb_wiredtiger_tickets_available")
        .unit("{ticket}")
        .from("wiredTiger.concurrentTransactions.{txn_rw_type}.available"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_totalTickets", "All storage engine tickets, by kind.")
        .strict("mongodb_wiredtiger_tickets")
        .unit("{ticket}")
        .from("wiredTiger.concurrentTransactions.{txn_rw_type}.totalTickets"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_out", "Storage engine tickets in use, by kind.")
        .strict("mongodb_wiredtiger_tickets_used")
        .unit("{ticket}")
        .from("queues.execution.{txn_rw_type}.out"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_available", "Storage engine tickets left, by kind.")
        .strict("mongodb_wiredtiger_tickets_available")
        .unit("{ticket}")
        .from("queues.execution.{txn_rw_type}.available"),
    Metric::gauge("mongodb_ss_wt_concurrentTransactions_totalTickets", "All storage engine tickets, by kind.")
        .strict("mongodb_wiredtiger_tickets")
        .unit("{ticket}")
        .from("queues.execution.{txn_rw_type}.totalTickets"),
    Metric::gauge("mongodb_ss_wt_cache_bytes_currently_in_the_cache", "Bytes in the storage engine's cache.")
        .unit("By")
        .from("wiredTiger.cache.bytes currently in the cache"),
    Metric::gauge("mongodb_ss_wt_cache_maximum_bytes_configured", "The most that the cache may hold.")
        .unit("By")
        .from("wiredTiger.cache.maximum bytes configured"),
    Metric::gauge("mongodb_ss_wt_cache_tracked_dirty_bytes_in_the_cache", "Bytes in the cache not yet written.")
        .unit("By")
        .from("wiredTiger.cache.tracked dirty bytes in the cache"),
    Metric::counter("mongodb_ss_wt_cache_bytes_read_into_cache", "Bytes read into the cache.")
        .unit("By")
        .strict("mongodb_wiredtiger_cache_read_bytes_total")
        .from("wiredTiger.cache.bytes read into cache"),
    Metric::counter("mongodb_ss_wt_cache_bytes_written_from_cache", "Bytes written from the cache.")
        .unit("By")
        .strict("mongodb_wiredtiger_cache_written_bytes_total")
        .from("wiredTiger.cache.bytes written from cache"),
    Metric::counter(
        "mongodb_ss_wt_cache_pages_evicted_by_application_threads",
        "Pages that clients' own threads had to evict: the cache could not keep up.",
    )
    .unit("{page}")
    .strict("mongodb_wiredtiger_cache_application_evictions_total")
    .from("wiredTiger.cache.pages evicted by application threads"),
    Metric::gauge("mongodb_ss_wt_txn_transaction_checkpoint_most_recent_time_msecs", "Time of the last checkpoint.")
        .unit("s")
        .strict("mongodb_wiredtiger_checkpoint_last_seconds")
        .scale(1e-3)
        .from("wiredTiger.transaction.transaction checkpoint most recent time (msecs)"),
    Metric::gauge("mongodb_ss_mem_resident", "Resident memory, in MiB.")
        .unit("By")
        .strict("mongodb_memory_resident_bytes")
        .otel("mongodb.memory.usage")
        .attribute("type", "resident")
        .scale(1_048_576.0)
        .from("mem.resident"),
    Metric::gauge("mongodb_ss_mem_virtual", "Virtual memory, in MiB.")
        .unit("By")
        .strict("mongodb_memory_virtual_bytes")
        .otel("mongodb.memory.usage")
        .attribute("type", "virtual")
        .scale(1_048_576.0)
        .from("mem.virtual"),
    Metric::counter("mongodb_ss_network_bytesIn", "Bytes received from clients and members.")
        .unit("By")
        .strict("mongodb_network_received_bytes_total")
        .otel("mongodb.network.io.receive")
        .from("network.bytesIn"),
    Metric::counter("mongodb_ss_network_bytesOut", "Bytes sent to clients and members.")
        .unit("By")
        .strict("mongodb_network_transmitted_bytes_total")
        .otel("mongodb.network.io.transmit")
        .from("network.bytesOut"),
    Metric::counter("mongodb_ss_network_numRequests", "Requests received.")
        .unit("{request}")
        .strict("mongodb_network_requests_total")
        .otel("mongodb.network.request.count")
        .from("network.numRequests"),
    Metric::gauge("mongodb_ss_metrics_cursor_open", "Open cursors by kind.")
        .unit("{cursor}")
        .otel("mongodb.cursor.count")
        .from("metrics.cursor.open.{csr_type}"),
    Metric::counter("mongodb_ss_metrics_cursor_timedOut", "Cursors that timed out.")
        .unit("{cursor}")
        .strict("mongodb_cursors_timed_out_total")
        .otel("mongodb.cursor.timeout.count")
        .from("metrics.cursor.timedOut"),
    Metric::counter("mongodb_ss_metrics_document", "Documents by what was done with them.")
        .unit("{document}")
        .strict("mongodb_documents_total")
        .otel("mongodb.document.operation.count")
        .renames(&[Rename::new("doc_op_type", "operation")])
        .from("metrics.document.{doc_op_type}"),
    Metric::counter("mongodb_ss_metrics_queryExecutor_scanned", "Index entries looked at by queries.")
        .unit("{entry}")
        .strict("mongodb_query_scanned_keys_total")
        .from("metrics.queryExecutor.scanned"),
    Metric::counter("mongodb_ss_metrics_queryExecutor_scannedObjects", "Documents looked at by queries.")
        .unit("{document}")
        .strict("mongodb_query_scanned_documents_total")
        .from("metrics.queryExecutor.scannedObjects"),
    Metric::counter("mongodb_ss_metrics_operation_scanAndOrder", "Queries that sorted without an index.")
        .unit("{query}")
        .strict("mongodb_query_unindexed_sorts_total")
        .from("metrics.operation.scanAndOrder"),
    Metric::counter("mongodb_ss_metrics_operation_writeConflicts", "Writes that had to be tried again.")
        .unit("{conflict}")
        .strict("mongodb_write_conflicts_total")
        .from("metrics.operation.writeConflicts"),
    Metric::counter("mongodb_ss_metrics_ttl_deletedDocuments", "Documents deleted because they expired.")
        .unit("{document}")
        .strict("mongodb_ttl_deleted_documents_total")
        .from("metrics.ttl.deletedDocuments"),
    Metric::counter("mongodb_ss_metrics_ttl_passes", "Searches for documents that expired.")
        .unit("{pass}")
        .strict("mongodb_ttl_passes_total")
        .from("metrics.ttl.passes"),
    Metric::gauge("mongodb_ss_metrics_repl_buffer_sizeBytes", "Bytes fetched from the sync source, not yet applied.")
        .strict("mongodb_replication_buffer_bytes")
        .unit("By")
        .from("metrics.repl.buffer.sizeBytes"),
    // 8.0 writes and applies in two steps, each with a buffer of its own; this is what the older one was.
    Metric::gauge("mongodb_ss_metrics_repl_buffer_sizeBytes", "Bytes fetched from the sync source, not yet applied.")
        .strict("mongodb_replication_buffer_bytes")
        .unit("By")
        .from("metrics.repl.buffer.apply.sizeBytes"),
    Metric::counter("mongodb_ss_metrics_repl_apply_ops", "Replicated operations applied.")
        .unit("{operation}")
        .strict("mongodb_replication_applied_operations_total")
        .from("metrics.repl.apply.ops"),
    Metric::counter("mongodb_ss_asserts", "Assertions raised, by kind.")
        .unit("{assertion}")
        .strict("mongodb_asserts_total")
        .from("asserts.{assert_type}"),
    Metric::counter("mongodb_ss_extra_info_page_faults", "Page faults that needed the disk.")
        .unit("{fault}")
        .strict("mongodb_page_faults_total")
        .from("extra_info.page_faults"),
    Metric::gauge("mongodb_ss_transactions_currentOpen", "Open transactions.")
        .strict("mongodb_transactions_open")
        .unit("{transaction}")
        .from("transactions.currentOpen"),
    Metric::gauge("mongodb_ss_transactions_currentActive", "Open transactions that do something.")
        .strict("mongodb_transactions_active")
        .unit("{transaction}")
        .from("transactions.currentActive"),
    Metric::gauge("mongodb_ss_transactions_currentInactive", "Open transactions that wait for their client.")
        .strict("mongodb_transactions_inactive")
        .unit("{transaction}")
        .from("transactions.currentInactive"),
    Metric::counter("mongodb_ss_transactions_totalStarted", "Transactions started.")
        .unit("{transaction}")
        .strict("mongodb_transactions_started_total")
        .from("transactions.totalStarted"),
    Metric::counter("mongodb_ss_transactions_totalAborted", "Transactions aborted.")
        .unit("{transaction}")
        .strict("mongodb_transactions_aborted_total")
        .from("transactions.totalAborted"),
    Metric::counter("mongodb_ss_transactions_totalCommitted", "Transactions committed.")
        .unit("{transaction}")
        .strict("mongodb_transactions_committed_total")
        .from("transactions.totalCommitted"),
    Metric::gauge("mongodb_ss_flowControl_isLagged", "Whether writes are slowed because members lag.")
        .strict("mongodb_flow_control_engaged")
        .from("flowControl.isLagged"),
    Metric::counter("mongodb_ss_flowControl_isLaggedCount", "Times that writes began to be slowed.")
        .strict("mongodb_flow_control_engaged_total")
        .from("flowControl.isLaggedCount"),
    Metric::counter("mongodb_ss_flowControl_isLaggedTimeMicros", "Time with slowed writes, in microseconds.")
        .unit("s")
        .strict("mongodb_flow_control_engaged_seconds_total")
        .scale(1e-6)
        .from("flowControl.isLaggedTimeMicros"),
    Metric::counter("mongodb_ss_flowControl_timeAcquiringMicros", "Time that writes waited to go on, in microseconds.")
        .unit("s")
        .strict("mongodb_flow_control_waited_seconds_total")
        .scale(1e-6)
        .from("flowControl.timeAcquiringMicros"),
    Metric::gauge("mongodb_mongod_replset_oplog_head_timestamp", "When the newest entry of the oplog was made.")
        .unit("s")
        .from("oplog.latestOptime"),
    Metric::gauge("mongodb_mongod_replset_oplog_tail_timestamp", "When the oldest entry of the oplog was made.")
        .unit("s")
        .from("oplog.earliestOptime"),
];

/// Paths in the answer of replSetGetStatus; what begins with `members.` is read of each member, to which
/// `with_worked_out` adds what the server leaves to its readers.
pub static REPLICA_SET: &[Metric] = &[
    Metric::gauge("mongodb_rs_myState", "State of this member: 1 primary, 2 secondary, 7 arbiter.")
        .strict("mongodb_replicaset_own_state")
        .from("myState"),
    Metric::gauge("mongodb_rs_members_state", "State of a member as this one sees it.").from("members.state"),
    Metric::gauge("mongodb_rs_members_health", "Whether a member answers this one.").from("members.health"),
    Metric::gauge("mongodb_rs_members_uptime", "Seconds that a member has been up for this one.")
        .unit("s")
        .from("members.uptime"),
    Metric::gauge("mongodb_rs_members_optimeDate", "When a member's newest operation was made, in ms since 1970.")
        .unit("s")
        .strict("mongodb_replicaset_member_optime_timestamp_seconds")
        .scale(1e-3)
        .from("members.optimeDate"),
    Metric::gauge("mongodb_rs_members_pingMs", "Round trip to a member, in ms.")
        .unit("s")
        .strict("mongodb_replicaset_member_ping_seconds")
        .scale(1e-3)
        .from("members.pingMs"),
    Metric::gauge("mongodb_mongod_replset_my_state", "State of this member (older name).").from("myState"),
    Metric::gauge("mongodb_mongod_replset_number_of_members", "Members of the replica set.").from("memberCount"),
    Metric::gauge("mongodb_mongod_replset_member_state", "State of a member (older name).").from("members.state"),
    Metric::gauge("mongodb_mongod_replset_member_health", "Whether a member answers (older name).")
        .from("members.health"),
    Metric::gauge("mongodb_mongod_replset_member_optime_date", "When a member's newest operation was made.")
        .unit("s")
        .from("members.optimeSeconds"),
    Metric::gauge(
        "mongodb_mongod_replset_member_replication_lag",
        "Seconds that a secondary's newest operation is older than the primary's.",
    )
    .unit("s")
    .from("members.lagSeconds"),
];

pub static OPERATIONS: [Metric; 2] = [
    Metric::gauge(
        "mongodb_longest_operation_seconds",
        "How long the longest operation of clients has been running; 0 where there is none.",
    )
    .unit("s"),
    Metric::gauge(
        "mongodb_currentop_query_uptime",
        "How long the longest operation of a kind on a collection has been running, in microseconds.",
    )
    .unit("s")
    .strict("mongodb_operation_running_seconds")
    .scale(1e-6),
];

/// Of each database.
pub static DATABASES: &[Metric] = &[
    Metric::gauge("mongodb_dbstats_dataSize", "Uncompressed size of a database's documents.")
        .unit("By")
        .strict("mongodb_database_data_size_bytes")
        .otel("mongodb.data.size")
        .renames(DATABASE)
        .from("{database}.dataSize"),
    Metric::gauge("mongodb_dbstats_storageSize", "Space allocated to a database's collections.")
        .unit("By")
        .strict("mongodb_database_storage_size_bytes")
        .otel("mongodb.storage.size")
        .renames(DATABASE)
        .from("{database}.storageSize"),
    Metric::gauge("mongodb_dbstats_indexSize", "Space allocated to a database's indexes.")
        .unit("By")
        .strict("mongodb_database_index_size_bytes")
        .otel("mongodb.index.size")
        .renames(DATABASE)
        .from("{database}.indexSize"),
    Metric::gauge("mongodb_dbstats_objects", "Documents in a database.")
        .unit("{object}")
        .strict("mongodb_database_objects")
        .otel("mongodb.object.count")
        .renames(DATABASE)
        .from("{database}.objects"),
    Metric::gauge("mongodb_dbstats_collections", "Collections in a database.")
        .unit("{collection}")
        .strict("mongodb_database_collections")
        .otel("mongodb.collection.count")
        .renames(DATABASE)
        .from("{database}.collections"),
    Metric::gauge("mongodb_dbstats_indexes", "Indexes in a database.")
        .unit("{index}")
        .strict("mongodb_database_indexes")
        .otel("mongodb.index.count")
        .renames(DATABASE)
        .from("{database}.indexes"),
    Metric::gauge("mongodb_dbstats_fsTotalSize", "Size of the file system that holds a database.")
        .unit("By")
        .strict("mongodb_database_filesystem_size_bytes")
        .from("{database}.fsTotalSize"),
    Metric::gauge("mongodb_dbstats_fsUsedSize", "Used space of the file system that holds a database.")
        .unit("By")
        .strict("mongodb_database_filesystem_used_bytes")
        .from("{database}.fsUsedSize"),
];

/// Which version's features the data may use.
pub static FEATURES: &[Metric] = &[Metric::gauge(
    "mongodb_fcv_featureCompatibilityVersion",
    "The version whose features the data may use, as a number: 6.0 is 6.",
)
.strict("mongodb_feature_compatibility_version")
.from("featureCompatibilityVersion.version")];
