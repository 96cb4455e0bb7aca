//! Policies on real servers: a firing alert changes two settings, its end takes them back, and what may hinder that.

use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use crate::agent::{Agent, Folder, run, wait};
use crate::single::{LOGIN, PASSWORD, Postgresql, Redis, postgresql_versions, redis_versions};

/// How long a matter of a few cycles may take on a machine that is busy.
const SOON: Duration = Duration::from_secs(90);

/// Fires while the cache has a second key in it. The first one is always there: of a series that ends while nobody
/// watches, the last value counts for five minutes more.
const RULES: &str = "groups:\n- name: wishes\n  rules:\n  - alert: Wanted\n    expr: redis_db_keys{db=\"db0\"} > 1\n";

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
        cache.cli(&["SET", "always", "there"]);
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
    let said = format!("{}{story}{}", agent.log(), agent.get("/metrics"));
    assert!(!said.contains(PASSWORD), "a secret was said");
}

#[test]
fn what_somebody_else_changed_is_left_alone_and_who_is_on_record_is_said() {
    let stage = Stage::new();
    let agent = stage.begin();
    stage.wish();
    wait("both are changed", SOON, || stage.is_changed() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "room") == ["done"] && phases(&agent, "sort") == ["done"]);
    stage.cache.cli(&["CONFIG", "SET", "maxmemory", "300mb"]);
    stage.orders.psql("ALTER SYSTEM SET work_mem = '7MB'");
    stage.orders.psql("SELECT pg_reload_conf()");
    wait("the server goes by it", SOON, || stage.orders.psql("SHOW work_mem") == "7MB");
    let theirs = stage.orders.written();
    stage.unwish();
    wait("both undos are refused", SOON, || {
        phases(&agent, "room") == ["undo refused"] && phases(&agent, "sort") == ["undo refused"]
    });
    assert_eq!(stage.cache.config("maxmemory"), "314572800");
    assert_eq!((stage.orders.written(), stage.orders.psql("SHOW work_mem").as_str()), (theirs, "7MB"));
    for (policy, words) in [
        ("room", "someone else changed maxmemory of 'cache' since: it is '314572800', not '268435456'"),
        ("sort", "someone else changed work_mem of 'orders' since: it is '7MB', not '64MB'"),
    ] {
        let id = journal(&agent).iter().find(|one| one["policy"] == policy).expect("on record")["id"].to_string();
        let (_, story) = watchward(&agent.config, &["journal", "show", &id]);
        assert!(story.contains(words), "{story}");
        assert!(story.contains("Nobody is on record"), "{story}");
    }
}

/// PostgreSQL keeps what ALTER SYSTEM writes above its own file: what is written there meanwhile comes to hold.
#[test]
fn what_was_written_below_a_change_holds_when_that_is_taken_back() {
    let stage = Stage::new();
    let agent = stage.begin();
    stage.wish();
    wait("both are changed", SOON, || stage.is_changed() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "sort") == ["done"]);
    let conf = stage.orders.folder.join("data/postgresql.conf");
    let whole = std::fs::read_to_string(&conf).expect("the file");
    std::fs::write(&conf, format!("{whole}work_mem = 7MB\n")).expect("written");
    stage.orders.psql("SELECT pg_reload_conf()");
    stage.unwish();
    wait("both are taken back", SOON, || phases(&agent, "sort") == ["undone"] && phases(&agent, "room") == ["undone"]);
    assert_eq!((stage.is_as_before(), stage.orders.psql("SHOW work_mem").as_str()), ((true, true), "7MB"));
    assert!(agent.log().contains("work_mem of orders is set back"), "{}", agent.log());
    assert!(agent.log().contains("work_mem is '7MB' (not written)"), "{}", agent.log());
}

#[test]
fn two_policies_on_one_setting_take_turns_and_a_target_that_left_can_be_closed() {
    let stage = Stage::new();
    let second = "[[policy]]\nname = \"more room\"\nwhen = \"alert:Wanted\"\nmode = \"auto\"\nundo = \"on_resolve\"\n\
                  do = { set = { target = \"cache\", key = \"maxmemory\", value = \"512mb\" } }\n\
                  guard = { cooldown = \"0s\", max_per_day = 1000 }\n";
    let sections = stage.sections(stage.cache.port, stage.orders.port, "256mb");
    let agent = Agent::begin(&stage.folder, &format!("{sections}{second}"));
    stage.arm(&agent.config);
    stage.wish();
    wait("both are changed", SOON, || stage.is_changed() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "room") == ["done"] && phases(&agent, "sort") == ["done"]);
    assert_eq!(watchward(&agent.config, &["policy", "arm", "more room"]).0, 0);
    wait("the second says why it waits", SOON, || {
        agent.log().contains("policy 'room' has changed maxmemory of target 'cache' and is not over")
    });
    assert_eq!((stage.is_changed(), phases(&agent, "more room").len()), ((true, true), 0));

    // The server leaves the configuration, and with it its policies: what was changed there is told until it is closed.
    let of_orders = |part: &&str| !part.contains("name = \"orders\"") && !part.contains("target = \"orders\"");
    let rest: String = sections.split("[[").filter(of_orders).collect::<Vec<_>>().join("[[");
    agent.reload(&stage.folder, &rest);
    stage.unwish();
    wait("the one that is left is taken back", SOON, || phases(&agent, "room") == ["undone"]);
    wait("the other is told", 2 * SOON, || agent.firing().iter().any(|one| one == "UndoOverdue orders"));
    let id = journal(&agent).iter().find(|one| one["policy"] == "sort").expect("on record")["id"].to_string();
    let (code, said) = watchward(&agent.config, &["journal", "undo", &id]);
    assert!(code == 2 && said.contains("target 'orders' of tenant 'default' is configured no longer"), "{code} {said}");
    let closed =
        format!("entry {id} is closed: what it changed stays, and only `watchward journal undo` takes it back\n");
    assert_eq!(watchward(&agent.config, &["journal", "close", &id]), (0, closed));
    wait("the finding ends", SOON, || agent.firing().is_empty());
    assert_eq!(stage.orders.psql("SHOW work_mem"), "64MB", "what stands stays");
}

#[test]
fn a_server_that_is_away_is_waited_for_until_its_change_is_taken_back() {
    let mut stage = Stage::new();
    let agent = stage.begin();
    stage.wish();
    wait("both are changed", SOON, || stage.is_changed() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "room") == ["done"] && phases(&agent, "sort") == ["done"]);
    stage.orders.crash();
    stage.unwish();
    wait("the other one is taken back", SOON, || phases(&agent, "room") == ["undone"]);
    let story = || watchward(&agent.config, &["journal"]).1;
    wait("why it is not done is said", SOON, || agent.log().contains("the undo of entry"));
    assert!(matches!(phases(&agent, "sort")[..], [ref phase] if phase == "done" || phase == "undoing"), "{}", story());
    stage.orders.start(&[]);
    wait("it is taken back", SOON, || phases(&agent, "sort") == ["undone"]);
    assert_eq!((stage.is_as_before(), stage.orders.psql("SHOW work_mem").as_str()), ((true, true), "4MB"));
}

#[test]
fn a_restart_of_redis_takes_its_change_back_by_itself_and_that_is_on_record() {
    let mut stage = Stage::new();
    let agent = stage.begin();
    stage.wish();
    wait("both are changed", SOON, || stage.is_changed() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "room") == ["done"]);
    stage.cache.crash();
    stage.cache.start(&["--maxmemory", "128mb"]);
    stage.cache.cli(&["SET", "always", "there"]);
    wait("there was nothing to be done", SOON, || phases(&agent, "room") == ["undone"]);
    let id = journal(&agent).iter().find(|one| one["policy"] == "room").expect("on record")["id"].to_string();
    let (_, story) = watchward(&agent.config, &["journal", "show", &id]);
    assert!(story.contains("nothing was to be done: maxmemory is '134217728' already"), "{story}");
}

#[test]
fn the_switch_stops_everything_and_an_edit_disarms() {
    let stage = Stage::new();
    let agent = stage.begin();
    assert_eq!(
        watchward(&agent.config, &["policy", "stop"]),
        (0, "all actions are stopped; `watchward policy start` lets them be done again\n".to_string())
    );
    stage.wish();
    wait("the alert fires", SOON, || agent.firing().iter().any(|one| one == "Wanted cache"));
    wait("why nothing is done is said", SOON, || agent.log().matches("all actions are stopped").count() >= 2);
    assert_eq!((stage.is_changed(), journal(&agent).len()), ((false, false), 0));
    assert_eq!(watchward(&agent.config, &["policy", "start"]), (0, "policies may act again\n".to_string()));
    wait("both are changed", SOON, || stage.is_changed() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "room") == ["done"] && phases(&agent, "sort") == ["done"]);

    // Stopped, not even an undo is begun by itself.
    assert_eq!(watchward(&agent.config, &["policy", "stop"]).0, 0);
    stage.unwish();
    wait("the alert ends", SOON, || agent.firing().is_empty());
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!((stage.is_changed(), phases(&agent, "room")), ((true, true), vec!["done".to_string()]));
    assert_eq!(watchward(&agent.config, &["policy", "start"]).0, 0);
    wait("both are as before", SOON, || stage.is_as_before() == (true, true));
    wait("it is on record", SOON, || phases(&agent, "room") == ["undone"] && phases(&agent, "sort") == ["undone"]);

    // Another value than the one that was armed.
    agent.reload(&stage.folder, &stage.sections(stage.cache.port, stage.orders.port, "512mb"));
    wait("it is disarmed", SOON, || agent.log().contains("policy 'room' is disarmed, for it was edited"));
    stage.wish();
    wait("the one that is armed acts", SOON, || stage.is_changed().1);
    wait("the other one says why not", SOON, || agent.log().contains("policy 'room' is not armed"));
    assert_eq!(stage.cache.config("maxmemory"), "134217728");
    stage.arm(&agent.config);
    wait("armed, it acts", SOON, || stage.cache.config("maxmemory") == "536870912");
}

#[test]
fn what_is_only_planned_changes_nothing_and_shows_what_would_be_sent() {
    let stage = Stage::new();
    let sections =
        stage.sections(stage.cache.port, stage.orders.port, "256mb").replace("mode = \"auto\"", "mode = \"dry-run\"");
    let agent = Agent::begin(&stage.folder, &sections);
    stage.wish();
    wait("both are planned", SOON, || {
        agent.log().contains("policy 'room' would for") && agent.log().contains("policy 'sort' would for")
    });
    assert_eq!((stage.is_changed(), journal(&agent).len()), ((false, false), 0));
    let (code, said) = watchward(&agent.config, &["policy", "run", "sort", "--dry-run"]);
    assert_eq!(code, 0, "{said}");
    for words in [
        "ALTER SYSTEM SET work_mem = '64MB'; SELECT pg_reload_conf()",
        "ALTER SYSTEM RESET work_mem; SELECT pg_reload_conf()",
        "is in mode dry-run, which changes nothing",
    ] {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    let (code, said) = watchward(&agent.config, &["policy", "run", "room"]);
    assert!(code == 2 && said.contains("is in mode dry-run"), "{code} {said}");
    assert_eq!((stage.is_changed(), stage.is_as_before()), ((false, false), (true, true)));
}
