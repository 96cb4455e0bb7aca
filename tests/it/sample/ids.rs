//! From points to series: ids are remembered, what is gone goes stale, caps cost what is above them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use watchward::engines::contract::Emit;
use watchward::model::filter::{Filter, Glob};
use watchward::model::labels::Labels;
use watchward::model::row::{Family, Metric, MetricKind};
use watchward::model::series::{Series, SeriesId, is_stale};
use watchward::sample::ids::Ids;

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
    fn id(&self, labels: &Labels) -> Option<SeriesId> {
        let mut known = self.known.lock().unwrap();
        known.1 += 1;
        let next = SeriesId(u32::try_from(known.0.len()).unwrap());
        if !known.0.contains_key(labels) && known.0.len() >= self.cap {
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
    Ids::new(series.clone(), base, vec![3, 3], Filter::default())
}

fn read(ids: &mut Ids, row: usize, dbs: &[(&str, f64)]) -> Vec<(SeriesId, f64)> {
    let mut out = Vec::new();
    let fill = |emit: &mut dyn Emit| -> Result<(), ()> {
        for (db, value) in dbs {
            emit.metric(&METRIC, &[("db", db)], *value);
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
    assert_eq!(capped_by_row.dropped, 1);

    let series = Given::new(1);
    let mut capped_by_store = ids(&series);
    assert_eq!(read(&mut capped_by_store, 0, &[("a", 1.0), ("b", 1.0)]).len(), 1);
    assert_eq!(capped_by_store.dropped, 1);
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
    let mut ids = Ids::new(series.clone(), Vec::new(), vec![2], filter);
    for _ in 0..3 {
        let all = [("a", 1.0), ("b", 1.0), ("orders", 1.0), ("orders_old", 1.0)];
        assert_eq!(text(&series, &read(&mut ids, 0, &all)), ["a 1", "orders 1"]);
    }
    assert_eq!((series.asked(), ids.dropped), (2, 0), "what is left out takes no room below the cap");
}
