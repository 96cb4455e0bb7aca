//! Mounts: the list in proc/, and which of them are measured: those that node_exporter measures by default.

use crate::model::row::{Metric, Rename};

/// One mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    pub device: String,
    pub point: String,
    /// The type: `ext4`.
    pub kind: String,
    pub read_only: bool,
}

pub const LABELS: &[&str] = &["device", "mountpoint", "fstype", "device_error"];

const RENAMES: &[Rename] = &[
    Rename::new("device", "system.device"),
    Rename::new("mountpoint", "system.filesystem.mountpoint"),
    Rename::new("fstype", "system.filesystem.type"),
];

pub const METRICS: &[Metric] = &[
    Metric::gauge("node_filesystem_device_error", "Whether the file system gave an error instead of its figures.")
        .from("error"),
    Metric::gauge("node_filesystem_size_bytes", "Size of the file system.")
        .from("size")
        .unit("By")
        .otel("system.filesystem.limit")
        .renames(RENAMES),
    Metric::gauge("node_filesystem_free_bytes", "Free space, with what is kept for root.").from("free").unit("By"),
    Metric::gauge("node_filesystem_avail_bytes", "Free space for ordinary users.")
        .from("avail")
        .unit("By")
        .otel("system.filesystem.usage")
        .renames(RENAMES)
        .attribute("system.filesystem.state", "free"),
    Metric::gauge("node_filesystem_files", "File nodes in all.").from("files"),
    Metric::gauge("node_filesystem_files_free", "Free file nodes.").from("files_free"),
    Metric::gauge("node_filesystem_readonly", "Whether the file system is mounted read-only.").from("readonly"),
];

/// Types that hold no data of anybody.
const KINDS_LEFT_OUT: &[&str] = &[
    "autofs",
    "binfmt_misc",
    "bpf",
    "cgroup",
    "cgroup2",
    "configfs",
    "debugfs",
    "devpts",
    "devtmpfs",
    "erofs",
    "fusectl",
    "hugetlbfs",
    "iso9660",
    "mqueue",
    "nsfs",
    "overlay",
    "proc",
    "procfs",
    "pstore",
    "rpc_pipefs",
    "securityfs",
    "selinuxfs",
    "squashfs",
    "sysfs",
    "tracefs",
];

/// Mount points that are left out with all below them.
const TREES_LEFT_OUT: &[&str] = &["/dev", "/proc", "/sys"];

/// Folders of which everything below is left out.
const FOLDERS_LEFT_OUT: &[&str] = &["/run/credentials/", "/var/lib/docker/", "/var/lib/containers/storage/"];

fn is_left_out(point: &str, kind: &str) -> bool {
    let is_below =
        |tree: &&&str| point.strip_prefix(**tree).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let is_within = |folder: &&&str| point.strip_prefix(**folder).is_some_and(|rest| !rest.is_empty());
    KINDS_LEFT_OUT.contains(&kind)
        || TREES_LEFT_OUT.iter().any(|tree| is_below(&tree))
        || FOLDERS_LEFT_OUT.iter().any(|folder| is_within(&folder))
}

/// Reads proc/PID/mounts, without the mounts that are left out; of several with the same names one is kept.
pub fn parse_mounts(text: &str) -> Vec<Mount> {
    let mut mounts: Vec<Mount> = Vec::new();
    for line in text.lines() {
        let mut fields = line.split_whitespace();
        let (Some(device), Some(point), Some(kind)) = (fields.next(), fields.next(), fields.next()) else { continue };
        let read_only = fields.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
        let (device, point) = (unescape(device), unescape(point));
        let is_known = |one: &Mount| one.device == device && one.point == point && one.kind == kind;
        if !is_left_out(&point, kind) && !mounts.iter().any(is_known) {
            mounts.push(Mount { device, point, kind: kind.to_string(), read_only });
        }
    }
    mounts
}

/// Spaces, tabs, line breaks and backslashes are written in octal: `\040`. See proc_mounts(5).
fn unescape(text: &str) -> String {
    [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")]
        .iter()
        .fold(text.to_string(), |text, (written, meant)| text.replace(written, meant))
}
