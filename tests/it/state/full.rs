//! A full disk: the reserve is freed and the write done again; when even that fails the caller is told what it is.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use watchward::model::scope::Scope;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::error::StateError;
use watchward::state::open::Settings;
use watchward::state::outbox::{Change, Queue};

use crate::state::{Folder, bare, moment, open_with, transition};

/// A transition with an annotation of so many KiB.
fn heavy(name: &str, kibibytes: usize) -> Transition {
    let mut one = transition("acme", name, Phase::Firing, 1);
    one.annotations.insert("blob".to_string(), "x".repeat(kibibytes << 10));
    one
}

async fn commit(state: &State, one: Transition) -> Result<Queue, StateError> {
    let change = Change { transitions: &[one], events: &[], notices: &[], at_ms: 1, entries_max: 100 };
    state.commit(&change).await
}

#[tokio::test]
async fn beyond_its_size_the_database_says_full_and_goes_on_working() {
    let folder = Folder::new();
    let (state, _) = open_with(&folder, &Settings { bytes_max: 400 << 10, ..bare() }).await;
    commit(&state, heavy("Fits", 8)).await.unwrap();
    for attempt in 0..3 {
        let refused = commit(&state, heavy("Big", 600)).await.unwrap_err();
        let words = "error returned from database: (code: 13) database or disk is full".to_string();
        assert_eq!(refused, StateError::Full(words), "attempt {attempt}");
    }
    commit(&state, heavy("Small", 8)).await.unwrap();
    let kept = state.transitions(&Scope::from_anonymous("*"), 9).await.unwrap();
    assert_eq!(kept.len(), 2, "a write that failed must leave nothing");
}

/// A small file system of its own. Only root may mount one.
struct Disk(PathBuf);

impl Disk {
    #[allow(clippy::disallowed_methods)] // tests may start processes
    fn mount(at: &Path, bytes: u64) -> Option<Disk> {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={bytes}");
        let done = Command::new("mount").args(["-t", "tmpfs", "-o", &size, "tmpfs"]).arg(at).output().ok()?;
        done.status.success().then(|| Disk(at.to_path_buf()))
    }

    /// Writes until nothing fits any more, and leaves that much free again.
    fn fill(&self, leave_bytes: u64) {
        let ballast = self.0.join("ballast");
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&ballast).unwrap();
        while file.write_all(&[7; 4096]).is_ok() {}
        let length = file.metadata().unwrap().len();
        file.set_len(length.saturating_sub(leave_bytes)).unwrap();
    }

    fn relieve(&self) {
        fs::remove_file(self.0.join("ballast")).unwrap();
    }
}

impl Drop for Disk {
    #[allow(clippy::disallowed_methods)] // tests may start processes
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).output();
    }
}

#[tokio::test]
async fn on_a_full_disk_the_reserve_is_freed_and_held_again_when_there_is_room() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(&folder.path().join("disk"), 16 << 20) else {
        println!("skipped: only root may mount a small file system");
        return;
    };
    let state_folder = disk.0.join("state");
    let reserve = state_folder.join("reserve");
    let held = || fs::metadata(&reserve).unwrap().len();
    let settings = Settings { reserve_bytes: 4 << 20, ..Settings::default() };
    let (state, report) = State::open_with(&state_folder, moment(0), &settings).await.unwrap();
    assert!(report.reserve);
    commit(&state, heavy("Before", 8)).await.unwrap();
    disk.fill(0);

    // The log of SQLite may still own some room; at the latest a write larger than that needs the reserve.
    commit(&state, heavy("Saved", 900)).await.unwrap();
    assert_eq!((state.reserve_freed(), held()), (1, 0));
    disk.fill(0);
    let refused = commit(&state, heavy("Lost", 3000)).await.unwrap_err();
    assert!(matches!(refused, StateError::Full(_)), "{refused}");

    disk.relieve();
    commit(&state, heavy("After", 8)).await.unwrap();
    assert_eq!((state.reserve_freed(), held()), (1, 4 << 20));
    let kept: Vec<String> =
        state.transitions(&Scope::from_anonymous("*"), 9).await.unwrap().into_iter().map(|one| one.rule).collect();
    assert_eq!(kept, ["tests;all;After", "tests;all;Saved", "tests;all;Before"]);

    // And a database can be opened while the disk is full.
    drop(state);
    disk.fill(0);
    let (state, report) = State::open_with(&state_folder, moment(0), &settings).await.unwrap();
    assert!(report.reserve_freed);
    assert_eq!(state.active_instances().await.unwrap().len(), 3);
}
