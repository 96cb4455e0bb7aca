//! Opening: a new folder, an older schema, a newer one, and files that must not be touched.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};
use watchward::model::scope::Scope;
use watchward::state::State;
use watchward::state::migrations;
use watchward::state::open::{OpenReport, Settings};

use crate::state::{Folder, bare, close, moment, open, open_with};

/// Opens a folder that must be refused, and says how.
async fn refusal(folder: &Folder) -> String {
    let opened = State::open_with(&folder.state(), moment(0), &bare()).await;
    let text = opened.err().expect("it should be refused").to_string();
    text.replace(&folder.path().display().to_string(), "")
}

/// Runs statements on the file, as another program would.
async fn run(file: &Path, sql: &str) {
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::raw_sql(AssertSqlSafe(sql.to_string())).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
}

async fn number(file: &Path, sql: &'static str) -> i64 {
    let mut connection = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
}

#[tokio::test]
async fn a_new_folder_gets_a_database_a_reserve_and_a_narrow_mode() {
    let folder = Folder::new();
    let (state, report) = open_with(&folder, &Settings::default()).await;
    let version = migrations::ALL.len();
    assert_eq!(report, OpenReport { created: true, version, reserve: true, ..OpenReport::default() });
    assert_eq!(fs::metadata(folder.state()).unwrap().permissions().mode() & 0o777, 0o750);
    let reserve = fs::metadata(folder.state().join("reserve")).unwrap();
    assert_eq!(reserve.len(), 8 << 20);
    assert!(std::os::unix::fs::MetadataExt::blocks(&reserve) * 512 >= 8 << 20, "it holds no room");
    assert_eq!(state.origin().len(), 32);
    drop(state);
    let (_, report) = open_with(&folder, &Settings::default()).await;
    assert_eq!(report, OpenReport { version, reserve: true, ..OpenReport::default() });
}

#[tokio::test]
async fn a_second_agent_on_the_same_folder_is_refused() {
    let folder = Folder::new();
    let state = open(&folder).await;
    let expected = format!(
        "another agent uses the state folder /state [state-01]\ndetail: Its process id is {}.\nhint: Stop it, or give \
         this one a state_dir of its own in [agent].",
        std::process::id()
    );
    assert_eq!(refusal(&folder).await, expected);
    drop(state);
    open(&folder).await;
}

#[tokio::test]
async fn an_older_schema_is_migrated_and_a_copy_is_kept() {
    let folder = Folder::new();
    let settings = Settings { migrations: &migrations::ALL[..1], ..bare() };
    close(open_with(&folder, &settings).await.0, &folder).await;
    let file = folder.state().join("state.db");
    run(&file, include_str!("fixtures/version-1.sql")).await;

    let (state, report) = open_with(&folder, &bare()).await;
    let copy = folder.state().join("state.db.before-2");
    assert_eq!((report.migrated_from, report.version, report.created), (Some(1), migrations::ALL.len(), false));
    assert_eq!(report.copy, Some(copy.clone()));
    let all = Scope::from_anonymous("*");
    let instances = state.active_instances().await.unwrap();
    assert_eq!(instances.len(), 1);
    assert_eq!(instances[0].annotations["summary"], "from before");
    assert_eq!(state.transitions(&all, 9).await.unwrap(), instances);
    assert_eq!(state.events(&all, 9).await.unwrap()[0].summary, "db is primary now");
    assert_eq!(state.meta("role acme/db").await.unwrap().as_deref(), Some("primary"));
    assert_eq!(state.untold_instances().await.unwrap(), instances);
    assert_eq!(number(&copy, "PRAGMA user_version").await, 1);
    assert_eq!(number(&copy, "SELECT count(*) FROM instances").await, 1);
}

#[tokio::test]
async fn a_migration_that_fails_leaves_the_version_before_it() {
    const BROKEN: &[&str] = &[migrations::ALL[0], "CREATE TABLE half (id); CREATE TABLE half (id);"];
    let folder = Folder::new();
    close(open_with(&folder, &Settings { migrations: &BROKEN[..1], ..bare() }).await.0, &folder).await;
    let broken = Settings { migrations: BROKEN, ..bare() };
    let fault = State::open_with(&folder.state(), moment(0), &broken).await.err().unwrap();
    assert_eq!(
        fault.to_string().replace(&folder.path().display().to_string(), ""),
        "state.db: error returned from database: (code: 1) table half already exists [state-09]\n\
         detail: /state/state.db stands at schema version 1; the next start goes on from there.\n\
         hint: Please report this with the words above."
    );
    let file = folder.state().join("state.db");
    assert_eq!(number(&file, "PRAGMA user_version").await, 1);
    assert_eq!(number(&file, "SELECT count(*) FROM sqlite_schema WHERE name = 'half'").await, 0);
    let (_, report) = open_with(&folder, &bare()).await;
    assert_eq!(report.migrated_from, Some(1));
}

#[tokio::test]
async fn a_newer_schema_is_refused_with_both_versions_and_the_way_back() {
    let folder = Folder::new();
    close(open(&folder).await, &folder).await;
    let file = folder.state().join("state.db");
    run(&file, "PRAGMA user_version = 70").await;
    let known = migrations::ALL.len().to_string();
    let before = fs::read(&file).unwrap();
    assert_eq!(
        refusal(&folder).await,
        "state.db has schema version 70, and this version of watchward knows up to KNOWN [state-02]\n\
         detail: Read from /state/state.db.\n\
         hint: Install the newer version again; no copy from before the update stands beside it."
            .replace("KNOWN", &known)
    );
    fs::write(folder.state().join("state.db.before-3"), "x").unwrap();
    assert_eq!(
        refusal(&folder).await,
        "state.db has schema version 70, and this version of watchward knows up to KNOWN [state-02]\n\
         detail: Read from /state/state.db.\n\
         hint: Install the newer version again; or stop the agent, remove /state/state.db-wal if it is there, and put \
         back /state/state.db.before-3 as /state/state.db: the copy made before the update (what happened since is not \
         in it)."
            .replace("KNOWN", &known)
    );
    assert_eq!(fs::read(&file).unwrap(), before, "a refused file was changed");
}

#[tokio::test]
async fn a_database_of_another_program_is_refused() {
    let folder = Folder::new();
    fs::create_dir_all(folder.state()).unwrap();
    let file = folder.state().join("state.db");
    fs::write(&file, "").unwrap();
    run(&file, "CREATE TABLE theirs (id)").await;
    assert_eq!(
        refusal(&folder).await,
        "state.db is a database of some other program [state-04]\ndetail: Read from /state/state.db.\n\
         hint: Give the agent a state_dir of its own."
    );
    assert_eq!(number(&file, "SELECT count(*) FROM sqlite_schema").await, 1);
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = Folder::new();
    fs::create_dir_all(folder.state()).unwrap();
    let file = folder.state().join("state.db");
    let noise: Vec<u8> = (0..20_000_u32).map(|at| (at * 7 % 251) as u8).collect();
    fs::write(&file, &noise).unwrap();
    assert_eq!(
        refusal(&folder).await,
        "state.db is damaged: error returned from database: (code: 26) file is not a database [state-03]\n\
         detail: The file is /state/state.db; it was left as it is.\n\
         hint: Stop the agent, keep a copy of state_dir, and put back a good state.db or move this one away."
    );
    assert_eq!(fs::read(&file).unwrap(), noise);
}

#[tokio::test]
async fn a_database_with_a_broken_page_is_refused() {
    let folder = Folder::new();
    close(open(&folder).await, &folder).await;
    let file = folder.state().join("state.db");
    let mut bytes = fs::read(&file).unwrap();
    for byte in &mut bytes[3 * 4096..6 * 4096] {
        *byte ^= 0x5a;
    }
    fs::write(&file, &bytes).unwrap();
    let text = refusal(&folder).await;
    assert!(text.starts_with("state.db is damaged: "), "{text}");
    assert!(text.contains("[state-03]\ndetail: The file is /state/state.db; it was left as it is."), "{text}");
    assert_eq!(fs::read(&file).unwrap(), bytes);
}

#[tokio::test]
async fn a_database_that_became_empty_is_not_made_anew() {
    let folder = Folder::new();
    close(open_with(&folder, &Settings { reserve_bytes: 4096, ..bare() }).await.0, &folder).await;
    fs::write(folder.state().join("state.db"), "").unwrap();
    assert_eq!(
        refusal(&folder).await,
        "state.db is damaged: the file is empty, and the folder has been used before [state-03]\n\
         detail: The file is /state/state.db; it was left as it is.\n\
         hint: Stop the agent, keep a copy of state_dir, and put back a good state.db or move this one away."
    );
}

#[tokio::test]
async fn an_emptied_database_shows_by_what_stands_beside_it() {
    let refused = "state.db is damaged: the file is empty, and the folder has been used before [state-03]\n\
                   detail: The file is /state/state.db; it was left as it is.\n\
                   hint: Stop the agent, keep a copy of state_dir, and put back a good state.db or move this one away.";
    for sign in ["store", "state.db.before-3", "reserve"] {
        for left in ["", "x"] {
            let folder = Folder::new();
            fs::create_dir_all(folder.state().join(sign)).unwrap();
            fs::write(folder.state().join("state.db"), left).unwrap();
            assert_eq!(refusal(&folder).await, refused, "{sign}");
        }
    }
    let folder = Folder::new();
    fs::create_dir_all(folder.state()).unwrap();
    fs::write(folder.state().join("state.db"), "").unwrap();
    open(&folder).await; // what a first start that was cut off leaves
}

#[tokio::test]
async fn a_copy_that_cannot_be_kept_stops_the_migration_before_it_begins() {
    let folder = Folder::new();
    let settings = Settings { migrations: &migrations::ALL[..1], ..bare() };
    close(open_with(&folder, &settings).await.0, &folder).await;
    let copy = folder.state().join("state.db.before-2");
    fs::create_dir(&copy).unwrap();
    assert_eq!(
        refusal(&folder).await,
        "cannot keep a copy of state.db before migrating it: Is a directory (os error 21) [state-05]\n\
         detail: It was to be /state/state.db.before-2.\n\
         hint: Is there room for a second state.db, and may the agent's user write there?"
    );
    assert_eq!(number(&folder.state().join("state.db"), "PRAGMA user_version").await, 1);
    assert!(!folder.state().join("state.db.before-2-part").exists(), "half a copy is left");
    fs::remove_dir(&copy).unwrap();
    open(&folder).await;
}

#[tokio::test]
async fn what_the_system_or_another_program_refuses_is_told() {
    let folder = Folder::new();
    fs::create_dir_all(folder.state().join("state.db")).unwrap();
    assert_eq!(
        refusal(&folder).await,
        "the system refuses to read or write state.db: error returned from database: (code: 14) unable to open database \
         file [state-07]\n\
         detail: The file is /state/state.db.\n\
         hint: May the agent's user write in state_dir, and does the system log tell of disk errors?"
    );
    let folder = Folder::new();
    close(open(&folder).await, &folder).await;
    let file = folder.state().join("state.db");
    let mut other = SqliteConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::raw_sql("PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    let said = refusal(&folder).await;
    assert_eq!(
        said,
        "state.db is locked by another process: error returned from database: (code: 5) database is locked [state-08]\n\
         detail: The file is /state/state.db.\n\
         hint: Does another program have state.db open for writing?"
    );
}

#[tokio::test]
async fn a_folder_that_cannot_be_made_is_named() {
    let folder = Folder::new();
    fs::write(folder.state(), "a file").unwrap();
    assert_eq!(
        refusal(&folder).await,
        "cannot use the state folder /state: File exists (os error 17) [state-01]\n\
         hint: Does it exist, and may the agent's user write in it? It is set by state_dir in [agent]."
    );
}
