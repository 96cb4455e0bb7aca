//! From answers to points: text by `Info`, arrays by their places as the commands' manuals give them.

use serde_json::Value as Json;

use crate::engines::contract::{Answer, Emit, Facts};
use crate::engines::redis::monitor::info::{Info, Label, text};
use crate::engines::redis::monitor::metrics as m;
use crate::engines::redis::monitor::newer::NEWER;
use crate::engines::take::number;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::Metric;

/// Why an answer could not be read.
pub type Taken = Result<(), Unknown>;

const INSTANCE: &[Label] = &[
    ("role", "role"),
    ("redis_version", "redis_version"),
    ("redis_build_id", "redis_build_id"),
    ("redis_mode", "redis_mode|server_mode"),
    ("os", "os"),
    ("maxmemory_policy", "maxmemory_policy"),
    ("tcp_port", "tcp_port"),
    ("run_id", "run_id"),
    ("process_id", "process_id"),
    ("master_replid", "master_replid"),
    ("valkey_version", "valkey_version"),
    ("valkey_release_stage", "valkey_release_stage"),
    ("availability_zone", "availability_zone"),
];
const MASTER: &[Label] = &[("master_host", "master_host"), ("master_port", "master_port")];
const FOLLOWED: &[Label] =
    &[("master_host", "master_host"), ("master_port", "master_port"), ("read_only", "slave_read_only")];
const SLAVE: &[Label] = &[("slave_ip", "ip"), ("slave_port", "port"), ("slave_state", "state")];
const WATCHED: &[Label] = &[("master_name", "name"), ("master_address", "address")];

pub fn info(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let info = Info::of(text(answer)?);
    for metrics in [m::SERVER, m::PERSISTENCE, m::STATS, NEWER, m::REPLICATION] {
        info.emit(metrics, &[], &[], emit);
    }
    info.emit(m::INSTANCE, &[], INSTANCE, emit);
    if let Some(start_s) = started_s(&info) {
        emit.metric(&m::START[0], &[], start_s);
    }
    if info.first("role") == Some("slave") {
        info.emit(m::MASTER, &[], MASTER, emit);
        info.emit(m::SLAVE_INFO, &[], FOLLOWED, emit);
    }
    for (_, slave) in info.records("slave") {
        slave.emit(m::SLAVES, &[], SLAVE, emit);
    }
    for (number, database) in info.records("db").filter(|(number, _)| number.parse::<u32>().is_ok()) {
        database.emit(m::KEYSPACE, &[("db", &format!("db{number}"))], &[], emit);
    }
    for (error, record) in info.records("errorstat_") {
        record.emit(m::ERRORS, &[("err", error)], &[], emit);
    }
    Ok(())
}

/// The server's clock less its time of running; both are in whole seconds, so it may move by one.
fn started_s(info: &Info) -> Option<f64> {
    let now_us: f64 = info.first("server_time_usec")?.parse().ok()?;
    let running_s: f64 = info.first("uptime_in_seconds")?.parse().ok()?;
    Some((now_us * 1e-6).floor() - running_s)
}

pub fn commands(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let info = Info::of(text(answer)?);
    for (command, record) in info.records("cmdstat_") {
        record.emit(m::COMMANDS, &[("cmd", command)], &[], emit);
    }
    let [quantiles, sum_and_count @ ..] = m::PERCENTILES else { return Ok(()) };
    for (command, percentiles) in info.records("latency_percentiles_usec_") {
        for (percentile, value) in percentiles.numbers() {
            emit.metric(quantiles, &[("cmd", command), ("quantile", percentile.trim_start_matches('p'))], value);
        }
        if let Some(record) = info.record(&format!("cmdstat_{command}")) {
            record.emit(sum_and_count, &[("cmd", command)], &[], emit);
        }
    }
    Ok(())
}

pub fn cluster(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    Info::of(text(answer)?).emit(m::CLUSTER, &[], &[], emit);
    Ok(())
}

pub fn sentinel(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let info = Info::of(text(answer)?);
    info.emit(m::SENTINEL, &[], &[], emit);
    for (_, master) in info.records("master") {
        let [name, address, status] = ["name", "address", "status"].map(|field| master.first(field).unwrap_or(""));
        let labels = [("master_name", name), ("master_address", address), ("master_status", status)];
        emit.metric(&m::SENTINEL_STATUS[0], &labels, f64::from(u8::from(status == "ok")));
        master.emit(m::SENTINEL_MASTERS, &[], WATCHED, emit);
    }
    Ok(())
}

pub fn config(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    pairs(array(answer)?).emit(m::CONFIG, &[], &[], emit);
    Ok(())
}

pub fn slowlog_length(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let Answer::Json(length) = answer else { return Err(garbled()) };
    emit.metric(&m::SLOWLOG_LENGTH[0], &[], number(length).ok_or_else(garbled)?);
    Ok(())
}

/// An entry is `[id, when, microseconds, arguments, …]`. As in the exporter, an empty log reads 0 and 0.
pub fn slowlog_last(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    let entry = array(answer)?.first().and_then(Json::as_array);
    let at = |place: usize| entry.and_then(|entry| entry.get(place)).and_then(number).unwrap_or(0.0);
    emit.metric(&m::SLOWLOG_LAST[0], &[], at(0));
    emit.metric(&m::SLOWLOG_LAST[1], &[], at(2) / 1e6);
    Ok(())
}

/// An event is `[name, when in seconds, milliseconds, the most ever in milliseconds]`.
pub fn latency(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    for event in array(answer)?.iter().filter_map(Json::as_array) {
        if let [Json::String(name), last, took_ms, ..] = event.as_slice() {
            let labels = [("event_name", name.as_str())];
            emit.metric(&m::SPIKES[0], &labels, number(last).ok_or_else(garbled)?);
            emit.metric(&m::SPIKES[1], &labels, number(took_ms).ok_or_else(garbled)? / 1e3);
        }
    }
    Ok(())
}

/// Commands and their histograms in turn; a histogram is `["calls", n, "histogram_usec", [upper bound, calls up to it, …]]`.
pub fn histograms(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    histograms_scaled(answer, m::HISTOGRAMS, 1.0, emit)
}

/// With bounds in microseconds by this divisor.
pub fn histograms_scaled(answer: &Answer, metrics: &'static [Metric], divisor: f64, emit: &mut dyn Emit) -> Taken {
    let [bucket, count] = metrics else { return Ok(()) };
    for pair in array(answer)?.chunks_exact(2) {
        let [Json::String(command), Json::Array(histogram)] = pair else { return Err(garbled()) };
        let [_, calls, _, Json::Array(bounds)] = histogram.as_slice() else { return Err(garbled()) };
        let calls = number(calls).ok_or_else(garbled)?;
        for bound in bounds.chunks_exact(2) {
            let le = (number(&bound[0]).ok_or_else(garbled)? / divisor).to_string();
            emit.metric(bucket, &[("cmd", command), ("le", &le)], number(&bound[1]).ok_or_else(garbled)?);
        }
        emit.metric(bucket, &[("cmd", command), ("le", "+Inf")], calls);
        emit.metric(count, &[("cmd", command)], calls);
    }
    Ok(())
}

pub fn sentinel_masters(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    for master in array(answer)?.iter().filter_map(Json::as_array) {
        let master = pairs(master);
        let address = format!("{}:{}", master.first("ip").unwrap_or(""), master.first("port").unwrap_or(""));
        let labels = [("master_name", master.first("name").unwrap_or("")), ("master_address", address.as_str())];
        master.emit(m::SENTINEL_SETTINGS, &labels, &[], emit);
    }
    Ok(())
}

/// `SENTINEL CKQUORUM` answers with a sentence, or refuses with one. Either is the label `message`.
pub fn quorum(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    for master in array(answer)? {
        let word = |key: &str| master.get(key).and_then(Json::as_str);
        let reached = word("refused").is_none();
        let message = word("answer").or(word("refused")).unwrap_or("");
        let labels = [("master_name", word("name").unwrap_or("")), ("message", message)];
        emit.metric(&m::SENTINEL_QUORUM[0], &labels, f64::from(u8::from(reached)));
    }
    Ok(())
}

pub fn ok_slaves(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    count_ok(answer, &m::SENTINEL_OK_SLAVES[0], 0.0, emit)
}

/// The Sentinel that we ask is not among the others that it lists, and it is well.
pub fn ok_sentinels(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Taken {
    count_ok(answer, &m::SENTINEL_OK_SENTINELS[0], 1.0, emit)
}

/// Counts for each master those of its peers that nobody thinks down. `s_down`: this Sentinel does; `o_down`: enough do.
fn count_ok(answer: &Answer, metric: &'static Metric, first: f64, emit: &mut dyn Emit) -> Taken {
    for master in array(answer)? {
        let word = |key: &str| master.get(key).and_then(Json::as_str).unwrap_or("");
        let peers = master.get("answer").and_then(Json::as_array).into_iter().flatten().filter_map(Json::as_array);
        let is_ok = |peer: &&Vec<Json>| {
            let peer = pairs(peer);
            peer.first("flags").is_some_and(|flags| !flags.split(',').any(|flag| flag == "s_down" || flag == "o_down"))
        };
        let ok = peers.filter(is_ok).fold(first, |count, _| count + 1.0);
        emit.metric(metric, &[("master_name", word("name")), ("master_address", word("address"))], ok);
    }
    Ok(())
}

/// The list that an answer is.
///
/// # Errors
/// `Garbled`: it is none.
pub fn array(answer: &Answer) -> Result<&Vec<Json>, Unknown> {
    match answer {
        Answer::Json(Json::Array(array)) => Ok(array),
        _ => Err(Unknown::new(UnknownKind::Garbled, "the answer is no list")),
    }
}

/// A list of names and values in turn.
fn pairs(list: &[Json]) -> Info<'_> {
    list.chunks_exact(2).filter_map(|pair| Some((pair[0].as_str()?, pair[1].as_str()?))).collect()
}

pub fn garbled() -> Unknown {
    Unknown::new(UnknownKind::Garbled, "the answer is of another shape than its manual says")
}
