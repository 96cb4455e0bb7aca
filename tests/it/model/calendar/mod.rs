//! Tests of `src/model/calendar`: stories in the time that clocks show, and the same questions asked of every minute.

mod cron;
mod window;
mod zone;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use watchward::model::calendar::Zone;

/// A moment as RFC 3339 writes it, `2026-03-29T01:00:00Z`, in milliseconds.
fn ms(text: &str) -> i64 {
    text.parse::<Timestamp>().unwrap_or_else(|error| panic!("{text}: {error}")).as_millisecond()
}

/// What clocks of a zone show, with their offset: `2026-03-29 03:00 +02`.
fn shown(at_ms: i64, zone: &Zone) -> String {
    let zone = TimeZone::get(zone.name()).expect("a zone");
    let zoned = Timestamp::from_millisecond(at_ms).expect("a time").to_zoned_datetime(zone);
    let text = zoned.strftime("%Y-%m-%d %H:%M:%S %:::z").to_string();
    text.replacen(":00 ", " ", 1)
}

fn zone(name: &str) -> Zone {
    Zone::find(name).unwrap_or_else(|fault| panic!("{fault}"))
}

/// A zone's changes of the clocks within 2026 and 2027, in milliseconds.
fn changes(name: &str) -> Vec<i64> {
    let zone = TimeZone::get(name).expect("a zone");
    let end = ms("2028-01-01T00:00:00Z");
    let after = Timestamp::from_millisecond(ms("2026-01-01T00:00:00Z")).expect("a time");
    zone.following(after).map(|change| change.timestamp().as_millisecond()).take_while(|at| *at < end).collect()
}

/// One zone for each way in which clocks are set in 2026 and 2027.
fn zones_that_differ() -> Vec<(Zone, Vec<i64>)> {
    let mut seen = std::collections::BTreeSet::new();
    let mut all = Vec::new();
    for name in jiff::tz::db().available().map(|name| name.to_string()) {
        let (Ok(zone), Ok(data)) = (Zone::find(&name), TimeZone::get(&name)) else { continue };
        let changes = changes(&name);
        let offset = |at_ms: i64| data.to_offset(Timestamp::from_millisecond(at_ms).expect("a time")).seconds();
        let offsets: Vec<i32> = changes.iter().flat_map(|at| [offset(at - 1), offset(*at)]).collect();
        if !changes.is_empty() && seen.insert((changes.clone(), offsets)) {
            all.push((zone, changes));
        }
    }
    assert!(all.len() > 20, "only {} zones set their clocks", all.len());
    all
}
