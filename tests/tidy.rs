//! Rules about the code, as tests. Each rule is a function of the files, and has a test that plants the fault.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Who may `use crate::` whom, beside `model`. An arrow that is not here does not exist.
const ARROWS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("sys", &[]),
    ("promql", &[]),
    ("chart", &[]),
    ("state", &["sys"]),
    ("engines", &["sys"]),
    ("vault", &["sys", "state"]),
    ("store", &["sys", "promql"]),
    ("sample", &["sys", "engines"]),
    ("judge", &["promql"]),
    ("alert", &["sys", "state", "promql", "chart"]),
    ("act", &["sys", "state", "engines", "vault", "promql"]),
    ("serve", &["sys", "state", "store", "promql", "chart"]),
    ("export", &["sys"]),
    (
        "config",
        &[
            "sys", "promql", "chart", "state", "engines", "vault", "store", "sample", "judge", "alert", "act", "serve",
            "export",
        ],
    ),
    (
        "pipeline",
        &[
            "sys", "promql", "chart", "state", "engines", "vault", "store", "sample", "judge", "alert", "act", "serve",
            "export", "config",
        ],
    ),
    (
        "cli",
        &[
            "sys", "promql", "chart", "state", "engines", "vault", "store", "sample", "judge", "alert", "act", "serve",
            "export", "config", "pipeline",
        ],
    ),
];

/// What an engine's folder may hold; any may be a folder of that name. `mod`, `session` and `monitor` must be there.
const ENGINE_FILES: &[&str] =
    &["mod", "session", "discover", "grants", "monitor", "health", "tune", "audit", "backup", "migrate", "failover"];

/// Files and sockets that something else than `sys` opens, each with its reason.
const OWN_DOORS: &[(&str, &str)] = &[
    ("src/state/", "the SQLite driver opens its own files"),
    ("src/engines/mongodb/", "the driver opens its own connection, to the relay of sys"),
];

const LINES_MAX: usize = 600;

/// Codes of faults that no test can cause, each with the reason. All others have a test on their exact text.
const NOT_CAUSED: &[(&str, &str)] = &[
    ("mongodb-12", "shown as a part of mongodb-13, whose whole text a test compares"),
    ("names-01", "a machine whose list of name servers is broken; tests leave the machine's own alone"),
    ("act-43", "the agent's own code: plans are never ordered this way"),
    ("act-47", "the agent's own code: a piece of work always reports"),
    ("act-50", "shown to nobody: it marks what is looked at again; people are told the change's own words"),
    ("agent-01", "the system gives the runtime no thread"),
    ("agent-02", "the agent's own code: two of its figures have one name"),
    ("agent-03", "the system lets the agent hear no signal"),
    ("agent-04", "the system gives no thread"),
    ("agent-05", "the agent's own code: a panic"),
    ("agent-06", "a disk that hangs while the agent ends"),
    ("agent-07", "the agent's own code: a panic"),
    ("cli-01", "the system gives the runtime no thread"),
    ("cli-08", "a terminal that breaks while it is drawn on"),
    ("cli-31", "the agent's own code: the built-in configuration"),
    ("cli-52", "the configuration refuses engines that do not exist before"),
    ("host-02", "a proc/ that hangs: no file system here does"),
    ("random-01", "the system gives no random numbers"),
    ("relay-01", "the system gives no socket"),
    ("sample-03", "the agent's own code: a panic outside of a row"),
    ("serve-01", "the agent's own code: an answer that cannot be written as JSON"),
    ("serve-07", "the agent's own code: a panic"),
];

struct File {
    /// From the root: `src/judge/mod.rs`.
    path: String,
    text: String,
}

impl File {
    /// The folder below `src/`, or the file's own name for files directly in it.
    fn folder(&self) -> &str {
        let below = self.path.strip_prefix("src/").unwrap_or(&self.path);
        below.split(['/', '.']).next().unwrap_or(below)
    }

    /// Lines of code with their numbers, comments cut off.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text.lines().enumerate().map(|(at, line)| (at + 1, line.split("//").next().unwrap_or("")))
    }
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn files_below(folder: &str) -> Vec<File> {
    fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
        let Ok(entries) = fs::read_dir(folder) else { return };
        for entry in entries.flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), &mut found);
    found.sort();
    let relative = |path: &PathBuf| path.strip_prefix(root()).expect("below the root").display().to_string();
    found.iter().map(|path| File { path: relative(path), text: fs::read_to_string(path).expect("readable") }).collect()
}

fn engine_names() -> Vec<String> {
    let text = fs::read_to_string(root().join("src/engines/mod.rs")).expect("the registry");
    registered(&text)
}

/// What all engines share, beside their folders.
const SHARED: &[&str] = &["contract", "take", "query", "sight", "statement"];

/// The engines that the registry declares.
fn registered(registry: &str) -> Vec<String> {
    let modules = registry.lines().filter_map(|line| line.strip_prefix("pub mod ")?.strip_suffix(';'));
    modules.filter(|name| !SHARED.contains(name)).map(str::to_string).collect()
}

fn arrows(files: &[File]) -> Vec<String> {
    let mut errors = Vec::new();
    for file in files {
        let from = file.folder();
        if matches!(from, "lib" | "main") {
            continue;
        }
        let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == from) else {
            errors.push(format!("{}: the folder '{from}' has no line in ARROWS", file.path));
            continue;
        };
        for (number, code) in file.code() {
            if code.contains("super::") {
                errors.push(format!("{}:{number}: 'super::' hides an arrow; write the path from crate::", file.path));
            }
            if code.contains("crate::{") {
                errors.push(format!("{}:{number}: one `use crate::` for each module", file.path));
            }
            for to in names_after("crate::", code) {
                if to != from && to != "model" && !allowed.contains(&to) {
                    errors.push(format!("{}:{number}: '{from}' may not use '{to}'; allowed: {allowed:?}", file.path));
                }
            }
        }
    }
    errors
}

fn names_after<'c>(mark: &str, code: &'c str) -> Vec<&'c str> {
    let rest = code.match_indices(mark).map(|(at, _)| &code[at + mark.len()..]);
    let name = |rest: &'c str| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap_or("");
    rest.map(name).filter(|name| !name.is_empty() && !name.starts_with('{')).collect()
}

fn arrows_point_up() -> Vec<String> {
    let mut errors = Vec::new();
    for (at, (from, allowed)) in ARROWS.iter().enumerate() {
        for to in *allowed {
            if !ARROWS[..at].iter().any(|(name, _)| name == to) {
                errors.push(format!("'{from}' → '{to}' does not point up: a cycle could be written down"));
            }
        }
    }
    errors
}

fn no_second_names(files: &[File]) -> Vec<String> {
    let hits = files.iter().flat_map(|file| file.code().map(move |(number, code)| (file, number, code)));
    hits.filter(|(file, _, code)| code.trim_start().starts_with("pub use ") && file.path != "src/lib.rs")
        .map(|(file, number, _)| format!("{}:{number}: a re-export gives a thing a second home", file.path))
        .collect()
}

fn engine_shape(files: &[File], engines: &[String]) -> Vec<String> {
    let mut errors = Vec::new();
    for engine in engines {
        let prefix = format!("src/engines/{engine}/");
        let names: Vec<&str> = files
            .iter()
            .filter_map(|file| file.path.strip_prefix(&prefix))
            .map(|rest| rest.split(['/', '.']).next().unwrap_or(rest))
            .collect();
        for must in ["mod", "session", "monitor"] {
            if !names.contains(&must) {
                errors.push(format!("{prefix}: no {must}; every engine has it"));
            }
        }
        for name in names.iter().filter(|name| !ENGINE_FILES.contains(name)) {
            errors.push(format!("{prefix}{name}: not one of {ENGINE_FILES:?}"));
        }
    }
    for file in files.iter().filter(|file| file.path.starts_with("src/engines/") && file.path.matches('/').count() > 2)
    {
        let folder = file.path.split('/').nth(2).unwrap_or("");
        if !engines.iter().any(|engine| engine == folder) {
            errors.push(format!("{}: the engine '{folder}' is not registered in src/engines/mod.rs", file.path));
        }
    }
    errors
}

fn no_engine_names_outside(files: &[File], engines: &[String]) -> Vec<String> {
    let mut errors = Vec::new();
    for file in files.iter().filter(|file| !file.path.starts_with("src/engines/")) {
        for (at, line) in file.text.lines().enumerate() {
            // The builtin rules are files named after engines; naming the file is how they are embedded.
            let line = if file.path == "src/judge/builtin.rs" { "" } else { line };
            let words = line.split(|c: char| !c.is_ascii_alphanumeric()).map(str::to_ascii_lowercase);
            for word in words.filter(|word| word != "host" && engines.iter().any(|engine| engine == word)) {
                errors.push(format!("{}:{}: names the engine '{word}'; only src/engines/ may", file.path, at + 1));
            }
        }
    }
    errors
}

fn first_lines(files: &[File]) -> Vec<String> {
    let bad = files.iter().filter(|file| !file.text.starts_with("//! "));
    bad.map(|file| format!("{}: the first line says what lives here, after '//! '", file.path)).collect()
}

fn lengths(files: &[File]) -> Vec<String> {
    let count = |file: &File| file.text.lines().count();
    let long = files.iter().filter(|file| count(file) > LINES_MAX);
    long.map(|file| format!("{}: {} lines, {LINES_MAX} allowed", file.path, count(file))).collect()
}

/// Files, sockets and the system are reached through `sys` alone.
fn doors(files: &[File]) -> Vec<String> {
    const DOORS: &[&str] = &["std::fs", "tokio::fs", "tokio::net", "std::os::unix::net", "rustix::"];
    let mut errors = Vec::new();
    for file in files.iter().filter(|file| file.folder() != "sys") {
        if OWN_DOORS.iter().any(|(path, _)| file.path.starts_with(path)) {
            continue;
        }
        for (number, code) in file.code() {
            if let Some(door) = DOORS.iter().find(|door| code.contains(**door)) {
                errors.push(format!("{}:{number}: '{door}' outside sys; say it there", file.path));
            }
        }
    }
    errors
}

fn unfinished(files: &[File]) -> Vec<String> {
    let marks = [concat!("TO", "DO"), concat!("FIX", "ME"), concat!("todo", "!("), concat!("unimplemented", "!(")];
    let mut errors = Vec::new();
    for file in files {
        for (at, line) in file.text.lines().enumerate() {
            if let Some(mark) = marks.iter().find(|mark| line.contains(**mark)) {
                errors.push(format!("{}:{}: '{mark}': finish it, or write down why not", file.path, at + 1));
            }
        }
    }
    errors
}

/// The codes of faults that the code names: `"store-05"`.
fn codes(files: &[File]) -> BTreeSet<String> {
    let is_code = |word: &&str| {
        let is_number = |text: &str| text.len() == 2 && text.bytes().all(|byte| byte.is_ascii_digit());
        let is_word = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase());
        word.split_once('-').is_some_and(|(prefix, number)| is_word(prefix) && is_number(number))
    };
    let words = files.iter().flat_map(File::code).flat_map(|(_, code)| code.split('"').skip(1).step_by(2));
    words.filter(is_code).map(str::to_string).collect()
}

/// Codes whose text no test compares: as it is printed (`… [store-05]`), as JSON, or beside it in a pair.
fn untested_codes(codes: &BTreeSet<String>, tests: &[File], not_caused: &[(&str, &str)]) -> Vec<String> {
    let text: String = tests.iter().map(|file| file.text.as_str()).collect();
    let is_compared = |code: &str| {
        let pair = format!("(\"{code}\", ");
        let is_pair = text.match_indices(&pair).any(|(at, _)| !text[..at].ends_with("Fault::new"));
        let json = [format!("\"code\":\"{code}\""), format!("\"code\": \"{code}\"")];
        text.contains(&format!("[{code}]")) || json.iter().any(|json| text.contains(json)) || is_pair
    };
    let mut errors = Vec::new();
    for code in codes {
        match (is_compared(code), not_caused.iter().find(|(known, _)| known == code)) {
            (false, None) => errors.push(format!("{code}: no test compares its text")),
            (true, Some(_)) => errors.push(format!("{code}: in NOT_CAUSED, and a test compares its text")),
            _ => {}
        }
    }
    let gone = not_caused.iter().filter(|(code, _)| !codes.contains(*code));
    errors.extend(gone.map(|(code, _)| format!("{code}: in NOT_CAUSED, and no code of a fault")));
    errors
}

/// Every path the map names exists, and every folder of `src/` is on the map.
fn map(text: &str, exists: impl Fn(&str) -> bool, folders: &[String]) -> Vec<String> {
    let mut errors = Vec::new();
    for quoted in text.split('`').skip(1).step_by(2) {
        let is_path = ["src/", "tests/", "docs/", "benches/", "alerts/"].iter().any(|top| quoted.starts_with(top));
        if is_path && !quoted.contains(['<', '*', ' ']) && !exists(quoted) {
            errors.push(format!("ARCHITECTURE.md names {quoted}, which does not exist"));
        }
    }
    for folder in folders.iter().filter(|folder| !text.contains(&format!("`src/{folder}/`"))) {
        errors.push(format!("ARCHITECTURE.md does not name src/{folder}/"));
    }
    errors
}

fn clean(errors: &[String]) {
    assert!(errors.is_empty(), "\n{}\n", errors.join("\n"));
}

fn planted(path: &str, text: &str) -> Vec<File> {
    vec![File { path: path.to_string(), text: text.to_string() }]
}

#[test]
fn arrows_are_those_of_the_table() {
    clean(&arrows(&files_below("src")));
}

#[test]
fn a_forbidden_arrow_is_found() {
    let errors = arrows(&planted("src/judge/mod.rs", "//! x\nuse crate::store::Store;\n"));
    assert_eq!(errors, ["src/judge/mod.rs:2: 'judge' may not use 'store'; allowed: [\"promql\"]"]);
    assert_eq!(arrows(&planted("src/judge/mod.rs", "use super::x;\n")).len(), 1);
    assert_eq!(arrows(&planted("src/judge/mod.rs", "use crate::{model, promql};\n")).len(), 1);
    assert_eq!(arrows(&planted("src/unheard_of/mod.rs", "")).len(), 1);
    assert!(arrows(&planted("src/judge/mod.rs", "// crate::store is not used\n")).is_empty());
}

#[test]
fn the_table_of_arrows_has_no_cycle() {
    clean(&arrows_point_up());
}

#[test]
fn nothing_has_a_second_home() {
    clean(&no_second_names(&files_below("src")));
    assert_eq!(no_second_names(&planted("src/judge/mod.rs", "pub use crate::model::x;\n")).len(), 1);
}

#[test]
fn engines_have_their_shape_and_are_registered() {
    clean(&engine_shape(&files_below("src"), &engine_names()));
}

#[test]
fn a_misshapen_engine_is_found() {
    let engines = vec!["oracle".to_string()];
    let of = |paths: &[&str]| -> Vec<File> {
        paths.iter().map(|path| File { path: (*path).to_string(), text: String::new() }).collect()
    };
    let whole = ["src/engines/oracle/mod.rs", "src/engines/oracle/session.rs", "src/engines/oracle/monitor/a.rs"];
    assert!(engine_shape(&of(&whole), &engines).is_empty());
    assert_eq!(engine_shape(&of(&whole[..2]), &engines), ["src/engines/oracle/: no monitor; every engine has it"]);
    assert_eq!(engine_shape(&of(&[&whole[..], &["src/engines/oracle/misc.rs"]].concat()), &engines).len(), 1);
    assert_eq!(engine_shape(&of(&["src/engines/dbase/mod.rs"]), &[]).len(), 1);
    assert_eq!(registered("pub mod contract;\npub mod oracle;\n"), ["oracle"]);
}

#[test]
fn no_engine_is_named_outside_its_folder() {
    clean(&no_engine_names_outside(&files_below("src"), &engine_names()));
}

#[test]
fn an_engine_named_outside_is_found_and_a_word_that_holds_one_is_not() {
    let engines = vec!["redis".to_string(), "host".to_string()];
    let errors = no_engine_names_outside(&planted("src/act/mod.rs", "// as Redis does\n"), &engines);
    assert_eq!(errors, ["src/act/mod.rs:1: names the engine 'redis'; only src/engines/ may"]);
    assert!(no_engine_names_outside(&planted("src/act/mod.rs", "redistribute the host\n"), &engines).is_empty());
}

#[test]
fn every_file_says_what_lives_in_it() {
    clean(&first_lines(&[files_below("src"), files_below("tests"), files_below("benches")].concat_files()));
    assert_eq!(first_lines(&planted("src/x.rs", "use a;\n")).len(), 1);
}

#[test]
fn no_file_is_too_long() {
    clean(&lengths(&[files_below("src"), files_below("tests"), files_below("benches")].concat_files()));
    assert_eq!(lengths(&planted("src/x.rs", &"\n".repeat(601))), ["src/x.rs: 601 lines, 600 allowed"]);
}

#[test]
fn the_world_is_reached_through_sys() {
    clean(&doors(&files_below("src")));
    assert_eq!(doors(&planted("src/judge/x.rs", "let a = std::fs::read(p);\n")).len(), 1);
    assert!(doors(&planted("src/sys/x.rs", "let a = std::fs::read(p);\n")).is_empty());
}

#[test]
fn nothing_is_left_unfinished() {
    clean(&unfinished(&[files_below("src"), files_below("tests"), files_below("benches")].concat_files()));
    let mark = concat!("// TO", "DO: later\n");
    assert_eq!(unfinished(&planted("src/x.rs", mark)).len(), 1);
}

#[test]
fn every_fault_that_can_be_caused_has_a_test_on_its_text() {
    let codes = codes(&files_below("src"));
    assert!(codes.len() > 200, "{}", codes.len());
    let is_other = |file: &File| file.path != "tests/tidy.rs";
    let tests: Vec<File> = files_below("tests").into_iter().filter(is_other).collect();
    clean(&untested_codes(&codes, &tests, NOT_CAUSED));
}

#[test]
fn a_fault_without_a_test_is_found() {
    let source = planted("src/store/x.rs", "Fault::new(\"store-77\", \"x-1\") // \"store-78\"\n");
    let codes = codes(&source);
    assert_eq!(codes.iter().collect::<Vec<_>>(), ["store-77"]);
    let check = |test: &str, not_caused: &[(&str, &str)]| {
        untested_codes(&codes, &planted("tests/it/x.rs", test), not_caused).join("; ")
    };
    assert_eq!(check("assert_eq!(fault.code, \"store-77\");", &[]), "store-77: no test compares its text");
    assert_eq!(check("Fault::new(\"store-77\", what)", &[]), "store-77: no test compares its text");
    for test in ["\"it is [store-77]\"", "{\"code\":\"store-77\"}", "((\"store-77\", what))"] {
        assert_eq!(check(test, &[]), "", "{test}");
    }
    assert_eq!(check("", &[("store-77", "why")]), "");
    assert_eq!(check("[store-77]", &[("store-77", "why")]), "store-77: in NOT_CAUSED, and a test compares its text");
    assert_eq!(check("[store-77]", &[("store-79", "why")]), "store-79: in NOT_CAUSED, and no code of a fault");
}

#[test]
fn the_map_is_true() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).expect("ARCHITECTURE.md");
    let folders: Vec<String> = fs::read_dir(root().join("src"))
        .expect("src")
        .flatten()
        .filter(|entry| entry.path().is_dir())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect();
    clean(&map(&text, |path| root().join(path).exists(), &folders));
}

#[test]
fn a_map_that_lies_is_found() {
    let folders = vec!["judge".to_string()];
    assert!(map("see `src/judge/`", |_| true, &folders).is_empty());
    assert_eq!(map("see `src/judge/`", |_| false, &folders).len(), 1);
    assert_eq!(map("see nothing", |_| true, &folders).len(), 1);
}

trait ConcatFiles {
    fn concat_files(self) -> Vec<File>;
}

impl<const N: usize> ConcatFiles for [Vec<File>; N] {
    fn concat_files(self) -> Vec<File> {
        self.into_iter().flatten().collect()
    }
}
