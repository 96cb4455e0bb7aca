//! File systems: those that answer are measured, those that hang hold up nobody.

use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use watchward::engines::contract::Answer;
use watchward::engines::host::session::mounts::Mounts;
use watchward::sys::files::FileSystem;

use super::{Folder, points, row};

const FIGURES: FileSystem =
    FileSystem { block_bytes: 4096, blocks: 100, blocks_free: 50, blocks_available: 40, files: 10, files_free: 5 };

fn tree(points: &[&str]) -> Folder {
    let folder = Folder::new();
    let lines: Vec<String> = points.iter().map(|point| format!("dev {point} ext4 rw 0 0\n")).collect();
    folder.file("proc/1/mounts", &lines.concat());
    folder
}

fn lines_of(answer: &Answer, begin: &str) -> Vec<String> {
    let lines = points(row("filesystem"), answer).expect("a table");
    lines.into_iter().filter(|line| line.starts_with(begin)).collect()
}

#[tokio::test]
async fn a_file_system_that_answers_has_all_its_figures() {
    fn probe(path: &Path) -> io::Result<FileSystem> {
        if path.ends_with("gone") { Err(io::Error::from_raw_os_error(107)) } else { Ok(FIGURES) }
    }
    let folder = tree(&["/", "/data", "/gone"]);
    let answer = Mounts::asking(probe).ask(&folder.0, Duration::from_secs(4)).await.expect("a table");
    let data: Vec<String> = lines_of(&answer, "node_").into_iter().filter(|line| line.contains("\"/data\"")).collect();
    let labels = "{device=\"dev\",fstype=\"ext4\",mountpoint=\"/data\"}";
    assert_eq!(
        data,
        [
            format!("node_filesystem_device_error{labels} 0"),
            format!("node_filesystem_size_bytes{labels} 409600"),
            format!("node_filesystem_free_bytes{labels} 204800"),
            format!("node_filesystem_avail_bytes{labels} 163840"),
            format!("node_filesystem_files{labels} 10"),
            format!("node_filesystem_files_free{labels} 5"),
            format!("node_filesystem_readonly{labels} 0"),
        ]
    );
    let gone =
        "{device=\"dev\",device_error=\"transport endpoint is not connected\",fstype=\"ext4\",mountpoint=\"/gone\"}";
    let all: Vec<String> = lines_of(&answer, "node_").into_iter().filter(|line| line.contains("\"/gone\"")).collect();
    assert_eq!(all, [format!("node_filesystem_device_error{gone} 1"), format!("node_filesystem_readonly{gone} 0")]);
}

#[tokio::test]
async fn one_that_hangs_is_an_error_of_its_device_and_delays_once() {
    static LET_GO: AtomicBool = AtomicBool::new(false);
    fn probe(path: &Path) -> io::Result<FileSystem> {
        while path.ends_with("hangs") && !LET_GO.load(Ordering::Relaxed) {
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(FIGURES)
    }
    let folder = tree(&["/a", "/hangs", "/z"]);
    let mounts = Mounts::asking(probe);
    let budget = Duration::from_millis(1200); // so the patience is 300 ms
    let errors = |answer: &Answer| {
        let lines = lines_of(answer, "node_filesystem_device_error");
        lines.iter().filter(|line| line.ends_with(" 1")).count()
    };

    #[allow(clippy::disallowed_methods)] // a test may look at the clock
    let start = Instant::now();
    let answer = mounts.ask(&folder.0, budget).await.expect("a table");
    let first = start.elapsed();
    assert!(first >= Duration::from_millis(300) && first < budget, "{first:?}");
    assert_eq!(lines_of(&answer, "node_filesystem_size_bytes").len(), 2, "the one after it is read too");
    assert_eq!(errors(&answer), 1);
    let line = lines_of(&answer, "node_filesystem_device_error{device=\"dev\",device_error");
    assert_eq!(
        line,
        ["node_filesystem_device_error{device=\"dev\",device_error=\"the file system does not answer\",\
          fstype=\"ext4\",mountpoint=\"/hangs\"} 1"]
    );

    // Its call is still under way: it is not asked again, and nobody waits.
    for _ in 0..3 {
        let answer = mounts.ask(&folder.0, Duration::from_secs(3600)).await.expect("a table");
        assert_eq!((errors(&answer), mounts.hung()), (1, 1));
    }

    LET_GO.store(true, Ordering::Relaxed);
    while mounts.hung() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let answer = mounts.ask(&folder.0, Duration::from_secs(4)).await.expect("a table");
    assert_eq!(errors(&answer), 0);
}

#[tokio::test]
async fn however_many_hang_the_answer_comes_within_its_budget() {
    fn probe(_: &Path) -> io::Result<FileSystem> {
        std::thread::sleep(Duration::from_secs(5));
        Ok(FIGURES)
    }
    let points: Vec<String> = (0..50).map(|at| format!("/{at}")).collect();
    let folder = tree(&points.iter().map(String::as_str).collect::<Vec<_>>());
    let mounts = Mounts::asking(probe);
    #[allow(clippy::disallowed_methods)] // a test may look at the clock
    let start = Instant::now();
    let answer = mounts.ask(&folder.0, Duration::from_millis(800)).await.expect("a table");
    assert!(start.elapsed() < Duration::from_millis(800), "{:?}", start.elapsed());
    assert_eq!(
        lines_of(&answer, "node_filesystem_device_error").iter().filter(|line| line.ends_with(" 1")).count(),
        50
    );
    assert!(mounts.hung() <= 3, "{} calls hang", mounts.hung());
}

#[tokio::test]
async fn whether_it_is_read_only_is_what_the_first_process_sees() {
    fn probe(_: &Path) -> io::Result<FileSystem> {
        Ok(FIGURES)
    }
    let folder = Folder::new();
    folder.file("proc/1/mounts", "dev / ext4 rw,relatime 0 0\ndev /old ext3 noatime,ro 0 0\n");
    folder.file("proc/self/mounts", "dev / ext4 ro 0 0\n"); // ours, as of a service that may write nowhere
    let answer = Mounts::asking(probe).ask(&folder.0, Duration::from_secs(4)).await.expect("a table");
    let seen = lines_of(&answer, "node_filesystem_readonly");
    let values: Vec<&str> = seen.iter().filter_map(|line| line.split(' ').next_back()).collect();
    assert_eq!(values, ["0", "1"], "{seen:?}");
}

#[tokio::test]
async fn what_a_sidecar_does_not_have_below_its_root_is_left_out() {
    fn probe(path: &Path) -> io::Result<FileSystem> {
        let missing = path.ends_with("boot");
        if missing { Err(io::Error::from_raw_os_error(2)) } else { Ok(FIGURES) }
    }
    let folder = tree(&["/boot", "/data"]);
    let answer = Mounts::asking(probe).ask(&folder.0, Duration::from_secs(4)).await.expect("a table");
    let seen = lines_of(&answer, "node_filesystem_device_error");
    assert!(seen.len() == 1 && seen[0].contains("\"/data\""), "{seen:?}");
}
