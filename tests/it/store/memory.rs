//! What the history costs in memory, measured on made-up data of the kind that servers bring.

use std::fs;

use watchward::model::series::{Series, SeriesId};
use watchward::store::Store;
use watchward::store::chunk::Open;

use crate::store::tools::{Folder, START_MS, labels};

/// A generator of numbers that look random and are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.roll() % end
    }
}

/// Of a hundred series so many: a name for the kind, how it goes on from its last value.
type Next = fn(f64, &mut Dice) -> f64;
const KINDS: [(u64, &str, Next); 6] = [
    (45, "constant: settings, limits, idle counters", |last, _| last),
    (20, "counter of events, in whole numbers", |last, dice| last + 3000.0 + dice.below(400) as f64),
    (10, "counter that moves now and then", |last, dice| if dice.below(10) == 0 { last + 1.0 } else { last }),
    (10, "seconds, in hundredths", |last, dice| ((last * 100.0).round() + 20.0 + dice.below(60) as f64) / 100.0),
    (10, "bytes, in pages", |last, dice| (last + 4096.0 * (dice.below(400) as f64 - 199.0)).max(0.0)),
    (5, "ratio, with all its digits", |_, dice| dice.below(1 << 53) as f64 / (1_u64 << 53) as f64),
];

fn kind_of(series: u64) -> usize {
    let mut left = series * 37 % 100;
    KINDS.iter().position(|(share, ..)| left.checked_sub(*share).map(|rest| left = rest).is_none()).unwrap()
}

fn resident_bytes() -> u64 {
    let pages = fs::read_to_string("/proc/self/statm").unwrap();
    pages.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

#[test]
fn two_thousand_series_of_two_hours_at_five_seconds_fit_into_six_mebibytes() {
    let folder = Folder::new();
    let before = resident_bytes();
    let (store, _) = folder.open();
    let ids: Vec<_> = (0..2200_u64).map(|one| id(&store, one)).collect();
    let index_bytes = store.statistics().head_bytes;
    let mut values: Vec<f64> = (0..2200).map(|one| (one * 7919 % 100_000) as f64).collect();
    let mut dice = Dice(1);
    let cycles = 1440 + 72; // two hours, and six minutes until the cut
    for cycle in 0..cycles {
        for (series, value) in values.iter_mut().enumerate() {
            *value = KINDS[kind_of(series as u64)].2(*value, &mut dice);
        }
        let points: Vec<_> = ids.iter().copied().zip(values.iter().copied()).collect();
        // A cycle comes up to two milliseconds late.
        store.append(&points, START_MS + cycle * 5000 + dice.below(3) as i64);
    }
    let head_bytes = store.statistics().head_bytes;
    let samples = ids.len() as i64 * cycles;
    println!(
        "{:.2} MiB at {} series: {:.0} B of index each, {:.2} B per sample, with the index {:.2}; resident {:.2} MiB",
        head_bytes as f64 / f64::from(1 << 20),
        ids.len(),
        index_bytes as f64 / ids.len() as f64,
        (head_bytes - index_bytes) as f64 / samples as f64,
        head_bytes as f64 / samples as f64,
        (resident_bytes().saturating_sub(before)) as f64 / f64::from(1 << 20),
    );
    assert!(head_bytes <= 6 << 20, "{head_bytes} bytes");

    let log_bytes = store.statistics().bytes_on_disk;
    store.maintain(START_MS + cycles * 5000);
    let blocks = folder.files(".block");
    let block_bytes = fs::metadata(&blocks[0]).unwrap().len();
    println!(
        "{:.2} B per sample in the log, {:.2} in a block with its index; {:.2} MiB of head after the cut",
        log_bytes as f64 / samples as f64,
        block_bytes as f64 / (ids.len() * 1440) as f64,
        store.statistics().head_bytes as f64 / f64::from(1 << 20),
    );
    assert!(blocks.len() == 1 && store.statistics().head_bytes < 3 << 20, "a written window leaves memory");
}

fn id(store: &Store, series: u64) -> SeriesId {
    let (name, value) = (series % 700, series / 700);
    let text =
        format!("engine_group_{name}_total{{instance=db1:5432,job=engine,target=orders,mode=m{value},device=d{name}}}");
    store.id(&labels(&text).with("tenant", "default"), 0).unwrap()
}

#[test]
fn what_each_kind_of_series_costs() {
    for jitter in [1, 3, 20] {
        for (kind, (_, name, next)) in KINDS.iter().enumerate() {
            let mut dice = Dice(kind as u64);
            let mut value = 123_456.0;
            let (mut bytes, mut open) = (Vec::new(), Open::after(i64::MIN, 0.0));
            for step in 0..1200 {
                value = next(value, &mut dice);
                open.push(START_MS + step * 5000 + dice.below(jitter) as i64, value);
                if open.is_full() {
                    open.seal(&mut bytes);
                    open.clear();
                }
            }
            let each = bytes.len() as f64 / 1200.0;
            println!("{each:5.2} B a sample, times within {jitter:2} ms: {name}");
            assert!(each < 9.0);
        }
    }
}
