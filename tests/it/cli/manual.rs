//! docs/cli.md and the shells' completions, from the same words as the help.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};

use clap::CommandFactory;
use watchward::cli::arguments::Arguments;
use watchward::cli::completions::{Shell, script};
use watchward::cli::manual::page;

use crate::cli::{Folder, run};

/// Every verb there is, `policy list` and the like included.
fn verbs() -> Vec<String> {
    fn below(command: &clap::Command, before: &str, out: &mut Vec<String>) {
        for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
            let name = format!("{before}{}", verb.get_name());
            below(verb, &format!("{name} "), out);
            out.push(name);
        }
    }
    let mut out = Vec::new();
    let mut root = Arguments::command();
    root.build();
    below(&root, "", &mut out);
    out
}

#[test]
fn the_manual_s_page_is_the_help() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/cli.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, page()).unwrap();
    }
    let written = fs::read_to_string(&path).unwrap_or_default();
    assert!(written == page(), "docs/cli.md is not what the help says; UPDATE_DOCS=1 writes it anew");
    for verb in verbs() {
        assert!(written.contains(&format!("## `watchward {verb}`\n")), "no {verb}");
    }
}

#[test]
fn every_verb_and_flag_has_help_and_verbs_that_tell_have_json() {
    fn check(command: &clap::Command) {
        let name = command.get_name().to_string();
        assert!(command.get_about().is_some(), "{name} has no help");
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{name}: {} has no help", argument.get_id());
        }
        command.get_subcommands().for_each(check);
    }
    check(&Arguments::command());
    for verb in ["status", "targets", "query", "top", "sample"] {
        let command = Arguments::command();
        let verb = command.find_subcommand(verb).unwrap();
        assert!(verb.get_arguments().any(|one| one.get_id() == "json"), "{}", verb.get_name());
    }
}

#[test]
fn shells_complete_every_verb() {
    for (shell, word) in [(Shell::Bash, "bash"), (Shell::Zsh, "zsh"), (Shell::Fish, "fish")] {
        let text = String::from_utf8(script(shell)).unwrap();
        for verb in verbs().iter().filter(|verb| !verb.contains(' ')) {
            assert!(text.contains(verb.as_str()), "{word} does not know {verb}");
        }
        assert_eq!(run(&Folder::new(), &["completions", word]).out, text);
    }
}

#[test]
fn bash_takes_the_script_and_completes_a_verb_with_it() {
    let folder = Folder::new();
    let path = folder.write("completion", &String::from_utf8(script(Shell::Bash)).unwrap());
    let ask = format!(
        "source {}; COMP_WORDS=(watchward sta); COMP_CWORD=1; _watchward watchward sta watchward; echo \"${{COMPREPLY[*]}}\"",
        path.display()
    );
    let output = Command::new("bash").args(["--norc", "-c", &ask]).stdin(Stdio::null()).output().unwrap();
    assert_eq!((String::from_utf8_lossy(&output.stdout).trim(), output.stderr.len()), ("status", 0));
}
