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

/// What is said of a configuration file with these bytes, without its folder; nothing of one that is sound.
fn of_bytes(bytes: &[u8]) -> Vec<String> {
    let folder = Folder::new();
    let path = folder.0.join("agent.toml");
    std::fs::write(&path, bytes).expect("a file");
    of_path(&folder, path)
}

fn of_path(folder: &Folder, path: std::path::PathBuf) -> Vec<String> {
    let source = watchward::config::Source { file: Some(path), ..Default::default() };
    let problems = watchward::config::load(&source, &super::here()).err().unwrap_or_default();
    let at = folder.0.display().to_string();
    super::lines(&problems).into_iter().map(|line| line.replace(&at, "")).collect()
}

#[test]
fn bytes_that_editors_and_systems_leave_in_a_file_are_taken_or_told() {
    const NOTHING: &[&str] = &[];
    assert_eq!(of_bytes(b"\xef\xbb\xbf[agent]\nname = \"a\"\n"), NOTHING, "a byte order mark");
    assert_eq!(of_bytes(b"[agent]\r\nname = \"a\"\r\n"), NOTHING, "Windows' line ends");
    assert_eq!(
        of_bytes(b"[agent]\r\nname = \"a\"\r\nnam = 1\r\n"),
        ["/agent.toml:3:1: unknown key 'nam' in [agent] [config-03] | hint: Did you mean 'name'?"]
    );
    assert_eq!(
        of_bytes(b"[agent]\rname = \"a\"\n"),
        [
            "/agent.toml:1:9: this is not TOML: carriage return must be followed by newline, expected newline [config-02]"
        ]
    );
    assert_eq!(
        of_bytes(b"[agent]\nname = \"a\0b\"\n"),
        [
            "/agent.toml:2:10: this is not TOML: invalid basic string, expected non-double-quote visible characters, `\\` [config-02]"
        ]
    );
    assert_eq!(
        of_bytes(b"[agent]\nname = \"a\xff\"\n"),
        ["/agent.toml: the configuration cannot be read: it is not UTF-8 text, in line 2 [config-01] \
          | hint: Is it the file that was meant?"]
    );
    assert_eq!(
        of_bytes(&vec![b'#'; (4 << 20) + 1]),
        ["/agent.toml: the configuration cannot be read: it is larger than 4194304 bytes [config-01] \
          | hint: Is it the file that was meant?"]
    );
}

#[test]
fn what_is_no_file_is_told_and_waits_for_nobody() {
    let folder = Folder::new();
    let (pipe, circle) = (folder.0.join("pipe"), folder.0.join("circle"));
    rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, 0o600.into(), 0).expect("a pipe");
    std::os::unix::fs::symlink(&circle, &circle).expect("a link");
    assert_eq!(
        of_path(&folder, pipe.clone()),
        ["/pipe: the configuration cannot be read: it is a pipe, not a file [config-01] \
          | hint: Is it the file that was meant?"]
    );
    assert_eq!(
        of_path(&folder, circle),
        ["/circle: the configuration cannot be read: Too many levels of symbolic links (os error 40) [config-01] \
          | hint: Does the file exist, and may the agent's user read it?"]
    );
    let pipe = pipe.display();
    check(
        &target(&format!("password_file = \"{pipe}\"")),
        &[&format!(
            "agent.toml:5:17: password_file cannot be read: it is a pipe, not a file [config-09] \
             | detail: It names {pipe}. | hint: Is it the file that was meant?"
        )],
    );
}
