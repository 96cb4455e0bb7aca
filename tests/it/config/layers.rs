//! Several files, and the agent's environment.

use watchward::config::layers::{Document, Outside};
use watchward::config::problem::Problem;
use watchward::config::render::render;
use watchward::config::{self, Loaded};

use super::{Folder, check, here, lines, sound};

const ENVIRONMENTS: &str = "
[sample]
interval = \"15s\"
deadline = \"5s\"

[alert.thresholds]
cpu_usage = 90
disk_usage = 95

[environment.production]
sample = { interval = \"30s\" }
alert  = { thresholds = { cpu_usage = 80, memory_usage = 85 } }

[environment.test]
sample.interval = \"1s\"
";

fn documents(texts: &[(&str, &str)]) -> Result<Loaded, Vec<Problem>> {
    let all: Vec<Document> =
        texts.iter().map(|(file, text)| Document { file: file.to_string(), text: text.to_string() }).collect();
    config::read_documents(&all, &here(), &Outside::default())
}

#[test]
fn the_agents_environment_is_laid_over_the_rest() {
    let plain = sound(ENVIRONMENTS).configuration;
    assert_eq!((plain.sample.interval.as_secs(), plain.thresholds.global["cpu_usage"]), (15, 90.0));
    let loaded = sound(&format!("[agent]\nenvironment = \"production\"\n{ENVIRONMENTS}"));
    let production = &loaded.configuration;
    assert_eq!((production.sample.interval.as_secs(), production.sample.deadline.as_secs()), (30, 5));
    let thresholds: Vec<(&str, f64)> =
        production.thresholds.global.iter().map(|(key, value)| (key.as_str(), *value)).collect();
    assert_eq!(thresholds, [("cpu_usage", 80.0), ("disk_usage", 95.0), ("memory_usage", 85.0)]);
    assert!(render(&loaded).contains("# agent.toml:13:23"), "the overlay's own place is shown:\n{}", render(&loaded));
}

#[test]
fn every_overlay_is_checked_and_not_only_the_one_in_force() {
    check(
        &format!("[agent]\nenvironment = \"tset\"\n{ENVIRONMENTS}listen = 1\n[environment.other.serve]\nlitsen = 1\n"),
        &[
            "agent.toml:2:15: unknown environment 'tset' [config-08] | hint: Did you mean 'test'?",
            "agent.toml:18:1: unknown key 'listen' in [environment.test] [config-03] \
             | hint: 'listen' is a key of [serve].",
            "agent.toml:20:1: unknown key 'litsen' in [environment.other.serve] [config-03] | hint: Did you mean 'listen'?",
        ],
    );
    check(
        "environment = \"production\"\n",
        &["agent.toml:1:15: environment is not a section of environments [config-04] \
           | hint: Write [environment.NAME], and the agent's own as [agent] environment."],
    );
}

#[test]
fn the_environments_name_alone_is_no_error() {
    assert_eq!(sound("[agent]\nenvironment = \"production\"\n").configuration.agent.environment, "production");
}

const STAGED: &str = "
[agent]
environment = \"production\"
[[tenant]]
id = \"acme\"
thresholds = { cpu_usage = 70, memory_usage = 70 }
[[target]]
name = \"a\"
engine = \"redis\"
url = \"redis://127.0.0.1:1\"
labels = { region = \"eu\", tier = \"x\" }
[[target]]
name = \"a\"
tenant = \"acme\"
engine = \"host\"
[[alert.receiver]]
name = \"dba\"
webhook = { url = \"https://a.example.org/x\", timeout = \"3s\" }
";

/// `STAGED` with an overlay.
fn staged(overlay: &str) -> Loaded {
    sound(&format!("{STAGED}{overlay}"))
}

#[test]
fn sections_of_a_list_are_laid_over_those_of_the_same_name() {
    let it = staged(
        "[[environment.production.target]]\nname = \"a\"\nurl = \"redis://127.0.0.1:2\"\nlabels = { region = \"us\" }\n\
         [[environment.production.target]]\nname = \"a\"\ntenant = \"acme\"\ninterval = \"7s\"\n\
         [[environment.production.target]]\nname = \"b\"\nengine = \"host\"\n\
         [[environment.production.tenant]]\nid = \"acme\"\nthresholds = { cpu_usage = 80 }\n\
         [[environment.production.alert.receiver]]\nname = \"dba\"\nwebhook = { url = \"https://b.example.org/y\" }\n\
         [environment.production.features]\nai_optimization = false\n",
    )
    .configuration;
    let targets: Vec<(&str, &str, u16, u64)> = it
        .targets
        .iter()
        .map(|one| (one.tenant.as_str(), one.name.as_str(), one.url.port, one.interval.as_secs()))
        .collect();
    assert_eq!(targets, [("default", "a", 2, 15), ("acme", "a", 0, 7), ("default", "b", 0, 15)]);
    let labels: Vec<(&str, &str)> =
        it.targets[0].labels.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    assert_eq!(labels, [("region", "us"), ("tier", "x")]);
    let limits: Vec<f64> = it.thresholds.tenants["acme"].values().copied().collect();
    assert_eq!(limits, [80.0, 70.0]);
    let webhook = &it.alert.receivers[0].webhook;
    assert_eq!((webhook.endpoint.host.as_str(), webhook.timeout.as_secs()), ("b.example.org", 3));
    assert!(!it.features.ai_optimization && it.features.automated_failover);
}

#[test]
fn an_overlay_that_adds_a_section_must_make_it_whole() {
    check(
        &format!("{STAGED}[[environment.production.target]]\nname = \"c\"\ninterval = \"7s\"\n"),
        &["agent.toml:19:1: [[target]] has no 'engine' [config-06] | hint: It must be a text."],
    );
    check(
        &format!("{STAGED}[environment.production]\ntarget = \"x\"\ntenant = [{{ id = \"acme\", idd = 1 }}]\n"),
        &[
            "agent.toml:20:10: target is 'x', not a list of sections [config-04]",
            "agent.toml:21:26: unknown key 'idd' in [[environment.production.tenant]] [config-03] | hint: Did you mean 'id'?",
        ],
    );
}

#[test]
fn lists_that_have_no_names_are_replaced_as_a_whole() {
    let it = sound(
        "[agent]\nenvironment = \"p\"\n[alert.route]\ngroup_by = [\"tenant\", \"job\"]\n\
         [environment.p]\nalert.route = { group_by = [\"target\"] }\n",
    );
    let route = it.effective.table("alert").and_then(|alert| alert.table("route")).expect("a route");
    assert_eq!(route.texts("group_by"), ["target"]);
}

#[test]
fn what_one_environment_says_in_two_files_is_told_with_both_places() {
    let overlay = |seconds| format!("[environment.p.sample]\ninterval = \"{seconds}s\"\n");
    let problems = documents(&[("agent.toml", &overlay(1)), ("conf.d/1.toml", &overlay(2))]).expect_err("twice");
    assert_eq!(
        lines(&problems),
        [
            "conf.d/1.toml:2:12: 'interval' is given in two files [config-07] | detail: It is also on line 2 of agent.toml."
        ]
    );
    let problems = documents(&[
        ("agent.toml", "[alert.thresholds]\ncpu_usage = 1\n"),
        ("2.toml", "alert.thresholds = { cpu_usage = 2 }"),
    ]);
    assert_eq!(
        lines(&problems.expect_err("twice")),
        ["2.toml:1:34: 'cpu_usage' is given in two files [config-07] | detail: It is also on line 2 of agent.toml."]
    );
}

#[test]
fn fragments_beside_a_file_that_was_named_are_not_read_and_that_is_said() {
    let folder = Folder::new();
    let main = folder.file("agent.toml", "");
    let source = config::Source { file: Some(main.clone().into()), environment: None };
    assert!(config::load(&source, &here()).expect("sound").warnings.is_empty());
    std::fs::create_dir(folder.0.join("conf.d")).expect("a folder");
    assert!(config::load(&source, &here()).expect("sound").warnings.is_empty(), "an empty folder hides nothing");
    folder.file("conf.d/1.toml", "nonsense");
    let path = folder.0.display();
    assert_eq!(
        lines(&config::load(&source, &here()).expect("sound").warnings),
        [format!(
            "{main}: the files of {path}/conf.d are not read [config-16] \
             | detail: Fragments belong to /etc/watchward/agent.toml alone; --config names one whole file. \
             | hint: Put all into the one file, or keep it as /etc/watchward/agent.toml and leave --config out."
        )]
    );
}

#[test]
fn fragments_add_targets_and_say_nothing_twice() {
    let host = |name: &str| format!("[[target]]\nname = \"{name}\"\nengine = \"host\"\n");
    let main = format!("[sample]\ninterval = \"20s\"\n{}", host("a"));
    let loaded = documents(&[("agent.toml", &main), ("conf.d/1.toml", &host("b")), ("conf.d/2.toml", "[serve]\n")]);
    let names: Vec<String> =
        loaded.expect("sound").configuration.targets.iter().map(|target| target.name.clone()).collect();
    assert_eq!(names, ["a", "b"]);

    let problems = documents(&[
        ("agent.toml", &main),
        ("conf.d/1.toml", &format!("[sample]\ninterval = \"30s\"\ndeadline = \"x\"\n{}", host("a"))),
    ]);
    assert_eq!(
        lines(&problems.expect_err("twice")),
        [
            "conf.d/1.toml:2:12: 'interval' is given in two files [config-07] | detail: It is also on line 2 of agent.toml.",
            "conf.d/1.toml:3:12: deadline is 'x', not a duration [config-05] \
             | hint: Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\".",
            "conf.d/1.toml:5:8: target 'a' is there twice [config-07] | detail: It is also on line 4 of agent.toml. \
             | hint: Name each target of a tenant differently.",
        ]
    );
}

#[test]
fn syntax_errors_of_all_files_are_told_at_once() {
    let problems = documents(&[("a.toml", "x = \n"), ("b.toml", "[y\n")]).expect_err("neither is TOML");
    let places: Vec<(&str, usize)> = problems.iter().map(|one| (one.origin.file.as_str(), one.origin.line)).collect();
    assert_eq!(places, [("a.toml", 1), ("b.toml", 1)]);
}

#[test]
fn fragments_are_the_toml_files_of_conf_d_in_order() {
    let folder = Folder::new();
    let main = folder.file("agent.toml", "");
    let path = std::path::Path::new(&main);
    let names = |with_fragments| -> Vec<String> {
        let documents = config::documents(path, with_fragments).expect("readable");
        documents.iter().map(|one| one.file.replace(&folder.0.display().to_string(), "")).collect()
    };
    assert_eq!(names(true), ["/agent.toml"], "there need be no conf.d");
    std::fs::create_dir(folder.0.join("conf.d")).expect("a folder");
    for name in ["20.toml", "10.toml", "10.toml.bak"] {
        folder.file(&format!("conf.d/{name}"), "");
    }
    assert_eq!(names(true), ["/agent.toml", "/conf.d/10.toml", "/conf.d/20.toml"]);
    assert_eq!(names(false), ["/agent.toml"]);
    std::fs::create_dir(folder.0.join("conf.d/30.toml")).expect("a folder");
    let problems = config::documents(path, true).expect_err("a folder is no file");
    assert!(problems[0].to_string().ends_with(
        "/conf.d/30.toml: the configuration cannot be read: Is a directory (os error 21) [config-01]\n\
         hint: Does the file exist, and may the agent's user read it?"
    ));
}

#[test]
fn a_section_without_a_name_is_told_and_not_replaced_by_an_overlay() {
    check(
        "[agent]\nenvironment = \"p\"\n[[target]]\nengine = \"host\"\n[[target]]\nname = \"a\"\nengine = \"host\"\n\
         [[environment.p.target]]\nname = \"b\"\nengine = \"host\"\n[[environment.p.target]]\nengine = \"host\"\n",
        &[
            "agent.toml:3:1: [[target]] has no 'name' [config-06] | hint: It must be a text.",
            "agent.toml:11:1: [[target]] has no 'name' [config-06] | hint: It must be a text.",
        ],
    );
}

#[test]
fn an_overlay_cannot_name_another_environment() {
    check(
        "[agent]\nenvironment = \"p\"\n[environment.p.agent]\nenvironment = \"q\"\n[environment.q]\n",
        &["agent.toml:4:15: [environment.p] cannot name an environment [config-10] \
           | hint: Which one is in force is said by [agent] environment, or by --environment."],
    );
}

#[test]
fn thousands_of_targets_and_overlays_are_laid_over_each_other() {
    let mut toml = "[agent]\nenvironment = \"p\"\n".to_string();
    for at in 0..2000 {
        toml.push_str(&format!("[[target]]\nname = \"t{at}\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1\"\n"));
        toml.push_str(&format!("[[environment.p.target]]\nname = \"t{at}\"\ninterval = \"{}s\"\n", at % 50 + 1));
    }
    let targets = sound(&toml).configuration.targets;
    assert_eq!(targets.len(), 2000);
    for (at, target) in targets.iter().enumerate() {
        assert_eq!((target.name.as_str(), target.interval.as_secs()), (&*format!("t{at}"), at as u64 % 50 + 1));
    }
}

#[test]
fn what_editors_leave_beside_a_fragment_is_none() {
    let folder = Folder::new();
    let main = folder.file("agent.toml", "");
    std::fs::create_dir(folder.0.join("conf.d")).expect("a folder");
    folder.file("conf.d/10.toml", "");
    folder.file("conf.d/.10.toml", "half = ");
    std::os::unix::fs::symlink("me@here.42", folder.0.join("conf.d/.#10.toml")).expect("a link"); // Emacs' lock
    let documents = config::documents(std::path::Path::new(&main), true).expect("readable");
    assert_eq!(documents.len(), 2, "{documents:?}");
}

#[test]
fn the_usual_file_is_found_also_where_it_cannot_be_read() {
    let folder = Folder::new();
    let path = folder.0.join("agent.toml");
    assert_eq!(config::usual(&path), None);
    std::fs::create_dir(folder.0.join("conf.d")).expect("a folder");
    assert_eq!(config::usual(&path), None);
    folder.file("conf.d/10.toml", "");
    assert_eq!(config::usual(&path), Some(path.clone()), "fragments alone are not passed over");
    std::fs::remove_dir_all(folder.0.join("conf.d")).expect("gone");
    std::os::unix::fs::symlink("/nowhere", &path).expect("a link");
    assert_eq!(config::usual(&path), Some(path.clone()), "a link that leads nowhere");
    std::fs::remove_file(&path).expect("gone");
    folder.file("agent.toml", "");
    let below = path.join("agent.toml");
    assert_eq!(config::usual(&below), Some(below.clone()), "what cannot be looked at");
}
