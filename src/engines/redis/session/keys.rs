//! Keys and streams by name and pattern: a bounded walk that each reading takes a little further.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::{Value as Json, json};

use crate::engines::contract::Answer;
use crate::engines::redis::session::{Open, texts, to_json};
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::Options;
use crate::sys::clock::Stopwatch;

/// Where a walk over all keys begins, and says that it has ended.
const START: &str = "0";

/// How many steps of walks one reading does in all, and how many keys a step looks at. The next goes on there.
const STEPS_MAX: usize = 10;
const STEP_KEYS: &str = "500";

/// The most streams, and the most keys, that are asked one by one.
const FOUND_MAX: usize = 100;

/// The most patterns or names in one list.
const NAMED_MAX: usize = 100;

/// The longest key that becomes a label, in bytes.
const KEY_BYTES_MAX: usize = 500;

/// A pattern, or a whole name, in one database.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Named {
    pub database: u32,
    pub key: String,
}

/// Reads `db3=user:*`; without a database it is the first. As with redis_exporter, no other `=` says a database.
pub fn named(text: &str) -> Option<Named> {
    let (database, key) = match text.split_once('=') {
        Some((database, key)) if database.starts_with("db") => (database[2..].parse().ok()?, key),
        _ => (0, text),
    };
    (!key.is_empty()).then(|| Named { database, key: key.to_string() })
}

/// Whether the lists of a target can be used.
///
/// # Errors
/// `redis-43`: one is not written like `db0=user:*`, or a list is too long.
pub fn check(options: &Options) -> Result<(), Fault> {
    let Options { check_keys, check_single_keys, count_keys, check_streams, .. } = options;
    let lists = [
        ("check_keys", check_keys),
        ("check_single_keys", check_single_keys),
        ("count_keys", count_keys),
        ("check_streams", check_streams),
    ];
    for (name, list) in lists {
        if list.len() > NAMED_MAX {
            return Err(Fault::new("redis-43", format!("{name} has {} entries", list.len()))
                .hint(format!("At most {NAMED_MAX}.")));
        }
        if let Some(wrong) = list.iter().find(|text| named(text).is_none()) {
            return Err(Fault::new("redis-43", format!("{name} has '{wrong}'"))
                .hint("Write it like db0=user:*, the database's number before '='."));
        }
    }
    Ok(())
}

/// A walk over the keys of one database that a pattern fits.
struct Walk {
    pattern: Named,
    cursor: String,
    /// Keys found that are still there, as far as is known.
    found: BTreeSet<String>,
    /// Keys seen in the walk under way, and in the last whole one.
    seen: u64,
    counted: Option<u64>,
}

impl Walk {
    fn of(pattern: Named) -> Walk {
        Walk { pattern, cursor: START.to_string(), found: BTreeSet::new(), seen: 0, counted: None }
    }
}

/// What is looked for on one server.
pub struct Keys {
    single: Vec<Named>,
    checked: Vec<Walk>,
    counted: Vec<Walk>,
    streams: Vec<Walk>,
    /// Since when the row under way is asked, and how long that may take.
    watch: Stopwatch,
    budget: Duration,
}

/// What a key's size is.
enum Size {
    Of(i64),
    /// There is no such key.
    Gone,
    /// It is of a kind whose size is not asked, such as a module's, or another node of the cluster has it.
    Untold,
}

impl Keys {
    pub fn of(options: &Options) -> Keys {
        // Each once, whatever is said twice.
        let all_named = |list: &[String]| list.iter().filter_map(|text| named(text)).collect::<BTreeSet<_>>();
        let walks = |list: &[String]| all_named(list).into_iter().map(Walk::of).collect();
        let all = ["*".to_string()];
        let streams = if options.check_streams.is_empty() { &all } else { &options.check_streams[..] };
        Keys {
            single: all_named(&options.check_single_keys).into_iter().collect(),
            checked: walks(&options.check_keys),
            counted: walks(&options.count_keys),
            streams: walks(streams),
            watch: Stopwatch::start(),
            budget: Duration::ZERO,
        }
    }
}

impl Open {
    /// Looks at some more keys for streams, and asks of each that is known. One that is gone is forgotten.
    pub async fn ask_each_stream(&mut self, budget: Duration) -> Result<Answer, Unknown> {
        (self.keys.watch, self.keys.budget) = (Stopwatch::start(), budget);
        let mut walks = std::mem::take(&mut self.keys.streams);
        let all = self.streams(&mut walks).await;
        self.keys.streams = walks;
        self.leave(all).await
    }

    /// Looks at some more keys, and asks the size of each that is known.
    pub async fn ask_each_key(&mut self, budget: Duration) -> Result<Answer, Unknown> {
        (self.keys.watch, self.keys.budget) = (Stopwatch::start(), budget);
        let (mut checked, mut counted) =
            (std::mem::take(&mut self.keys.checked), std::mem::take(&mut self.keys.counted));
        let all = self.sizes(&mut checked, &mut counted).await;
        (self.keys.checked, self.keys.counted) = (checked, counted);
        self.leave(all).await
    }

    /// Goes back to the first database, in which everything else is asked.
    async fn leave(&mut self, all: Result<Vec<Json>, Unknown>) -> Result<Answer, Unknown> {
        self.enter(0).await?;
        all.map(|all| Answer::Json(Json::Array(all)))
    }

    async fn enter(&mut self, database: u32) -> Result<(), Unknown> {
        if self.database != database {
            let selected = self.ask_words(&["SELECT", &database.to_string()]).await;
            selected.map_err(|unknown| Unknown { reason: format!("db{database}: {}", unknown.reason), ..unknown })?;
            self.database = database;
        }
        Ok(())
    }

    /// Many short questions must not take the time of the rows behind, nor end the session at the cycle's deadline.
    fn in_time(&self) -> Result<(), Unknown> {
        if self.keys.watch.elapsed() < self.keys.budget {
            return Ok(());
        }
        let reason = format!("asking key by key takes longer than {:?}: name fewer", self.keys.budget);
        Err(Unknown::new(UnknownKind::Deadline, reason))
    }

    async fn streams(&mut self, walks: &mut [Walk]) -> Result<Vec<Json>, Unknown> {
        self.go_on(walks, &["TYPE", "stream"], FOUND_MAX).await?;
        // Two patterns may fit the same one.
        let mut all = BTreeMap::new();
        for walk in walks {
            let database = walk.pattern.database;
            self.enter(database).await?;
            for name in walk.found.clone() {
                self.in_time()?;
                let length = self.ask_words(&["XLEN", &name]).await;
                let groups = self.ask_words(&["XINFO", "GROUPS", &name]).await;
                match (length, groups) {
                    (Ok(length), Ok(groups)) => {
                        let (db, length, groups) = (format!("db{database}"), to_json(length), to_json(groups));
                        let one = json!({ "db": db, "name": name, "length": length, "groups": groups });
                        all.insert((database, name), one);
                    }
                    (Err(unknown), _) | (_, Err(unknown)) if unknown.kind != UnknownKind::Refused => {
                        return Err(unknown);
                    }
                    _ => drop(walk.found.remove(&name)),
                }
            }
        }
        Ok(all.into_values().collect())
    }

    async fn sizes(&mut self, checked: &mut [Walk], counted: &mut [Walk]) -> Result<Vec<Json>, Unknown> {
        let mut all = BTreeMap::new();
        self.go_on(checked, &[], FOUND_MAX).await?;
        for walk in checked {
            self.enter(walk.pattern.database).await?;
            for key in walk.found.clone() {
                match self.size(&key).await? {
                    Size::Of(size) => drop(all.insert((walk.pattern.database, key), size)),
                    Size::Gone | Size::Untold => drop(walk.found.remove(&key)),
                }
            }
        }
        for Named { database, key } in self.keys.single.clone() {
            self.enter(database).await?;
            let size = match self.size(&key).await? {
                Size::Of(size) => size,
                // As redis_exporter has it: one that is named and not there is empty.
                Size::Gone => 0,
                Size::Untold => continue,
            };
            all.insert((database, key), size);
        }
        let sizes = all
            .into_iter()
            .map(|((database, key), size)| json!({ "db": format!("db{database}"), "key": key, "size": size }));
        let mut all: Vec<_> = sizes.collect();
        self.go_on(counted, &[], 0).await?;
        all.extend(counted.iter().filter_map(|walk| {
            let Named { database, key } = &walk.pattern;
            Some(json!({ "db": format!("db{database}"), "key": key, "count": walk.counted? }))
        }));
        Ok(all)
    }

    /// Takes walks further: in all as many steps as one reading may do, but one for each at least. What has been walked to
    /// its end is not begun again in the same reading.
    async fn go_on(&mut self, walks: &mut [Walk], kind: &[&str], found_max: usize) -> Result<(), Unknown> {
        let each = (STEPS_MAX / walks.len().max(1)).max(1);
        let mut room = found_max.saturating_sub(walks.iter().map(|walk| walk.found.len()).sum());
        for walk in walks {
            self.enter(walk.pattern.database).await?;
            for _ in 0..each {
                self.in_time()?;
                // One that was broken off begins anew.
                let cursor = std::mem::replace(&mut walk.cursor, START.to_string());
                if cursor == START {
                    walk.seen = 0;
                }
                let words = [&["SCAN", &cursor, "MATCH", &walk.pattern.key, "COUNT", STEP_KEYS], kind].concat();
                let mut found = texts(self.ask_words(&words).await?).into_iter();
                walk.cursor = found.next().unwrap_or_else(|| START.to_string());
                for key in found {
                    walk.seen += 1;
                    if room > 0 && key.len() <= KEY_BYTES_MAX && walk.found.insert(key) {
                        room -= 1;
                    }
                }
                if walk.cursor == START {
                    walk.counted = Some(walk.seen);
                    break;
                }
            }
        }
        Ok(())
    }

    /// The size of a key, by its kind.
    async fn size(&mut self, key: &str) -> Result<Size, Unknown> {
        self.in_time()?;
        let kind = match self.ask_words(&["TYPE", key]).await {
            Err(unknown) if unknown.reason.starts_with(ELSEWHERE) => return Ok(Size::Untold),
            kind => texts(kind?).pop().unwrap_or_default(),
        };
        if kind == NO_KEY {
            return Ok(Size::Gone);
        }
        let Some((_, command)) = SIZES.iter().find(|(known, _)| *known == kind) else { return Ok(Size::Untold) };
        match self.ask_words(&[command, key]).await {
            Ok(redis::Value::Int(size)) => Ok(Size::Of(size)),
            // It became another kind meanwhile.
            Ok(_) => Ok(Size::Untold),
            Err(unknown) if unknown.kind == UnknownKind::Refused => Ok(Size::Untold),
            Err(unknown) => Err(unknown),
        }
    }
}

/// The kind of a key that is not there.
const NO_KEY: &str = "none";

/// How a node of a cluster begins its answer about a key that another one has; of every key, where it is a replica.
const ELSEWHERE: &str = "MOVED";

/// What says the size of a key of each kind, in no more time for a large one.
const SIZES: [(&str, &str); 6] =
    [("string", "STRLEN"), ("list", "LLEN"), ("set", "SCARD"), ("zset", "ZCARD"), ("hash", "HLEN"), ("stream", "XLEN")];
