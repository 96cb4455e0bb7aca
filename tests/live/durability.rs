//! What must survive: kill -9, a restart, a reload, a torn log, damage, a full disk. And what must not happen twice.

use std::fs::{self, OpenOptions};
use std::io::{Read, Seek, SeekFrom, Write};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::agent::{Agent, Folder, configure, free_port, run, wait};
use crate::servers::servers;
use crate::sink::Sink;

const EVERY_SECOND: &str = "[sample]\ninterval = \"1s\"\n[judge]\ntarget_down_for = \"0s\"\ninterval = \"1s\"\n";
const SOON: Duration = Duration::from_secs(25);
/// A port where nobody listens: a target that is down until somebody does.
const HOST: &str = "[[target]]\nname = \"this-host\"\nengine = \"host\"\ninterval = \"1s\"\n";

fn absent(name: &str, port: u16) -> String {
    format!(
        "[[target]]\nname = \"{name}\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1:{port}\"\ninterval = \"1s\"\n"
    )
}

/// How many samples a series has had in the last ten minutes, and the age of the newest in seconds.
fn history(agent: &Agent) -> (f64, f64) {
    let one = |query: &str| agent.query(query).first().copied().unwrap_or(f64::NAN);
    (one("count_over_time(node_load1[10m])"), one("time() - timestamp(node_load1)"))
}

#[test]
fn history_survives_kill_nine_with_at_most_one_interval_lost() {
    let folder = Folder::new();
    let mut agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{HOST}"));
    let port = agent.port;
    for pause_ms in [2300, 1700, 2900] {
        agent.wait_up("this-host", true, SOON);
        std::thread::sleep(Duration::from_millis(pause_ms));
        let (before, _) = history(&agent);
        let config = agent.kill();
        agent = Agent::start(config, port, &folder, &[]);
        let (after, _) = history(&agent);
        assert!(before >= 1.0 && after >= before - 1.0, "{before} samples before, {after} after");
    }
}

#[test]
fn a_firing_alert_is_neither_lost_nor_repeated_by_kill_nine_and_resolves_after_it() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let port_of_db = free_port();
    let sections = format!("{EVERY_SECOND}{HOST}{}{}", absent("db", port_of_db), sink.config());
    let mut agent = Agent::begin(&folder, &sections);
    let port = agent.port;
    wait("it fires", SOON, || sink.count("firing TargetDown db") >= 1);
    for _ in 0..3 {
        let config = agent.kill();
        agent = Agent::start(config, port, &folder, &[]);
        wait("it still fires", SOON, || agent.firing().contains(&"TargetDown db".to_string()));
        std::thread::sleep(Duration::from_millis(1500));
    }
    assert!(sink.count("firing TargetDown db") <= 2, "{:?}", sink.alerts());
    let config = agent.kill();
    // The server returns while the agent is dead.
    let mut server = Command::new(servers().value("WW_REDIS_SERVER"))
        .args(["--port", &port_of_db.to_string(), "--save", "", "--dir", &folder.0.display().to_string()])
        .stdout(std::process::Stdio::null())
        .spawn()
        .expect("a Redis of the test's own");
    let agent = Agent::start(config, port, &folder, &[]);
    let resolved = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        wait("it resolves", SOON, || sink.count("resolved TargetDown db") >= 1);
    }));
    let _ = server.kill();
    let _ = server.wait();
    drop(agent);
    assert!(resolved.is_ok(), "{:?}", sink.alerts());
    assert!(sink.count("resolved TargetDown db") <= 2, "{:?}", sink.alerts());
}

#[test]
fn a_notification_waits_for_a_receiver_that_is_away_also_across_kill_nine() {
    let folder = Folder::new();
    let port_of_sink = free_port();
    let receiver = format!(
        "[[alert.receiver]]\nname = \"hook\"\nwebhook = {{ url = \"http://127.0.0.1:{port_of_sink}/hook\" }}\n"
    );
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{}{receiver}", absent("db", free_port())));
    let port = agent.port;
    wait("it waits in the outbox", SOON, || agent.metric("watchward_alert_queued_notices") >= 1.0);
    let config = agent.kill();
    let sink = Sink::at(port_of_sink);
    sink.answer(&[500, 429]);
    let agent = Agent::start(config, port, &folder, &[]);
    wait("it arrives", SOON, || sink.count("firing TargetDown db") >= 1);
    wait("the outbox is empty", SOON, || agent.metric("watchward_alert_queued_notices") == 0.0);
    assert_eq!(sink.count("firing TargetDown db"), 1);
}

#[test]
fn a_reload_loses_nothing_repeats_nothing_and_ends_what_is_gone() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let (one, two) = (absent("one", free_port()), absent("two", free_port()));
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{HOST}{one}{two}{}", sink.config()));
    wait("both fire", SOON, || sink.count("firing TargetDown one") == 1 && sink.count("firing TargetDown two") == 1);
    agent.wait_up("this-host", true, SOON);
    let (before, _) = history(&agent);
    let more = "[[target]]\nname = \"again\"\nengine = \"host\"\ninterval = \"1s\"\n";
    agent.reload(&folder, &format!("{EVERY_SECOND}{HOST}{one}{more}{}", sink.config()));
    wait("the removed target's alert resolves", SOON, || sink.count("resolved TargetDown two") == 1);
    assert!(agent.log().contains("TargetDown two is resolved: target removed"), "{}", agent.log());
    agent.wait_up("again", true, SOON);
    let names = agent.json("/api/v1/targets").to_string();
    assert!(!names.contains("\"two\""), "{names}");

    // A bad file keeps the old configuration, and says so.
    agent.reload(&folder, "[sample]\nintervall = \"1s\"\n");
    wait("the finding", SOON, || agent.json("/api/v1/findings").to_string().contains("ConfigurationInvalid"));
    assert!(agent.log().contains("unknown key 'intervall' in [sample]"), "{}", agent.log());
    agent.wait_up("again", true, SOON);
    agent.reload(&folder, &format!("{EVERY_SECOND}{HOST}{one}{more}{}", sink.config()));
    wait("the finding ends", SOON, || !agent.json("/api/v1/findings").to_string().contains("ConfigurationInvalid"));
    wait("the history goes on where it was", SOON, || history(&agent).0 > before + 1.0);
    assert_eq!(sink.count("firing TargetDown one"), 1, "{:?}", sink.alerts());
    assert_eq!(sink.count("resolved TargetDown one"), 0, "{:?}", sink.alerts());
}

#[test]
fn a_stop_takes_less_than_five_seconds_keeps_everything_and_a_second_agent_is_refused() {
    let folder = Folder::new();
    let hung = std::net::TcpListener::bind("127.0.0.1:0").expect("a port that accepts and never answers");
    let port = hung.local_addr().expect("its port").port();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{HOST}{}", absent("hung", port)));
    agent.wait_up("this-host", true, SOON);
    let beside = Folder::new();
    let second = configure(&beside, &folder.0.join("state"), free_port(), HOST);
    let (code, out, error) = run(&["run", "--config", &second.display().to_string()], &[]);
    assert_eq!((code, out.as_str()), (2, ""), "{error}");
    assert!(error.contains("another agent"), "{error}");
    std::thread::sleep(Duration::from_secs(2));
    let (before, _) = history(&agent);
    let (config, agent_port) = (agent.config.clone(), agent.port);
    let (status, took, log) = agent.stop();
    assert!(status.success() && took < Duration::from_secs(5), "{status:?} after {took:?}\n{log}");
    let agent = Agent::start(config, agent_port, &folder, &[]);
    let (after, _) = history(&agent);
    assert!(after >= before, "{before} samples before, {after} after");
}

#[test]
fn the_service_manager_hears_that_it_is_ready_alive_and_stopping() {
    let folder = Folder::new();
    let path = folder.0.join("notify.sock");
    let socket = UnixDatagram::bind(&path).expect("a socket");
    socket.set_read_timeout(Some(SOON)).expect("a limit");
    let environment = [("NOTIFY_SOCKET", path.to_str().expect("text")), ("WATCHDOG_USEC", "1000000")];
    let agent = Agent::begin_with(&folder, &folder.0.join("state"), HOST, &environment);
    let hear = || {
        let mut bytes = [0; 100];
        let length = socket.recv(&mut bytes).expect("a word");
        String::from_utf8_lossy(&bytes[..length]).into_owned()
    };
    assert_eq!(hear(), "READY=1");
    assert_eq!((hear(), hear()), ("WATCHDOG=1".to_string(), "WATCHDOG=1".to_string()));
    agent.stop();
    let mut words = Vec::new();
    while words.last().map(String::as_str) != Some("STOPPING=1") {
        words.push(hear());
    }
}

/// The newest file of the store with this ending.
fn newest(state: &Path, ending: &str) -> PathBuf {
    let files = fs::read_dir(state.join("store")).expect("the store's folder").flatten().map(|entry| entry.path());
    let mut fit: Vec<PathBuf> = files.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    fit.sort();
    fit.pop().unwrap_or_else(|| panic!("no file *{ending} in the store"))
}

#[test]
fn a_torn_log_is_cut_and_told_and_the_rest_of_the_history_stays() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{HOST}"));
    let port = agent.port;
    agent.wait_up("this-host", true, SOON);
    std::thread::sleep(Duration::from_secs(3));
    let (before, _) = history(&agent);
    let config = agent.kill();
    let log = newest(&folder.0.join("state"), ".log");
    let length = fs::metadata(&log).expect("the log").len();
    OpenOptions::new().write(true).open(&log).and_then(|file| file.set_len(length - 7)).expect("cut");
    let agent = Agent::start(config, port, &folder, &[]);
    assert!(agent.log().contains("bytes of an interrupted write were cut off"), "{}", agent.log());
    let (after, _) = history(&agent);
    assert!(after >= before - 2.0 && after >= 1.0, "{before} samples before, {after} after");
}

#[test]
fn a_flipped_byte_in_the_log_costs_its_record_and_no_more() {
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &format!("{EVERY_SECOND}{HOST}"));
    let port = agent.port;
    agent.wait_up("this-host", true, SOON);
    std::thread::sleep(Duration::from_secs(4));
    let (before, _) = history(&agent);
    let config = agent.kill();
    let log = newest(&folder.0.join("state"), ".log");
    let mut file = OpenOptions::new().read(true).write(true).open(&log).expect("the log");
    let middle = file.metadata().expect("its size").len() * 3 / 4;
    let mut byte = [0];
    file.seek(SeekFrom::Start(middle)).and_then(|_| file.read_exact(&mut byte)).expect("a byte");
    file.seek(SeekFrom::Start(middle)).and_then(|_| file.write_all(&[byte[0] ^ 0x40])).expect("flipped");
    let agent = Agent::start(config, port, &folder, &[]);
    agent.wait_up("this-host", true, SOON);
    let (after, _) = history(&agent);
    assert!(after >= before - 3.0 && after >= 1.0, "{before} samples before, {after} after");
}

/// A small file system, taken away at the end.
struct Small(PathBuf);

impl Small {
    fn mount(folder: &Folder) -> Option<Small> {
        let path = folder.0.join("small");
        fs::create_dir_all(&path).ok()?;
        let mounted =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=24m", "tmpfs"]).arg(&path).output().ok()?;
        mounted.status.success().then_some(Small(path))
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_stops_the_writing_raises_an_alert_and_the_agent_keeps_watching() {
    let (folder, sink) = (Folder::new(), Sink::begin());
    let Some(small) = Small::mount(&folder) else {
        println!("skipped: only root can mount a small file system");
        return;
    };
    // More than the reserve of the state, which is freed first and is not meant for the history.
    let sections = format!("{EVERY_SECOND}[store]\nmin_free = \"12MiB\"\n{HOST}{}", sink.config());
    let agent = Agent::begin_with(&folder, &small.0.join("state"), &sections, &[]);
    agent.wait_up("this-host", true, SOON);
    let filling = small.0.join("filling");
    let mut file = fs::File::create(&filling).expect("a file");
    while file.write_all(&[1; 64 << 10]).is_ok() {}
    wait("the alert", Duration::from_secs(120), || sink.count("firing StoreNotWriting ") >= 1);
    let began = Instant::now();
    let last = agent.target("this-host")["last_cycle_ms"].as_i64();
    wait("it keeps watching", SOON, || agent.target("this-host")["last_cycle_ms"].as_i64() > last);
    assert_eq!(agent.target("this-host")["up"], true);
    assert!(agent.get("/metrics").contains("node_load1"), "served after {:?}", began.elapsed());
    drop(file);
    fs::remove_file(&filling).expect("room again");
    wait("it writes again", Duration::from_secs(150), || sink.count("resolved StoreNotWriting ") >= 1);
    assert!(agent.metric("watchward_store_writing") == 1.0);
    drop(agent);
}
