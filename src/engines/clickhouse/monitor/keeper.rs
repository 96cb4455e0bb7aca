//! What `mntr` of a Keeper or ZooKeeper says, in the names that it has there and that its exporters keep.

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::take::text_number;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// In a row's ask: the Keeper's word, instead of a query.
pub const ASK: &str = "mntr";

/// The longest version that becomes a label, in characters: whatever listens there may call itself anything.
const VERSION_CHARS_MAX: usize = 40;

/// What a session can ask beside its own server: the target names a Keeper.
pub const NAMED: &str = "a keeper that the target names";

/// `from` is the name without its prefix.
pub static METRICS: &[Metric] = &[
    Metric::gauge("zk_up", "Whether the Keeper answered.").from("up"),
    Metric::gauge("zk_ruok", "Whether it says that it is well.").from("ruok"),
    Metric::gauge("zk_server_leader", "Whether it is the leader, or alone.").from("server_leader"),
    Metric::gauge("zk_version", "1; its version stands in the label.").from("version"),
    Metric::gauge("zk_avg_latency", "Mean latency of requests, in ms.")
        .unit("s")
        .strict("zk_latency_average_seconds")
        .scale(1e-3)
        .from("avg_latency"),
    Metric::gauge("zk_min_latency", "Least latency of requests, in ms.")
        .unit("s")
        .strict("zk_latency_least_seconds")
        .scale(1e-3)
        .from("min_latency"),
    Metric::gauge("zk_max_latency", "Longest latency of requests, in ms.")
        .unit("s")
        .strict("zk_latency_longest_seconds")
        .scale(1e-3)
        .from("max_latency"),
    Metric::counter("zk_packets_received", "Packets received.")
        .unit("{packet}")
        .strict("zk_packets_received_total")
        .from("packets_received"),
    Metric::counter("zk_packets_sent", "Packets sent.")
        .unit("{packet}")
        .strict("zk_packets_sent_total")
        .from("packets_sent"),
    Metric::gauge("zk_num_alive_connections", "Connections of clients.")
        .unit("{connection}")
        .strict("zk_alive_connections")
        .from("num_alive_connections"),
    Metric::gauge("zk_outstanding_requests", "Requests that wait.").unit("{request}").from("outstanding_requests"),
    Metric::gauge("zk_znode_count", "Nodes of the tree.").unit("{node}").strict("zk_znodes").from("znode_count"),
    Metric::gauge("zk_watch_count", "Watches of clients.").unit("{watch}").strict("zk_watches").from("watch_count"),
    Metric::gauge("zk_ephemerals_count", "Nodes that end with their session.")
        .unit("{node}")
        .strict("zk_ephemerals")
        .from("ephemerals_count"),
    Metric::gauge("zk_approximate_data_size", "Size of the tree, in bytes.")
        .unit("By")
        .strict("zk_approximate_data_bytes")
        .from("approximate_data_size"),
    Metric::gauge("zk_open_file_descriptor_count", "Open files and sockets.")
        .unit("{descriptor}")
        .strict("zk_open_file_descriptors")
        .from("open_file_descriptor_count"),
    Metric::gauge("zk_max_file_descriptor_count", "The most that it may open.")
        .unit("{descriptor}")
        .strict("zk_file_descriptors_limit")
        .from("max_file_descriptor_count"),
    Metric::gauge("zk_followers", "Followers of this leader.").unit("{server}").from("followers"),
    Metric::gauge("zk_synced_followers", "Followers that are in step.").unit("{server}").from("synced_followers"),
    Metric::gauge("zk_pending_syncs", "Syncs that followers wait for.").unit("{sync}").from("pending_syncs"),
    Metric::gauge("zk_key_arena_size", "Memory of the tree's keys, in bytes; of ClickHouse Keeper.")
        .unit("By")
        .strict("zk_key_arena_bytes")
        .from("key_arena_size"),
    Metric::gauge("zk_latest_snapshot_size", "Size of the newest snapshot, in bytes; of ClickHouse Keeper.")
        .unit("By")
        .strict("zk_latest_snapshot_bytes")
        .from("latest_snapshot_size"),
    Metric::gauge("zk_uptime", "Milliseconds since it started; of ZooKeeper.")
        .unit("s")
        .strict("zk_uptime_seconds")
        .scale(1e-3)
        .from("uptime"),
    Metric::counter("zk_connection_rejected", "Connections that were one too many; of ZooKeeper.")
        .unit("{connection}")
        .strict("zk_connections_rejected_total")
        .from("connection_rejected"),
    Metric::counter("zk_stale_requests", "Requests of sessions that had ended; of ZooKeeper.")
        .unit("{request}")
        .strict("zk_stale_requests_total")
        .from("stale_requests"),
    Metric::counter("zk_throttled_ops", "Requests that had to wait for others; of ZooKeeper.")
        .unit("{request}")
        .strict("zk_throttled_operations_total")
        .from("throttled_ops"),
];

/// From names and values to points.
///
/// # Errors
/// `Garbled`: the answer is no table.
pub fn take(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let (Answer::Table(table) | Answer::Partial(table, _)) = answer else {
        return Err(Unknown::new(UnknownKind::Garbled, "the answer is no table"));
    };
    for row in &table.rows {
        let [Some(name), Some(value)] = row.as_slice() else { continue };
        let leads = matches!(value.as_str(), "leader" | "standalone");
        let (name, value) = match name.as_str() {
            "server_state" => ("server_leader", if leads { "1" } else { "0" }),
            name => (name, value.as_str()),
        };
        let Some(metric) = METRICS.iter().find(|metric| metric.from == name) else { continue };
        if name == "version" {
            let version = value.split(['-', ',']).next().unwrap_or(value).trim_start_matches('v');
            let version: String = version.chars().take(VERSION_CHARS_MAX).collect();
            emit.metric(metric, &[("version", &version)], 1.0);
        } else if let Some(number) = text_number(value) {
            emit.metric(metric, &[], number);
        }
    }
    Ok(())
}
