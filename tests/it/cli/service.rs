//! The agent as a service and as a sidecar: what the unit and the examples say exists, and works.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::Parser;
use serde_json::Value;
use watchward::cli::arguments::Arguments;
use watchward::config::{self, Surroundings, USUAL_PATH};

use crate::cli::Folder;

fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn text(path: &str) -> String {
    fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The settings of a unit, by `Section.Key`; a key may stand several times.
fn unit() -> BTreeMap<String, Vec<String>> {
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut section = String::new();
    for line in text("systemd/watchward.service").lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name.to_string();
        } else {
            let (key, value) = line.split_once('=').unwrap_or_else(|| panic!("no setting: {line}"));
            settings.entry(format!("{section}.{key}")).or_default().push(value.to_string());
        }
    }
    settings
}

fn one(unit: &BTreeMap<String, Vec<String>>, key: &str) -> String {
    match unit.get(key).map(Vec::as_slice) {
        Some([value]) => value.clone(),
        other => panic!("{key}: {other:?}"),
    }
}

#[test]
fn every_command_of_the_unit_is_a_verb_of_the_program() {
    let unit = unit();
    let keys = ["Service.ExecStartPre", "Service.ExecStart", "Service.ExecReload"];
    let commands: Vec<&String> = keys.iter().flat_map(|key| &unit[*key]).collect();
    assert_eq!(commands.len(), 4);
    for command in commands.iter().filter(|command| !command.starts_with("/bin/kill -HUP $MAINPID")) {
        let words: Vec<&str> = command.split(' ').collect();
        assert_eq!(words[0], "/usr/bin/watchward");
        assert!(Arguments::try_parse_from(&words).is_ok_and(|said| said.verb.is_some()), "{command}");
    }
    assert_eq!(one(&unit, "Service.Type"), "notify");
    assert_eq!(one(&unit, "Service.ExecStart"), "/usr/bin/watchward run");
}

/// Runs the command of a setting as systemd would, but for the place of the program and of the configuration.
fn run(command: &str, config: &Path, state: &Path) -> (Option<i32>, String) {
    let arguments: Vec<&str> = command.split(' ').skip(1).collect();
    let output = Command::new(env!("CARGO_BIN_EXE_watchward"))
        .args(arguments)
        .arg("--config")
        .arg(config)
        .env_clear()
        .env("STATE_DIRECTORY", state)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output()
        .unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_configuration_is_checked_before_the_start_and_a_wrong_one_stops_it() {
    let folder = Folder::new();
    let check = one(&unit(), "Service.ExecStartPre");
    let good = folder.write("good.toml", "[[target]]\nname = \"this-host\"\nengine = \"host\"\n");
    assert_eq!(run(&check, &good, &folder.0), (Some(0), String::new()));
    let bad = folder.write("bad.toml", "[agent]\nlogg = \"json\"\n");
    let (code, words) = run(&check, &bad, &folder.0);
    assert_eq!(code, Some(2));
    assert!(words.contains("bad.toml:2:1: unknown key 'logg'") && words.ends_with("nothing was started\n"), "{words}");
    let log = folder.write("log.toml", "[agent]\nlog = \"xml\"\nlog_level = \"loud\"\n");
    let (code, words) = run(&check, &log, &folder.0);
    assert_eq!((code, words.matches("one of").count()), (Some(2), 2), "{words}");
}

#[test]
fn a_service_has_its_state_where_systemd_says() {
    let folder = Folder::new();
    let said = |state: &str| {
        let output = Command::new(env!("CARGO_BIN_EXE_watchward"))
            .args(["status", "--config"])
            .arg(folder.write("none.toml", ""))
            .env("STATE_DIRECTORY", state)
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(said("/srv/ww").contains(" /srv/ww/watchward.sock: "), "{}", said("/srv/ww"));
    assert!(said("/srv/ww:/srv/other").contains(" /srv/ww/watchward.sock: "), "of several the first");
    let unit = unit();
    assert_eq!(one(&unit, "Service.StateDirectory"), "watchward");
    assert_eq!(one(&unit, "Service.StateDirectoryMode"), "0750");
    let configuration = format!("/etc/{}/agent.toml", one(&unit, "Service.ConfigurationDirectory"));
    assert_eq!(configuration, USUAL_PATH);
}

#[test]
fn the_unit_s_user_and_folders_are_made_by_its_snippets() {
    let user = one(&unit(), "Service.User");
    let users = text("systemd/watchward.sysusers");
    let made: Vec<&str> = users.lines().filter(|line| line.starts_with("u ")).collect();
    assert_eq!(made, [format!("u {user} - \"Watchward agent\" /var/lib/watchward")]);
    let folders = text("systemd/watchward.tmpfiles");
    let made: Vec<Vec<&str>> =
        folders.lines().filter(|line| line.starts_with("d ")).map(|line| line.split_whitespace().collect()).collect();
    assert!(made.iter().all(|words| words[3] == "root"), "the agent may not change its own configuration");
    let secrets = made.iter().find(|words| words[1] == "/etc/watchward/secrets").unwrap();
    assert_eq!(secrets[2..5], ["0750", "root", &user]);
}

#[test]
fn the_example_of_credentials_names_files_that_the_configuration_can_name() {
    let example = text("systemd/watchward.service.d/credentials.conf");
    let name =
        example.lines().find_map(|line| line.strip_prefix("LoadCredential=")).unwrap().split(':').next().unwrap();
    let path = format!("/run/credentials/watchward.service/{name}");
    assert!(example.contains(&format!("password_file = \"{path}\"")), "{example}");
    // What systemd would put there is put elsewhere: it is not pid 1 here.
    let folder = Folder::new();
    let secret = folder.write(name, "planted-secret\n");
    let section: String =
        example.lines().filter_map(|line| line.strip_prefix("#     ")).map(|line| format!("{line}\n")).collect();
    let section =
        section.replace(&path, &secret.display().to_string()) + "engine = \"redis\"\nurl = \"redis://127.0.0.1\"\n";
    let here = Surroundings { host_name: "h".to_string(), state_dir: folder.0.clone() };
    let loaded = config::read("agent.toml", &section, &here).unwrap_or_else(|problems| panic!("{problems:?}"));
    let target = &loaded.configuration.targets[0];
    let read = watchward::sys::secrets::read(&target.password).unwrap().unwrap();
    assert_eq!(read.expose(), "planted-secret");
}

/// The pod, as JSON.
fn pod() -> Value {
    serde_norway::from_str(&text("docs/examples/sidecar.yaml")).unwrap()
}

fn named<'v>(list: &'v Value, name: &str) -> &'v Value {
    list.as_array().unwrap().iter().find(|one| one["name"] == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn the_sidecar_s_configuration_loads_and_its_pod_has_all_that_it_names() {
    let (pod, folder) = (pod(), Folder::new());
    let agent = named(&pod["spec"]["containers"], "watchward");
    let mounts = agent["volumeMounts"].as_array().unwrap();
    let mounted: BTreeSet<&str> = mounts.iter().map(|one| one["mountPath"].as_str().unwrap()).collect();
    for mount in mounts {
        let volume = named(&pod["spec"]["volumes"], mount["name"].as_str().unwrap());
        let is_ours = mount["mountPath"] == "/var/lib/watchward";
        assert_eq!(mount["readOnly"] == true, !is_ours, "{volume}");
    }
    let example = text("docs/examples/sidecar.toml");
    for path in ["/secrets/orders", "/var/lib/watchward", "/host"] {
        assert!(example.contains(&format!("\"{path}\"")), "{path}");
        let is_below = |mount: &&str| Path::new(path).starts_with(mount) || Path::new(mount).starts_with(path);
        assert!(mounted.iter().any(is_below), "nothing is mounted for {path}");
    }
    assert!(mounted.contains("/etc/watchward"), "the configuration");
    // What the pod has there, this machine has elsewhere.
    fs::create_dir_all(folder.0.join("proc")).unwrap();
    folder.write("proc/stat", "");
    let (secret, root) = (folder.write("orders", "x").display().to_string(), folder.0.display().to_string());
    let here_it_is = example.replace("/secrets/orders", &secret).replace("\"/host\"", &format!("\"{root}\""));
    let here = Surroundings { host_name: "h".to_string(), state_dir: PathBuf::from("/nowhere") };
    let loaded = config::read("agent.toml", &here_it_is, &here);
    let configuration = loaded.unwrap_or_else(|problems| panic!("{problems:?}")).configuration;
    assert!(configuration.serve.listen.ip().is_loopback());
    for below in ["proc", "sys"] {
        let mount = mounts.iter().find(|one| one["mountPath"] == format!("/host/{below}")).unwrap();
        let volume = named(&pod["spec"]["volumes"], mount["name"].as_str().unwrap());
        assert_eq!(volume["hostPath"]["path"], format!("/{below}"));
    }
    let words = agent["args"].as_array().unwrap().iter().map(|word| word.as_str().unwrap());
    assert!(Arguments::try_parse_from(["watchward"].into_iter().chain(words)).is_ok());
}

#[test]
fn the_sidecar_is_probed_where_it_answers() {
    let pod = pod();
    let agent = named(&pod["spec"]["containers"], "watchward");
    let port = &named(&agent["ports"], "health")["containerPort"];
    let example = text("docs/examples/sidecar.toml");
    assert!(example.contains(&format!("health_listen = \"0.0.0.0:{port}\"")), "{port}");
    for (probe, path) in [("startupProbe", "/readyz"), ("readinessProbe", "/readyz"), ("livenessProbe", "/healthz")] {
        let asked = &agent[probe]["httpGet"];
        assert_eq!((asked["path"].as_str(), asked["port"].as_str()), (Some(path), Some("health")), "{probe}");
        assert!(text("docs/serve.md").contains(path));
    }
    let context = &agent["securityContext"];
    assert_eq!(
        (&context["runAsNonRoot"], &context["readOnlyRootFilesystem"]),
        (&Value::Bool(true), &Value::Bool(true))
    );
}
