//! Policies on real servers: a firing alert changes two settings, its end takes them back; who is asked, who is refused.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Folder, configure, free_port, run, wait};
use crate::single::{LOGIN, PASSWORD, Postgresql, Redis, postgresql_versions, redis_versions};

/// How long a matter of a few cycles may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(30);

/// Fires while the cache has a key in it.
const RULES: &str = "groups:\n- name: wishes\n  rules:\n  - alert: Wanted\n    expr: redis_db_keys{db=\"db0\"} > 0\n";

/// A Redis and a PostgreSQL server with their logins for actions, and a policy on each.
pub struct Stage {
    pub folder: Folder,
    pub cache: Redis,
    pub orders: Postgresql,
    /// What PostgreSQL's file held at first.
    pub file: String,
}

impl Stage {
    pub fn new() -> Stage {
        let versions = postgresql_versions();
        let (version, programs) = versions.iter().find(|(version, _)| *version == 15).expect("PostgreSQL 15");
        let orders = Postgresql::begin(*version, programs, &[]);
        orders.login(&["work_mem"]);
        orders.psql(&format!("CREATE ROLE watchward LOGIN PASSWORD '{PASSWORD}'; GRANT pg_monitor TO watchward"));
        let cache = Redis::begin(&redis_versions()[0].1, &["--maxmemory", "128mb"]);
        cache.login();
        let folder = Folder::new();
        folder.write("rules.yml", RULES);
        folder.write("password", PASSWORD);
        let file = orders.written();
        Stage { folder, cache, orders, file }
    }

    /// The configuration: the servers at these ports, and the value that Redis is to get.
    pub fn sections(&self, cache: u16, orders: u16, maxmemory: &str) -> String {
        let folder = self.folder.0.display();
        let action =
            format!("action = {{ user = \"{LOGIN}\", password_file = \"{folder}/password\" }}\ninterval = \"1s\"");
        let policy = |name: &str, target: &str, key: &str, value: &str| {
            format!(
                "[[policy]]\nname = \"{name}\"\nwhen = \"alert:Wanted\"\nmode = \"auto\"\nundo = \"on_resolve\"\n\
                 do = {{ set = {{ target = \"{target}\", key = \"{key}\", value = \"{value}\" }} }}\n\
                 guard = {{ cooldown = \"0s\", max_per_day = 1000 }}\n"
            )
        };
        [
            format!("[judge]\ninterval = \"1s\"\nbuiltin_rules = false\nrule_files = [\"{folder}/rules.yml\"]\n"),
            format!(
                "[[target]]\nname = \"cache\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1:{cache}\"\n{action}\n"
            ),
            format!(
                "[[target]]\nname = \"orders\"\nengine = \"postgresql\"\npassword_file = \"{folder}/password\"\n\
                 url = \"postgres://watchward@127.0.0.1:{orders}/postgres?sslmode=disable\"\n{action}\n"
            ),
            policy("room", "cache", "maxmemory", maxmemory),
            policy("sort", "orders", "work_mem", "64MB"),
        ]
        .concat()
    }

    fn begin(&self) -> Agent {
        let agent = Agent::begin(&self.folder, &self.sections(self.cache.port, self.orders.port, "256mb"));
        self.arm(&agent.config);
        agent
    }

    pub fn arm(&self, config: &Path) {
        for policy in ["room", "sort"] {
            assert_eq!(watchward(config, &["policy", "arm", policy]), (0, format!("'{policy}' is armed\n")));
        }
    }

    pub fn wish(&self) {
        self.cache.cli(&["SET", "wanted", "yes"]);
    }

    pub fn unwish(&self) {
        self.cache.cli(&["DEL", "wanted"]);
    }

    fn is_changed(&self) -> (bool, bool) {
        (self.cache.config("maxmemory") == "268435456", self.orders.psql("SHOW work_mem") == "64MB")
    }

    fn is_as_before(&self) -> (bool, bool) {
        (self.cache.config("maxmemory") == "134217728", self.orders.written() == self.file)
    }
}

/// A verb of the command line: its code, and what it printed.
pub fn watchward(config: &Path, arguments: &[&str]) -> (i32, String) {
    let config = config.display().to_string();
    let (code, output, errors) = run(&[arguments, &["--config", &config]].concat(), &[]);
    (code, output + &errors)
}

/// All changes, the newest first.
pub fn journal(agent: &Agent) -> Vec<Value> {
    let (code, text) = watchward(&agent.config, &["journal", "--json"]);
    assert_eq!(code, 0, "{text}");
    serde_json::from_str(&text).expect("JSON")
}

/// The phases of all changes of a policy, the newest first.
fn phases(agent: &Agent, policy: &str) -> Vec<String> {
    let of_policy = |one: &&Value| one["policy"] == policy;
    journal(agent).iter().filter(of_policy).map(|one| one["phase"].as_str().unwrap_or("").to_string()).collect()
}

#[test]
fn a_firing_alert_changes_both_servers_and_its_end_takes_both_back() {
    let stage = Stage::new();
    let agent = stage.begin();
    for round in 1..=2 {
        stage.wish();
        wait("both are changed", SOON, || stage.is_changed() == (true, true));
        wait("it is on record", SOON, || {
            phases(&agent, "room").first().is_some_and(|phase| phase == "done")
                && phases(&agent, "sort").first().is_some_and(|phase| phase == "done")
        });
        stage.unwish();
        wait("both are as before", SOON, || stage.is_as_before() == (true, true));
        wait("that is on record too", SOON, || {
            phases(&agent, "room") == vec!["undone"; round] && phases(&agent, "sort") == vec!["undone"; round]
        });
        assert_eq!(stage.orders.psql("SHOW work_mem"), "4MB");
    }
    let newest = &journal(&agent)[0];
    let id = newest["id"].as_i64().expect("a number").to_string();
    let (_, story) = watchward(&agent.config, &["journal", "show", &id]);
    for word in ["begun", "done", "undoing", "undone", "resolved"] {
        assert!(story.contains(word), "no '{word}' in the story:\n{story}");
    }
    for secret in [PASSWORD] {
        let said = format!("{}{story}{}", agent.log(), agent.get("/metrics"));
        assert!(!said.contains(secret), "a secret was said");
    }
}
