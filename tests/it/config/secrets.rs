//! Planted secrets: wherever people put one by mistake, no error, no Debug and no rendering repeats it.

use proptest::prelude::*;
use watchward::cli::check;
use watchward::config::render::{json, render};

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
                format!("{}\n{}\n{debug}\n{warnings}", render(&loaded), json(&loaded))
            }
            Err(problems) => {
                let words = lines(&problems).join("\n");
                let debug = format!("{problems:?}");
                format!("{words}\n{debug}\n{}", check::answer(&Err(problems)))
            }
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

/// The same for receivers: each place in which a hook may hold a secret, or should not.
const PLANTED_IN_HOOKS: &[&str] = &[
    "url = \"https://hooks.example.org/hunter2\"",
    "url = \"https://hooks.example.org/?token=hunter2\"",
    "url = \"https://hooks.example.org/x?a=1&api_key=hunter2\"",
    "url = \"https://watch:hunter2@hooks.example.org/x\"",
    "url = \"https://hunter2@hooks.example.org/x\"",
    "url = \"https://:hunter2@hooks.example.org/x\"",
    "url = \"https://hooks.example.org:hunter2/x\"",
    "url = \"ftp://hooks.example.org/hunter2\"",
    "url = \"hooks.example.org/hunter2\"",
    "url = \"https://hooks.example.org/hunter2 \"",
    "url = \"https://hooks.example.org/x\"\nsecret_file = \"hunter2\"",
    "url = \"https://hooks.example.org/x\"\nsecret_env = \"hunter2\"",
    "url = \"https://hooks.example.org/x\"\nsecret = \"hunter2\"",
    "url = \"https://hooks.example.org/x\"\nheaders = { Authorization = \"Bearer hunter2\" }",
];

#[test]
fn a_secret_planted_in_a_hook_is_in_no_byte_of_output() {
    for planted in PLANTED_IN_HOOKS {
        let toml = format!("[[alert.receiver]]\nname = \"dba\"\n[alert.receiver.webhook]\n{planted}\n");
        let output = match read(&toml) {
            Ok(loaded) => {
                let debug = format!("{:?}", loaded.configuration.alert);
                format!("{}\n{}\n{debug}\n{}", render(&loaded), json(&loaded), lines(&loaded.warnings).join("\n"))
            }
            Err(problems) => format!("{}\n{}", lines(&problems).join("\n"), check::answer(&Err(problems))),
        };
        assert!(!output.contains(SECRET), "of {planted}:\n{output}");
    }
    let with_token =
        "[[alert.receiver]]\nname = \"dba\"\nwebhook = { url = \"https://hooks.example.org/?token=hunter2\" }\n";
    assert!(read(with_token).is_ok(), "a hook may hold its token");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever stands in a file, it is read without a panic, and so is what is said of it.
    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = check::answer(&read(&String::from_utf8_lossy(&bytes)));
    }

    /// Nearly configurations reach every branch.
    #[test]
    fn any_near_configuration_is_read_without_a_panic(
        parts in prop::collection::vec(
            prop::sample::select(vec![
                "[agent]\n", "[[target]]\n", "[environment.p]\n", "[[environment.p.target]]\n", "[features]\n",
                "[alert.thresholds]\n", "timezone = ", "name = ", "engine = ", "url = ", "interval = ", "environment = ",
                "target = ", "labels.x = ", "\"${", "\"${HOME}\"\n", "\"p\"\n", "\"host\"\n", "\"redis://u:p@h\"\n", "\"",
                "1\n", "true\n", "{ a = 1 }\n", "[]\n", "\n", "'", "\u{1f512}", "= ", "#",
            ]),
            0..14,
        ),
    ) {
        let _ = check::answer(&read(&parts.concat()));
    }
}
