//! Steps of the wall clock, seen by the agent alone: libfaketime shifts its clock while it runs.

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use crate::agent::{Agent, Folder, wait};
use crate::sink::Sink;

const SOON: Duration = Duration::from_secs(25);
const HOUR_S: i64 = 3600;

fn library() -> PathBuf {
    let known = [
        "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
        "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
    ];
    let found = known.iter().map(PathBuf::from).find(|path| path.exists());
    found.expect("libfaketime, which tests/servers/up installs")
}

/// An agent whose wall clock the test steps.
struct Stepped {
    agent: Agent,
    offset: PathBuf,
}

impl Stepped {
    fn begin(folder: &Folder, sections: &str) -> Stepped {
        let offset = folder.write("offset", "+0\n");
        let environment = [
            ("LD_PRELOAD", library().display().to_string()),
            ("FAKETIME_TIMESTAMP_FILE", offset.display().to_string()),
            ("FAKETIME_NO_CACHE", "1".to_string()),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1".to_string()),
            ("DONT_FAKE_MONOTONIC", "1".to_string()),
        ];
        let environment: Vec<(&str, &str)> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let agent = Agent::begin_with(folder, &folder.0.join("state"), sections, &environment);
        Stepped { agent, offset }
    }

    fn step(&self, by_s: i64) {
        fs::write(&self.offset, format!("{by_s:+}\n")).expect("the offset");
    }

    /// The stored time of the last cycle, in seconds.
    fn last_s(&self) -> i64 {
        let target = self.agent.target("this-host");
        let at: Option<jiff::Timestamp> = target["last_cycle"].as_str().and_then(|text| text.parse().ok());
        at.map_or(0, jiff::Timestamp::as_second)
    }
}

fn sections(sink: &Sink) -> String {
    format!(
        "[sample]\ninterval = \"1s\"\n[judge]\ninterval = \"1s\"\ntarget_down_for = \"10m\"\n\
         [[target]]\nname = \"this-host\"\nengine = \"host\"\n\
         [[target]]\nname = \"gone\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1:1\"\n{}",
        sink.config()
    )
}

#[test]
fn a_clock_set_back_an_hour_loses_no_sample_and_is_worked_off() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let stepped = Stepped::begin(&folder, &sections(&sink));
    stepped.agent.wait_up("this-host", true, SOON);
    let before = stepped.last_s();
    stepped.step(-HOUR_S);
    wait("cycles go on in stored time", SOON, || stepped.last_s() >= before + 8);
    let ahead = stepped.agent.metric("watchward_stored_time_ahead_seconds");
    assert!((3590.0..=3600.1).contains(&ahead), "{ahead} s ahead");
    assert!(stepped.last_s() < before + 60, "stored time did not jump");
    for counter in ["out_of_order", "duplicate"] {
        assert_eq!(stepped.agent.metric(&format!("watchward_store_{counter}_samples_total")), 0.0, "{counter}");
    }
    let kept = stepped.agent.query("count_over_time(up{target=\"this-host\"}[2h])")[0];
    let read = stepped.agent.metric("watchward_sample_cycles_total{up=\"1\"}");
    assert!((kept - read).abs() <= 1.0, "{kept} cycles are kept of {read}"); // one may end between the two questions
    wait("the offset shrinks", SOON, || stepped.agent.metric("watchward_stored_time_ahead_seconds") < ahead - 0.1);
    assert_eq!(stepped.agent.query("up{target=\"this-host\"}"), [1.0], "queries are answered in stored time");
    assert!(stepped.agent.firing().is_empty() && sink.alerts().is_empty(), "{:?}", sink.alerts());
}

#[test]
fn a_clock_set_forward_an_hour_is_followed_and_fires_nothing_early() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let stepped = Stepped::begin(&folder, &sections(&sink));
    stepped.agent.wait_up("this-host", true, SOON);
    stepped.agent.wait_up("gone", false, SOON);
    wait("it is pending", SOON, || stepped.agent.json("/api/v1/alerts").to_string().contains("TargetDown"));
    let before = stepped.last_s();
    stepped.step(HOUR_S);
    wait("stored time follows", SOON, || stepped.last_s() >= before + HOUR_S);
    std::thread::sleep(Duration::from_secs(5));
    assert_eq!(stepped.agent.metric("watchward_stored_time_ahead_seconds"), 0.0);
    // An hour has passed by the wall clock and a few seconds by the monotonic one, which is what `for` goes by.
    assert!(stepped.agent.firing().is_empty() && sink.alerts().is_empty(), "{:?}", sink.alerts());
    assert_eq!(stepped.agent.query("up{target=\"this-host\"}"), [1.0]);
}
