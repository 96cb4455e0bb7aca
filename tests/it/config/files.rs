//! Files and variables that the configuration names.

use super::{Folder, check, sound};

fn target(line: &str) -> String {
    format!("[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1\"\n{line}\n")
}

#[test]
fn a_file_that_cannot_be_read_is_told_in_the_systems_words() {
    check(
        &target("password_file = \"/nonexistent/pw\"\nca_file = \"/nonexistent/ca.pem\""),
        &[
            "agent.toml:5:17: password_file cannot be read: No such file or directory (os error 2) [config-09] \
             | detail: It names /nonexistent/pw. | hint: Does the file exist, and may the agent's user read it?",
            "agent.toml:6:11: ca_file cannot be read: No such file or directory (os error 2) [config-09] \
             | detail: It names /nonexistent/ca.pem. | hint: Does the file exist, and may the agent's user read it?",
        ],
    );
    check(
        &target("password_file = \"/\""),
        &["agent.toml:5:17: password_file cannot be read: Is a directory (os error 21) [config-09] \
           | detail: It names /. | hint: Does the file exist, and may the agent's user read it?"],
    );
}

#[test]
fn an_empty_secret_file_is_told() {
    let folder = Folder::new();
    let path = folder.file("pw", "\n");
    check(
        &target(&format!("password_file = \"{path}\"")),
        &[&format!(
            "agent.toml:5:17: password_file is empty [config-09] | detail: It names {path}. | hint: Write the secret into that file."
        )],
    );
}

#[test]
fn a_file_of_authorities_must_hold_one() {
    let folder = Folder::new();
    let path = folder.file("ca.pem", "not a certificate");
    let problems = super::read(&target(&format!("ca_file = \"{path}\""))).expect_err("no certificate in it");
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((problem.origin.line, problem.fault.code), (5, "config-09"));
    assert!(problem.fault.what.contains(&path), "{}", problem.fault.what);
}

#[test]
fn a_variable_must_be_set_and_its_name_be_one() {
    check(
        &target("password_env = \"WATCHWARD_TEST_UNSET\"\napi_key_env = \"Pa$$w0rd\""),
        &[
            "agent.toml:5:16: password_env names an environment variable that is not set [config-09] \
             | hint: Set it where the agent is started, or name a file instead.",
            "agent.toml:6:15: api_key_env is not the name of an environment variable [config-05] \
             | hint: Write the variable's name in capital letters, digits and '_', never the secret itself.",
        ],
    );
    sound(&target("password_env = \"PATH\""));
}

#[test]
fn a_relative_path_to_a_secret_is_not_repeated() {
    check(
        &target("password_file = \"orders.pw\""),
        &["agent.toml:5:17: password_file is not an absolute path [config-05] \
           | hint: Name the file that holds the secret, from the root: \"/etc/watchward/…\". The secret itself never stands here."],
    );
}

#[test]
fn the_hosts_root_must_have_a_proc() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"host\"\nroot = \"/nonexistent\"\n",
        &["agent.toml:4:8: root has no proc/ that can be read: No such file or directory (os error 2) [config-09] \
           | detail: It was looked for as /nonexistent/proc/stat. \
           | hint: Name the folder that has proc/ and sys/: \"/\", or where a sidecar sees its host."],
    );
}

#[test]
fn the_rest_of_a_section_is_checked_too() {
    check(
        "[agent]\nname = \" \"\ntimezone = \"Europe/Berln\"\n[serve]\nlisten = \"9468\"\n",
        &[
            "agent.toml:2:8: name is empty [config-05] | hint: Leave it out to use the machine's name.",
            "agent.toml:3:12: timezone: unknown time zone 'Europe/Berln' [calendar-01] | hint: Did you mean 'Europe/Berlin'?",
            "agent.toml:5:10: listen is '9468', not an address and a port [config-05] \
             | hint: Write it like \"127.0.0.1:9468\" or \"[::1]:9468\".",
        ],
    );
}

#[test]
fn loopback_has_three_names() {
    for (text, expected) in [
        ("127.0.0.1:1", "127.0.0.1:1"),
        ("[::1]:2", "[::1]:2"),
        ("localhost:3", "127.0.0.1:3"),
        ("127.0.0.9:0", "127.0.0.9:0"),
    ] {
        assert_eq!(sound(&format!("[serve]\nlisten = \"{text}\"")).configuration.serve.listen.to_string(), expected);
    }
}
