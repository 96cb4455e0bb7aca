//! Tests of `src/state`: stories on a real file in a folder of their own.

mod full;
mod journal;
mod open;
mod outbox;
mod records;
mod tokens;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::task::Poll;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use watchward::model::labels::Labels;
use watchward::model::moment::Moment;
use watchward::model::transition::{Phase, Transition};
use watchward::state::State;
use watchward::state::open::{OpenReport, Settings};

/// A folder of its own for a test, gone at the end.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("state-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    /// The state folder in it, which is not made yet.
    pub fn state(&self) -> PathBuf {
        self.0.join("state")
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What a kill -9 would leave: the files as they stand now, in a folder of their own.
    pub fn image(&self) -> Folder {
        let image = Folder::new();
        std::fs::create_dir_all(image.state()).unwrap();
        for name in ["state.db", "state.db-wal"] {
            let from = self.state().join(name);
            if from.exists() {
                std::fs::copy(from, image.state().join(name)).unwrap();
            }
        }
        image
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A moment so many seconds after an arbitrary one.
pub fn moment(seconds: i64) -> Moment {
    let at_ms = 1_800_000_000_000 + seconds * 1000;
    Moment { since_start: Duration::from_secs(seconds.unsigned_abs()), wall_ms: at_ms, stored_ms: at_ms }
}

/// Without a reserve, which takes time to make and which few tests need.
pub fn bare() -> Settings {
    Settings { reserve_bytes: 0, ..Settings::default() }
}

pub async fn open(folder: &Folder) -> State {
    open_with(folder, &bare()).await.0
}

pub async fn open_with(folder: &Folder, settings: &Settings) -> (State, OpenReport) {
    State::open_with(&folder.state(), moment(0), settings).await.unwrap()
}

/// Ends a state and waits until its file is whole.
pub async fn close(state: State, folder: &Folder) {
    drop(state);
    folded(&folder.state()).await;
}

/// Waits until the driver's threads have closed the file, which folds SQLite's log into it. Two that close at the same
/// moment take each other for one that stays, and both leave the log: then one more that comes and goes folds it.
pub async fn folded(state_folder: &Path) {
    let log = state_folder.join("state.db-wal");
    for round in 1.. {
        if !log.exists() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
        if round % 200 == 0 {
            let url = format!("sqlite:{}", state_folder.join("state.db").display());
            let mut last = SqliteConnection::connect(&url).await.expect("the state's file");
            sqlx::raw_sql("SELECT count(*) FROM sqlite_schema").execute(&mut last).await.expect("it is read");
            last.close().await.expect("closed");
        }
    }
}

/// A transition of the alert `name` of a tenant's target `db`.
pub fn transition(tenant: &str, name: &str, to: Phase, at_ms: i64) -> Transition {
    let labels = [("alertname", name), ("tenant", tenant), ("target", "db"), ("severity", "warning")];
    Transition {
        tenant: tenant.to_string(),
        rule: format!("tests;all;{name}"),
        labels: Labels::new(labels),
        annotations: BTreeMap::from([("summary".to_string(), format!("{name} is \"too\" high"))]),
        from: if to == Phase::Firing { Phase::Pending } else { Phase::Firing },
        to,
        at_ms,
        since_ms: at_ms - 60_000,
        value: 42.5,
        reason: "held for 1m".to_string(),
        discovered: false,
    }
}

/// Polls a future so many times and then drops it where it stands; its output if it came to its end.
pub async fn cut<F: Future>(future: F, polls: usize) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    std::future::poll_fn(move |cx| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        future.as_mut().poll(cx).map(Some)
    })
    .await
}
