//! What is counted in the server's log of queries: how long they took by kind and user, and which kinds of text cost most.
//!
//! The server counts itself, over what was logged since the last reading; no text of a query leaves it. The session adds
//! the counts up (`session::tally`).

use crate::engines::clickhouse::session::tally::{SINCE, THINGS_MAX, UNTIL};
use crate::engines::contract::{Answer, Busiest, Emit, Facts, Take};
use crate::engines::take::text_number;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::row::{Metric, MetricKind};

/// What the login must be able to read of the log: these columns and no others, so neither texts nor addresses.
pub const COLUMNS: &str = "SELECT(type,event_date,event_time,query_duration_ms,read_rows,read_bytes,query_kind,\
                           normalized_query_hash,is_initial_query,user,http_user_agent) ON system.query_log";

/// Upper bounds in seconds; the server is asked in milliseconds.
const BOUNDS: [(&str, u32); 10] = [
    ("0.005", 5),
    ("0.01", 10),
    ("0.05", 50),
    ("0.1", 100),
    ("0.5", 500),
    ("1", 1000),
    ("5", 5000),
    ("10", 10_000),
    ("60", 60_000),
    ("300", 300_000),
];

/// Kinds that are told apart; whatever else begins a text, such as a comment in front of it, is no kind of its own.
const KINDS: &str = "'select','insert','alter','create','drop','rename','optimize','system','set','show','use',\
                     'describe','explain','grant','revoke','delete','update','backup','restore'";

/// The most users and kinds, and the most kinds of text, that one reading brings.
const GROUPS_MAX: u32 = 100;
const STATEMENTS_MAX: u32 = 500;

/// Queries of clients that ended, well or not, since the last reading; not the agent's own.
fn ended() -> String {
    // `type`: 2 is an end, 3 and 4 are failures before and after the beginning.
    format!(
        "FROM system.query_log WHERE event_date >= toDate(toDateTime({SINCE})) AND event_time > toDateTime({SINCE}) \
         AND event_time <= toDateTime({UNTIL}) AND toInt8(type) >= 2 AND is_initial_query \
         AND http_user_agent != 'watchward'"
    )
}

/// Counts by kind and user.
pub fn durations(facts: &Facts) -> String {
    let word = if facts.capabilities.contains("system.query_log.query_kind") {
        "query_kind"
    } else {
        "extract(substring(query, 1, 100), '([A-Za-z]+)')" // the log keeps no kind
    };
    let buckets: String =
        BOUNDS.iter().map(|(_, most)| format!("countIf(query_duration_ms <= {most}) AS ms_{most}, ")).collect();
    format!(
        "SELECT if(lower({word}) IN ({KINDS}), lower({word}), 'other') AS kind, user, {buckets}count() AS queries, \
         sum(query_duration_ms) / 1000 AS seconds, countIf(toInt8(type) > 2) AS failures {} \
         GROUP BY kind, user ORDER BY queries DESC LIMIT {GROUPS_MAX}",
        ended()
    )
}

/// What tells kinds of text apart. Where the server does not work that out, it takes literals and numbers out here.
pub fn hash(facts: &Facts) -> &'static str {
    if facts.capabilities.contains("system.query_log.normalized_query_hash") {
        "toString(normalized_query_hash)"
    } else {
        "toString(cityHash64(replaceRegexpAll(replaceRegexpAll(query, '\\'[^\\']*\\'', '?'), '[0-9]+', '?')))"
    }
}

/// Counts by kind of text.
pub fn statements(facts: &Facts) -> String {
    let hash = hash(facts);
    format!(
        "SELECT {hash} AS query_hash, count() AS calls, sum(query_duration_ms) / 1000 AS seconds, \
         sum(read_rows) AS read_rows, sum(read_bytes) AS read_bytes, countIf(toInt8(type) > 2) AS failures {} \
         GROUP BY query_hash ORDER BY seconds DESC LIMIT {STATEMENTS_MAX}",
        ended()
    )
}

pub static DURATIONS: [Metric; 4] = [
    Metric::new(
        MetricKind::Histogram,
        "clickhouse_query_duration_seconds_bucket",
        "How long queries of clients took, by kind and user.",
    )
    .unit("s"),
    Metric::new(
        MetricKind::Histogram,
        "clickhouse_query_duration_seconds_sum",
        "How long queries of clients took, by kind and user.",
    )
    .unit("s")
    .from("seconds"),
    Metric::new(
        MetricKind::Histogram,
        "clickhouse_query_duration_seconds_count",
        "How long queries of clients took, by kind and user.",
    )
    .unit("s")
    .from("queries"),
    Metric::counter("clickhouse_query_failures_total", "Queries of clients that failed, by kind and user.")
        .unit("{query}")
        .from("failures"),
];

pub static STATEMENTS: [Metric; 5] = [
    Metric::counter("clickhouse_statement_calls_total", "How often a kind of text was run to its end.")
        .unit("{query}")
        .from("calls"),
    Metric::counter("clickhouse_statement_seconds_total", "How long all runs of it took.").unit("s").from("seconds"),
    Metric::counter("clickhouse_statement_read_rows_total", "Rows that it read.").unit("{row}").from("read_rows"),
    Metric::counter("clickhouse_statement_read_bytes_total", "Bytes that it read.").unit("By").from("read_bytes"),
    Metric::counter("clickhouse_statement_failures_total", "Runs of it that failed.").unit("{query}").from("failures"),
];

/// All that is counted since the session began is in the answer, so what is new in it began just now.
pub const STATEMENTS_TAKE: Take =
    Take::Busiest(Busiest { labels: &["query_hash"], rank_by: "seconds", keep: 20, most: THINGS_MAX + 1 });

/// A histogram with the labels `kind` and `user`.
pub fn take_durations(answer: &Answer, _facts: &Facts, emit: &mut dyn Emit) -> Result<(), Unknown> {
    let Answer::Table(table) = answer else {
        return Err(Unknown::new(UnknownKind::Garbled, "the answer is not a table"));
    };
    let (kind_at, user_at) = (table.column("kind")?, table.column("user")?);
    let bucket_at: Vec<usize> =
        BOUNDS.iter().map(|(_, most)| table.column(&format!("ms_{most}"))).collect::<Result<_, _>>()?;
    let count_at = table.column("queries")?;
    for row in &table.rows {
        let text = |at: usize| row[at].as_deref().unwrap_or("");
        let number = |at: usize| {
            let garbled = || Unknown::new(UnknownKind::Garbled, format!("'{}' is not a number", text(at)));
            text_number(text(at)).ok_or_else(garbled)
        };
        let labels = [("kind", text(kind_at)), ("user", text(user_at))];
        for ((bound, _), at) in BOUNDS.iter().zip(&bucket_at) {
            emit.metric(&DURATIONS[0], &[labels[0], labels[1], ("le", bound)], number(*at)?);
        }
        emit.metric(&DURATIONS[0], &[labels[0], labels[1], ("le", "+Inf")], number(count_at)?);
        for metric in &DURATIONS[1..] {
            emit.metric(metric, &labels, number(table.column(metric.from)?)?);
        }
    }
    Ok(())
}
