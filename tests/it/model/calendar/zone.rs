//! Zones by their names.

use watchward::model::calendar::Zone;

fn refused(name: &str) -> String {
    Zone::find(name).expect_err("no zone").to_string().replace('\n', " | ")
}

#[test]
fn zones_have_the_names_of_the_iana() {
    for (name, expected) in [
        ("UTC", "UTC"),
        ("Europe/Berlin", "Europe/Berlin"),
        ("europe/berlin", "Europe/Berlin"),
        ("America/Argentina/Buenos_Aires", "America/Argentina/Buenos_Aires"),
        ("Etc/GMT-2", "Etc/GMT-2"),
    ] {
        assert_eq!(Zone::find(name).map(|zone| zone.name().to_string()), Ok(expected.to_string()));
    }
}

#[test]
fn a_zone_that_does_not_exist_is_told_with_the_nearest() {
    let near = |name: &str, hint: &str| format!("unknown time zone '{name}' [calendar-01] | hint: {hint}");
    let none = "Write an IANA name, like \"UTC\" or \"Europe/Berlin\".";
    for (name, hint) in [
        ("Europe/Berln", "Did you mean 'Europe/Berlin'?"),
        ("Berlin", "Did you mean 'Europe/Berlin'?"),
        ("berlin", "Did you mean 'Europe/Berlin'?"),
        ("Asia/Berlin", "Did you mean 'Europe/Berlin'?"),
        ("Berlim ", "Did you mean 'Europe/Berlin'?"),
        ("America/NewYork", "Did you mean 'America/New_York'?"),
        ("", none),
        ("GMT+2", none),
        ("CEST", none),
        ("../../etc/passwd", none),
        ("posix/Europe/Berlin", "Did you mean 'Europe/Berlin'?"),
    ] {
        assert_eq!(refused(name), near(name, hint));
    }
    assert_eq!(refused(&"x".repeat(61)), near("…", none), "what is oddly long is not repeated");
}

/// A bare container has no zones of its own.
#[test]
fn the_zones_built_in_are_there_without_those_of_the_system() {
    let built_in = jiff::tz::TimeZoneDatabase::bundled();
    assert!(!built_in.is_definitively_empty());
    assert_eq!(built_in.get("Europe/Berlin").expect("built in").iana_name(), Some("Europe/Berlin"));
}
