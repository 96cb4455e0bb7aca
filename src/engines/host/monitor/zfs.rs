//! ZFS: the kernel's statistics under proc/spl/kstat/zfs, in which the names of the fields are those of the metrics.

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::host::monitor::{garbled, texts};
use crate::model::reading::Unknown;
use crate::model::row::{Family, Metric, MetricKind};

pub const ASK: &str = "proc/spl/kstat/zfs/ abdstats arcstats dbufstats dmu_tx dnodestats fm vdev_cache_stats \
                       vdev_mirror_stats xuio_stats zfetchstats zil proc/spl/kstat/zfs/*/ io state objset-*";

pub const FAMILIES: &[Family] = &[FIELD];
const FIELD: Family = Family::new(MetricKind::Untyped, "node_zfs_", "", "A field of ZFS' own statistics.");

pub const METRICS: &[Metric] = &[STATE];
const STATE: Metric = Metric::gauge("node_zfs_zpool_state", "1 for the state the pool is in, 0 for the others.");

const STATES: &[&str] = &["online", "degraded", "faulted", "offline", "removed", "unavail", "suspended"];

/// How a file is called in names, where that is not the file's own name.
const PARTS: &[(&str, &str)] = &[
    ("abdstats", "abd"),
    ("arcstats", "arc"),
    ("dbufstats", "dbuf"),
    ("dnodestats", "dnode"),
    ("vdev_cache_stats", "vdev_cache"),
    ("vdev_mirror_stats", "vdev_mirror"),
    ("xuio_stats", "xuio"),
    ("zfetchstats", "zfetch"),
];

/// proc/spl/kstat/zfs/*, and for each pool its state, its reads and writes, and those of its datasets.
pub fn take(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    for (path, text) in texts(answer) {
        let mut parts = path.rsplit('/');
        let (file, pool) = (parts.next().unwrap_or(""), parts.next().unwrap_or(""));
        match file {
            "state" => {
                let state = text.trim().to_ascii_lowercase();
                for one in STATES {
                    emit.metric(&STATE, &[("state", one), ("zpool", pool)], f64::from(u8::from(*one == state)));
                }
            }
            "io" => {
                let mut lines = text.lines().skip(1);
                let (names, numbers) = (lines.next().unwrap_or(""), lines.next().unwrap_or(""));
                for (name, word) in names.split_whitespace().zip(numbers.split_whitespace()) {
                    let number = word.parse().map_err(|_| garbled(path, numbers))?;
                    emit.family(&FIELD, &format!("zpool_{name}"), &[("zpool", pool)], number);
                }
            }
            _ if file.starts_with("objset-") => {
                let name = text.lines().find_map(|line| line.strip_prefix("dataset_name"));
                let dataset =
                    name.and_then(|rest| rest.trim_start().split_once(' ')).map_or("", |(_, name)| name.trim());
                fields(path, text, "zpool_dataset", &[("dataset", dataset), ("zpool", pool)], emit)?;
            }
            _ => {
                let part = PARTS.iter().find(|(name, _)| *name == file).map_or(file, |(_, part)| *part);
                fields(path, text, part, &[], emit)?;
            }
        }
    }
    Ok(())
}

/// `name type data`, of which the types 3 and 4 are numbers.
fn fields(path: &str, text: &str, part: &str, labels: &[(&str, &str)], emit: &mut dyn Emit) -> Result<(), Unknown> {
    for line in text.lines().skip(2) {
        let mut words = line.split_whitespace();
        let (Some(name), Some("3" | "4"), Some(word)) = (words.next(), words.next(), words.next()) else { continue };
        let number = word.parse().map_err(|_| garbled(path, line))?;
        emit.family(&FIELD, &format!("{part}_{name}"), labels, number);
    }
    Ok(())
}
