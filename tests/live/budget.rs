//! An agent that really uses more than it may: it asks less, says so, stays on guard, and recovers.

use std::time::Duration;

use crate::agent::{Agent, Folder, sections, wait};
use crate::servers::servers;
use crate::sink::Sink;

/// Steps take five seconds, steps back twenty-five; a slow machine takes longer.
const SOON: Duration = Duration::from_secs(120);
const LATER: Duration = Duration::from_secs(400);

/// What one target needs fits in, what all of them need does not.
fn configuration(sink: &Sink, cpu_max_cores: &str, targets: &[&str]) -> String {
    let sample = format!(
        "[sample]\ninterval = \"1s\"\ndeadline = \"1s\"\ncpu_max_cores = {cpu_max_cores}\nbudget_window = \"5s\"\n\
         [judge]\nbuiltin_rules = false\n"
    );
    [sample, sink.config(), sections(targets, "interval = \"1s\"")].concat()
}

/// Being asked is work, too: between two looks the agent is left alone.
const LULL: Duration = Duration::from_secs(4);

fn wait_calmly(what: &str, limit: Duration, mut is_so: impl FnMut() -> bool) {
    wait(what, limit, || {
        std::thread::sleep(LULL);
        is_so()
    });
}

/// How often the row was read lately: its readings leave how long they took.
fn readings(agent: &Agent, row: &str) -> f64 {
    agent.query(&format!("count_over_time(redis_scrape_collector_duration_seconds{{collector=\"{row}\"}}[10s])"))[0]
}

#[test]
fn over_its_budget_the_agent_asks_less_says_so_and_recovers() {
    servers();
    let (folder, sink) = (Folder::new(), Sink::begin());
    let all = ["this-host", "orders", "cache", "documents-1", "visits", "search"];
    let budget = "0.004";
    let agent = Agent::begin(&folder, &configuration(&sink, budget, &all));
    agent.wait_up("cache", true, SOON);
    assert_eq!(agent.metric("watchward_sample_stretch"), 1.0);
    wait("it asks less often", SOON, || agent.metric("watchward_sample_stretch") >= 8.0);
    assert!(agent.metric("watchward_sample_budget_cpu_ratio") > 1.0);
    wait("it does without rows", SOON, || agent.metric("watchward_sample_dropped_rows") > 0.0);
    wait("it is told", SOON, || sink.count("firing AgentOverBudget ") == 1);
    let findings = agent.json("/api/v1/findings");
    let all_findings = findings.as_array().expect("a list");
    let finding = all_findings.iter().find(|one| one["kind"] == "AgentOverBudget").expect("the finding");
    let evidence = finding["evidence"].as_str().expect("a text");
    assert!(evidence.contains(" cores of 0.004. Rows are asked 8 times less often; "), "{evidence}");
    wait("the row's status says why", SOON, || agent.json("/api/v1/targets").to_string().contains("\"over_budget\""));
    // On guard as ever: targets are probed every second.
    for name in all {
        assert_eq!(agent.target(name)["up"], true, "{name}");
    }
    wait("up is stored each second", SOON, || agent.query("count_over_time(up{target=\"cache\"}[10s])")[0] >= 8.0);
    // Another budget is another measure: everything is asked at once.
    agent.reload(&folder, &configuration(&sink, "8.0", &all));
    wait("it asks everything", SOON, || agent.metric("watchward_sample_dropped_rows") == 0.0);
    assert_eq!(agent.metric("watchward_sample_stretch"), 1.0);
    wait("that is told, too", SOON, || sink.count("resolved AgentOverBudget ") == 1);
    wait("no row is done without", SOON, || !agent.json("/api/v1/targets").to_string().contains("\"over_budget\""));
    assert!(readings(&agent, "info") > 0.0);
}

/// Nobody changes the budget here: what made the agent work goes away, and it comes back by itself.
#[test]
fn when_the_load_ends_the_agent_comes_back_step_by_step() {
    servers();
    let (folder, sink) = (Folder::new(), Sink::begin());
    let all = ["this-host", "orders", "cache", "documents-1", "visits", "search"];
    // What it uses differs from machine to machine: a budget of half of that.
    let agent = Agent::begin(&folder, &configuration(&sink, "8.0", &all));
    agent.wait_up("search", true, SOON);
    std::thread::sleep(LULL * 4); // the start is behind it, and nobody asks
    let used = 8.0 * agent.metric("watchward_sample_budget_cpu_ratio");
    let budget = format!("{:.4}", (used / 1.6).max(0.001));
    agent.reload(&folder, &configuration(&sink, &budget, &all));
    wait_calmly("it asks less often", SOON, || agent.metric("watchward_sample_stretch") >= 2.0);
    agent.reload(&folder, &configuration(&sink, &budget, &["cache"]));
    wait_calmly("it asks everything again", LATER, || agent.metric("watchward_sample_stretch") == 1.0);
    wait("that is told", SOON, || sink.count("resolved AgentOverBudget ") >= 1);
    assert_eq!(sink.count("firing AgentOverBudget "), sink.count("resolved AgentOverBudget "), "{:?}", sink.alerts());
}
