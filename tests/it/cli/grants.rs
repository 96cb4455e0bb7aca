//! `watchward grants`, as a user types it.

use crate::cli::program;

/// Refused with these words and no script.
fn check(arguments: &[&str], words: &str) {
    let (code, out, said) = program(&[&["grants"], arguments].concat());
    assert_eq!((code, out.as_str(), said.as_str()), (2, "", format!("error: {words}\n").as_str()), "{arguments:?}");
}

#[test]
fn what_cannot_be_granted_is_told_with_what_can() {
    check(
        &["postgre"],
        "there is no engine 'postgre' [cli-20]\n\
         hint: Did you mean postgresql? Known are postgresql, redis, mongodb, clickhouse, elasticsearch, host.",
    );
    let (code, _, said) = program(&["grants", "rediss"]);
    assert!(code == 2 && said.contains("hint: Did you mean redis? Known"), "{said}");
    check(
        &["oracle"],
        "there is no engine 'oracle' [cli-20]\n\
         hint: Known are postgresql, redis, mongodb, clickhouse, elasticsearch, host.",
    );
    for text in ["abc", "15.", "15.x", "-1", "15.1.", "99999", ".5", ""] {
        check(
            &["postgresql", "--", text],
            &format!(
                "'{text}' is not a version [cli-21]\n\
                 hint: Major, or major and minor, such as 15 or 7.2; without one the newest is meant."
            ),
        );
    }
    check(
        &["postgresql", "9.6"],
        "postgresql 9.6 is too old to be watched [cli-22]\nhint: The oldest version that the agent reads is 12.",
    );
    check(
        &["clickhouse", "18.4"],
        "clickhouse 18.4 is too old to be watched [cli-22]\nhint: The oldest version that the agent reads is 18.16.",
    );
    check(
        &["elasticsearch", "0.9", "--kind", "opensearch"],
        "opensearch 0.9 is too old to be watched [cli-22]\nhint: The oldest version that the agent reads is 1.",
    );
    for login in ["Robert'); DROP TABLE", "a b", "1st", "", &"x".repeat(64)] {
        check(
            &["redis", "--user", login],
            &format!(
                "'{login}' cannot be the login's name [cli-23]\n\
                 hint: Use up to 63 lower-case letters, digits and underscores, a letter or underscore first."
            ),
        );
    }
    check(
        &["host", "--action"],
        "engine 'host' has nothing that the agent could change [cli-24]\n\
         hint: It needs no second login: leave --action out for the one that watches.",
    );
    check(
        &["redis", "--kind", "opensearch"],
        "engine 'redis' has no kind 'opensearch' [cli-25]\nhint: Known is sentinel.",
    );
    check(
        &["mongodb", "--kind", "x"],
        "engine 'mongodb' has no kind 'x' [cli-25]\nhint: It has no kinds whose logins differ: leave --kind out.",
    );
}

/// A fork counts its versions anew.
#[test]
fn every_kind_has_a_script_from_its_oldest_version_on() {
    for engine in watchward::engines::ALL {
        let card = engine.card();
        for (kind, (major, minor)) in std::iter::once(&("", card.oldest)).chain(card.kinds) {
            let version = format!("{major}.{minor}");
            let (code, out, said) = program(&["grants", engine.word(), &version, "--kind", kind]);
            assert!(code == 0 && !out.is_empty() && said.is_empty(), "{} {version} {kind}: {said}", engine.word());
        }
    }
}

#[test]
fn a_script_is_printed_for_a_version_a_name_and_a_kind() {
    let (code, out, said) = program(&["grants", "redis", "7.2", "--user", "eyes", "--kind", "sentinel"]);
    assert_eq!((code, said.as_str()), (0, ""));
    assert!(out.starts_with("# The login with which Watchward watches Redis Sentinel 7.2:"), "{out}");
    assert!(out.ends_with(
        "\nACL SETUSER eyes reset resetchannels -@all +client|setname +info +sentinel|masters +sentinel|ckquorum \
         +sentinel|slaves +sentinel|sentinels\n"
    ));
    let (code, out, _) = program(&["grants", "postgresql", "16", "--json"]);
    let answer: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &answer["login"], &answer["version"]), (0, &"watchward".into(), &"16".into()));
    assert!(answer["script"].as_str().expect("a script").contains("GRANT pg_monitor TO watchward;\n"));
}
