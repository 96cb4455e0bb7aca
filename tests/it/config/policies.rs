//! Policies: what their sections mean, and every mistake in them, in its words.

use std::time::Duration;

use watchward::model::policy::{Mode, Undo};
use watchward::model::target::SecretSource;

use super::{check, sound};

const TARGETS: &str = r#"
[[tenant]]
id = "acme"

[[target]]
name = "cache"
engine = "redis"
url = "redis://127.0.0.1:6379"

[[target]]
name = "orders"
engine = "postgresql"
url = "postgres://watchward@db1/postgres?sslmode=verify-full"
action = { user = "watchward_act", password_env = "PATH" }

[[target]]
name = "orders"
tenant = "acme"
engine = "postgresql"
url = "postgres://watchward@db1/postgres?sslmode=verify-full"

[[target]]
name = "this-host"
engine = "host"

"#;

/// The lines begin at the section's own: its first is line 1.
fn check_policy(policy: &str, expected: &[&str]) {
    let offset = TARGETS.lines().count();
    let placed: Vec<String> = expected
        .iter()
        .map(|one| {
            let (line, rest) = one.split_once(':').unwrap();
            format!("agent.toml:{}:{rest}", line.parse::<usize>().unwrap() + offset)
        })
        .collect();
    check(&format!("{TARGETS}{policy}"), &placed.iter().map(String::as_str).collect::<Vec<_>>());
}

fn with(when: &str, more: &str) -> String {
    format!(
        "[[policy]]\nname = \"p\"\nwhen = {when}\n\
         do = {{ set = {{ target = \"cache\", key = \"maxmemory\", value = \"2gb\" }} }}\n{more}\n"
    )
}

#[test]
fn a_policy_has_what_its_section_says_and_is_careful_where_it_says_nothing() {
    let loaded = sound(&format!(
        "{TARGETS}{}\n[[policy]]\nname = \"night\"\nwhen = \"schedule:0 22 * * * Europe/Berlin\"\nmode = \"auto\"\n\
         do = {{ set = {{ target = \"orders\", key = \"work_mem\", value = \"64MB\" }} }}\n\
         guard = {{ cooldown = \"6h\", window = \"22:00-05:00 Europe/Berlin\", max_per_day = 2 }}\n",
        with("'alert:CacheFull{target=\"cache\"}'", "undo = \"on_resolve\"")
    ));
    let [plain, night] = loaded.configuration.policies.as_slice() else { panic!("two policies") };
    assert_eq!((plain.mode, plain.undo), (Mode::DryRun, Undo::OnResolve));
    assert_eq!(plain.when.to_string(), "alert:CacheFull{target=\"cache\"}");
    assert_eq!(plain.limits.cooldown, Duration::from_secs(900));
    assert_eq!((plain.limits.per_day_max, plain.limits.window.is_none()), (4, true));
    assert_eq!(night.when.to_string(), "schedule:0 22 * * * Europe/Berlin");
    assert_eq!((night.mode, night.limits.per_day_max), (Mode::Auto, 2));
    assert_eq!(night.limits.cooldown, Duration::from_secs(6 * 3600));
    assert_eq!(night.limits.window.as_ref().unwrap().zone().name(), "Europe/Berlin");
    let login = loaded.configuration.targets[1].action.as_ref().unwrap();
    assert_eq!((login.user.as_str(), &login.password), ("watchward_act", &SecretSource::Environment("PATH".into())));
}

#[test]
fn what_a_policy_waits_for_is_an_alert_or_a_schedule() {
    let hint = "hint: Write \"alert:NAME\", \"alert:NAME{target=\\\"orders\\\"}\" or \"schedule:0 4 * * *\".";
    for (when, what) in [
        ("\"CacheFull\"", "when is 'CacheFull', which is neither an alert nor a schedule"),
        ("\"alert:\"", "when is 'alert:', which names no alert"),
        ("'alert:A{target='", "when is 'alert:A{target=', which names no alert"),
        ("'alert:A{target=\"x\"} offset 5m'", "when is 'alert:A{target=\"x\"} offset 5m', which names no alert"),
        ("\"event:backup.failed\"", "when is 'event:backup.failed', and policies cannot wait for an event yet"),
    ] {
        check_policy(&with(when, ""), &[&format!("3:8: {what} [act-32] | {hint}")]);
    }
    check_policy(
        &with("\"finding:TargetDown\"", ""),
        &["3:8: when is 'finding:TargetDown', and findings are alerts [act-32] | hint: Write \"alert:TargetDown\"."],
    );
    check_policy(
        &with("\"schedule:0 4 * * * Mars/Olympus\"", ""),
        &[
            "3:8: unknown time zone 'Mars/Olympus' [calendar-01] | hint: Write an IANA name, like \"UTC\" or \"Europe/Berlin\".",
        ],
    );
}

#[test]
fn a_schedule_ends_with_nothing_so_nothing_can_be_undone_by_its_end() {
    check_policy(
        &with("\"schedule:0 4 * * *\"", "undo = \"on_resolve\""),
        &["5:8: policy 'p' has undo = \"on_resolve\" and a schedule [act-33] | hint: A schedule never resolves: take \
           undo = \"manual\", or a second schedule that sets the value back."],
    );
}

#[test]
fn a_policy_touches_its_own_tenants_targets_which_can_be_set_with_a_login_for_that() {
    let policy = |tenant: &str, target: &str| {
        format!(
            "[[policy]]\nname = \"p\"\nwhen = \"alert:A\"\ntenant = \"{tenant}\"\n\
             do = {{ set = {{ target = \"{target}\", key = \"k\", value = \"v\" }} }}\n"
        )
    };
    check_policy(&policy("default", "orders"), &[]);
    check_policy(&policy("default", "cache"), &[]);
    check_policy(
        &policy("default", "cach"),
        &["5:25: unknown target of tenant 'default' 'cach' [config-08] | hint: Did you mean 'cache'?"],
    );
    check_policy(
        &policy("acme", "cache"),
        &["5:25: unknown target of tenant 'acme' 'cache' [config-08] | hint: Known: orders."],
    );
    check_policy(
        &policy("acme", "orders"),
        &[
            "5:25: target 'orders' has no login with which a policy could change it [config-10] | hint: Give it action = { \
           user = \"…\", password_file = \"…\" }: a login of its own, for changes alone.",
        ],
    );
    check_policy(
        &policy("default", "this-host"),
        &["5:25: target 'this-host' has engine 'host', which has nothing that a policy could set [config-10]"],
    );
    check_policy(&policy("acne", "orders"), &["4:10: unknown tenant 'acne' [config-08] | hint: Did you mean 'acme'?"]);
}

#[test]
fn a_tenant_without_targets_has_nothing_to_set() {
    check(
        "[[tenant]]\nid = \"bare\"\n[[policy]]\nname = \"p\"\nwhen = \"alert:A\"\ntenant = \"bare\"\n\
         do = { set = { target = \"x\", key = \"k\", value = \"v\" } }\n",
        &["agent.toml:7:25: unknown target of tenant 'bare' 'x' [config-08] | hint: The tenant has no targets."],
    );
}

#[test]
fn a_policy_has_one_name_and_something_to_do() {
    check_policy(
        "[[policy]]\nname = \"p\"\nwhen = \"alert:A\"\ndo = {}\n",
        &[
            "4:6: policy 'p' has nothing to do [act-34] | hint: Write do = { set = { target = \"…\", key = \"…\", value = \
           \"…\" } }.",
        ],
    );
    let offset = TARGETS.lines().count();
    let twice = format!("{}{}", with("\"alert:A\"", ""), with("\"alert:A\"", ""));
    check_policy(
        &twice,
        &[&format!(
            "7:8: policy 'p' is there twice [act-31] | detail: It is also on line {} of agent.toml. | hint: Name each policy \
             of a tenant differently.",
            offset + 2
        )],
    );
    check_policy(
        &with("\"alert:A\"", "").replace("\"p\"", "\" \""),
        &["2:8: a policy's name has 1 to 100 characters, none of them a control character [act-30]"],
    );
}

#[test]
fn a_second_login_is_for_what_can_be_set_and_has_one_password() {
    check(
        "[[target]]\nname = \"h\"\nengine = \"host\"\naction = { user = \"x\" }\n",
        &[
            "agent.toml:4:10: engine 'host' has nothing that an action could set [config-10] | hint: Leave the action out.",
        ],
    );
}
