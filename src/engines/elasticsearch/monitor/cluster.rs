//! What is measured of a whole cluster: its health, settings, snapshots, version.

use crate::engines::elasticsearch::monitor::metrics::{CLUSTER_NAME, PLACE};
use crate::model::row::{Metric, Rename};

const STATUS: &[Rename] = &[CLUSTER_NAME, Rename::new("color", "status")];

/// Paths in the cluster's health; `color` is worked out here.
pub static HEALTH: &[Metric] = &[
    Metric::gauge("elasticsearch_cluster_health_status", "1 for the colour that the cluster has: green, yellow, red.")
        .unit("{status}")
        .otel("elasticsearch.cluster.health")
        .renames(STATUS)
        .from("color.{color}"),
    Metric::gauge("elasticsearch_cluster_health_number_of_nodes", "Nodes in the cluster.")
        .unit("{node}")
        .otel("elasticsearch.cluster.nodes")
        .renames(PLACE)
        .from("number_of_nodes"),
    Metric::gauge("elasticsearch_cluster_health_number_of_data_nodes", "Data nodes in the cluster.")
        .unit("{node}")
        .otel("elasticsearch.cluster.data_nodes")
        .renames(PLACE)
        .from("number_of_data_nodes"),
    Metric::gauge("elasticsearch_cluster_health_active_primary_shards", "Primary shards that are active.")
        .unit("{shard}")
        .from("active_primary_shards"),
    Metric::gauge("elasticsearch_cluster_health_active_shards", "Shards that are active, replicas included.")
        .unit("{shard}")
        .otel("elasticsearch.cluster.shards")
        .renames(PLACE)
        .from("active_shards"),
    Metric::gauge("elasticsearch_cluster_health_relocating_shards", "Shards that move from one node to another.")
        .unit("{shard}")
        .from("relocating_shards"),
    Metric::gauge("elasticsearch_cluster_health_initializing_shards", "Shards that are being made.")
        .unit("{shard}")
        .from("initializing_shards"),
    Metric::gauge("elasticsearch_cluster_health_unassigned_shards", "Shards that no node holds.")
        .unit("{shard}")
        .from("unassigned_shards"),
    Metric::gauge(
        "elasticsearch_cluster_health_delayed_unassigned_shards",
        "Shards that wait for a node that left to come back.",
    )
    .unit("{shard}")
    .from("delayed_unassigned_shards"),
    Metric::gauge(
        "elasticsearch_cluster_health_number_of_pending_tasks",
        "Changes of the cluster that wait for the elected master.",
    )
    .unit("{task}")
    .otel("elasticsearch.cluster.pending_tasks")
    .renames(PLACE)
    .from("number_of_pending_tasks"),
    Metric::gauge(
        "elasticsearch_cluster_health_number_of_in_flight_fetch",
        "Requests for shard information under way.",
    )
    .unit("{fetch}")
    .otel("elasticsearch.cluster.in_flight_fetch")
    .renames(PLACE)
    .from("number_of_in_flight_fetch"),
    Metric::gauge("elasticsearch_cluster_health_timed_out", "Whether the cluster did not tell its health in time.")
        .from("timed_out"),
    Metric::gauge(
        "elasticsearch_cluster_health_task_max_waiting_in_queue_millis",
        "How long the first pending task has been waiting, in ms.",
    )
    .unit("ms")
    .strict("elasticsearch_cluster_health_task_waiting_max_seconds")
    .from("task_max_waiting_in_queue_millis"),
];

/// Paths in what `effective` works out of the cluster's settings.
pub static SETTINGS: &[Metric] = &[
    Metric::gauge(
        "elasticsearch_clustersettings_stats_max_shards_per_node",
        "The most shards that a data node may hold.",
    )
    .unit("{shard}")
    .from("max_shards_per_node"),
    Metric::gauge(
        "elasticsearch_clustersettings_stats_shard_allocation_enabled",
        "Which shards may be allocated: 0 all, 1 primaries, 2 new primaries, 3 none.",
    )
    .from("enabled"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_threshold_enabled",
        "Whether free disk space decides where shards go.",
    )
    .from("threshold_enabled"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_watermark_low_ratio",
        "Disk use, as a ratio, from which new shards go elsewhere.",
    )
    .unit("1")
    .from("low.ratio"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_watermark_low_bytes",
        "Free disk space below which new shards go elsewhere.",
    )
    .unit("By")
    .from("low.bytes"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_watermark_high_ratio",
        "Disk use, as a ratio, from which shards are moved away.",
    )
    .unit("1")
    .from("high.ratio"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_watermark_high_bytes",
        "Free disk space below which shards are moved away.",
    )
    .unit("By")
    .from("high.bytes"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_watermark_flood_stage_ratio",
        "Disk use, as a ratio, from which indices become read-only.",
    )
    .unit("1")
    .from("flood_stage.ratio"),
    Metric::gauge(
        "elasticsearch_clustersettings_allocation_watermark_flood_stage_bytes",
        "Free disk space below which indices become read-only.",
    )
    .unit("By")
    .from("flood_stage.bytes"),
];

/// Paths in what is worked out of a repository's snapshots; `last` is the newest, whatever became of it.
pub static SNAPSHOTS: &[Metric] = &[
    Metric::gauge("elasticsearch_snapshot_stats_number_of_snapshots", "Snapshots in a repository.")
        .unit("{snapshot}")
        .from("count"),
    Metric::gauge("elasticsearch_snapshot_stats_oldest_snapshot_timestamp", "When the oldest snapshot was begun.")
        .unit("s")
        .strict("elasticsearch_snapshot_stats_oldest_snapshot_timestamp_seconds")
        .from("oldest"),
    Metric::gauge(
        "elasticsearch_snapshot_stats_latest_snapshot_timestamp_seconds",
        "When the latest snapshot that succeeded, if only in part, was begun; 0 where there is none.",
    )
    .unit("s")
    .from("latest"),
    Metric::gauge("elasticsearch_snapshot_stats_snapshot_start_time_timestamp", "When the last snapshot was begun.")
        .unit("s")
        .strict("elasticsearch_snapshot_stats_snapshot_start_timestamp_seconds")
        .from("last.start"),
    Metric::gauge("elasticsearch_snapshot_stats_snapshot_number_of_failures", "Failures of the last snapshot.")
        .unit("{failure}")
        .from("last.failures"),
    Metric::gauge("elasticsearch_snapshot_stats_snapshot_number_of_indices", "Indices in the last snapshot.")
        .unit("{index}")
        .from("last.indices"),
    Metric::gauge("elasticsearch_snapshot_stats_snapshot_end_time_timestamp", "When the last snapshot ended.")
        .unit("s")
        .strict("elasticsearch_snapshot_stats_snapshot_end_timestamp_seconds")
        .from("last.end"),
    Metric::gauge(
        "elasticsearch_snapshot_stats_snapshot_failed_shards",
        "Shards that the last snapshot could not save.",
    )
    .unit("{shard}")
    .from("last.shards.failed"),
    Metric::gauge("elasticsearch_snapshot_stats_snapshot_successful_shards", "Shards that the last snapshot saved.")
        .unit("{shard}")
        .from("last.shards.successful"),
    Metric::gauge("elasticsearch_snapshot_stats_snapshot_total_shards", "Shards that the last snapshot was to save.")
        .unit("{shard}")
        .from("last.shards.total"),
];

pub static INFO: [Metric; 2] = [
    Metric::gauge("elasticsearch_clusterinfo_version_info", "1, with the cluster's version and build as labels."),
    Metric::gauge("elasticsearch_version", "1, with the cluster's version and build as labels."),
];

pub static READ_ONLY: [Metric; 1] = [Metric::gauge(
    "elasticsearch_indices_settings_stats_read_only_indices",
    "Indices that the flood stage of a disk has made read-only.",
)
.unit("{index}")];
