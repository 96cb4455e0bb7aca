//! This machine, and trees that lack things.

use std::path::Path;

use watchward::engines;
use watchward::engines::contract::{Access, Session};
use watchward::engines::host::monitor::rows::ROWS;
use watchward::model::reading::UnknownKind;

use super::{BUDGET, Folder, read, row, session};

#[tokio::test]
async fn every_row_of_this_machine_is_read_or_is_not_here() {
    let mut host = session(Path::new("/"));
    host.probe().await.expect("this machine has a proc/");
    assert!(host.facts().version >= (2, 6), "{:?}", host.facts());
    assert_eq!(host.facts().role, "host");
    let mut read_well = 0;
    for row in ROWS {
        let exists = row.exists(host.facts());
        match read(&mut host, row).await {
            Ok(lines) => read_well += usize::from(!lines.is_empty()),
            Err(unknown) if !exists => assert_eq!(unknown.kind, UnknownKind::NotHere, "{}: {unknown:?}", row.name),
            Err(unknown) => {
                let excused = matches!(unknown.kind, UnknownKind::NotHere | UnknownKind::Privilege);
                assert!(excused, "{}: {unknown:?}", row.name);
            }
        }
    }
    assert!(read_well >= 10, "only {read_well} rows gave anything");
    assert!(read(&mut host, row("time")).await.expect("the clock")[0].starts_with("node_time_seconds 1"));
    let uname = read(&mut host, row("uname")).await.expect("uname");
    assert!(uname[0].contains("sysname=\"Linux\""), "{uname:?}");
}

#[tokio::test]
async fn a_root_without_a_proc_is_down_and_says_where_it_looked() {
    let fault = session(Path::new("/nonexistent")).probe().await.expect_err("nothing is there");
    assert_eq!(
        fault.to_string(),
        "cannot read /nonexistent/proc/loadavg: No such file or directory (os error 2) [host-01]\n\
         hint: Is this the folder that has the host's proc/ and sys/?"
    );
}

#[tokio::test]
async fn what_a_tree_lacks_is_unknown_and_the_rest_is_read() {
    let folder = Folder::new();
    folder.file("proc/loadavg", "0.1 0.2 0.3 1/2 3\n");
    folder.file("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n");
    let mut host = session(&folder.0);
    host.probe().await.expect("enough to be up");
    assert_eq!(host.facts().version_text, "");
    assert_eq!(read(&mut host, row("loadavg")).await.expect("there").len(), 3);
    // One file of four is enough for what it has.
    assert_eq!(read(&mut host, row("pressure")).await.expect("there"), ["node_pressure_cpu_waiting_seconds_total 1.5"]);
    let unknown = read(&mut host, row("stat")).await.expect_err("not there");
    assert_eq!(
        (unknown.kind, unknown.reason.as_str()),
        (UnknownKind::NotHere, "proc/stat: No such file or directory (os error 2)")
    );
    let unknown = read(&mut host, row("netclass")).await.expect_err("not there");
    assert_eq!(
        (unknown.kind, unknown.reason.as_str()),
        (UnknownKind::NotHere, "sys/class/net/*: No such file or directory (os error 2)")
    );
    assert!(row("loadavg").exists(host.facts()) && row("pressure").exists(host.facts()));
    for absent in ["netclass", "diskstats", "dmi", "cgroup", "conntrack"] {
        assert!(!row(absent).exists(host.facts()), "{absent} is not asked for where it is not");
    }
    let unknown = read(&mut host, row("filesystem")).await.expect_err("not there");
    assert_eq!(unknown.kind, UnknownKind::Missing);
}

#[tokio::test]
async fn a_file_larger_than_an_answer_may_be_is_refused() {
    let folder = Folder::new();
    folder.file("proc/loadavg", "0 0 0");
    folder.file("proc/stat", &"cpu0 1 2 3 4\n".repeat(1 << 20));
    let unknown = session(&folder.0).ask(row("stat"), BUDGET).await.expect_err("13 MiB");
    assert_eq!(
        (unknown.kind, unknown.reason.as_str()),
        (UnknownKind::TooLarge, "proc/stat: it is larger than 8388608 bytes")
    );
}

#[tokio::test]
async fn the_engine_connects_to_the_root_of_its_target() {
    let configuration = watchward::config::read(
        "agent.toml",
        "[[target]]\nname = \"this-host\"\nengine = \"host\"\n",
        &watchward::config::Surroundings { host_name: "db-host-1".to_string(), state_dir: "/tmp".into() },
    );
    let target = &configuration.expect("sound").configuration.targets[0];
    let engine = engines::find("host").expect("registered");
    assert_eq!(
        (engine.card().job, engine.card().prefix, engine.instance(target).as_str()),
        ("node", "node", "db-host-1")
    );
    assert_eq!(engine.verifies(target), Ok(()));
    let session = engine.connect(target, &Access::default()).await.expect("this machine");
    assert!(!session.is_broken());
}

#[tokio::test]
async fn what_is_plugged_in_later_is_found_within_some_cycles() {
    let folder = Folder::new();
    folder.file("proc/loadavg", "0 0 0 1/2 3\n");
    let mut host = session(&folder.0);
    host.probe().await.expect("enough to be up");
    assert!(!row("thermal_zone").exists(host.facts()));
    folder.file("sys/class/thermal/thermal_zone0/temp", "40500\n");
    folder.file("sys/class/thermal/thermal_zone0/type", "cpu\n");
    let mut cycles = 0;
    while !row("thermal_zone").exists(host.facts()) {
        host.probe().await.expect("still up");
        cycles += 1;
        assert!(cycles <= 40, "not found");
    }
    let lines = read(&mut host, row("thermal_zone")).await.expect("there");
    assert_eq!(lines, ["node_thermal_zone_temp{type=\"cpu\",zone=\"0\"} 40.5"]);
}

#[tokio::test]
async fn a_file_that_never_answers_costs_its_row_and_no_other() {
    let folder = Folder::new();
    folder.file("proc/loadavg", "0.5 0.5 0.5 1/2 3\n");
    std::fs::create_dir_all(folder.0.join("proc/pressure")).expect("a folder");
    // Opening a pipe nobody writes to hangs, as reading from a dead device does.
    let pipe = folder.0.join("proc/pressure/cpu");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &pipe,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .expect("a pipe");
    let mut host = session(&folder.0);
    host.probe().await.expect("up");
    for _ in 0..2 {
        let unknown = read(&mut host, row("pressure")).await.expect_err("it hangs");
        assert_eq!(
            (unknown.kind, unknown.reason.as_str()),
            (UnknownKind::Deadline, "proc/pressure/cpu does not answer")
        );
        assert_eq!(host.hung(), 1, "it is not asked again while it hangs");
        assert_eq!(read(&mut host, row("loadavg")).await.expect("another row")[0], "node_load1 0.5");
        host.probe().await.expect("still up");
    }
    // Somebody writes: the call comes back, and the row with it.
    std::fs::write(&pipe, "some avg10=0.00 avg60=0.00 avg300=0.00 total=1500000\n").expect("a reader waits");
    std::fs::remove_file(&pipe).expect("ours");
    folder.file("proc/pressure/cpu", "some avg10=0.00 avg60=0.00 avg300=0.00 total=2500000\n");
    loop {
        match read(&mut host, row("pressure")).await {
            Ok(lines) => break assert_eq!(lines, ["node_pressure_cpu_waiting_seconds_total 2.5"]),
            Err(_) => tokio::time::sleep(std::time::Duration::from_millis(5)).await,
        }
    }
    assert_eq!(host.hung(), 0);
}
