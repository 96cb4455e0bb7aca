//! Fields of plain INFO that came with 7.0 and later, or that a managed service adds.

use crate::model::row::Metric;

/// Scripts, eviction, buffers of clients.
pub static NEWER: &[Metric] = &[
    Metric::gauge("redis_memory_used_vm_eval_bytes", "Memory of the engine of scripts.")
        .from("used_memory_vm_eval")
        .unit("By"),
    Metric::gauge("redis_memory_used_scripts_eval_bytes", "Memory of cached scripts.")
        .from("used_memory_scripts_eval")
        .unit("By"),
    Metric::gauge("redis_memory_used_vm_functions_bytes", "Memory of the engine of functions.")
        .from("used_memory_vm_functions")
        .unit("By"),
    Metric::gauge("redis_memory_used_vm_total", "Memory of both engines, in bytes.")
        .from("used_memory_vm_total")
        .unit("By")
        .strict("redis_memory_used_vm_bytes"),
    Metric::gauge("redis_number_of_libraries", "Libraries of functions loaded.").from("number_of_libraries"),
    Metric::gauge(
        "redis_mem_overhead_db_hashtable_rehashing_bytes",
        "Memory of tables of keys that are being resized.",
    )
    .from("mem_overhead_db_hashtable_rehashing")
    .unit("By"),
    Metric::gauge("redis_memory_max_reservation_bytes", "Memory that the service keeps for itself.")
        .from("maxmemory_reservation")
        .unit("By"),
    Metric::gauge("redis_memory_max_reservation_desired_bytes", "Memory that the service was asked to keep.")
        .from("maxmemory_desired_reservation")
        .unit("By"),
    Metric::gauge("redis_memory_max_fragmentation_reservation_bytes", "Memory kept for fragmentation.")
        .from("maxfragmentationmemory_reservation")
        .unit("By"),
    Metric::gauge(
        "redis_memory_max_fragmentation_reservation_desired_bytes",
        "Memory that was asked to be kept for fragmentation.",
    )
    .from("maxfragmentationmemory_desired_reservation")
    .unit("By"),
    Metric::gauge(
        "redis_current_eviction_exceeded_time_ms",
        "How long memory has been above its limit now, in milliseconds.",
    )
    .from("current_eviction_exceeded_time")
    .unit("s")
    .strict("redis_current_eviction_exceeded_seconds")
    .scale(1e-3),
    Metric::gauge("redis_pubsubshard_channels", "Channels of shards with subscribers.").from("pubsubshard_channels"),
    Metric::counter("redis_eviction_exceeded_time_ms_total", "Time that memory was above its limit, in milliseconds.")
        .from("total_eviction_exceeded_time")
        .unit("s")
        .strict("redis_eviction_exceeded_seconds_total")
        .scale(1e-3),
    Metric::counter("redis_evicted_scripts_total", "Scripts thrown out of the cache.")
        .from("evicted_scripts")
        .unit("{script}"),
    Metric::counter("redis_expired_subkeys_total", "Fields of hashes that expired.")
        .from("expired_subkeys")
        .unit("{field}"),
    Metric::counter("redis_expire_cycle_cpu_time_ms_total", "CPU time of removing expired keys, in milliseconds.")
        .from("expire_cycle_cpu_milliseconds")
        .unit("s")
        .strict("redis_expire_cycle_cpu_seconds_total")
        .scale(1e-3),
    Metric::counter(
        "redis_client_query_buffer_limit_disconnections_total",
        "Clients cut off for too large a query buffer.",
    )
    .from("client_query_buffer_limit_disconnections")
    .unit("{client}"),
    Metric::counter(
        "redis_client_output_buffer_limit_disconnections_total",
        "Clients cut off for too large an output buffer.",
    )
    .from("client_output_buffer_limit_disconnections")
    .unit("{client}"),
    Metric::counter("redis_reply_buffer_shrinks_total", "Times that a client's reply buffer was made smaller.")
        .from("reply_buffer_shrinks"),
    Metric::counter("redis_reply_buffer_expands_total", "Times that a client's reply buffer was made larger.")
        .from("reply_buffer_expands"),
];
