//! Receivers, routes, rules and thresholds, as far as the configuration checks them.

use super::{Folder, check, check_warnings, sound};

#[test]
fn a_route_names_a_receiver_that_exists_and_a_receiver_has_a_channel() {
    check(
        "[[alert.receiver]]\nname = \"dba\"\n\n[alert.route]\nreceiver = \"dbaa\"\n",
        &[
            "agent.toml:2:8: receiver 'dba' cannot be told anything [alert-02] | hint: Add webhook = { url = \"https://…\" }.",
        ],
    );
    check(
        "[alert]\nreceiver = [{ name = \"dba\", webhook = { url = \"https://h.example.org/x\" } }]\nroute = { receiver = \"dbaa\" }\n",
        &["agent.toml:3:22: the route names a receiver that does not exist: 'dbaa' [alert-06] | hint: There are: dba."],
    );
}

#[test]
fn a_value_that_was_refused_is_told_once() {
    check(
        "[[alert.receiver]]\nname = \"dba\"\nwebhook = { url = \"nonsense\" }\n",
        &["agent.toml:3:19: url is not a URL: it does not begin with a scheme and '://' [config-05] \
           | hint: Write it like scheme://user@host:port/path."],
    );
}

#[test]
fn thresholds_for_all_are_known_to_some_engine() {
    check(
        "[alert.thresholds]\ncpu_usage = 80\nconection_count = 10\n",
        &["agent.toml:3:19: unknown threshold 'conection_count' [config-08] | hint: Did you mean 'connection_count'?"],
    );
    let loaded = sound("[alert.thresholds]\ncpu_usage = 80\n[[tenant]]\nid = \"a\"\nthresholds = { cpu_usage = 90 }\n");
    assert_eq!(loaded.configuration.thresholds.global["cpu_usage"], 80.0);
    let printed = watchward::config::rules::text(&loaded.configuration);
    assert!(printed.contains("HostCpuUsageHigh"), "{printed}");
}

#[test]
fn rule_files_are_read_while_the_configuration_is() {
    let folder = Folder::new();
    let path = folder.0.display();
    check(
        &format!("[judge]\nrule_files = [\"{path}/none.yml\", \"/nonexistent/*.yml\"]\n"),
        &[
            &format!(
                "agent.toml:2:14: the rule file {path}/none.yml cannot be read: No such file or directory (os error 2) [config-09] \
                 | hint: Does the file exist, and may the agent's user read it?"
            ),
            "agent.toml:2:14: the rule file /nonexistent/*.yml cannot be read: No such file or directory (os error 2) [config-09] \
             | hint: Does the file exist, and may the agent's user read it?",
        ],
    );
    check_warnings(
        &format!("[judge]\nrule_files = [\"{path}/*.yml\"]\n"),
        &[&format!(
            "agent.toml:2:14: rule_files '{path}/*.yml' names no file [config-14] | hint: Is the folder right?"
        )],
    );
    folder.file("a.yml", "groups:\n- name: g\n  rules:\n  - alert: A\n    expr: up ==\n");
    let problems =
        super::read(&format!("[judge]\nrule_files = [\"{path}/*.yml\"]\n")).expect_err("the rule is cut off");
    let [problem] = problems.as_slice() else { panic!("{problems:?}") };
    assert_eq!((problem.origin.line, problem.origin.column), (2, 14));
    assert!(problem.fault.detail.contains("a.yml, line 5"), "{problem}");
}
