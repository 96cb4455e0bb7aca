//! `sample`: one target, once, without an agent.

use std::fs;

use serde_json::{Value, json};

use crate::cli::{Folder, run};

/// A folder with two targets: a host of a few files, and a server that is not there.
fn folder() -> Folder {
    let folder = Folder::new();
    let root = folder.0.join("root");
    fs::create_dir_all(root.join("proc")).unwrap();
    fs::write(root.join("proc/stat"), "cpu  1 2 3 4 5 6 7 8 9 10\ncpu0 100 2 3 4 5 6 7 8 9 10\nbtime 1700000000\nprocs_running 2\nprocs_blocked 0\nctxt 7\nintr 9 0\n").unwrap();
    fs::write(root.join("proc/loadavg"), "0.21 0.37 0.39 1/719 19737\n").unwrap();
    let target = |tenant: &str, name: &str, rest: &str| {
        format!("[[target]]\ntenant = \"{tenant}\"\nname = \"{name}\"\n{rest}\n")
    };
    let host = format!("engine = \"host\"\nroot = \"{}\"", root.display());
    let gone = "engine = \"redis\"\nurl = \"redis://127.0.0.1:1\"";
    let agent =
        fs::read_to_string(folder.0.join("agent.toml")).unwrap().replace("[agent]\n", "[agent]\nname = \"db1\"\n");
    let text = agent
        + "[[tenant]]\nid = \"acme\"\n[[tenant]]\nid = \"zeta\"\n"
        + &[target("acme", "this-host", &host), target("acme", "cache", gone), target("zeta", "cache", gone)].concat();
    folder.write("agent.toml", &text);
    folder
}

#[test]
fn a_target_is_printed_as_its_exporter_would_show_it() {
    let ended = run(&folder(), &["sample", "--target", "this-host"]);
    for line in [
        "\n# TYPE node_load1 gauge\nnode_load1 0.21\n",
        "node_cpu_seconds_total{cpu=\"0\",mode=\"user\"} 1\n",
        "node_scrape_collector_success{collector=\"loadavg\"} 1\n",
        "\nnode_up 1\n",
    ] {
        assert!(ended.out.contains(line), "{line} is not in {}", ended.out);
    }
    assert!(!ended.out.contains("instance=") && !ended.out.contains("watchward_"), "{}", ended.out);
    assert_eq!(ended.code, 1, "the tree lacks files: {}", ended.err);
    assert!(ended.err.lines().all(|line| line.starts_with("not read: ")), "{}", ended.err);
    let meminfo = "not read: meminfo: proc/meminfo: No such file or directory (os error 2)\n";
    assert!(ended.err.contains(meminfo), "{}", ended.err);
}

#[test]
fn machines_get_rows_and_samples() {
    let ended = run(&folder(), &["sample", "--target", "this-host", "--json"]);
    let read: Value = serde_json::from_str(&ended.out).unwrap();
    assert_eq!((ended.code, ended.err.as_str()), (1, ""));
    assert_eq!((&read["target"], &read["tenant"], &read["up"]), (&json!("this-host"), &json!("acme"), &json!(true)));
    let rows = read["rows"].as_array().unwrap();
    let row =
        |name: &str| rows.iter().find(|row| row["row"] == name).unwrap_or_else(|| panic!("no {name} in {rows:?}"));
    assert_eq!(row("loadavg")["reason"], Value::Null);
    assert_eq!(row("meminfo")["kind"], "not_here");
    let load =
        json!({ "__name__": "node_load1", "instance": "db1", "job": "node", "target": "this-host", "tenant": "acme" });
    let samples = read["samples"].as_array().unwrap();
    assert!(samples.contains(&json!({ "labels": load, "value": 0.21 })), "{samples:?}");
}

#[test]
fn a_server_that_does_not_answer_is_another_matter_than_one_that_nobody_knows() {
    let folder = folder();
    let ended = run(&folder, &["sample", "--target", "cache", "--tenant", "acme"]);
    assert_eq!(ended.code, 3);
    assert!(ended.out.ends_with("# TYPE redis_up gauge\nredis_up 0\n"), "{}", ended.out);
    let expected = "error: cannot connect to 127.0.0.1:1: Connection refused (os error 111) [net-01]\n\
                    hint: Is the server running, and does it listen on this address?\n";
    assert_eq!(ended.err, expected);
    for (arguments, expected) in [
        (
            &["--target", "this-hots"][..],
            "error: there is no target 'this-hots' [cli-50]\nhint: Did you mean 'this-host'?\n",
        ),
        (&["--target", "x"], "error: there is no target 'x' [cli-50]\nhint: Known are this-host, cache, cache.\n"),
        (
            &["--target", "this-host", "--tenant", "zeta"],
            "error: there is no target 'this-host' of the tenant 'zeta' [cli-50]\nhint: Did you mean 'this-host'?\n",
        ),
        (
            &["--target", "cache"],
            "error: several tenants have a target 'cache' [cli-51]\nhint: Say which: --tenant acme or --tenant zeta.\n",
        ),
    ] {
        let ended = run(&folder, &[&["sample"], arguments].concat());
        assert_eq!((ended.code, ended.err.as_str(), ended.out.as_str()), (2, expected, ""), "{arguments:?}");
    }
}

#[test]
fn a_configuration_that_is_wrong_is_refused_first() {
    let folder = folder();
    folder.write("agent.toml", "[agent]\nnam = 1\n");
    let ended = run(&folder, &["sample", "--target", "this-host"]);
    assert_eq!((ended.code, ended.out.as_str()), (2, ""));
    assert!(ended.err.ends_with("1 problem; nothing was started\n"), "{}", ended.err);
}
