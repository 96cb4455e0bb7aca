//! A full disk: the reserve is freed and the write done again; when even that fails the caller is told what it is.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use sqlx::{Connection, SqliteConnection};
use watchward::model::scope::Scope;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::error::StateError;
use watchward::state::migrations;
use watchward::state::open::Settings;
use watchward::state::outbox::{Change, Queue};

use crate::state::{Folder, bare, folded, moment, open_with, transition};

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

/// What a migration says on a disk of so many KiB, and the version at which the file stands then.
async fn migrate_on(kibibytes: u64) -> Option<(String, i64)> {
    let folder = Folder::new();
    let disk = Disk::mount(&folder.path().join("disk"), kibibytes << 10)?;
    let state = disk.0.join("state");
    fs::create_dir_all(&state).unwrap();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/state_dir/v2/state.db");
    fs::copy(fixture, state.join("state.db")).unwrap();
    let opened = State::open_with(&state, moment(0), &bare()).await;
    let said = opened.err().map_or(String::new(), |fault| fault.to_string());
    for _ in 0..500 {
        if !state.join("state.db-wal").exists() {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(2)).await; // the driver closes the file
    }
    let image = folder.path().join("image.db"); // where there is room to look at it
    fs::copy(state.join("state.db"), &image).unwrap();
    if state.join("state.db-wal").exists() {
        fs::copy(state.join("state.db-wal"), folder.path().join("image.db-wal")).unwrap();
    }
    let url = format!("sqlite:{}", image.display());
    let mut connection = SqliteConnection::connect(&url).await.unwrap();
    let sound: String = sqlx::query_scalar("PRAGMA quick_check").fetch_one(&mut connection).await.unwrap();
    assert_eq!(sound, "ok", "on {kibibytes} KiB");
    let version = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.unwrap();
    assert!(!state.join("state.db.before-3-part").exists(), "half a copy is left on {kibibytes} KiB");
    if version > 2 {
        assert!(state.join("state.db.before-3").exists(), "migrated without a copy on {kibibytes} KiB");
    }
    Some((said.replace(&disk.0.display().to_string(), ""), version))
}

#[tokio::test]
async fn a_migration_on_a_full_disk_leaves_a_whole_file_and_says_at_which_version() {
    let mut seen = std::collections::BTreeSet::new();
    for kibibytes in (120..480).step_by(16) {
        let Some((said, version)) = migrate_on(kibibytes).await else {
            println!("skipped: only root may mount a small file system");
            return;
        };
        let stands =
            format!("detail: /state/state.db stands at schema version {version}; the next start goes on from there.");
        let code = said.split(['[', ']']).nth(1).unwrap_or("").to_string();
        assert_eq!(said.is_empty(), version == migrations::ALL.len() as i64, "on {kibibytes} KiB: {said}");
        match code.as_str() {
            "" => {}
            "state-05" => assert!(version == 2 && said.contains("(code: 13) database or disk is full"), "{said}"),
            "state-06" if said.contains("(code: 13)") => {
                assert!(said.contains(&stands), "on {kibibytes} KiB at {version}: {said}");
                assert!(said.ends_with("hint: Is the file system of state_dir full? Free some room there."), "{said}");
            }
            "state-06" => assert!(said.contains("detail: The file is /state/state.db."), "{said}"),
            _ => panic!("on {kibibytes} KiB: {said}"),
        }
        seen.insert((code, version));
    }
    let expected = [("state-05", 2), ("state-06", 3), ("", migrations::ALL.len() as i64)];
    for (code, version) in expected {
        assert!(seen.contains(&(code.to_string(), version)), "no {code} at {version}: {seen:?}");
    }
}

#[tokio::test]
async fn a_full_disk_without_a_lock_file_is_opened_by_the_reserve() {
    let folder = Folder::new();
    let Some(disk) = Disk::mount(&folder.path().join("disk"), 16 << 20) else {
        println!("skipped: only root may mount a small file system");
        return;
    };
    let state_folder = disk.0.join("state");
    let settings = Settings { reserve_bytes: 4 << 20, ..Settings::default() };
    drop(State::open_with(&state_folder, moment(0), &settings).await.unwrap());
    folded(&state_folder).await;
    fs::remove_file(state_folder.join("lock")).unwrap();
    disk.fill(0);
    let (_, report) = State::open_with(&state_folder, moment(0), &settings).await.unwrap();
    assert!(report.reserve_freed);
}
