//! Texts of statements: whatever people wrote into them is taken out, and the rest is as it was.

use proptest::prelude::*;
use watchward::engines::postgresql::session::statement::normalised;

fn check(text: &str, expected: &str) {
    assert_eq!(normalised(text, 200), expected, "{text}");
    assert_eq!(normalised(expected, 200), expected, "doing it twice is as doing it once");
}

#[test]
fn literals_of_every_kind_are_taken_out() {
    check(
        "SELECT a1 FROM t WHERE b = $1 AND c = 'x''y' AND d > -12.5e-3",
        "SELECT a1 FROM t WHERE b = $1 AND c = ? AND d > -?",
    );
    check("ALTER ROLE shop PASSWORD 'planted-password'", "ALTER ROLE shop PASSWORD ?");
    check(r"SELECT E'it\'s', U&'\0041', x'1F', b'01', N'n', .5, 0x1F, 1_000", "SELECT ?, ?, ?, ?, ?, ?, ?, ?");
    check("DO $$ BEGIN PERFORM 'a'; END $$", "DO ?");
    check(
        "CREATE FUNCTION f() RETURNS int AS $body$ SELECT $$x$$ $body$ LANGUAGE sql",
        "CREATE FUNCTION f() RETURNS int AS ? LANGUAGE sql",
    );
    check("SELECT \"weird 'name' 1\", t.\"a\"\"b\" FROM t", "SELECT \"weird 'name' 1\", t.\"a\"\"b\" FROM t");
    check("SELECT * FROM a$b$c, p$$", "SELECT * FROM a$b$c, p$$");
    check("-- by alice: 'secret'\nSELECT\n\t 1 /* why /* 42 */ not */ ;", "SELECT ? ;");
    check("SELECT 'never ends", "SELECT ?");
    check("DO $x$ never ends $y$", "DO ?");
    check("SELECT /* never ends", "SELECT");
    check("SELECT ein''", "SELECT ein?");
    check("", "");
}

#[test]
fn it_is_no_longer_than_allowed() {
    assert_eq!(normalised("SELECT abcdef", 8), "SELECT …");
    assert_eq!(normalised("SELECT a", 8), "SELECT a");
    assert_eq!(normalised(&"ä".repeat(100_000), 50).chars().count(), 50);
}

proptest! {
    /// A secret inside any kind of literal, between any other text that is whole in itself, is never shown.
    #[test]
    fn no_secret_survives(parts in prop::collection::vec((0_usize..8, "[a-z '\"$\\\\]{0,6}"), 1..6)) {
        let mut text = String::from("SET");
        for (kind, noise) in parts {
            let plain = noise.replace('\'', "''");
            text.push_str(&match kind {
                0 => format!(" '{plain}PLANTED'"),
                1 => format!(" E'{}PLANTED'", noise.replace('\\', "\\\\").replace('\'', "\\'")),
                2 => format!(" $q${}PLANTED$q$", noise.replace('$', "")),
                3 => format!(" /* {}PLANTED */", noise),
                4 => format!(" -- {noise}PLANTED\n"),
                5 => " x = 4711".to_string(),
                6 => format!(" \"{}\"", noise.replace('"', "\"\"")),
                _ => format!(" $${}PLANTED$$", noise.replace('$', "")),
            });
        }
        let shown = normalised(&text, 500);
        prop_assert!(!shown.contains("PLANTED") && !shown.contains("4711"), "{text} gave {shown}");
    }

    #[test]
    fn anything_is_survived(text in ".{0,200}") {
        let shown = normalised(&text, 100);
        prop_assert!(shown.chars().count() <= 100);
    }
}
