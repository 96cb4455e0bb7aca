//! Three nodes of Elasticsearch 7.17 in one cluster, of this test's own: who asks for the cluster, what each node says of itself,
//! new indices and replicas, and what a node that dies leaves unassigned. They share the program of the tests' own server.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::agent::{Agent, Folder, free_port, get, wait};
use crate::servers::{Servers, servers};

const SOON: Duration = Duration::from_secs(60);

/// A cluster's nodes start together on two cores that do other things too.
const START: Duration = Duration::from_secs(180);

struct Cluster<'s> {
    servers: &'s Servers,
    folder: PathBuf,
    nodes: Vec<Node>,
}

struct Node {
    http: u16,
    transport: u16,
    child: Option<Child>,
}

impl Drop for Cluster<'_> {
    fn drop(&mut self) {
        for child in self.nodes.iter_mut().filter_map(|node| node.child.as_mut()) {
            let _ = child.kill();
            let _ = child.wait();
        }
        if !std::thread::panicking() {
            let _ = fs::remove_dir_all(&self.folder);
        }
    }
}

impl Cluster<'_> {
    fn begin(servers: &Servers) -> Cluster<'_> {
        let folder = PathBuf::from(format!("/var/tmp/watchward-cluster-{}", std::process::id()));
        let nodes = (0..3).map(|_| Node { http: free_port(), transport: free_port(), child: None }).collect();
        let mut cluster = Cluster { servers, folder, nodes };
        for at in 0..3 {
            cluster.configure(at);
        }
        // Servers refuse to run as root: they have the user of the tests' own.
        let owner = servers.value("WW_ELASTICSEARCH_DATA");
        let done = Command::new("chown").args(["-R", &format!("--reference={owner}")]).arg(&cluster.folder).status();
        assert!(done.is_ok_and(|status| status.success()), "chown");
        for at in 0..3 {
            cluster.start(at);
        }
        wait("three nodes are a cluster", START, || {
            for (at, node) in cluster.nodes.iter_mut().enumerate() {
                let ended = node.child.as_mut().and_then(|child| child.try_wait().ok()).flatten();
                assert!(ended.is_none(), "node {at} ended, {ended:?}: {}/{at}/log", cluster.folder.display());
            }
            cluster.health(0).contains("\"number_of_nodes\":3")
        });
        cluster
    }

    fn configure(&self, at: usize) {
        let folder = self.folder.join(at.to_string());
        for part in ["config", "data", "logs"] {
            fs::create_dir_all(folder.join(part)).expect("a folder of the node");
        }
        let seeds: Vec<String> = self.nodes.iter().map(|node| format!("127.0.0.1:{}", node.transport)).collect();
        let Node { http, transport, .. } = &self.nodes[at];
        let shown = folder.display();
        let text = format!(
            "cluster.name: three\nnode.name: node-{at}\nnetwork.host: 127.0.0.1\nhttp.port: {http}\n\
             transport.port: {transport}\npath.data: {shown}/data\npath.logs: {shown}/logs\n\
             discovery.seed_hosts: {seeds:?}\ncluster.initial_master_nodes: [node-0, node-1, node-2]\n\
             cluster.routing.allocation.disk.threshold_enabled: false\n"
        );
        fs::write(folder.join("config/elasticsearch.yml"), text).expect("written");
        let log = "appender.console.type = Console\nappender.console.name = console\n\
                   appender.console.layout.type = PatternLayout\nappender.console.layout.pattern = [%-5p] %m%n\n\
                   rootLogger.level = info\nrootLogger.appenderRef.console.ref = console\n";
        fs::write(folder.join("config/log4j2.properties"), log).expect("written");
    }

    /// Starts a node with the options of the tests' own server, and less memory.
    fn start(&mut self, at: usize) {
        let pid = fs::read_to_string(self.servers.value("WW_ELASTICSEARCH_PID_FILE")).expect("a pid");
        let pid = pid.split_whitespace().next().expect("a pid").to_string();
        let words = fs::read(format!("/proc/{pid}/cmdline")).expect("its command");
        let words: Vec<String> =
            words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
        let folder = self.folder.join(at.to_string());
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL"]);
        if watchward::sys::process::is_root() {
            use std::os::unix::fs::MetadataExt;
            let owner = fs::metadata(self.servers.value("WW_ELASTICSEARCH_DATA")).expect("its data");
            command
                .args([format!("--reuid={}", owner.uid()), format!("--regid={}", owner.gid())])
                .arg("--clear-groups");
        }
        command.arg("--");
        for word in words.iter().filter(|word| !word.is_empty()) {
            match word.as_str() {
                word if word.starts_with("-Xms") => command.arg("-Xms96m"),
                word if word.starts_with("-Xmx") => command.arg("-Xmx192m"),
                "-XX:+UseG1GC" => command.arg("-XX:+UseSerialGC"),
                word if word.starts_with("-Des.path.conf=") => {
                    command.arg(format!("-Des.path.conf={}", folder.join("config").display()))
                }
                word => command.arg(word),
            };
        }
        let log = fs::File::create(folder.join("log")).expect("a log");
        let home = PathBuf::from(self.servers.value("WW_ELASTICSEARCH_DATA")).with_file_name("tmp");
        let child = command
            .env("LIBFFI_TMPDIR", home)
            .current_dir("/")
            .stdout(log)
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        self.nodes[at].child = Some(child);
    }

    fn kill(&mut self, at: usize) {
        let mut child = self.nodes[at].child.take().expect("it runs");
        child.kill().and_then(|()| child.wait()).expect("killed");
    }

    fn health(&self, at: usize) -> String {
        get(self.nodes[at].http, "/_cluster/health").map_or_else(String::new, |(_, text)| text)
    }

    fn put(&self, at: usize, path: &str, body: &str) {
        let url = format!("http://127.0.0.1:{}{path}", self.nodes[at].http);
        let done = Command::new("curl")
            .args(["--noproxy", "*", "-sS", "-f", "-m", "30", "-o", "/dev/null", "-X", "PUT"])
            .args(["-H", "Content-Type: application/json", "--data-binary", body, &url])
            .status();
        assert!(done.is_ok_and(|status| status.success()), "PUT {path}");
    }

    /// What all nodes take of memory, in MiB.
    fn resident_mib(&self) -> u64 {
        let of = |node: &Node| {
            let pid = node.child.as_ref()?.id();
            let text = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
            text.lines().find_map(|line| line.strip_prefix("VmRSS:")?.split_whitespace().next()?.parse::<u64>().ok())
        };
        self.nodes.iter().filter_map(of).sum::<u64>() / 1024
    }
}

fn targets(agent: &Agent, expression: &str) -> Vec<String> {
    let found = agent.ask(expression);
    let mut all: Vec<String> =
        found.iter().map(|one| one["metric"]["target"].as_str().unwrap_or("").to_string()).collect();
    all.sort();
    all
}

#[test]
fn a_cluster_of_three_is_asked_once_and_tells_the_truth_of_a_node_that_dies() {
    let servers = servers();
    let begun = Instant::now();
    let mut cluster = Cluster::begin(&servers);
    println!("three nodes after {:?}, {} MiB", begun.elapsed(), cluster.resident_mib());
    let sections: String = cluster
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            format!(
                "[[target]]\nname = \"t{at}\"\nengine = \"elasticsearch\"\nurl = \"http://127.0.0.1:{}\"\n\
                 interval = \"1s\"\ndeadline = \"1s\"\ncollect = [\"indices\", \"shards\"]\n",
                node.http
            )
        })
        .collect();
    let folder = Folder::new();
    let agent = Agent::begin(&folder, &sections);
    let is = |expression: &str, value: f64| agent.query(expression) == [value];

    // Each says what it is itself; the cluster is asked by one.
    wait("each node's own statistics", SOON, || {
        (0..3).all(|at| {
            is(&format!("count(elasticsearch_jvm_uptime_seconds{{target=\"t{at}\",name=\"node-{at}\"}})"), 1.0)
        })
    });
    let askers = || targets(&agent, "elasticsearch_cluster_health_number_of_nodes");
    wait("one asks for the cluster", SOON, || askers().len() == 1);
    assert!(is("elasticsearch_cluster_health_number_of_nodes", 3.0));
    for row in ["elasticsearch_clustersettings_stats_max_shards_per_node", "elasticsearch_clusterinfo_version_info"] {
        assert_eq!(targets(&agent, row), askers(), "{row}");
    }

    // A new index, and a new replica of it, within the interval of the rows that list them: 4 and 12
    // readings, of a second each, and some seconds in which the machine is busy.
    cluster.put(0, "/spread", r#"{"settings": {"number_of_shards": 1, "number_of_replicas": 1}}"#);
    let made = Instant::now();
    wait("the index", SOON, || is("elasticsearch_indices_docs_primary{index=\"spread\"}", 0.0));
    assert!(made.elapsed() < Duration::from_secs(4 + 10), "{:?}", made.elapsed());
    wait("its shards", SOON, || is("count(elasticsearch_indices_shards_docs{index=\"spread\"})", 2.0));
    assert!(made.elapsed() < Duration::from_secs(12 + 10), "{:?}", made.elapsed());
    cluster.put(
        0,
        "/spread/_settings",
        r#"{"index.number_of_replicas": 2, "index.unassigned.node_left.delayed_timeout": "0s"}"#,
    );
    let made = Instant::now();
    wait("the new replica", SOON, || is("count(elasticsearch_indices_shards_docs{index=\"spread\"})", 3.0));
    assert!(made.elapsed() < Duration::from_secs(12 + 10), "{:?}", made.elapsed());
    assert!(
        is("elasticsearch_cluster_health_active_shards", 3.0)
            && is("elasticsearch_cluster_health_unassigned_shards", 0.0)
    );

    // The node of the one that asks dies.
    let first = askers().remove(0);
    let dead: usize = first[1..].parse().expect("its number");
    cluster.kill(dead);
    wait("another asks, and says what is missing", SOON, || {
        askers().first().is_some_and(|asker| *asker != first)
            && is("elasticsearch_cluster_health_number_of_nodes", 2.0)
            && is("elasticsearch_cluster_health_unassigned_shards", 1.0)
            && is("elasticsearch_cluster_health_active_shards", 2.0)
            && is("elasticsearch_cluster_health_status{color=\"yellow\"}", 1.0)
    });
    assert_eq!(askers().len(), 1);
    assert!(is(&format!("up{{target=\"{first}\"}}"), 0.0));
    assert!(
        agent.ask(&format!("elasticsearch_jvm_uptime_seconds{{target=\"{first}\"}}")).is_empty(),
        "nothing of the dead"
    );

    // And comes back.
    let second = askers();
    cluster.start(dead);
    wait("it is whole again", START, || {
        is("elasticsearch_cluster_health_number_of_nodes", 3.0)
            && is("elasticsearch_cluster_health_unassigned_shards", 0.0)
    });
    agent.wait_up(&first, true, SOON);
    assert_eq!(askers(), second, "who asks goes on");
    println!("all after {:?}, {} MiB", begun.elapsed(), cluster.resident_mib());
}
