//! What parameters take and how the server shows it then; which no program sets. Source: src/config.c of Redis.

/// What a parameter takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Flag,
    Words(&'static [&'static str]),
    Whole(i64, i64),
    /// Bytes, at least this many.
    Memory(u64),
    /// Bytes, or a percentage of maxmemory.
    MemoryOrPercent,
    /// `client-output-buffer-limit`: class, hard limit, soft limit, seconds, for each class that changes.
    Buffers,
    /// `notify-keyspace-events`: letters.
    Events,
}

const INT: i64 = i32::MAX as i64;

/// Policies under which the server throws data away to make room.
const KEEPING: &str = "noeviction";

use Kind::{Buffers, Events, Flag, Memory, MemoryOrPercent, Whole, Words};

/// What the agent sets, by name; a former name of a parameter is one of its own.
const KINDS: &[(&str, Kind)] = &[
    ("acllog-max-len", Whole(0, i64::MAX)),
    ("active-defrag-cycle-max", Whole(1, 99)),
    ("active-defrag-cycle-min", Whole(1, 99)),
    ("active-defrag-ignore-bytes", Memory(1)),
    ("active-defrag-max-scan-fields", Whole(1, i64::MAX)),
    ("active-defrag-threshold-lower", Whole(0, 1000)),
    ("active-defrag-threshold-upper", Whole(0, 1000)),
    ("active-expire-effort", Whole(1, 10)),
    ("activedefrag", Flag),
    ("activerehashing", Flag),
    ("aof-rewrite-incremental-fsync", Flag),
    ("appendfsync", Words(&["everysec", "always", "no"])),
    ("auto-aof-rewrite-min-size", Memory(0)),
    ("auto-aof-rewrite-percentage", Whole(0, INT)),
    ("busy-reply-threshold", Whole(0, i64::MAX)),
    ("client-output-buffer-limit", Buffers),
    ("client-query-buffer-limit", Memory(1 << 20)),
    ("cluster-link-sendbuf-limit", Memory(0)),
    ("cluster-slot-stats-enabled", Flag),
    ("dynamic-hz", Flag),
    ("hash-max-listpack-entries", Whole(0, i64::MAX)),
    ("hash-max-listpack-value", Memory(0)),
    ("hash-max-ziplist-entries", Whole(0, i64::MAX)),
    ("hash-max-ziplist-value", Memory(0)),
    ("hll-sparse-max-bytes", Memory(0)),
    ("hz", Whole(1, 500)),
    ("jemalloc-bg-thread", Flag),
    ("latency-monitor-threshold", Whole(0, i64::MAX)),
    ("latency-tracking", Flag),
    ("lazyfree-lazy-eviction", Flag),
    ("lazyfree-lazy-expire", Flag),
    ("lazyfree-lazy-server-del", Flag),
    ("lazyfree-lazy-user-del", Flag),
    ("lazyfree-lazy-user-flush", Flag),
    ("lfu-decay-time", Whole(0, INT)),
    ("lfu-log-factor", Whole(0, INT)),
    ("list-compress-depth", Whole(0, INT)),
    ("list-max-listpack-size", Whole(-INT - 1, INT)),
    ("list-max-ziplist-size", Whole(-INT - 1, INT)),
    ("loglevel", Words(&["debug", "verbose", "notice", "warning"])),
    ("lua-time-limit", Whole(0, i64::MAX)),
    ("max-new-connections-per-cycle", Whole(1, 1000)),
    ("max-new-tls-connections-per-cycle", Whole(1, 1000)),
    ("maxclients", Whole(1, u32::MAX as i64)),
    ("maxmemory", Memory(0)),
    ("maxmemory-clients", MemoryOrPercent),
    ("maxmemory-eviction-tenacity", Whole(0, 100)),
    (
        "maxmemory-policy",
        Words(&[
            "volatile-lru",
            "volatile-lfu",
            "volatile-random",
            "volatile-ttl",
            "allkeys-lru",
            "allkeys-lfu",
            "allkeys-random",
            KEEPING,
        ]),
    ),
    ("maxmemory-samples", Whole(1, 64)),
    ("min-replicas-max-lag", Whole(0, INT)),
    ("min-replicas-to-write", Whole(0, INT)),
    ("min-slaves-max-lag", Whole(0, INT)),
    ("min-slaves-to-write", Whole(0, INT)),
    ("no-appendfsync-on-rewrite", Flag),
    ("notify-keyspace-events", Events),
    ("proto-max-bulk-len", Memory(1 << 20)),
    ("rdb-save-incremental-fsync", Flag),
    ("rdbcompression", Flag),
    ("repl-backlog-size", Memory(16 << 10)),
    ("repl-backlog-ttl", Whole(0, i64::MAX)),
    ("repl-disable-tcp-nodelay", Flag),
    ("repl-diskless-sync", Flag),
    ("repl-diskless-sync-delay", Whole(0, INT)),
    ("repl-diskless-sync-max-replicas", Whole(0, INT)),
    ("repl-ping-replica-period", Whole(1, INT)),
    ("repl-ping-slave-period", Whole(1, INT)),
    ("repl-timeout", Whole(1, INT)),
    ("replica-full-sync-buffer-limit", Memory(0)),
    ("replica-lazy-flush", Flag),
    ("replica-serve-stale-data", Flag),
    ("set-max-intset-entries", Whole(0, i64::MAX)),
    ("set-max-listpack-entries", Whole(0, i64::MAX)),
    ("set-max-listpack-value", Memory(0)),
    ("slave-lazy-flush", Flag),
    ("slave-serve-stale-data", Flag),
    ("slowlog-log-slower-than", Whole(-1, i64::MAX)),
    ("slowlog-max-len", Whole(0, i64::MAX)),
    ("stop-writes-on-bgsave-error", Flag),
    ("stream-node-max-bytes", Memory(0)),
    ("stream-node-max-entries", Whole(0, i64::MAX)),
    ("tcp-keepalive", Whole(0, INT)),
    ("timeout", Whole(0, INT)),
    ("tracking-table-max-keys", Whole(0, i64::MAX)),
    ("zset-max-listpack-entries", Whole(0, i64::MAX)),
    ("zset-max-listpack-value", Memory(0)),
    ("zset-max-ziplist-entries", Whole(0, i64::MAX)),
    ("zset-max-ziplist-value", Memory(0)),
];

/// What a parameter takes. `None`: the agent does not set it.
pub fn kind(name: &str) -> Option<Kind> {
    KINDS.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
}

/// Which names a line is about.
enum Names {
    Whole(&'static [&'static str]),
    Begin(&'static [&'static str]),
}

/// The first line that fits gives the reason.
const NEVER: &[(Names, &str)] = &[
    (
        Names::Whole(&["requirepass", "masterauth", "masteruser", "tls-key-file-pass", "tls-client-key-file-pass"]),
        "it holds a secret",
    ),
    (
        Names::Begin(&[
            "tls-",
            "acl-",
            "protected-",
            "enable-",
            "bind",
            "port",
            "unixsocket",
            "sanitize-dump",
            "hide-user",
        ]),
        "it decides who may come in, and what they may do or see then",
    ),
    (
        Names::Whole(&[
            "dir",
            "dbfilename",
            "appendfilename",
            "appenddirname",
            "aclfile",
            "logfile",
            "pidfile",
            "include",
        ]),
        "it names a file or a folder",
    ),
    (Names::Begin(&["loadmodule", "syslog-"]), "it names a program or a log"),
    (
        Names::Whole(&["replicaof", "slaveof", "replica-read-only", "slave-read-only", "repl-diskless-load"]),
        "it decides whom a replica follows, and whether the two can part",
    ),
    (
        Names::Begin(&[
            "replica-announce",
            "slave-announce",
            "replica-ignore",
            "slave-ignore",
            "replica-priority",
            "slave-priority",
        ]),
        "it decides how a failover goes",
    ),
    (Names::Begin(&["cluster-"]), "it decides how a cluster holds together"),
    (
        Names::Whole(&["save", "appendonly", "aof-use-rdb-preamble", "aof-load-truncated", "aof-timestamp-enabled"]),
        "it decides what survives a restart",
    ),
    (
        Names::Begin(&[
            "shutdown-",
            "rdb-del-sync",
            "aof-disable-auto-gc",
            "propagation-error",
            "crash-",
            "ignore-warnings",
        ]),
        "it decides what is lost or told when something goes wrong",
    ),
    (Names::Begin(&["oom-score", "proc-title", "locale-"]), "it reaches outside the server, into the system"),
];

/// Why no program sets this one. `None`: it may, or nothing is known of it.
pub fn never(name: &str) -> Option<&'static str> {
    if kind(name).is_some() {
        return None;
    }
    let fits = |names: &Names| match names {
        Names::Whole(all) => all.contains(&name),
        Names::Begin(all) => all.iter().any(|begin| name.starts_with(begin)),
    };
    NEVER.iter().find(|(names, _)| fits(names)).map(|(_, reason)| *reason)
}

/// Parameters that the server takes only from its file or command line.
const FIXED: &[&str] = &[
    "always-show-logo",
    "daemonize",
    "databases",
    "disable-thp",
    "io-threads",
    "io-threads-do-reads",
    "rdbchecksum",
    "set-proc-title",
    "socket-mark-id",
    "supervised",
    "tcp-backlog",
];

/// Whether a parameter needs a restart.
pub fn is_fixed(name: &str) -> bool {
    FIXED.contains(&name) || name.ends_with("cpulist")
}

/// The text that CONFIG GET would show when a parameter that shows `now` were set to `value`.
///
/// # Errors
/// What is wrong with the value, as the end of a sentence.
pub fn would_show(kind: Kind, now: &str, value: &str) -> Result<String, String> {
    match kind {
        Flag => word(&["yes", "no"], value),
        Words(words) => word(words, value),
        Whole(min, max) => whole(value, min, max),
        Memory(min) => memory(value, min),
        MemoryOrPercent => match value.strip_suffix('%') {
            Some(percent) => whole(percent, 0, 100).map(|percent| format!("{percent}%")),
            None => memory(value, 0),
        },
        Buffers => buffers(now, value),
        Events => events(value),
    }
}

fn word(words: &[&str], value: &str) -> Result<String, String> {
    let known = words.iter().find(|word| word.eq_ignore_ascii_case(value));
    known.map(|word| (*word).to_string()).ok_or_else(|| format!("is none of {}", words.join(", ")))
}

fn whole(value: &str, min: i64, max: i64) -> Result<String, String> {
    let number: i64 = value.parse().map_err(|_| "is not a whole number")?;
    if number < min || number > max {
        return Err(match max {
            i64::MAX => format!("is below {min}"),
            _ => format!("is not from {min} to {max}"),
        });
    }
    Ok(number.to_string())
}

/// Units of memory: `k` is 1000, `kb` 1024.
const UNITS: &[(&str, u64)] = &[
    ("", 1),
    ("b", 1),
    ("k", 1000),
    ("kb", 1 << 10),
    ("m", 1_000_000),
    ("mb", 1 << 20),
    ("g", 1_000_000_000),
    ("gb", 1 << 30),
];

/// Bytes with a unit, as bytes.
pub fn bytes(value: &str) -> Option<u64> {
    let end = value.find(|c: char| !c.is_ascii_digit()).unwrap_or(value.len());
    let (number, unit) = value.split_at(end);
    let (_, size) = UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit))?;
    number.parse::<u64>().ok()?.checked_mul(*size)
}

fn memory(value: &str, min: u64) -> Result<String, String> {
    let bytes = bytes(value).ok_or("is no amount of memory; write 1073741824, 1024mb or 1gb")?;
    // More is taken for a negative number by some versions.
    if bytes < min || i64::try_from(bytes).is_err() {
        return Err(format!("is not from {min} to {} bytes", i64::MAX));
    }
    Ok(bytes.to_string())
}

/// `slave` is what the server writes for `replica`.
fn class(word: &str) -> Option<&'static str> {
    match word.to_ascii_lowercase().as_str() {
        "normal" => Some("normal"),
        "slave" | "replica" => Some("slave"),
        "pubsub" => Some("pubsub"),
        _ => None,
    }
}

/// Classes that the value does not name stay as they are.
fn buffers(now: &str, value: &str) -> Result<String, String> {
    let shape = "is not of the form 'normal|replica|pubsub HARD SOFT SECONDS …'";
    let fours = |text: &str| -> Result<Vec<[String; 4]>, String> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() || !words.len().is_multiple_of(4) {
            return Err(shape.to_string());
        }
        let four = |four: &[&str]| {
            let class = class(four[0]).ok_or(shape)?.to_string();
            Ok([class, memory(four[1], 0)?, memory(four[2], 0)?, whole(four[3], 0, INT)?])
        };
        words.chunks(4).map(four).collect()
    };
    let mut all = fours(now)?;
    for new in fours(value)? {
        for one in all.iter_mut().filter(|one| one[0] == new[0]) {
            one.clone_from(&new);
        }
    }
    let joined: Vec<String> = all.iter().map(|four| four.join(" ")).collect();
    Ok(joined.join(" "))
}

/// The letters that `A` stands for, and `n`, in the order in which the server writes them.
const EVENTS: &str = "g$lshzxetdn";

fn events(value: &str) -> Result<String, String> {
    if let Some(letter) = value.chars().find(|c| !EVENTS.contains(*c) && !"AKEm".contains(*c)) {
        return Err(format!("has the letter '{letter}', which names no kind of event"));
    }
    let has =
        |letter: char| value.contains(letter) || (letter != 'n' && EVENTS.contains(letter) && value.contains('A'));
    let is_all = EVENTS.chars().filter(|letter| *letter != 'n').all(has);
    let mut shown: String =
        if is_all { "A".to_string() } else { EVENTS.chars().filter(|letter| has(*letter)).collect() };
    shown.extend("KEm".chars().filter(|letter| value.contains(*letter)));
    Ok(shown)
}

/// What a server has and does, as far as a change of its limits can hurt.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Load {
    pub used_bytes: u64,
    pub maxmemory_bytes: u64,
    pub policy: String,
    pub clients: u64,
    /// Replicas that are connected.
    pub replicas: u64,
    pub is_replica: bool,
}

/// Whether a change would hurt at once and for good: throw data away, refuse writes or clients. The value is as CONFIG
/// GET would show it.
///
/// # Errors
/// What would happen, as a sentence.
pub fn is_harmless(name: &str, shown: &str, load: &Load) -> Result<(), String> {
    let Load { used_bytes, maxmemory_bytes, policy, clients, replicas, is_replica } = load;
    let number: u64 = shown.parse().unwrap_or(0);
    match name {
        // A replica leaves eviction to its primary.
        "maxmemory" if number > 0 && number < *used_bytes && !is_replica => Err(if policy == KEEPING {
            format!("The server holds {used_bytes} bytes: it would refuse writes at once.")
        } else {
            format!(
                "The server holds {used_bytes} bytes: with maxmemory-policy {policy} it would throw data away at once."
            )
        }),
        "maxmemory-policy"
            if shown != KEEPING && 0 < *maxmemory_bytes && maxmemory_bytes < used_bytes && !is_replica =>
        {
            Err(format!(
                "The server holds {used_bytes} bytes and may hold {maxmemory_bytes}: it would throw data away at once."
            ))
        }
        "maxclients" if number <= *clients => {
            Err(format!("Connected clients: {clients}, the agent among them. It would turn the next one away."))
        }
        // A replica counts none of its own: it is not written to.
        "min-replicas-to-write" | "min-slaves-to-write" if number > *replicas && !is_replica => {
            Err(format!("Connected replicas: {replicas}. It would refuse writes at once."))
        }
        _ => Ok(()),
    }
}
