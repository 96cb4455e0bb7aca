//! Keys and streams by name and pattern: a bounded walk that each reading takes a little further.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value as Json, json};

use crate::engines::contract::Answer;
use crate::engines::redis::session::{Open, texts, to_json};
use crate::model::fault::Fault;
use crate::model::reading::{Unknown, UnknownKind};
use crate::model::target::Options;

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
        }
    }
}

impl Open {
    /// Looks at some more keys for streams, and asks of each that is known. One that is gone is forgotten.
    pub async fn ask_each_stream(&mut self) -> Result<Answer, Unknown> {
        let mut walks = std::mem::take(&mut self.keys.streams);
        let all = self.streams(&mut walks).await;
        self.keys.streams = walks;
        self.leave(all).await
    }

    /// Looks at some more keys, and asks the size of each that is known.
    pub async fn ask_each_key(&mut self) -> Result<Answer, Unknown> {
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
            self.ask_words(&["SELECT", &database.to_string()]).await?;
            self.database = database;
        }
        Ok(())
    }

    async fn streams(&mut self, walks: &mut [Walk]) -> Result<Vec<Json>, Unknown> {
        self.go_on(walks, &["TYPE", "stream"], FOUND_MAX).await?;
        // Two patterns may fit the same one.
        let mut all = BTreeMap::new();
        for walk in walks {
            let database = walk.pattern.database;
            self.enter(database).await?;
            for name in walk.found.clone() {
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
                    Some(size) => drop(all.insert((walk.pattern.database, key), size)),
                    None => drop(walk.found.remove(&key)),
                }
            }
        }
        for Named { database, key } in self.keys.single.clone() {
            self.enter(database).await?;
            // As redis_exporter has it: one that is named and not there is empty.
            let size = self.size(&key).await?.unwrap_or(0);
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

    /// The size of a key by its kind; none where it is not there, or of a kind whose size is not asked.
    async fn size(&mut self, key: &str) -> Result<Option<i64>, Unknown> {
        let kind = texts(self.ask_words(&["TYPE", key]).await?).pop().unwrap_or_default();
        let Some((_, command)) = SIZES.iter().find(|(known, _)| *known == kind) else { return Ok(None) };
        match self.ask_words(&[command, key]).await {
            Ok(redis::Value::Int(size)) => Ok(Some(size)),
            // It became another kind meanwhile.
            Ok(_) => Ok(None),
            Err(unknown) if unknown.kind == UnknownKind::Refused => Ok(None),
            Err(unknown) => Err(unknown),
        }
    }
}

/// What says the size of a key of each kind, in no more time for a large one.
const SIZES: [(&str, &str); 6] =
    [("string", "STRLEN"), ("list", "LLEN"), ("set", "SCARD"), ("zset", "ZCARD"), ("hash", "HLEN"), ("stream", "XLEN")];
