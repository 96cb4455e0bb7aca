//! What stands between disks and files: md arrays, multipath, bcache, and file systems that tell of themselves.

use std::collections::{BTreeMap, BTreeSet};

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::proc::is_part_or_toy;
use crate::engines::host::monitor::{table, text_of, texts};
use crate::model::reading::Unknown;
use crate::model::row::Metric;

pub const MDADM_ASK: &str = "proc/ mdstat sys/block/md*/md/ degraded raid_disks";
pub const MDADM: &[Metric] = &[
    MD_BLOCKS,
    MD_SYNCED,
    MD_DISKS,
    MD_REQUIRED,
    MD_STATE,
    MD_DEGRADED,
    Metric::gauge("node_md_raid_disks", "Disks that an array has when it is whole.")
        .from("block/{device}/md/raid_disks"),
];
const MD_DEGRADED: Metric =
    Metric::gauge("node_md_degraded", "Disks that an array lacks.").from("block/{device}/md/degraded");
const MD_BLOCKS: Metric = Metric::gauge("node_md_blocks", "Blocks of an array.");
const MD_SYNCED: Metric = Metric::gauge("node_md_blocks_synced", "Blocks of an array that are synchronized.");
const MD_DISKS: Metric = Metric::gauge("node_md_disks", "Disks of an array that are active, failed or spare.");
const MD_REQUIRED: Metric = Metric::gauge("node_md_disks_required", "Disks that an array should have.");
const MD_STATE: Metric = Metric::gauge("node_md_state", "1 for the state an array is in, 0 for the others.");

const MD_STATES: &[&str] = &["active", "inactive", "recovering", "check", "resync"];

/// An array as proc/mdstat tells of it.
#[derive(Debug, Default, PartialEq)]
pub struct Array<'a> {
    pub name: &'a str,
    /// One of `MD_STATES`, or another word of the kernel's, `reshape`.
    pub state: &'a str,
    pub active: f64,
    pub required: f64,
    pub failed: f64,
    pub spare: f64,
    pub blocks: f64,
    pub synced: f64,
}

/// Reads proc/mdstat: for each array a line with its disks, one with its size, and one while it is at work.
pub fn parse_mdstat(text: &str) -> Vec<Array<'_>> {
    let mut arrays: Vec<Array<'_>> = Vec::new();
    for line in text.lines() {
        let begins = line.split_once(" : ").filter(|(name, _)| name.starts_with("md") && !name.contains(' '));
        if let Some((name, rest)) = begins {
            let disks = rest.split_whitespace().filter(|word| word.contains('[')).count() as f64;
            let failed = rest.matches("(F)").count() as f64;
            let spare = rest.matches("(S)").count() as f64;
            let is_active = rest.starts_with("active");
            let state = if is_active { "active" } else { "inactive" };
            // An array without redundancy does not say how many it has: it runs with all or not at all.
            let active = if is_active { disks - failed - spare } else { 0.0 };
            arrays.push(Array { name, state, active, required: active, failed, spare, ..Array::default() });
            continue;
        }
        let Some(array) = arrays.last_mut() else { continue };
        let words: Vec<&str> = line.split_whitespace().collect();
        if let [blocks, "blocks", ..] = words.as_slice() {
            array.blocks = blocks.parse().unwrap_or(0.0);
            array.synced = array.blocks;
            let pair = line.rsplit('[').find_map(|part| part.split_once(']')?.0.split_once('/'));
            if let Some((required, active)) = pair.filter(|_| array.state == "active") {
                array.required = required.parse().unwrap_or(0.0);
                array.active = active.parse().unwrap_or(0.0);
            }
        }
        let at_work = ["recovery", "resync", "check", "reshape"].into_iter().find(|word| {
            words.iter().any(|one| one == word || one.strip_prefix(word).is_some_and(|rest| rest.starts_with('=')))
        });
        if let Some(word) = at_work {
            array.state = if word == "recovery" { "recovering" } else { word };
            let done = line.split('(').nth(1).and_then(|rest| rest.split('/').next());
            array.synced = done.and_then(|done| done.parse().ok()).unwrap_or(0.0); // delayed or pending: none yet
        }
    }
    arrays
}

/// proc/mdstat and sys/block/md*/md.
pub fn mdadm(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for array in parse_mdstat(text_of(answer, "proc/mdstat").unwrap_or("")) {
        let device = ("device", array.name);
        emit.metric(&MD_BLOCKS, &[device], array.blocks);
        emit.metric(&MD_SYNCED, &[device], array.synced);
        emit.metric(&MD_REQUIRED, &[device], array.required);
        for (state, count) in [("active", array.active), ("failed", array.failed), ("spare", array.spare)] {
            emit.metric(&MD_DISKS, &[device, ("state", state)], count);
        }
        for state in MD_STATES {
            emit.metric(&MD_STATE, &[device, ("state", state)], f64::from(u8::from(*state == array.state)));
        }
    }
    table::take(MDADM, answer, emit)?;
    for (path, _) in texts(answer) {
        let Some(folder) = path.strip_suffix("/raid_disks") else { continue };
        if text_of(answer, &format!("{folder}/degraded")).is_ok() {
            continue;
        }
        // An array without redundancy has no such file: it lacks none, or it does not run.
        if let Some(labels) = table::fit("block/{device}/md/raid_disks", path) {
            emit.metric(&MD_DEGRADED, &labels, 0.0);
        }
    }
    Ok(())
}

/// `@`: where the link leads, which for a slave is the disk's own folder.
pub const MULTIPATH_ASK: &str = "sys/block/dm-*/ size dm/name dm/uuid dm/suspended slaves/*@ sys/block/*/device/ state";
pub const MULTIPATH: &[Metric] = &[
    Metric::gauge("node_dmmultipath_device_info", "What is known of a multipath device as labels; always 1."),
    Metric::gauge("node_dmmultipath_device_active", "Whether a multipath device is not suspended."),
    Metric::gauge("node_dmmultipath_device_size_bytes", "Size of a multipath device.").unit("By"),
    Metric::gauge("node_dmmultipath_device_paths", "Paths of a multipath device."),
    Metric::gauge("node_dmmultipath_device_paths_active", "Paths of a multipath device that can be used."),
    Metric::gauge("node_dmmultipath_device_paths_failed", "Paths of a multipath device that cannot be used."),
    Metric::gauge("node_dmmultipath_path_state", "The state of a path as the kernel says it, as a label; always 1."),
];

/// sys/block/dm-*, those that are of multipath.
pub fn multipath(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let files: BTreeMap<&str, &str> = texts(answer).collect();
    for (path, uuid) in &files {
        let Some(labels) = table::fit("block/{sysfs_name}/dm/uuid", path).filter(|_| uuid.starts_with("mpath-")) else {
            continue;
        };
        let folder = path.trim_end_matches("dm/uuid");
        let of = |name: &str| files.get(format!("{folder}{name}").as_str()).map_or("", |text| text.trim());
        let device = ("device", of("dm/name"));
        let all = [device, labels[0]];
        emit.metric(&MULTIPATH[0], &[device, labels[0], ("uuid", uuid.trim())], 1.0);
        emit.metric(&MULTIPATH[1], &all, f64::from(u8::from(of("dm/suspended") == "0")));
        emit.metric(&MULTIPATH[2], &all, table::number(of("size")).unwrap_or(0.0) * 512.0);
        let slaves = format!("{folder}slaves/");
        let slaves = files.keys().filter_map(|path| path.strip_prefix(slaves.as_str())?.strip_suffix('@'));
        let (mut paths, mut active) = (0.0, 0.0);
        for slave in slaves {
            let state = files.get(format!("sys/block/{slave}/device/state").as_str()).map_or("unknown", |s| s.trim());
            paths += 1.0;
            // "running" is of SCSI, "live" of NVMe.
            active += f64::from(u8::from(matches!(state, "running" | "live")));
            emit.metric(&MULTIPATH[6], &[device, ("path", slave), ("state", state)], 1.0);
        }
        for (metric, count) in MULTIPATH[3..6].iter().zip([paths, active, paths - active]) {
            emit.metric(metric, &all, count);
        }
    }
    Ok(())
}

pub const BCACHE_ASK: &str = "sys/fs/bcache/*-*/ average_key_size btree_cache_size cache_available_percent congested \
                              root_usage_percent tree_depth internal/active_journal_entries internal/btree_nodes \
                              internal/cache_read_races sys/fs/bcache/*-*/bdev*/ dirty_data writeback_rate_debug \
                              stats_total/bypassed stats_total/cache_bypass_hits stats_total/cache_bypass_misses \
                              stats_total/cache_hits stats_total/cache_miss_collisions stats_total/cache_misses \
                              stats_total/cache_readaheads sys/fs/bcache/*-*/cache*/ io_errors metadata_written written";
/// Those without `from` stand in writeback_rate_debug.
pub const BCACHE: &[Metric] = &[
    Metric::gauge("node_bcache_active_journal_entries", "Entries of the journal that are newer than the index.")
        .from("{uuid}/internal/active_journal_entries"),
    Metric::gauge("node_bcache_average_key_size_sectors", "Average size of what a key of the btree stands for.")
        .from("{uuid}/average_key_size, human"),
    Metric::gauge("node_bcache_btree_cache_size_bytes", "Memory for the btree's cache.")
        .from("{uuid}/btree_cache_size, human")
        .unit("By"),
    Metric::gauge("node_bcache_btree_nodes", "Nodes of the btree.").from("{uuid}/internal/btree_nodes"),
    Metric::gauge("node_bcache_cache_available_percent", "Share of the cache that can be written to.")
        .from("{uuid}/cache_available_percent"),
    Metric::counter("node_bcache_cache_read_races_total", "Reads of which the data was dropped meanwhile.")
        .from("{uuid}/internal/cache_read_races"),
    Metric::gauge("node_bcache_congested", "Whether the cache is congested.").from("{uuid}/congested, human"),
    Metric::gauge("node_bcache_root_usage_percent", "Share of the btree's root node that is in use.")
        .from("{uuid}/root_usage_percent"),
    Metric::gauge("node_bcache_tree_depth", "Depth of the btree.").from("{uuid}/tree_depth"),
    Metric::gauge("node_bcache_dirty_data_bytes", "Bytes that only the cache holds.")
        .from("{uuid}/{backing_device}/dirty_data, human")
        .unit("By"),
    Metric::counter("node_bcache_bypassed_bytes_total", "Bytes that went past the cache.")
        .from("{uuid}/{backing_device}/stats_total/bypassed, human")
        .unit("By"),
    Metric::counter("node_bcache_cache_bypass_hits_total", "Hits of requests that were to go past the cache.")
        .from("{uuid}/{backing_device}/stats_total/cache_bypass_hits"),
    Metric::counter("node_bcache_cache_bypass_misses_total", "Misses of requests that were to go past the cache.")
        .from("{uuid}/{backing_device}/stats_total/cache_bypass_misses"),
    Metric::counter("node_bcache_cache_hits_total", "Hits of the cache.")
        .from("{uuid}/{backing_device}/stats_total/cache_hits"),
    Metric::counter("node_bcache_cache_miss_collisions_total", "Misses whose data was written before it was cached.")
        .from("{uuid}/{backing_device}/stats_total/cache_miss_collisions"),
    Metric::counter("node_bcache_cache_misses_total", "Misses of the cache.")
        .from("{uuid}/{backing_device}/stats_total/cache_misses"),
    Metric::counter("node_bcache_cache_readaheads_total", "Times that were read ahead.")
        .from("{uuid}/{backing_device}/stats_total/cache_readaheads"),
    Metric::gauge("node_bcache_io_errors", "Errors of the cache's device, forgotten by and by.")
        .from("{uuid}/{cache_device}/io_errors"),
    Metric::counter("node_bcache_metadata_written_bytes_total", "Bytes that are not data, written to the cache.")
        .from("{uuid}/{cache_device}/metadata_written, human")
        .unit("By"),
    Metric::counter("node_bcache_written_bytes_total", "Bytes of data written to the cache.")
        .from("{uuid}/{cache_device}/written, human")
        .unit("By"),
    Metric::gauge("node_bcache_dirty_target_bytes", "Bytes that the cache aims to hold alone."),
    Metric::gauge("node_bcache_writeback_rate", "Rate at which the cache is written back."),
    Metric::gauge("node_bcache_writeback_rate_proportional_term", "The proportional part of that rate."),
    Metric::gauge("node_bcache_writeback_rate_integral_term", "The integral part of that rate."),
    Metric::gauge("node_bcache_writeback_change", "By how much that rate changes."),
];

/// sys/fs/bcache/UUID.
pub fn bcache(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    table::take(BCACHE, answer, emit)?;
    let words = ["target", "rate", "proportional", "integral", "change"];
    for (path, text) in texts(answer) {
        let Some(labels) = table::fit("{uuid}/{backing_device}/writeback_rate_debug", path) else { continue };
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let Some(at) = words.iter().position(|word| *word == key) else { continue };
            if let Some(number) = table::human(value) {
                emit.metric(&BCACHE[BCACHE.len() - words.len() + at], &labels, number);
            }
        }
    }
    Ok(())
}

pub const BCACHE_PRIORITY_ASK: &str = "sys/fs/bcache/*-*/cache*/ priority_stats";
pub const BCACHE_PRIORITY: &[Metric] = &[
    Metric::gauge("node_bcache_priority_stats_unused_percent", "Share of the cache that holds nothing.").from("Unused"),
    Metric::gauge("node_bcache_priority_stats_metadata_percent", "Share of the cache that is not data.")
        .from("Metadata"),
];

/// priority_stats, which costs the kernel a walk over the whole cache.
pub fn bcache_priority(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let Some(labels) = table::fit("{uuid}/{cache_device}/priority_stats", path) else { continue };
        for (key, value) in text.lines().filter_map(|line| line.split_once(':')) {
            let Some(metric) = BCACHE_PRIORITY.iter().find(|metric| metric.from == key) else { continue };
            if let Some(number) = table::number(value) {
                emit.metric(metric, &labels, number);
            }
        }
    }
    Ok(())
}

pub const BTRFS_ASK: &str = "sys/fs/btrfs/*-*/ label commit_stats allocation/global_rsv_size sys/fs/btrfs/*-*/devices/ \
                             */size sys/fs/btrfs/*-*/allocation/*/ bytes_reserved */total_bytes */used_bytes";
/// The last of allocation is made of more than one file; those of commits are lines of commit_stats.
pub const BTRFS: &[Metric] = &[
    Metric::gauge("node_btrfs_info", "The file system's label; always 1.").from("btrfs/{uuid}, info, label=label"),
    Metric::gauge("node_btrfs_global_rsv_size_bytes", "What is kept back for the file system itself.")
        .from("{uuid}/allocation/global_rsv_size")
        .unit("By"),
    Metric::gauge("node_btrfs_device_size_bytes", "Size of a device of the file system.")
        .from("{uuid}/devices/{device}/size, sectors")
        .unit("By"),
    Metric::gauge("node_btrfs_reserved_bytes", "Space that is reserved for a kind of data.")
        .from("{uuid}/allocation/{block_group_type}/bytes_reserved")
        .unit("By"),
    Metric::gauge("node_btrfs_size_bytes", "Space that is allocated for a kind of data.")
        .from("{uuid}/allocation/{block_group_type}/{mode}/total_bytes")
        .unit("By"),
    Metric::gauge("node_btrfs_used_bytes", "Space that a kind of data uses.")
        .from("{uuid}/allocation/{block_group_type}/{mode}/used_bytes")
        .unit("By"),
    Metric::gauge("node_btrfs_allocation_ratio", "Bytes on disks for each byte of a kind of data."),
    Metric::counter("node_btrfs_commits_total", "Commits."),
    Metric::gauge("node_btrfs_last_commit_seconds", "How long the last commit took.").unit("s"),
    Metric::gauge("node_btrfs_max_commit_seconds", "How long the slowest commit took.").unit("s"),
    Metric::counter("node_btrfs_commit_seconds_total", "Time spent on commits.").unit("s"),
];
const BTRFS_RATIO: usize = 6;

/// Bytes on disks for each byte, by how the data is laid out.
fn ratio(mode: &str, devices: f64) -> f64 {
    match mode {
        "dup" | "raid1" | "raid10" => 2.0,
        "raid1c3" => 3.0,
        "raid1c4" => 4.0,
        "raid5" => devices / (devices - 1.0),
        "raid6" => devices / (devices - 2.0),
        _ => 1.0,
    }
}

/// sys/fs/btrfs/UUID.
pub fn btrfs(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    table::take(BTRFS, answer, emit)?;
    let mut devices: BTreeMap<&str, f64> = BTreeMap::new();
    for (path, _) in texts(answer) {
        if let Some(labels) = table::fit("{uuid}/devices/{device}/size", path) {
            *devices.entry(labels[1].1).or_default() += 1.0;
        }
    }
    for (path, text) in texts(answer) {
        if let Some(labels) = table::fit("{uuid}/allocation/{block_group_type}/{mode}/total_bytes", path) {
            let of = |name: &str| labels.iter().find(|(label, _)| *label == name).map_or("", |(_, value)| value);
            let count = devices.get(of("uuid")).copied().unwrap_or(1.0);
            emit.metric(&BTRFS[BTRFS_RATIO], &labels, ratio(of("mode"), count));
        }
        let Some(labels) = table::fit("{uuid}/commit_stats", path) else { continue };
        let keys = [("commits", 1.0), ("last_commit_ms", 1e3), ("max_commit_ms", 1e3), ("total_commit_ms", 1e3)];
        for (name, word) in text.lines().filter_map(|line| line.split_once(' ')) {
            let Some(at) = keys.iter().position(|(key, _)| *key == name) else { continue };
            if let Some(number) = table::number(word) {
                emit.metric(&BTRFS[BTRFS_RATIO + 1 + at], &labels, number / keys[at].1);
            }
        }
    }
    Ok(())
}

pub const XFS_ASK: &str = "sys/fs/xfs/*/stats/ stats";
/// `from` is a line's word and the number's place in it: https://xfs.wiki.kernel.org/wiki/Runtime_Stats
pub const XFS: &[Metric] = &[
    Metric::counter("node_xfs_extent_allocation_extents_allocated_total", "Extents allocated.").from("extent_alloc 0"),
    Metric::counter("node_xfs_extent_allocation_blocks_allocated_total", "Blocks allocated.").from("extent_alloc 1"),
    Metric::counter("node_xfs_extent_allocation_extents_freed_total", "Extents freed.").from("extent_alloc 2"),
    Metric::counter("node_xfs_extent_allocation_blocks_freed_total", "Blocks freed.").from("extent_alloc 3"),
    Metric::counter("node_xfs_allocation_btree_lookups_total", "Lookups in the btree of free space.").from("abt 0"),
    Metric::counter("node_xfs_allocation_btree_compares_total", "Comparisons in the btree of free space.")
        .from("abt 1"),
    Metric::counter("node_xfs_allocation_btree_records_inserted_total", "Records put into the btree of free space.")
        .from("abt 2"),
    Metric::counter("node_xfs_allocation_btree_records_deleted_total", "Records taken out of the btree of free space.")
        .from("abt 3"),
    Metric::counter("node_xfs_block_mapping_reads_total", "Block maps for reads.").from("blk_map 0"),
    Metric::counter("node_xfs_block_mapping_writes_total", "Block maps for writes.").from("blk_map 1"),
    Metric::counter("node_xfs_block_mapping_unmaps_total", "Block maps removed.").from("blk_map 2"),
    Metric::counter("node_xfs_block_mapping_extent_list_insertions_total", "Extents put into lists.").from("blk_map 3"),
    Metric::counter("node_xfs_block_mapping_extent_list_deletions_total", "Extents taken out of lists.")
        .from("blk_map 4"),
    Metric::counter("node_xfs_block_mapping_extent_list_lookups_total", "Lookups in lists of extents.")
        .from("blk_map 5"),
    Metric::counter("node_xfs_block_mapping_extent_list_compares_total", "Comparisons in lists of extents.")
        .from("blk_map 6"),
    Metric::counter("node_xfs_block_map_btree_lookups_total", "Lookups in btrees of block maps.").from("bmbt 0"),
    Metric::counter("node_xfs_block_map_btree_compares_total", "Comparisons in btrees of block maps.").from("bmbt 1"),
    Metric::counter("node_xfs_block_map_btree_records_inserted_total", "Records put into btrees of block maps.")
        .from("bmbt 2"),
    Metric::counter("node_xfs_block_map_btree_records_deleted_total", "Records taken out of btrees of block maps.")
        .from("bmbt 3"),
    Metric::counter("node_xfs_directory_operation_lookup_total", "Lookups in folders.").from("dir 0"),
    Metric::counter("node_xfs_directory_operation_create_total", "Entries made in folders.").from("dir 1"),
    Metric::counter("node_xfs_directory_operation_remove_total", "Entries removed from folders.").from("dir 2"),
    Metric::counter("node_xfs_directory_operation_getdents_total", "Readings of folders.").from("dir 3"),
    Metric::counter("node_xfs_inode_operation_attempts_total", "Lookups of inodes in the cache.").from("ig 0"),
    Metric::counter("node_xfs_inode_operation_found_total", "Inodes that the cache had.").from("ig 1"),
    Metric::counter(
        "node_xfs_inode_operation_recycled_total",
        "Inodes that the cache had and that were being dropped.",
    )
    .from("ig 2"),
    Metric::counter("node_xfs_inode_operation_missed_total", "Inodes that the cache lacked.").from("ig 3"),
    Metric::counter(
        "node_xfs_inode_operation_duplicates_total",
        "Inodes that somebody else brought into the cache meanwhile.",
    )
    .from("ig 4"),
    Metric::counter("node_xfs_inode_operation_reclaims_total", "Inodes dropped to make room.").from("ig 5"),
    Metric::counter("node_xfs_inode_operation_attribute_changes_total", "Changes of inodes by users.").from("ig 6"),
    Metric::counter("node_xfs_write_calls_total", "Writes to files.").from("rw 0"),
    Metric::counter("node_xfs_read_calls_total", "Reads of files.").from("rw 1"),
    Metric::counter("node_xfs_vnode_active_total", "Vnodes that are not free.").from("vnodes 0"),
    Metric::counter("node_xfs_vnode_allocate_total", "Vnodes allocated.").from("vnodes 1"),
    Metric::counter("node_xfs_vnode_get_total", "Calls of vn_get.").from("vnodes 2"),
    Metric::counter("node_xfs_vnode_hold_total", "Calls of vn_hold.").from("vnodes 3"),
    Metric::counter("node_xfs_vnode_release_total", "Calls of vn_rele.").from("vnodes 4"),
    Metric::counter("node_xfs_vnode_reclaim_total", "Calls of vn_reclaim.").from("vnodes 5"),
    Metric::counter("node_xfs_vnode_remove_total", "Calls of vn_remove.").from("vnodes 6"),
];

/// sys/fs/xfs/DEVICE/stats/stats.
pub fn xfs(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        if let Some(labels) = table::fit("xfs/{device}/stats/stats", path) {
            table::take_lines(XFS, &labels, path, text, emit)?;
        }
    }
    Ok(())
}

/// udev's data says what a disk is; sys/block, whether it turns.
pub const DISK_INFO_ASK: &str = "proc/ diskstats run/udev/data/ b* sys/block/*/queue/ rotational";
pub const DISK_INFO: &[Metric] = &[INFO, FILE_SYSTEM, MAPPER, CACHE, CACHE_ENABLED, ROTATION];
const INFO: Metric = Metric::gauge("node_disk_info", "What is known of a disk as labels; always 1.");
const FILE_SYSTEM: Metric =
    Metric::gauge("node_disk_filesystem_info", "What is known of a disk's file system as labels; always 1.");
const MAPPER: Metric =
    Metric::gauge("node_disk_device_mapper_info", "What is known of a mapped device as labels; always 1.");
const CACHE: Metric = Metric::gauge("node_disk_ata_write_cache", "Whether an ATA disk has a cache for writes.");
const CACHE_ENABLED: Metric =
    Metric::gauge("node_disk_ata_write_cache_enabled", "Whether an ATA disk's cache for writes is on.");
const ROTATION: Metric =
    Metric::gauge("node_disk_ata_rotation_rate_rpm", "Turns per minute of an ATA disk; 0 of an SSD.");

/// run/udev/data/bMAJOR:MINOR of the disks that proc/diskstats lists.
pub fn disk_info(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let files: BTreeMap<&str, &str> = texts(answer).collect();
    let mut seen = BTreeSet::new();
    for line in text_of(answer, "proc/diskstats")?.lines() {
        let mut words = line.split_whitespace();
        let (Some(major), Some(minor), Some(device)) = (words.next(), words.next(), words.next()) else { continue };
        if is_part_or_toy(device) || !seen.insert(device) {
            continue;
        }
        let text = files.get(format!("run/udev/data/b{major}:{minor}").as_str()).copied().unwrap_or("");
        let properties: BTreeMap<&str, &str> =
            text.lines().filter_map(|line| line.strip_prefix("E:")?.split_once('=')).collect();
        let of = |name: &str| properties.get(name).copied().unwrap_or("");
        let serials = ["SCSI_IDENT_SERIAL", "ID_SERIAL_SHORT", "ID_SERIAL"];
        let serial = serials.iter().map(|name| of(name)).find(|serial| !serial.is_empty()).unwrap_or("");
        let rotational =
            files.get(format!("sys/block/{device}/queue/rotational").as_str()).map_or("0", |text| text.trim());
        let labels = [
            ("device", device),
            ("major", major),
            ("minor", minor),
            ("model", of("ID_MODEL")),
            ("path", of("ID_PATH")),
            ("revision", of("ID_REVISION")),
            ("rotational", rotational),
            ("serial", serial),
            ("wwn", of("ID_WWN")),
        ];
        emit.metric(&INFO, &labels, 1.0);
        if !of("ID_FS_TYPE").is_empty() {
            let labels = [
                ("device", device),
                ("type", of("ID_FS_TYPE")),
                ("usage", of("ID_FS_USAGE")),
                ("uuid", of("ID_FS_UUID")),
                ("version", of("ID_FS_VERSION")),
            ];
            emit.metric(&FILE_SYSTEM, &labels, 1.0);
        }
        if !of("DM_NAME").is_empty() {
            let labels = [
                ("device", device),
                ("lv_layer", of("DM_LV_LAYER")),
                ("lv_name", of("DM_LV_NAME")),
                ("name", of("DM_NAME")),
                ("uuid", of("DM_UUID")),
                ("vg_name", of("DM_VG_NAME")),
            ];
            emit.metric(&MAPPER, &labels, 1.0);
        }
        for (metric, name) in [
            (&CACHE, "ID_ATA_WRITE_CACHE"),
            (&CACHE_ENABLED, "ID_ATA_WRITE_CACHE_ENABLED"),
            (&ROTATION, "ID_ATA_ROTATION_RATE_RPM"),
        ] {
            if let Some(number) = table::number(of(name)).filter(|_| !of("ID_ATA").is_empty()) {
                emit.metric(metric, &[("device", device)], number);
            }
        }
    }
    Ok(())
}
