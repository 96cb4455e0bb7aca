//! Environment variables in texts, and the environment that is in force.

use proptest::prelude::*;
use watchward::config::layers::{Document, Outside};
use watchward::config::problem::Problem;
use watchward::config::render::{json, render};
use watchward::config::{self, Loaded};

use super::{Folder, here, lines};

/// What is set where these tests run.
fn variable(name: &str) -> Option<String> {
    let value = match name {
        "INTERVAL" => "30s",
        "HOST" => "127.0.0.1",
        "EMPTY" => "",
        "DB_PASSWORD" => "hunter2",
        "DATABASE_URL" => "redis://u:hunter2@127.0.0.1:6379/0",
        "HOOK_TOKEN" => "hunter2",
        "API_TOKEN" => "token://hunter2",
        "AT_PASSWORD" => "hunter@2",
        "REMOTE_URL" => "redis://u:hunter2@db1",
        "TENANTS" => "a,default",
        "SLASH" => "/",
        "DOLLAR" => "a${HOST}b",
        "LONG" => return Some("x".repeat(40_000)),
        "STAGE" => "production",
        _ => return None,
    };
    Some(value.to_string())
}

fn read_in(environment: Option<&str>, toml: &str) -> Result<Loaded, Vec<Problem>> {
    let outside = Outside { environment: environment.map(str::to_string), variable };
    config::read_documents(&[Document { file: "agent.toml".into(), text: toml.into() }], &here(), &outside)
}

fn sound(toml: &str) -> Loaded {
    read_in(None, toml).unwrap_or_else(|problems| panic!("{}", lines(&problems).join("\n")))
}

fn check_in(environment: Option<&str>, toml: &str, expected: &[&str]) {
    let problems = read_in(environment, toml).err().unwrap_or_default();
    assert_eq!(lines(&problems), expected, "\n--- of ---\n{toml}");
}

fn check(toml: &str, expected: &[&str]) {
    check_in(None, toml, expected);
}

fn name(written: &str) -> String {
    sound(&format!("[agent]\nname = '{written}'\n")).configuration.agent.name
}

#[test]
fn variables_stand_in_any_text() {
    for (written, expected) in [
        ("${HOST}", "127.0.0.1"),
        ("a-${HOST}-${INTERVAL}", "a-127.0.0.1-30s"),
        ("${UNSET:-x}", "x"),
        ("${EMPTY:-x}", "x"),
        ("${HOST:-x}", "127.0.0.1"),
        ("a${EMPTY}", "a"),
        ("a${UNSET:-}", "a"),
        ("${UNSET:-a:-b}", "a:-b"),
        ("$${HOST}", "${HOST}"),
        ("$$${HOST}", "$${HOST}"),
        ("$HOST $", "$HOST $"),
        ("{HOST}", "{HOST}"),
        ("${DOLLAR}", "a${HOST}b"), // what a variable holds is not read again
    ] {
        assert_eq!(name(written), expected, "of {written}");
    }
    let loaded = sound(
        "[sample]\ninterval = \"${INTERVAL}\"\n[alert.route]\ngroup_by = [\"${UNSET:-tenant}\", \"target\"]\n\
         [[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://${HOST}:6379\"\nlabels = { at = \"${HOST}\" }\n",
    );
    assert_eq!(loaded.configuration.sample.interval.as_secs(), 30);
    assert_eq!(loaded.configuration.targets[0].url.host, "127.0.0.1");
    assert_eq!(loaded.configuration.targets[0].labels["at"], "127.0.0.1");
}

#[test]
fn what_is_wrong_with_a_variable_is_told_with_its_line() {
    check(
        "[agent]\nname = \"${UNSET}\"\n[sample]\ninterval = \"${INTERVAL\"\n[serve]\nlisten = \"${1}:80\"\n\
         [alert.route]\nreceiver = \"${}\"\ngroup_by = [\"a\", \"${UNSET}\"]\n",
        &[
            "agent.toml:2:8: name has the environment variable 'UNSET', which is not set [config-15] \
             | hint: Set it where the agent is started, or give a default: ${UNSET:-…}.",
            "agent.toml:4:12: interval has a '${' without its '}' [config-15] \
             | hint: Write ${NAME}, or $${ for the two characters themselves.",
            "agent.toml:6:10: listen has a '${…}' that does not name an environment variable [config-15] \
             | hint: A name has letters, digits and '_', no digit first. Write $${ for the two characters themselves.",
            "agent.toml:8:12: receiver has a '${…}' that does not name an environment variable [config-15] \
             | hint: A name has letters, digits and '_', no digit first. Write $${ for the two characters themselves.",
            "agent.toml:9:12: group_by has the environment variable 'UNSET', which is not set [config-15] \
             | hint: Set it where the agent is started, or give a default: ${UNSET:-…}.",
        ],
    );
    check(
        "[agent]\nname = \"${UNSET_PASSWORD}\"\n",
        &["agent.toml:2:8: name has the environment variable 'UNSET_PASSWORD', which is not set [config-15] \
           | hint: Set it where the agent is started."],
    );
    check(
        "[agent]\nname = \"${LONG}${LONG}\"\n",
        &["agent.toml:2:8: name is longer than 65536 bytes with what its variables hold [config-15]"],
    );
}

#[test]
fn no_error_repeats_what_a_variable_holds() {
    let cover = "[config-05] | hint: What a variable holds is not repeated here, for it may be a secret.";
    check(
        "[agent]\ntimezone = \"${DB_PASSWORD}\"\nstate_dir = \"${DB_PASSWORD}\"\n[sample]\ninterval = \"${DB_PASSWORD}\"\n",
        &[
            "agent.toml:2:12: timezone is not a time zone, like \"UTC\" or \"Europe/Berlin\", as ${DB_PASSWORD} makes it \
             [calendar-01] | hint: What a variable holds is not repeated here, for it may be a secret.",
            &format!("agent.toml:3:13: state_dir is not an absolute path, as ${{DB_PASSWORD}} makes it {cover}"),
            &format!(
                "agent.toml:5:12: interval is not a duration from \"1s\" to \"1h\", as ${{DB_PASSWORD}} makes it {cover}"
            ),
        ],
    );
    check(
        "[alert.thresholds]\ncpu_usage = \"${DB_PASSWORD}\"\n",
        &["agent.toml:2:13: thresholds.cpu_usage is not a number, as ${DB_PASSWORD} makes it [config-04] \
           | hint: What a variable holds is not repeated here, for it may be a secret."],
    );
    check(
        "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"${DB_PASSWORD}\"\npassword_file = \"/nonexistent/${DB_PASSWORD}\"\n",
        &[
            "agent.toml:4:7: url is not a URL: it does not begin with a scheme and '://' [config-05] \
             | hint: Write it like scheme://user@host:port/path.",
            "agent.toml:5:17: password_file cannot be read: No such file or directory (os error 2) [config-09] \
             | hint: Does the file exist, and may the agent's user read it?",
        ],
    );
}

#[test]
fn what_is_made_of_a_secret_is_hidden_and_a_url_shows_who_and_where() {
    let loaded = sound(
        "[agent]\nname = \"${HOST}\"\n[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"${DATABASE_URL}\"\n\
         [[target]]\nname = \"b\"\nengine = \"redis\"\nurl = \"redis://u:${DB_PASSWORD}@${HOST}\"\n\
         labels = { note = \"is ${DB_PASSWORD}\", other = \"${API_TOKEN}\" }\n\
         [[alert.receiver]]\nname = \"dba\"\nwebhook = { url = \"https://hooks.example.org/x?token=${HOOK_TOKEN}\" }\n",
    );
    let text = render(&loaded);
    let shown: Vec<String> = text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "name = \"127.0.0.1\" # agent.toml:2:8, from ${HOST}",
        "url = \"redis://u:***@127.0.0.1:6379/0\" # agent.toml:6:7, from ${DATABASE_URL}",
        "url = \"redis://u:***@127.0.0.1\" # agent.toml:10:7, from ${DB_PASSWORD} and ${HOST}",
        "labels.note = \"***\" # agent.toml:11:19, from ${DB_PASSWORD}",
        "labels.other = \"***\" # agent.toml:11:48, from ${API_TOKEN}",
        "url = \"https://hooks.example.org/***\" # agent.toml:14:19, from ${HOOK_TOKEN}",
    ] {
        assert!(shown.iter().any(|line| line == expected), "no '{expected}' in\n{text}");
    }
    let machine = json(&loaded).to_string();
    assert!(machine.contains("redis://u:***@127.0.0.1:6379/0") && machine.contains("https://hooks.example.org/***"));
    for output in [text, machine, format!("{:?}", loaded.effective)] {
        assert!(!output.contains("hunter2"), "{output}");
    }
    assert!(
        loaded.warnings.is_empty(),
        "the password stands in the environment, not in the file: {:?}",
        loaded.warnings
    );
    assert_eq!(loaded.configuration.targets[1].labels["note"], "is hunter2", "it is hidden, not lost");
}

#[test]
fn a_systemd_credential_is_a_file_below_a_variable() {
    let folder = Folder::new();
    folder.file("orders.pw", "hunter2\n");
    let target = "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1\"\n";
    let file = format!("password_file = \"${{CREDENTIALS_DIRECTORY:-{}}}/orders.pw\"\n", folder.0.display());
    let loaded = sound(&format!("{target}{file}"));
    let password = watchward::sys::secrets::read(&loaded.configuration.targets[0].password);
    assert_eq!(password.expect("read").expect("there").expose(), "hunter2");
}

const STAGES: &str =
    "[environment.production]\nagent = { name = \"${UNSET}\" }\n[environment.test]\nagent = { name = \"t\" }\n";

#[test]
fn a_variable_of_an_overlay_must_be_set_where_that_is_in_force() {
    let unset = "agent.toml:2:18: name has the environment variable 'UNSET', which is not set [config-15] \
                 | hint: Set it where the agent is started, or give a default: ${UNSET:-…}.";
    check(STAGES, &[]);
    check_in(Some("test"), STAGES, &[]);
    check_in(Some("production"), STAGES, &[unset]);
    let open = "[environment.production]\nagent = { name = \"${UNSET\" }\n";
    check(
        open,
        &["agent.toml:2:18: name has a '${' without its '}' [config-15] \
           | hint: Write ${NAME}, or $${ for the two characters themselves."],
    );
}

#[test]
fn the_flag_wins_over_the_file_and_either_must_name_an_environment_that_is_there() {
    let toml = format!("[agent]\nenvironment = \"production\"\n{STAGES}");
    assert_eq!(read_in(Some("test"), &toml).expect("sound").configuration.agent.name, "t");
    check_in(
        Some("tset"),
        &toml,
        &["--environment: unknown environment 'tset' [config-08] | hint: Did you mean 'test'?"],
    );
    check_in(
        Some("x"),
        &toml,
        &["--environment: unknown environment 'x' [config-08] | hint: Known: production, test."],
    );
    let by_variable = "[agent]\nenvironment = \"${STAGE}\"\n[environment.production]\nsample.interval = \"7s\"\n";
    assert_eq!(sound(by_variable).configuration.sample.interval.as_secs(), 7);
    assert_eq!(read_in(Some("any"), "").expect("a name alone is a name").configuration.agent.environment, "any");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_text_of_dollars_and_braces_is_read_without_a_panic(text in "[$ {}:A-Z_-]{0,30}") {
        let _ = read_in(None, &format!("[agent]\nname = '{text}'\n"));
    }

    /// What has no `${` is what it was.
    #[test]
    fn a_text_without_variables_stays_as_it_is(text in "[a-z$}:-]{1,20}") {
        prop_assert_eq!(name(&text), text);
    }
}

#[test]
fn what_a_later_check_refuses_is_told_without_what_variables_hold() {
    let insecure = "hint: Ask for verified TLS in the url, or accept it with insecure = true.";
    let name = "hint: A name has letters, digits, '.', '_' and '-', and at most 100 of them.";
    check(
        "[[target]]\nname = \"a/${DB_PASSWORD}\"\nengine = \"${DB_PASSWORD}\"\ntenant = \"${DB_PASSWORD}\"\n\
         [[target]]\nname = \"b\"\nengine = \"redis\"\nurl = \"redis://${DB_PASSWORD}\"\n\
         [[target]]\nname = \"c\"\nengine = \"redis\"\nurl = \"${REMOTE_URL}\"\nca_file = \"/nonexistent/${HOST}\"\n\
         [serve]\nlisten = \"${DB_PASSWORD}\"\nanonymous = \"${TENANTS}\"\nhosts = [\"${SLASH}\"]\n",
        &[
            &format!("agent.toml:2:8: name is 'a/${{DB_PASSWORD}}', not a name [config-05] | {name}"),
            "agent.toml:3:10: unknown engine '${DB_PASSWORD}' [config-08] \
             | hint: Known: postgresql, redis, mongodb, clickhouse, elasticsearch, host.",
            "agent.toml:4:10: unknown tenant '${DB_PASSWORD}' [config-08] | hint: Known: default.",
            &format!(
                "agent.toml:8:7: the connection to '${{DB_PASSWORD}}' would not be secure [config-11] \
                 | detail: redis:// sends everything in plain text | {insecure}"
            ),
            &format!(
                "agent.toml:12:7: the connection to '${{REMOTE_URL}}' would not be secure [config-11] \
                 | detail: redis:// sends everything in plain text | {insecure}"
            ),
            "agent.toml:13:11: ca_file cannot be read: No such file or directory (os error 2) [config-09] \
             | detail: It names /nonexistent/${HOST}. | hint: Does the file exist, and may the agent's user read it?",
            "agent.toml:15:10: listen is '${DB_PASSWORD}', not an address and a port [config-05] \
             | hint: Write it like \"127.0.0.1:9468\" or \"[::1]:9468\".",
            "agent.toml:16:13: unknown tenant '${TENANTS}' [config-08] | hint: Known: default.",
            "agent.toml:17:9: hosts has '${SLASH}', which is not a host's name [config-05] \
             | hint: Write the name alone: without https://, without a port.",
        ],
    );
}

#[test]
fn a_secret_that_stands_where_a_url_names_who_or_where_hides_the_url() {
    let loaded = sound(
        "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://${DB_PASSWORD}@${HOST}\"\n\
         [[target]]\nname = \"b\"\nengine = \"redis\"\nurl = \"redis://${AT_PASSWORD}@${HOST}\"\n\
         [[target]]\nname = \"c\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1/${DB_PASSWORD}\"\n\
         [[target]]\nname = \"d\"\nengine = \"redis\"\nurl = \"redis://${UNSET_PASSWORD:-hunter3}@127.0.0.1\"\n\
         labels = { note = \"${UNSET_PASSWORD:-hunter3}\" }\n",
    );
    let text = render(&loaded);
    assert_eq!(text.matches("url = \"***\"").count(), 4, "{text}");
    assert!(!text.contains("hunter") && !json(&loaded).to_string().contains("hunter"), "{text}");
    assert_eq!(loaded.configuration.targets[0].url.user, "hunter2", "it is hidden, not lost");
}

#[test]
fn an_empty_flag_does_not_do_away_with_the_environments() {
    let toml = format!("[agent]\nenvironment = \"test\"\n{STAGES}");
    check_in(Some(""), &toml, &["--environment: unknown environment '' [config-08] | hint: Known: production, test."]);
    check("[agent]\nenvironment = \"${EMPTY}\"\n[environment.test]\n", &[]);
}
