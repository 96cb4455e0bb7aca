//! What is wrong with a text: its syntax, its keys, its types.

use super::{check, sound};

#[test]
fn an_empty_text_is_a_configuration_of_defaults() {
    let configuration = sound("").configuration;
    assert!(configuration.targets.is_empty());
    assert!(!configuration.discovers);
    assert_eq!(configuration.agent.name, "db-host-1");
    assert_eq!(configuration.agent.state_dir.to_str(), Some("/var/lib/watchward"));
    assert_eq!(configuration.serve.listen.to_string(), "127.0.0.1:9468");
    assert_eq!(configuration.sample.interval.as_secs(), 15);
    assert_eq!(configuration.sample.sessions_max, 6);
    assert_eq!(configuration.tenants.iter().map(|tenant| tenant.id.as_str()).collect::<Vec<_>>(), ["default"]);
}

#[test]
fn several_syntax_errors_are_told_at_once_and_nothing_else() {
    check(
        "[agent\nname = \"a\"\n[sample]\ninterval = \nintervall = 5s\n",
        &[
            "agent.toml:1:7: this is not TOML: unclosed table, expected `]` [config-02]",
            "agent.toml:4:12: this is not TOML: string values must be quoted, expected literal string [config-02]",
            "agent.toml:5:13: this is not TOML: string values must be quoted, expected literal string [config-02]",
        ],
    );
}

#[test]
fn a_key_that_stands_twice_is_a_syntax_error() {
    check(
        "[sample]\ninterval = \"5s\"\ninterval = \"6s\"\n",
        &["agent.toml:3:1: this is not TOML: duplicate key [config-02]"],
    );
}

#[test]
fn all_problems_are_told_at_once_in_the_order_of_the_file() {
    check(
        r#"
[agent]
nam = "x"

[sample]
interval = 15
sessions_max = 1000

[[target]]
name = "a"
engine = "oracle"

[[target]]
engine = "host"

[[target]]
name = "a"
engine = "host"
tenant = "acme"

[serve]
listen = "0.0.0.0:80"
"#,
        &[
            "agent.toml:3:1: unknown key 'nam' in [agent] [config-03] | hint: Did you mean 'name'?",
            "agent.toml:6:12: interval is 15, not a duration from \"1s\" to \"1h\" [config-04] | hint: Write interval = \"15s\".",
            "agent.toml:7:16: sessions_max is 1000, not a whole number from 1 to 64 [config-05]",
            "agent.toml:11:10: unknown engine 'oracle' [config-08] | hint: Known: postgresql, redis, mongodb, clickhouse, elasticsearch, host.",
            "agent.toml:13:1: [[target]] has no 'name' [config-06] | hint: It must be a text.",
            "agent.toml:19:10: unknown tenant 'acme' [config-08] | hint: Known: default.",
            "agent.toml:22:10: listen is '0.0.0.0:80', which other machines can reach [config-11] \
             | detail: Without TLS, whoever is on the way reads what is asked and answered, tokens too. \
             | hint: Give tls_cert and tls_key, or listen on 127.0.0.1 or [::1].",
        ],
    );
}

#[test]
fn an_unknown_key_is_told_with_the_nearest_known_one() {
    let cases = [
        (
            "[sample]\nintervall = 1",
            "2:1: unknown key 'intervall' in [sample] [config-03] | hint: Did you mean 'interval'?",
        ),
        (
            "[sample]\nintreval = 1",
            "2:1: unknown key 'intreval' in [sample] [config-03] | hint: Did you mean 'interval'?",
        ),
        (
            "[sample]\nInterval = 1",
            "2:1: unknown key 'Interval' in [sample] [config-03] | hint: Did you mean 'interval'?",
        ),
        ("[sampel]\n", "1:2: unknown section 'sampel' [config-03] | hint: Did you mean 'sample'?"),
        ("[[tenants]]\n", "1:3: unknown section 'tenants' [config-03] | hint: Did you mean 'tenant'?"),
        ("listen = 1", "1:1: unknown key 'listen' [config-03] | hint: 'listen' is a key of [serve]."),
        (
            "[serve]\nretention = 1",
            "2:1: unknown key 'retention' in [serve] [config-03] | hint: 'retention' is a key of [store].",
        ),
        (
            "[sample]\nxyzzy = 1",
            "2:1: unknown key 'xyzzy' in [sample] [config-03] | hint: Known here: interval, deadline, sessions_max, \
             series_max_per_row, cpu_max_cores, memory_max, budget_window, discovery_interval, collect, skip, include, \
             exclude.",
        ),
        (
            "[[target]]\nname = \"a\"\nengine = \"host\"\npassword = \"x\"",
            "4:1: unknown key 'password' in [[target]] [config-03] | hint: Did you mean 'password_file' or 'password_env'?",
        ),
    ];
    for (toml, expected) in cases {
        check(toml, &[&format!("agent.toml:{expected}")]);
    }
}

#[test]
fn columns_count_characters_and_not_bytes() {
    check(
        "[agent]\nname = \"ä\" # ö\n\n[[target]]\nname = \"日本\"\nengine = \"host\"\nlabels = { \"ü\" = \"x\" }\n",
        &["agent.toml:7:18: 'ü' is not a label's name [config-05] \
           | hint: A label's name has letters, digits and '_', no digit first, and does not begin with '__'."],
    );
}

#[test]
fn a_section_and_a_list_of_sections_are_told_apart() {
    check(
        "[target]\nname = \"a\"\n\n[[sample]]\ninterval = \"5s\"\n",
        &[
            "agent.toml:1:1: target is a table, not a list of sections [config-04] | hint: Write [[target]] with two brackets.",
            "agent.toml:4:1: sample is a list, not a section [config-04] | hint: Write [sample] with one bracket.",
        ],
    );
}

#[test]
fn a_problem_without_a_place_names_the_file_alone() {
    use watchward::config::{Source, load};
    let path = std::path::PathBuf::from("/nonexistent/agent.toml");
    let problems =
        load(&Source { file: Some(path), ..Source::default() }, &super::here()).expect_err("there is no such file");
    assert_eq!(
        super::lines(&problems),
        [
            "/nonexistent/agent.toml: the configuration cannot be read: No such file or directory (os error 2) [config-01] \
          | hint: Does the file exist, and may the agent's user read it?"
        ]
    );
}

#[test]
fn without_a_file_the_host_is_watched_and_what_is_found_on_it() {
    use watchward::config::{Source, load};
    let loaded = load(&Source::default(), &super::here()).expect("the built-in default is sound");
    assert!(loaded.configuration.discovers);
    let [target] = loaded.configuration.targets.as_slice() else { panic!("one target") };
    assert_eq!((target.name.as_str(), target.engine.as_str()), ("this-host", "host"));
    assert_eq!(watchward::engines::find("host").expect("registered").instance(target), "db-host-1");
}

#[test]
fn a_named_file_goes_before_the_usual_one() {
    use watchward::config::Source;
    let named = std::path::PathBuf::from("/x/agent.toml");
    let source = Source::find(Some(named.clone()), Some("test".to_string()));
    assert_eq!(source, Source { file: Some(named), environment: Some("test".to_string()) });
}

#[test]
fn no_more_problems_are_told_than_anybody_reads() {
    let toml: String = (0..1000).map(|at| format!("k{at} = 1\n")).collect();
    let problems = super::read(&toml).expect_err("nothing of it is known");
    let lines = super::lines(&problems);
    assert_eq!(lines.len(), 201);
    assert!(lines[199].starts_with("agent.toml:200:1: unknown key 'k199' [config-03]"), "{}", lines[199]);
    assert_eq!(lines[200], "agent.toml: 800 more problems are not told [config-17] | hint: Mend the ones above first.");
    let toml: String = (0..201).map(|at| format!("k{at} = 1\n")).collect();
    let lines = super::lines(&super::read(&toml).expect_err("nothing of it is known"));
    assert_eq!(lines[200], "agent.toml: 1 more problem is not told [config-17] | hint: Mend the ones above first.");
}

#[test]
fn depth_is_bounded_and_told_once() {
    let open = |mark: &str| format!("x = {}", mark.repeat(50_000));
    check(
        &open("["),
        &[
            "agent.toml:1:85: this is not TOML: cannot recurse further; max recursion depth met [config-02]",
            "agent.toml:1:50005: this is not TOML: unclosed array, expected `]` [config-02]",
        ],
    );
    check(
        &open("{a="),
        &[
            "agent.toml:1:245: this is not TOML: cannot recurse further; max recursion depth met [config-02]",
            "agent.toml:1:150005: this is not TOML: unclosed inline table, expected `}` [config-02]",
        ],
    );
    let dotted = vec!["a"; 50_000].join(".");
    check(&format!("{dotted} = 1\n"), &["agent.toml:2:1: this is not TOML: recursion limit [config-02]"]);
    check(&format!("[environment.{dotted}]\n"), &["agent.toml:2:1: this is not TOML: recursion limit [config-02]"]);
}

#[test]
fn a_value_of_any_length_is_told_in_a_few_words() {
    let digits = "9".repeat(100_000);
    check(
        &format!("[sample]\nsessions_max = {digits}\ninterval = {digits}\ndeadline = \"{digits}\"\n{digits} = 1\n"),
        &[
            "agent.toml:2:16: sessions_max is …, not a whole number from 1 to 64 [config-05]",
            "agent.toml:3:12: interval is …, not a duration from \"1s\" to \"1h\" [config-04]",
            "agent.toml:4:12: deadline is '…', not a duration [config-05] \
             | hint: Write a number and a unit, like \"15s\", \"1h30m\" or \"7d\".",
            "agent.toml:5:1: unknown key '…' in [sample] [config-03] | hint: Known here: interval, deadline, sessions_max, \
             series_max_per_row, cpu_max_cores, memory_max, budget_window, discovery_interval, collect, skip, include, \
             exclude.",
        ],
    );
}

#[test]
fn the_place_of_a_byte_is_the_same_however_long_its_line_is() {
    use watchward::config::problem::Places;
    let text = format!("{}\n{}\näö", "é日x".repeat(700), "y".repeat(3000));
    let places = Places::new("x", &text);
    for (byte, _) in text.char_indices().step_by(97).chain([(text.len(), ' ')]) {
        let before = &text[..byte];
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or("").chars().count() + 1;
        let seen = places.at(byte);
        assert_eq!((seen.line, seen.column), (line, column), "of byte {byte}");
    }
}
