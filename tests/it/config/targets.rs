//! Tenants and targets: what belongs together, what contradicts itself, what is refused.

use std::time::Duration;

use watchward::engines;
use watchward::engines::sight::Found;
use watchward::model::secret::Secret;
use watchward::model::target::{SecretSource, Target};

use super::{Folder, check, check_warnings, sound};

#[test]
fn a_target_has_what_its_section_says() {
    let folder = Folder::new();
    let password = folder.file("orders.pw", "s3cret\n");
    let loaded = sound(&format!(
        r#"
[sample]
interval = "30s"

[[tenant]]
id = "acme"
thresholds = {{ cpu_usage = 90 }}

[[target]]
name          = "orders"
tenant        = "acme"
engine        = "postgresql"
url           = "postgres://watchward@db1:5432/postgres?sslmode=verify-full"
password_file = "{password}"
interval      = "5s"
labels        = {{ region = "eu-1" }}

[[target]]
name   = "this-host"
engine = "host"
thresholds = {{ disk_usage = 95.5 }}
"#
    ));
    let [orders, host] = loaded.configuration.targets.as_slice() else { panic!("two targets") };
    assert_eq!(orders.identity(), "acme/orders");
    assert_eq!(orders.password, SecretSource::File(password.into()));
    assert_eq!((orders.interval, orders.deadline), (Duration::from_secs(5), Duration::from_secs(5)));
    assert_eq!(orders.labels.get("region").map(String::as_str), Some("eu-1"));
    assert_eq!(host.identity(), "default/this-host");
    assert_eq!((host.interval, host.deadline), (Duration::from_secs(30), Duration::from_secs(10)));
    assert_eq!(host.thresholds.get("disk_usage"), Some(&95.5));
    assert_eq!(loaded.configuration.thresholds.tenants["acme"]["cpu_usage"], 90.0);
}

#[test]
fn two_targets_of_one_tenant_cannot_share_a_name_and_those_of_two_can() {
    check(
        "[[tenant]]\nid = \"a\"\n[[target]]\nname = \"x\"\nengine = \"host\"\n[[target]]\nname = \"x\"\nengine = \"host\"\n\
         [[target]]\nname = \"x\"\nengine = \"host\"\ntenant = \"a\"\n[[tenant]]\nid = \"a\"\n",
        &[
            "agent.toml:7:8: target 'x' is there twice [config-07] | detail: It is also on line 4 of agent.toml. \
             | hint: Name each target of a tenant differently.",
            "agent.toml:14:6: tenant 'a' is there twice [config-07] | detail: It is also on line 2 of agent.toml.",
        ],
    );
}

#[test]
fn names_are_made_of_letters_digits_and_three_marks() {
    check(
        "[[tenant]]\nid = \"a/b\"\n[[target]]\nname = \"\"\nengine = \"host\"\n[[target]]\nname = \"Büro_1.a-b\"\nengine = \"host\"\n",
        &[
            "agent.toml:2:6: id is 'a/b', not a name [config-05] | hint: A name has letters, digits, '.', '_' and '-', and at most 100 of them.",
            "agent.toml:4:8: name is '', not a name [config-05] | hint: A name has letters, digits, '.', '_' and '-', and at most 100 of them.",
        ],
    );
}

#[test]
fn references_to_nothing_are_told_with_what_there_is() {
    check(
        "[[tenant]]\nid = \"acme\"\n[[target]]\nname = \"a\"\nengine = \"postgres\"\ntenant = \"acne\"\n\
         [serve]\nanonymous = \"acme, other\"\n",
        &[
            "agent.toml:5:10: unknown engine 'postgres' [config-08] | hint: Did you mean 'postgresql'?",
            "agent.toml:6:10: unknown tenant 'acne' [config-08] | hint: Did you mean 'acme'?",
            "agent.toml:8:13: unknown tenant 'other' [config-08] | hint: Known: acme, default.",
        ],
    );
}

#[test]
fn a_url_fits_its_engine() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"postgres://127.0.0.1\"\n\
         [[target]]\nname = \"b\"\nengine = \"redis\"\n\
         [[target]]\nname = \"c\"\nengine = \"host\"\nurl = \"redis://127.0.0.1\"\n\
         [[target]]\nname = \"d\"\nengine = \"redis\"\nurl = \"redis://a:1,b:2\"\n",
        &[
            "agent.toml:4:7: url has the scheme 'postgres', which engine 'redis' does not speak [config-05] \
             | hint: It speaks 'redis', 'rediss', 'valkey'.",
            "agent.toml:5:1: [[target]] has no 'url', which engine 'redis' needs [config-06] \
             | hint: Write it like redis://watchward@127.0.0.1:6379.",
            "agent.toml:11:7: engine 'host' takes no url [config-10] | hint: It reads files under root: leave the url out.",
            "agent.toml:15:7: url is not a URL: it names several hosts [config-05] \
             | hint: Watch each server as a target of its own.",
        ],
    );
}

#[test]
fn a_slow_log_is_files_of_one_folder_and_of_an_engine_that_has_such() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1\"\nslow_log = [\"/var/log/x\"]\n\
         [[target]]\nname = \"b\"\nengine = \"elasticsearch\"\nurl = \"http://127.0.0.1\"\n\
         slow_log = [\"/var/log/*/a.json\", \"/\", \"/var/log/*.json\"]\n\
         [[target]]\nname = \"c\"\nengine = \"elasticsearch\"\nurl = \"http://127.0.0.1\"\nslow_log = [\"logs/a.json\"]\n",
        &[
            "agent.toml:5:12: engine 'redis' reads no slow log from files [config-10] | hint: Leave slow_log out.",
            "agent.toml:10:12: slow_log: '/var/log/*/a.json' has a wildcard in its folder [config-05] \
             | hint: Write it like /var/log/search/*_slowlog.json: '*' and '?' stand in the file's name.",
            "agent.toml:10:12: slow_log: '/' names no file [config-05] \
             | hint: Write it like /var/log/search/*_slowlog.json: '*' and '?' stand in the file's name.",
            "agent.toml:15:12: slow_log is 'logs/a.json', not an absolute path [config-05] \
             | hint: The agent's working directory means nothing: begin the path with '/'.",
        ],
    );
}

#[test]
fn a_socket_may_be_written_in_four_ways() {
    for url in
        ["redis:///0?host=/run/r.sock", "redis+unix:///run/r.sock", "unix:///run/r.sock", "redis://%2Frun%2Fr.sock"]
    {
        let loaded = sound(&format!("[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"{url}\"\n"));
        let target = &loaded.configuration.targets[0];
        assert_eq!((target.url.scheme.as_str(), target.url.host.as_str()), ("redis", "/run/r.sock"), "{url}");
        assert!(target.is_local());
    }
}

#[test]
fn a_remote_target_that_is_not_verified_needs_insecure() {
    let target = "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://db1\"\n";
    check(
        target,
        &["agent.toml:4:7: the connection to 'db1' would not be secure [config-11] \
           | detail: redis:// sends everything in plain text \
           | hint: Ask for verified TLS in the url, or accept it with insecure = true."],
    );
    assert!(sound(&format!("{target}insecure = true\n")).configuration.targets[0].insecure);
    assert!(!sound(&target.replace("db1", "127.0.0.1")).configuration.targets[0].insecure);
    assert!(!sound(&target.replace("redis://", "rediss://")).configuration.targets[0].insecure);
}

#[test]
fn a_password_in_the_url_is_taken_and_warned_of() {
    let toml = "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://u:s3cret@127.0.0.1\"\n";
    check_warnings(
        toml,
        &["agent.toml:4:7: the password of target 'a' stands in the configuration itself [config-13] \
           | hint: Put it into a file of its own that only the agent's user can read, and name that as password_file."],
    );
    let target = &sound(toml).configuration.targets[0];
    assert_eq!(target.password, SecretSource::Inline(Secret::new("s3cret")));
    assert_eq!(target.url.user, "u");
}

#[test]
fn two_sources_of_one_secret_contradict_each_other() {
    let folder = Folder::new();
    let file = folder.file("pw", "x");
    check(
        &format!(
            "[[target]]\nname = \"a\"\nengine = \"redis\"\nurl = \"redis://127.0.0.1\"\npassword_file = \"{file}\"\npassword_env = \"PATH\"\n\
             [[target]]\nname = \"b\"\nengine = \"redis\"\nurl = \"redis://:s3cret@127.0.0.1\"\npassword_env = \"PATH\"\n"
        ),
        &[
            "agent.toml:6:16: password_file and password_env are both given [config-10] | hint: Keep one of them.",
            "agent.toml:10:7: url holds a password, and a password is named beside it as well [config-10] \
             | hint: Keep one: better the file or variable than the URL.",
        ],
    );
}

#[test]
fn labels_do_not_hide_the_agents_own() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"host\"\nlabels = { tenant = \"x\", job = \"y\", __a = \"z\", ok_1 = \"fine\" }\n",
        &[
            "agent.toml:4:21: the label 'tenant' cannot be given [config-10] | hint: The agent sets it itself.",
            "agent.toml:4:32: the label 'job' cannot be given [config-10] | hint: Set it with the key job of the target.",
            "agent.toml:4:43: '__a' is not a label's name [config-05] \
             | hint: A label's name has letters, digits and '_', no digit first, and does not begin with '__'.",
        ],
    );
}

#[test]
fn a_deadline_fits_into_its_interval() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"host\"\ninterval = \"5s\"\ndeadline = \"6s\"\n\
         [[target]]\nname = \"b\"\nengine = \"host\"\ndeadline = \"16s\"\n",
        &[
            "agent.toml:5:12: deadline is '6s', longer than the interval of '5s' [config-10] \
             | hint: No two readings of one target may overlap.",
            "agent.toml:9:12: deadline is '16s', longer than the interval of '15s' [config-10] \
             | hint: No two readings of one target may overlap.",
        ],
    );
}

#[test]
fn thresholds_are_known_to_the_engine() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"host\"\nthresholds = { cpu_usag = 1, memory_usage = -1 }\n\
         [[tenant]]\nid = \"x\"\nthresholds = { disk_usage = 1, dsk_usage = 2 }\n",
        &[
            "agent.toml:4:27: unknown threshold of engine 'host' 'cpu_usag' [config-08] | hint: Did you mean 'cpu_usage'?",
            "agent.toml:4:45: threshold 'memory_usage' is below 0 [config-05]",
            "agent.toml:7:44: unknown threshold 'dsk_usage' [config-08] | hint: Did you mean 'disk_usage'?",
        ],
    );
}

#[test]
fn only_a_faultless_section_becomes_a_target_but_all_are_checked() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"host\"\ninterval = \"x\"\nlabels = { target = \"x\" }\n",
        &[
            "agent.toml:4:12: interval is 'x', not a duration [config-05] \
             | hint: Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\".",
            "agent.toml:5:21: the label 'target' cannot be given [config-10] | hint: The agent sets it itself.",
        ],
    );
}

#[test]
fn a_server_that_was_found_becomes_a_target_that_pages_nobody() {
    let configuration = sound("").configuration;
    let engine = engines::find("redis").expect("registered");
    let found = Found { name: "redis-6380".to_string(), url: "redis://127.0.0.1:6380".to_string(), ..Found::default() };
    let target = configuration.target_found(&found, engine).expect("a target");
    assert!(target.discovered);
    assert_eq!((target.identity().as_str(), target.url.port), ("default/redis-6380", 6380));
    let found = Found { name: "x".to_string(), url: "nonsense".to_string(), ..Found::default() };
    assert_eq!(
        configuration.target_found(&found, engine).expect_err("no URL").what,
        "what was found as 'x' has no usable URL: it does not begin with a scheme and '://'"
    );
}

#[test]
fn rows_and_series_are_chosen_for_all_targets_or_for_one() {
    let loaded = sound(
        r#"
[sample]
skip    = ["slow*"]
exclude = { device = ["loop*"], datname = ["template*"] }

[[target]]
name    = "orders"
engine  = "postgresql"
url     = "postgres://127.0.0.1"
skip    = ["locks"]
include = { datname = ["orders*"] }
exclude = { datname = ["orders_old"] }

[[target]]
name   = "this-host"
engine = "host"
"#,
    );
    let [orders, host] = loaded.configuration.targets.as_slice() else { panic!("two targets") };
    let reads = |target: &Target, name| target.choice.reads(name, false);
    assert_eq!([reads(orders, "locks"), reads(orders, "slow_row"), reads(host, "locks")], [false, true, true]);
    assert!(!reads(host, "slow_row"));
    let keeps = |target: &Target, label, value| target.filter.keeps(&[(label, value)]);
    assert!(keeps(orders, "datname", "orders") && !keeps(orders, "datname", "orders_old"));
    assert!(!keeps(orders, "datname", "template1") && !keeps(host, "datname", "template1"));
    assert!(!keeps(orders, "device", "loop0") && keeps(host, "datname", "postgres"));
}

#[test]
fn a_row_that_is_chosen_exists() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"postgresql\"\nurl = \"postgres://127.0.0.1\"\nskip = [\"lokcs\", \"stat_*\"]\n",
        &["agent.toml:5:8: unknown row of engine 'postgresql' 'lokcs' [config-08] | hint: Did you mean 'locks'?"],
    );
    check(
        "[sample]\ninclude = { datname = \"orders\" }\nexclude = [\"a\"]\ncollect = \"all\"\n",
        &[
            "agent.toml:2:23: include.datname is 'orders', not a list of texts [config-04]",
            "agent.toml:3:11: exclude is a list, not a table of names with lists of texts [config-04]",
            "agent.toml:4:11: collect is 'all', not a list of texts [config-04] | hint: Put it in brackets: [\"…\"].",
        ],
    );
}

#[test]
fn a_secret_in_a_parameter_of_a_target_is_refused_also_over_http() {
    check(
        "[[target]]\nname = \"a\"\nengine = \"elasticsearch\"\nurl = \"http://127.0.0.1:9200/?token=hunter2\"\n",
        &[
            "agent.toml:4:7: url is not a URL of a target: a parameter other than 'password' holds a secret [config-05] \
           | hint: Name a password_file in place of it.",
        ],
    );
}
