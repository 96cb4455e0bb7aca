//! The rendered texts: the manual's page, the example, and what check-config shows.

use std::path::PathBuf;

use watchward::config::reference;
use watchward::config::render::render;

use super::{lines, read, sound};

/// A committed text must be what is rendered; UPDATE_DOCS=1 writes it.
fn committed(path: &str, rendered: &str) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(path);
    #[allow(clippy::disallowed_methods)] // the one place here that reads the environment
    let is_wanted = std::env::var_os("UPDATE_DOCS").is_some();
    if is_wanted {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("the folder");
        std::fs::write(&path, rendered).expect("written");
    }
    let text = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(text == rendered, "{} is not what the schema renders; run with UPDATE_DOCS=1", path.display());
}

#[test]
fn the_manuals_page_is_what_the_schema_renders() {
    committed("docs/configuration.md", &reference::reference());
}

#[test]
fn the_example_is_what_the_schema_renders() {
    committed("agent.toml", &reference::example());
}

#[test]
fn the_example_is_sound_as_it_stands() {
    let loaded = sound(&reference::example());
    assert_eq!(loaded.configuration.targets.len(), 1);
    assert!(loaded.warnings.is_empty());
}

#[test]
fn the_example_with_everything_in_force_lacks_nothing_but_the_files_it_names() {
    let example = reference::example();
    let uncommented = |line: &str| {
        let is_toml = line.starts_with('#') && !line.starts_with("# ") && line.len() > 1;
        if is_toml { line[1..].to_string() } else { line.to_string() }
    };
    let all: Vec<String> = example.lines().map(uncommented).collect();
    let problems = read(&all.join("\n")).expect_err("its files do not exist");
    let told = lines(&problems);
    let others: Vec<&String> = told
        .iter()
        .filter(|line| !line.contains("cannot be read: No such file") && !line.contains("that is not set"))
        .filter(|line| !line.contains("are both given"))
        .filter(|line| !line.contains("reads no slow log from files")) // no target can have every key
        .collect();
    assert!(others.is_empty(), "{others:#?}");
    assert!(!told.is_empty());
}

#[test]
fn what_is_in_force_is_shown_with_where_it_comes_from() {
    let loaded = sound(
        "[sample]\ninterval = \"30s\"\n[store]\nmin_free = \"7%\"\n[[target]]\nname = \"cache\"\nengine = \"redis\"\n\
         url = \"redis://u:s3cret@127.0.0.1:6379/0\"\nlabels = { region = \"eu-1\" }\n",
    );
    let text = render(&loaded);
    let shown: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "[agent]",
        "name = \"db-host-1\" # default",
        "state_dir = \"/var/lib/watchward\" # default",
        "interval = \"30s\" # agent.toml:2:12",
        "deadline = \"10s\" # default",
        "min_free = \"7%\" # agent.toml:4:12",
        "max_bytes = \"2GiB\" # default",
        "[[target]]",
        "url = \"redis://u:***@127.0.0.1:6379/0\" # agent.toml:8:7",
        "labels.region = \"eu-1\" # agent.toml:9:21",
    ] {
        assert!(shown.iter().any(|line| line == expected), "no '{expected}' in\n{text}");
    }
    assert!(shown.iter().filter(|line| *line == "interval = \"30s\" # agent.toml:2:12").count() == 2, "{text}");
}

#[test]
fn what_is_in_force_is_said_to_machines_too() {
    use serde_json::json;
    let loaded = read(
        "[agent]\nenvironment = \"p\"\n[store]\nmin_free = \"7%\"\n[[target]]\nname = \"cache\"\nengine = \"redis\"\n\
         url = \"redis://u:s3cret@127.0.0.1:6379/0\"\nlabels = { region = \"eu-1\" }\n[environment.p]\nsample.interval = \"30s\"\n",
    );
    let answer = watchward::cli::check::answer(&loaded);
    assert_eq!(
        (&answer["sound"], &answer["problems"], &answer["effective"]["file"]),
        (&json!(true), &json!([]), &json!("agent.toml"))
    );
    let values = answer["effective"]["values"].as_array().expect("a list");
    let find =
        |key: &str| values.iter().find(|one| one["key"] == key).unwrap_or_else(|| panic!("no {key} in {answer:#}"));
    let at = |line: u32, column: u32| json!({ "from": "file", "file": "agent.toml", "line": line, "column": column });
    assert_eq!(find("store.min_free"), &json!({ "key": "store.min_free", "value": "7%", "origin": at(4, 12) }));
    assert_eq!(find("store.max_bytes")["value"], "2GiB");
    let switch = json!({ "key": "features.ai_optimization", "value": true, "origin": { "from": "default" } });
    assert_eq!(find("features.ai_optimization"), &switch);
    assert_eq!(find("target[0].url")["value"], "redis://u:***@127.0.0.1:6379/0");
    assert_eq!(find("target[0].labels.region")["origin"], at(9, 21));
    assert_eq!(find("sample.interval")["origin"]["environment"], "p");
    assert_eq!(find("sample.interval")["value"], "30s");
    assert_eq!(answer["effective"]["warnings"][0]["code"], "config-13");

    let refused = watchward::cli::check::answer(&read("[sample]\nintervall = 1\n"));
    let expected = json!({ "sound": false, "problems": [{
        "file": "agent.toml", "line": 2, "column": 1, "code": "config-03", "what": "unknown key 'intervall' in [sample]",
        "detail": "", "hint": "Did you mean 'interval'?",
    }] });
    assert_eq!(refused, expected);
}

#[test]
fn what_is_shown_is_a_configuration_again() {
    let toml =
        "[[target]]\nname = \"a\"\nengine = \"host\"\n[[tenant]]\nid = \"x\"\nthresholds = { cpu_usage = 1.5 }\n";
    let first = render(&sound(toml));
    let without = |text: &str| {
        text.lines().map(|line| line.split("  #").next().unwrap_or("").trim_end().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(without(&render(&sound(&first))), without(&first));
}

/// The readers get values by name, and a name that the schema lacks gives a silent nothing: so each name that stands in a
/// reader must be in the schema, and each key of the schema must be read, for a key without effect is a lie.
#[test]
fn every_key_is_read_by_its_name_and_no_name_is_misspelt() {
    use std::collections::BTreeSet;
    use watchward::model::schema::{Key, Kind};

    fn names(keys: &'static [Key], into: &mut BTreeSet<&'static str>) {
        for key in keys {
            into.insert(key.name);
            if let Kind::Section(inner) | Kind::Sections(inner) = key.kind {
                names(inner, into);
            }
        }
    }
    let mut known = BTreeSet::new();
    names(watchward::config::schema(), &mut known);

    let mut read = BTreeSet::new();
    for folder in ["config", "store", "judge", "alert", "sample", "serve", "export", "act"] {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
        for entry in std::fs::read_dir(&folder).expect("the folder").flatten() {
            let of_stage = !folder.ends_with("config");
            if of_stage && !["mod.rs", "config.rs"].iter().any(|name| entry.path().ends_with(name)) {
                continue; // a stage reads its section where it declares it
            }
            let text = std::fs::read_to_string(entry.path()).expect("a file");
            read.extend(read_names(&text));
        }
    }
    let misspelt: Vec<_> = read.iter().filter(|name| !known.contains(name.as_str())).collect();
    assert!(misspelt.is_empty(), "read, but not in the schema: {misspelt:?}");
    // `password` and `api_key` are read as `<secret>_file` and `<secret>_env`.
    let made = ["password_file", "password_env", "api_key_file", "api_key_env"];
    let idle: Vec<_> = known.iter().filter(|name| !read.contains(**name) && !made.contains(name)).collect();
    assert!(idle.is_empty(), "in the schema, but read by nobody: {idle:?}");
}

/// The names in `.text("name")`, `section("name")` and their like.
fn read_names(text: &str) -> Vec<String> {
    const READERS: &[&str] = &[
        "flag", "whole", "number", "text", "duration", "bytes", "share", "path", "texts", "numbers", "map", "lists",
        "table", "tables", "section", "count",
    ];
    let calls = text.match_indices("(\"").filter_map(|(at, mark)| {
        let reader = text[..at].rsplit(|c: char| !c.is_ascii_alphanumeric() && c != '_').next()?;
        let name = text[at + mark.len()..].split_once("\")")?.0;
        let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        (READERS.contains(&reader) && is_name).then(|| name.to_string())
    });
    calls.collect()
}
