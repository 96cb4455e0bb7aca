//! Planted secrets: wherever people put one by mistake, no error, no Debug and no rendering repeats it.

use watchward::config::render::render;

use super::{lines, read};

const SECRET: &str = "hunter2";

/// Each text holds the secret once where it does not belong, or may stand but not be shown.
const PLANTED: &[&str] = &[
    // In a URL that is sound, in each place where one may hold it.
    "url = \"redis://u:hunter2@127.0.0.1\"",
    "url = \"redis://:hunter2@127.0.0.1/0\"",
    "url = \"redis://127.0.0.1/?password=hunter2\"",
    // In a URL that is not, so that nobody knows where the password begins or ends.
    "url = \"redis://u:hunter2@127.0.0.1:port\"",
    "url = \"redis://u:hun#ter2hunter2@127.0.0.1\"",
    "url = \"redis://u:12/hunter2@127.0.0.1\"",
    "url = \"redis://u:?hunter2@127.0.0.1\"",
    "url = \"redis://u:%hunter2@127.0.0.1\"",
    "url = \"redis://u:hunter2 @127.0.0.1\"",
    "url = \"redis//u:hunter2@127.0.0.1\"",
    "url = \"redis://hunter2\\n\"",
    "url = \"redis://127.0.0.1/?sslpassword=hunter2\"",
    "url = \"postgres://u:hunter2@127.0.0.1\"",
    "url = \"redis://u:hunter2@db1.example.org\"",
    "url = [\"redis://u:hunter2@127.0.0.1\"]",
    // Under a key that does not exist, or as one.
    "password = \"hunter2\"",
    "pasword_file = \"hunter2\"",
    "\"redis://u:hunter2@h\" = 1",
    // Where the name of a file or variable belongs.
    "password_file = \"hunter2\"",
    "password_env = \"hunter2\"",
    "api_key_env = \"hunter2=\"",
    "api_key_file = [\"hunter2\"]",
    "ca_file = { hunter2 = \"hunter2\" }",
    // In a text that is not TOML at all.
    "password_env = hunter2",
    "password_env = \"hunter2",
    "hunter2",
    // As a label whose name says what it is.
    "labels = { db_password = \"hunter2\" }",
];

#[test]
fn a_planted_secret_is_in_no_byte_of_output() {
    assert!(PLANTED.len() >= 20);
    for planted in PLANTED {
        let url = if planted.starts_with("url") { "" } else { "url = \"redis://127.0.0.1\"\n" };
        let toml = format!("[[target]]\nname = \"a\"\nengine = \"redis\"\n{url}{planted}\n");
        let output = match read(&toml) {
            Ok(loaded) => {
                let warnings = lines(&loaded.warnings).join("\n");
                // A label is shown to everybody: under such a name the value is hidden in the configuration alone.
                let debug = if planted.starts_with("labels") { String::new() } else { format!("{loaded:?}") };
                format!("{}\n{debug}\n{warnings}", render(&loaded))
            }
            Err(problems) => format!("{}\n{problems:?}", lines(&problems).join("\n")),
        };
        assert!(!output.is_empty());
        assert!(!output.contains(SECRET), "of {planted}:\n{output}");
    }
}

#[test]
fn a_password_is_taken_where_it_may_stand() {
    for planted in &PLANTED[..3] {
        let toml = format!("[[target]]\nname = \"a\"\nengine = \"redis\"\n{planted}\n");
        let loaded = read(&toml).expect("sound");
        let password = watchward::sys::secrets::read(&loaded.configuration.targets[0].password);
        assert_eq!(password.expect("read").expect("there").expose(), SECRET);
    }
}
