//! The rules that come with the agent: one file for each engine, embedded, and usable in Prometheus unchanged.

/// Each file of them: its name, and its text.
const FILES: &[(&str, &str)] = &[
    ("builtin/host.yml", include_str!("../../alerts/host.yml")),
    ("builtin/postgresql.yml", include_str!("../../alerts/postgresql.yml")),
    ("builtin/redis.yml", include_str!("../../alerts/redis.yml")),
    ("builtin/mongodb.yml", include_str!("../../alerts/mongodb.yml")),
    ("builtin/clickhouse.yml", include_str!("../../alerts/clickhouse.yml")),
    ("builtin/elasticsearch.yml", include_str!("../../alerts/elasticsearch.yml")),
];

/// Each file of them, as `Rules::load` takes them.
pub fn files() -> Vec<(String, String)> {
    FILES.iter().map(|(name, text)| ((*name).to_string(), (*text).to_string())).collect()
}
