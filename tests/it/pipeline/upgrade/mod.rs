//! An upgrade: state_dirs that former builds left behind are opened by this one, however often it is interrupted; and
//! the way back is gone.

mod made;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};
use watchward::model::labels::Labels;
use watchward::model::matcher::Matcher;
use watchward::model::scope::Scope;
use watchward::model::transition::Transition;
use watchward::promql::SeriesSource;
use watchward::state::State;
use watchward::state::deliveries::Outcome;
use watchward::state::migrations;
use watchward::state::open::{OpenReport, Settings};
use watchward::store::Store;

use crate::state::cut;
use made::{END_MS, START_MS, alert, all, event, firing, folder_of, labels, moment, outlet, pending, place, samples};

/// The fixtures there are, with the versions of their schemas.
const FIXTURES: &[(&str, usize)] = &[("v2", 2)];

/// A copy of a fixture, gone at the end.
struct Copy(PathBuf);

impl Copy {
    fn of(fixture: &str) -> Copy {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("upgrade-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let copy = Copy(Path::new(env!("CARGO_TARGET_TMPDIR")).join(name));
        copy_folder(&folder_of(fixture), &copy.0);
        copy
    }

    fn file(&self) -> PathBuf {
        self.0.join("state.db")
    }

    /// Opens the state as a build that knows so many versions does.
    async fn open(&self, known: usize) -> Result<(State, OpenReport), String> {
        State::open_with(&self.0, moment(END_MS), &settings(known)).await.map_err(|fault| fault.to_string())
    }

    /// Waits until the driver has closed the file.
    async fn settle(&self) {
        for _ in 0..2000 {
            if !self.0.join("state.db-wal").exists() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        panic!("the file is not closed");
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.0);
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy_folder(&entry.path(), &target),
            false => assert!(fs::copy(entry.path(), target).unwrap() > 0),
        }
    }
}

fn settings(known: usize) -> Settings {
    Settings { reserve_bytes: 0, migrations: &migrations::ALL[..known], ..Settings::default() }
}

async fn schema_of(file: &Path) -> usize {
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    let version: i64 = sqlx::query_scalar("PRAGMA user_version").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    usize::try_from(version).unwrap()
}

fn same(seen: &Transition, expected: &Transition) {
    let but_value = |one: &Transition| Transition { value: 0.0, ..one.clone() };
    assert_eq!(but_value(seen), but_value(expected));
    assert!(seen.value == expected.value || (seen.value.is_nan() && expected.value.is_nan()));
}

/// Everything that the fixtures' state holds is there.
async fn check_state(state: &State) {
    let everybody = Scope::from_anonymous("*");
    let instances = state.active_instances().await.unwrap();
    assert_eq!(instances.len(), 2);
    same(&instances[0], &pending());
    same(&instances[1], &firing());
    let transitions = state.transitions(&everybody, 9).await.unwrap();
    let [began, ceased] = made::resolved();
    assert_eq!(transitions.len(), 4);
    for (seen, expected) in transitions.iter().rev().zip([&began, &ceased, &firing(), &pending()]) {
        same(seen, expected);
    }
    assert_eq!(state.events(&everybody, 9).await.unwrap(), [event()]);
    assert_eq!(state.meta("role acme/cache").await.unwrap().as_deref(), Some("replica"));
    assert_eq!(state.origin(), "0123456789abcdef0123456789abcdef");
    let group = state.next_group(&outlet(), &[]).await.unwrap().expect("somebody waits to be told");
    let waiting = state.waiting(group, 9).await.unwrap().unwrap();
    assert_eq!(waiting.place, *place());
    assert_eq!(waiting.notices.iter().map(|(_, one)| one).collect::<Vec<_>>(), [&alert()]);
    let told = state.deliveries(&everybody, 9).await.unwrap();
    let said: Vec<_> = told.iter().map(|one| (one.outcome, one.status, one.answer.as_str())).collect();
    assert_eq!(said, [(Outcome::Failed, Some(503), "not now")]);
}

#[tokio::test]
async fn the_state_of_a_former_build_is_whole_after_the_upgrade_and_before_it_in_the_copy() {
    for (fixture, schema) in FIXTURES {
        let copy = Copy::of(fixture);
        let (state, report) = copy.open(migrations::ALL.len()).await.unwrap();
        check_state(&state).await;
        assert_eq!((report.migrated_from, report.version), (Some(*schema), migrations::ALL.len()));
        let kept = copy.0.join(format!("state.db.before-{}", schema + 1));
        assert_eq!(report.copy.as_deref(), Some(kept.as_path()));
        assert_eq!(schema_of(&kept).await, *schema);
        drop(state);
        let (state, report) = copy.open(migrations::ALL.len()).await.unwrap();
        check_state(&state).await;
        assert_eq!((report.migrated_from, report.copy), (None, None), "the second start has nothing to do");
    }
}

#[test]
fn the_history_of_a_former_build_is_whole_after_the_upgrade() {
    for (fixture, _) in FIXTURES {
        let copy = Copy::of(fixture);
        for _ in 0..2 {
            let (store, report) = Store::open(made::store_config(&copy.0), END_MS).unwrap();
            assert_eq!((report.newest_sample_ms, report.torn_bytes, &report.set_aside[..]), (Some(END_MS), 0, &[][..]));
            let everything = [Matcher::equal("instance", "127.0.0.1:1")];
            let seen = store.scoped(&Scope::from_anonymous("*")).select(&everything, 0, i64::MAX, usize::MAX).unwrap();
            let seen: BTreeMap<Labels, Vec<(i64, f64)>> =
                seen.into_iter().map(|one| (one.labels, one.samples)).collect();
            assert_eq!(seen.len(), all().count());
            for series in all() {
                check_series(&seen[&labels(series)], &samples(series));
            }
            assert_eq!(fs::read_to_string(copy.0.join("store/version")).unwrap(), "1\n");
        }
    }
}

/// What was thinned is there once in five minutes, with what was measured; the rest is whole.
fn check_series(seen: &[(i64, f64)], measured: &[(i64, f64)]) {
    const DAY_MS: i64 = 86_400_000;
    let measured_at: BTreeMap<i64, f64> = measured.iter().copied().collect();
    let (thinned, whole): (Vec<_>, Vec<_>) = seen.iter().partition(|(at_ms, _)| *at_ms < START_MS + DAY_MS);
    assert!(thinned.iter().all(|(at_ms, value)| measured_at[at_ms] == *value));
    let expected = DAY_MS / 300_000;
    assert!((expected..expected + 3).contains(&i64::try_from(thinned.len()).unwrap()), "{} samples", thinned.len());
    let after: Vec<(i64, f64)> = measured.iter().filter(|(at_ms, _)| *at_ms >= START_MS + DAY_MS).copied().collect();
    assert_eq!(whole, after);
}

#[tokio::test]
async fn an_upgrade_that_is_cut_off_anywhere_goes_on_at_the_next_start() {
    let (fixture, schema) = FIXTURES[0];
    let known = migrations::ALL.len();
    let mut seen = [0, 0];
    for polls in 0.. {
        let copy = Copy::of(fixture);
        let whole = cut(copy.open(known), polls).await.map(|opened| drop(opened.unwrap())).is_some();
        copy.settle().await;
        let version = schema_of(&copy.file()).await;
        assert!((schema..=known).contains(&version));
        seen[usize::from(version > schema)] += 1;
        if version > schema {
            assert_eq!(schema_of(&copy.0.join(format!("state.db.before-{}", schema + 1))).await, schema);
        }
        let (state, _) = copy.open(known).await.unwrap();
        check_state(&state).await;
        if whole {
            break;
        }
    }
    assert!(seen[0] > 1 && seen[1] > 1, "it was cut before and after: {seen:?}");
}

#[tokio::test]
async fn a_downgrade_is_refused_and_the_way_back_that_it_names_is_one() {
    let (fixture, schema) = FIXTURES[0];
    let copy = Copy::of(fixture);
    drop(copy.open(migrations::ALL.len()).await.unwrap());
    copy.settle().await;
    let refusal = copy.open(schema).await.err().expect("an old build must not open it");
    let at = copy.file().display().to_string();
    let expected = format!(
        "state.db has schema version {}, and this version of watchward knows up to {schema} [state-02]\n\
         detail: Read from {at}.\n\
         hint: Install the newer version again; or stop the agent, remove {at}-wal if it is there, and put back \
         {at}.before-3 as {at}: the copy made before the update (what happened since is not in it).",
        migrations::ALL.len()
    );
    assert_eq!(refusal, expected);
    let _ = fs::remove_file(format!("{at}-wal"));
    fs::rename(format!("{at}.before-3"), &at).unwrap();
    let (state, report) = copy.open(schema).await.unwrap();
    check_state(&state).await;
    assert_eq!(report, OpenReport { version: schema, ..OpenReport::default() });
    drop(state);
    let (state, report) = copy.open(migrations::ALL.len()).await.unwrap();
    check_state(&state).await;
    assert_eq!(report.migrated_from, Some(schema), "and forward again");
}

/// The program on a copy of a fixture, with the fixture's target, which is down.
fn configure(copy: &Copy) -> PathBuf {
    let path = copy.0.join("agent.toml");
    let text = format!(
        "[agent]\nname = \"db-host-1\"\nstate_dir = \"{}\"\n[serve]\nlisten = \"127.0.0.1:0\"\n[store]\nretention = \"10y\"\n\
         [[target]]\nname = \"orders\"\nengine = \"postgresql\"\nurl = \"postgres://x@127.0.0.1:1/x\"\ninterval = \"1s\"\n\
         [[tenant]]\nid = \"acme\"\n",
        copy.0.display()
    );
    fs::write(&path, text).unwrap();
    path
}

fn program(verb: &str, config: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchward"));
    command.args([verb, "--config"]).arg(config).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

#[test]
fn the_agent_goes_on_with_the_alert_that_fired_before_the_upgrade() {
    let copy = Copy::of(FIXTURES[0].0);
    let config = configure(&copy);
    let mut agent = program("run", &config).stderr(Stdio::null()).spawn().unwrap();
    let mut said = Value::Null;
    for _ in 0..200 {
        let status = program("status", &config).arg("--json").output().unwrap();
        said = serde_json::from_slice(&status.stdout).unwrap();
        if said["targets"][0]["up"] == json!(false) {
            break;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    agent.kill().unwrap();
    agent.wait().unwrap();
    let fires = said["alerts"].as_array().unwrap().iter().find(|one| one["labels"]["alertname"] == "TargetDown");
    let fires = fires.unwrap_or_else(|| panic!("it does not fire: {said}"));
    assert_eq!(
        (&fires["to"], &fires["since"]),
        (&json!("firing"), &json!(watchward::model::moment::rfc3339(firing().since_ms)))
    );
}

#[tokio::test]
async fn kill_minus_9_while_the_agent_upgrades_leaves_what_the_next_one_opens() {
    for round in 0..12 {
        let copy = Copy::of(FIXTURES[0].0);
        let config = configure(&copy);
        let mut agent = program("run", &config).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(5 + round * 6));
        agent.kill().unwrap();
        agent.wait().unwrap();
        let (state, _) = copy.open(migrations::ALL.len()).await.unwrap();
        let instances = state.active_instances().await.unwrap();
        assert!(instances.iter().any(|one| one.rule == firing().rule), "round {round}: the alert is lost");
    }
}

#[test]
fn a_store_of_a_newer_build_is_refused_before_anything_is_migrated() {
    let copy = Copy::of(FIXTURES[0].0);
    let config = configure(&copy);
    let store = copy.0.join("store");
    let check = |version: &str, expected: &str| {
        fs::write(store.join("version"), version).unwrap();
        let before = fs::read(copy.file()).unwrap();
        let ended = program("run", &config).output().unwrap();
        let said = String::from_utf8(ended.stderr).unwrap().replace(&copy.0.display().to_string(), "");
        assert_eq!((said.as_str(), ended.status.code()), (expected, Some(2)));
        assert_eq!(fs::read(copy.file()).unwrap(), before, "state.db was changed");
        assert!(!copy.0.join("state.db.before-3").exists());
    };
    check(
        "9\n",
        "error: the store has version 9, and this version of watchward knows up to 1 [store-07]\n\
         detail: Read from /store/version.\n\
         hint: Install the newer version again; or stop the agent and move /store away: history begins anew, and alerts, \
         which state.db keeps, go on.\n",
    );
    check(
        "none\n",
        "error: cannot read the store's '/store/version' [store-02]\n\
         detail: It says 'none', which is no version.\n\
         hint: Does it belong to the agent's user, and is the device in order?\n",
    );
    fs::rename(&store, copy.0.join("store.newer")).unwrap(); // the way back
    let (store, _) = Store::open(made::store_config(&copy.0), END_MS).unwrap();
    assert_eq!(store.statistics().series, 0);
}
