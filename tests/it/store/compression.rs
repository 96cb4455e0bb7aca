//! Compression: what goes in comes out, bit by bit.

use proptest::prelude::*;
use watchward::model::series::STALE;
use watchward::store::bytes::{Reader, put_float, put_signed, put_text, put_unsigned};
use watchward::store::chunk::{BYTES_MAX, Chunk, Open, SAMPLES_MAX};
use watchward::store::crc::crc32;
use watchward::store::thin::thin;

/// Seals samples into one chunk and reads it again.
fn through_a_chunk(samples: &[(i64, u64)]) -> (usize, Vec<(i64, u64)>) {
    let mut open = Open::after(i64::MIN, 0.0);
    for (at_ms, bits) in samples {
        assert!(!open.is_full());
        open.push(*at_ms, f64::from_bits(*bits));
    }
    let mut sealed = Vec::new();
    open.seal(&mut sealed);
    let mut reader = Reader::new(&sealed);
    let chunk = Chunk::read(&mut reader).unwrap();
    assert!(reader.is_empty());
    assert_eq!((chunk.first_ms, chunk.last_ms), (samples[0].0, samples[samples.len() - 1].0));
    (sealed.len(), chunk.samples().map(|(at_ms, value)| (at_ms, value.to_bits())).collect())
}

/// Any float there is, and those that servers send: markers, whole numbers, decimals, small steps.
fn any_value() -> impl Strategy<Value = u64> {
    prop_oneof![
        any::<u64>(),
        any::<f64>().prop_map(f64::to_bits),
        Just(STALE.to_bits()),
        Just(f64::NAN.to_bits()),
        Just((-0.0_f64).to_bits()),
        Just(f64::INFINITY.to_bits()),
        (-1000_i64..1000).prop_map(|whole| (whole as f64).to_bits()),
    ]
}

/// Values of one kind throughout, as most series have them.
fn any_values() -> impl Strategy<Value = Vec<u64>> {
    let length = 1..=usize::from(SAMPLES_MAX);
    prop_oneof![
        prop::collection::vec(any_value(), length.clone()),
        prop::collection::vec(-50_i64..50_000, length.clone())
            .prop_map(|all| all.iter().map(|one| (*one as f64).to_bits()).collect()),
        prop::collection::vec(any::<i64>(), length.clone())
            .prop_map(|all| all.iter().map(|one| (*one as f64).to_bits()).collect()),
        (prop::collection::vec(0_u32..5000, length.clone()), 0_i32..12).prop_map(|(all, places)| {
            let mut total = 0;
            let decimal = |step: u32| {
                total += step;
                (f64::from(total) / 10_f64.powi(places)).to_bits()
            };
            all.into_iter().map(decimal).collect()
        }),
        (any_value(), length).prop_map(|(value, count)| vec![value; count]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_chunk_brings_back_every_bit(values in any_values(), first in any::<i64>(), steps in prop::collection::vec(
        prop_oneof![Just(5000_i64), 4990_i64..5010, 1_i64..1_000_000, 1_i64..i64::MAX], 120)) {
        let mut at_ms = first;
        let mut samples = Vec::new();
        for (bits, step) in values.into_iter().zip(steps) {
            samples.push((at_ms, bits));
            let Some(next) = at_ms.checked_add(step) else { break };
            at_ms = next;
        }
        let (length, back) = through_a_chunk(&samples);
        prop_assert_eq!(back, samples);
        prop_assert!(length <= BYTES_MAX);
    }

    #[test]
    fn garbage_is_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut reader = Reader::new(&bytes);
        while let Some(chunk) = Chunk::read(&mut reader) {
            prop_assert!(chunk.samples().count() <= usize::from(SAMPLES_MAX));
        }
    }

    #[test]
    fn numbers_and_texts_come_back(
        unsigned in any::<u64>(), signed in any::<i64>(), float in any::<u64>(), text in ".*"
    ) {
        let mut bytes = Vec::new();
        put_unsigned(&mut bytes, unsigned);
        put_signed(&mut bytes, signed);
        put_float(&mut bytes, f64::from_bits(float));
        put_text(&mut bytes, &text);
        let mut reader = Reader::new(&bytes);
        prop_assert_eq!(reader.unsigned(), Some(unsigned));
        prop_assert_eq!(reader.signed(), Some(signed));
        prop_assert_eq!(reader.float().map(f64::to_bits), Some(float));
        prop_assert_eq!(reader.text(), Some(&*text));
        prop_assert!(reader.is_empty());
        for length in 0..bytes.len() {
            let mut short = Reader::new(&bytes[..length]);
            let all = (|| Some((short.unsigned()?, short.signed()?, short.float()?, short.text()?)))();
            prop_assert!(all.is_none(), "{} bytes of {}", length, bytes.len());
        }
    }

    #[test]
    fn thinning_opens_no_gap_and_invents_nothing(steps in prop::collection::vec((1_i64..400_000, 0_u8..8), 1..400)) {
        let mut at_ms = 0;
        let samples: Vec<(i64, f64)> = steps.iter().map(|(step, kind)| {
            at_ms += step;
            (at_ms, if *kind == 0 { STALE } else { at_ms as f64 })
        }).collect();
        let kept = thin(&samples);
        let bits = |all: &[(i64, f64)]| all.iter().map(|(at, value)| (*at, value.to_bits())).collect::<Vec<_>>();
        prop_assert!(bits(&kept).iter().all(|one| bits(&samples).contains(one)));
        prop_assert!(kept.is_sorted_by(|a, b| a.0 < b.0));
        if samples.last().is_some_and(|(_, value)| !value.is_nan()) {
            prop_assert_eq!(kept.last(), samples.last());
        }
        // An instant query anywhere finds a series thinned if and only if it found it raw.
        let seen = |all: &[(i64, f64)], at: i64| {
            let last = all.iter().rfind(|(one, _)| *one <= at && *one > at - 300_000);
            last.is_some_and(|(_, value)| value.to_bits() != STALE.to_bits())
        };
        for at in (0..at_ms + 400_000).step_by(9973) {
            prop_assert!(seen(&kept, at) == seen(&samples, at), "at {at}: {kept:?}");
        }
    }
}

#[test]
fn thinning_keeps_the_last_of_each_five_minutes_and_the_markers() {
    let minute = 60_000;
    let raw: Vec<(i64, f64)> = (0..20).map(|step| (step * minute, step as f64)).collect();
    let mut with_end = raw.clone();
    with_end.extend([(20 * minute, STALE), (21 * minute, STALE), (22 * minute, 1.0)]);
    let kept: Vec<i64> = thin(&raw).iter().map(|(at_ms, _)| at_ms / minute).collect();
    assert_eq!(kept, [0, 4, 9, 14, 19]);
    let kept: Vec<i64> = thin(&with_end).iter().map(|(at_ms, _)| at_ms / minute).collect();
    assert_eq!(kept, [0, 4, 9, 14, 19, 20, 22], "the first marker tells of the end, the second nothing");
}

#[test]
fn the_checksum_is_the_one_of_zlib() {
    assert_eq!(crc32(&[b"123456789"]), 0xcbf4_3926);
    assert_eq!(crc32(&[b"1234", b"", b"56789"]), 0xcbf4_3926);
    assert_eq!(crc32(&[]), 0);
}
