//! From points to series: ids are remembered, what is gone goes stale, caps cost what is above them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use watchward::engines::contract::Emit;
use watchward::model::filter::{Filter, Glob};
use watchward::model::labels::Labels;
use watchward::model::row::{Family, Metric, MetricKind};
use watchward::model::series::{Series, SeriesId, is_stale};
use watchward::sample::ids::{Ids, Share};

static METRIC: Metric = Metric::gauge("db_keys", "Keys.");
static FAMILY: Family = Family::new(MetricKind::Gauge, "settings_", "_bytes", "A setting.");

/// A giver of ids with a cap, which counts how often it is asked.
pub struct Given {
    known: Mutex<(HashMap<Labels, SeriesId>, u32)>,
    cap: usize,
}

impl Given {
    pub fn new(cap: usize) -> Arc<Given> {
        Arc::new(Given { known: Mutex::default(), cap })
    }

    fn asked(&self) -> u32 {
        self.known.lock().unwrap().1
    }
}

impl Series for Given {
    fn id(&self, labels: &Labels, spare: usize) -> Option<SeriesId> {
        let mut known = self.known.lock().unwrap();
        known.1 += 1;
        let next = SeriesId(u32::try_from(known.0.len()).unwrap());
        if !known.0.contains_key(labels) && known.0.len() + spare >= self.cap {
            return None;
        }
        Some(*known.0.entry(labels.clone()).or_insert(next))
    }

    fn labels(&self, id: SeriesId) -> Labels {
        let known = self.known.lock().unwrap();
        known.0.iter().find(|(_, one)| **one == id).map_or_else(Labels::empty, |(labels, _)| labels.clone())
    }
}

fn ids(series: &Arc<Given>) -> Ids {
    let base = vec![("target".to_string(), "cache".to_string()), ("job".to_string(), "kv".to_string())];
    Ids::new(series.clone(), base, vec![Share { series_max: 3, leaves: 1 }; 2], Filter::default())
}

fn read(ids: &mut Ids, row: usize, dbs: &[(&str, f64)]) -> Vec<(SeriesId, f64)> {
    read_of(ids, row, 0, dbs)
}

/// The points of a row with one more label, so that rows have series of their own.
fn read_of(ids: &mut Ids, row: usize, of: usize, dbs: &[(&str, f64)]) -> Vec<(SeriesId, f64)> {
    let mut out = Vec::new();
    let of = of.to_string();
    let labels = |db| if of == "0" { vec![("db", db)] } else { vec![("db", db), ("of", &*of)] };
    let fill = |emit: &mut dyn Emit| -> Result<(), ()> {
        for (db, value) in dbs {
            emit.metric(&METRIC, &labels(*db), *value);
        }
        Ok(())
    };
    ids.read(row, &mut out, fill).unwrap();
    out
}

fn text(series: &Given, points: &[(SeriesId, f64)]) -> Vec<String> {
    let value = |value: f64| if is_stale(value) { "stale".to_string() } else { value.to_string() };
    let mut lines: Vec<String> =
        points.iter().map(|(id, v)| format!("{} {}", series.labels(*id).value("db"), value(*v))).collect();
    lines.sort();
    lines
}

#[test]
fn a_steady_row_asks_for_its_ids_once() {
    let series = Given::new(100);
    let mut ids = ids(&series);
    for _ in 0..50 {
        read(&mut ids, 0, &[("a", 1.0), ("b", 2.0)]);
    }
    assert_eq!(series.asked(), 2);
}

#[test]
fn a_series_that_is_gone_gets_the_stale_marker_once() {
    let series = Given::new(100);
    let mut ids = ids(&series);
    read(&mut ids, 0, &[("a", 1.0), ("b", 2.0)]);
    let points = read(&mut ids, 0, &[("b", 3.0)]);
    assert_eq!(text(&series, &points), ["a stale", "b 3"]);
    let points = read(&mut ids, 0, &[("b", 4.0)]);
    assert_eq!(text(&series, &points), ["b 4"]);
}

#[test]
fn a_failed_row_ends_all_its_series_and_no_other_row_s() {
    let series = Given::new(100);
    let mut ids = ids(&series);
    read(&mut ids, 0, &[("a", 1.0)]);
    read(&mut ids, 1, &[("z", 9.0)]);
    let mut out = Vec::new();
    assert_eq!(ids.read(0, &mut out, |_| Err("no privilege")), Err("no privilege"));
    assert_eq!(text(&series, &out), ["a stale"]);
    let mut out = Vec::new();
    ids.repeat(1, &mut out);
    assert_eq!(text(&series, &out), ["z 9"]);
}

#[test]
fn a_row_s_cap_and_the_store_s_cap_drop_and_count() {
    let series = Given::new(100);
    let mut capped_by_row = ids(&series);
    assert_eq!(read(&mut capped_by_row, 0, &[("a", 1.0), ("b", 1.0), ("c", 1.0), ("d", 1.0)]).len(), 3);
    assert_eq!(capped_by_row.take_dropped().collect::<Vec<_>>(), [(0, 1)]);
    assert_eq!(capped_by_row.take_dropped().count(), 0, "each is told once");

    let series = Given::new(1);
    let mut capped_by_store = ids(&series);
    assert_eq!(read(&mut capped_by_store, 0, &[("a", 1.0), ("b", 1.0)]).len(), 1);
    assert_eq!(capped_by_store.take_dropped().collect::<Vec<_>>(), [(0, 1)]);
}

/// Three rows that each have as many things as there is room for altogether: what the agent says of the target, an
/// ordinary row and an optional one.
#[test]
fn as_the_store_fills_the_rows_that_matter_least_are_refused_first() {
    let series = Given::new(60);
    let share = |leaves| Share { series_max: 1000, leaves };
    let mut ids = Ids::new(series.clone(), Vec::new(), vec![share(8), share(1), share(0)], Filter::default());
    let things: Vec<String> = (0..60).map(|thing| thing.to_string()).collect();
    let things: Vec<(&str, f64)> = things.iter().map(|thing| (&**thing, 1.0)).collect();
    let mut has = |row: usize, wants: usize| read_of(&mut ids, row, row, &things[..wants]).len();
    assert_eq!(has(0, 60), 7, "with 7 it would have to leave 56 of the 53 that are left");
    assert_eq!(has(1, 60), 27, "half of those 53, in whole ones");
    assert_eq!(has(2, 20), 20, "it leaves nothing, and is refused nothing");
    assert_eq!(has(0, 60), 7, "what is there stays");
    let dropped: Vec<(usize, u64)> = ids.take_dropped().collect();
    assert_eq!(dropped, [(0, 106), (1, 33)]);
}

#[test]
fn the_same_series_twice_in_one_answer_counts_once() {
    let series = Given::new(100);
    let points = read(&mut ids(&series), 0, &[("a", 1.0), ("a", 2.0)]);
    assert_eq!(text(&series, &points), ["a 1"]);
}

#[test]
fn a_label_that_the_target_has_already_steps_aside_as_in_prometheus() {
    let series = Given::new(100);
    let mut ids = ids(&series);
    let mut out = Vec::new();
    let fill = |emit: &mut dyn Emit| -> Result<(), ()> {
        emit.metric(&METRIC, &[("target", "inner"), ("db", "a")], 1.0);
        emit.family(&FAMILY, "shared.buffers", &[], 8.0);
        Ok(())
    };
    ids.read(0, &mut out, fill).unwrap();
    let names: Vec<String> = out.iter().map(|(id, _)| series.labels(*id).to_string()).collect();
    assert_eq!(names[0], r#"db_keys{db="a",exported_target="inner",job="kv",target="cache"}"#);
    assert_eq!(names[1], r#"settings_shared_buffers_bytes{job="kv",target="cache"}"#);
}

#[test]
fn what_the_filter_leaves_out_is_no_series_and_is_not_looked_at_again() {
    let series = Given::new(100);
    let filter = Filter {
        include: [("db".to_string(), vec![Glob::new("o*"), Glob::new("a")])].into(),
        exclude: [("db".to_string(), vec![Glob::new("*_old")])].into(),
    };
    let mut ids = Ids::new(series.clone(), Vec::new(), vec![Share { series_max: 2, leaves: 1 }], filter);
    for _ in 0..3 {
        let all = [("a", 1.0), ("b", 1.0), ("orders", 1.0), ("orders_old", 1.0)];
        assert_eq!(text(&series, &read(&mut ids, 0, &all)), ["a 1", "orders 1"]);
    }
    assert_eq!((series.asked(), ids.take_dropped().count()), (2, 0), "what is left out takes no room below the cap");
}
