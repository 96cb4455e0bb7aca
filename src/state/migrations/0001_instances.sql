-- What is pending or firing now, how it came to that, and what else happened.

CREATE TABLE meta (
    key   TEXT PRIMARY KEY,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- Tells this database from every other, also from the one that stood here before it.
INSERT INTO meta (key, value) VALUES ('origin', lower(hex(randomblob(16))));

-- Times are stored time in milliseconds. A value of NULL is not a number. Labels and annotations are JSON objects with
-- sorted keys.
CREATE TABLE instances (
    tenant      TEXT NOT NULL,
    rule        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    annotations TEXT NOT NULL,
    from_phase  TEXT NOT NULL,
    phase       TEXT NOT NULL CHECK (phase IN ('pending', 'firing')),
    at_ms       INTEGER NOT NULL,
    since_ms    INTEGER NOT NULL,
    value       REAL,
    reason      TEXT NOT NULL,
    discovered  INTEGER NOT NULL CHECK (discovered IN (0, 1)),
    PRIMARY KEY (tenant, rule, labels)
) STRICT, WITHOUT ROWID;

CREATE TABLE transitions (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant      TEXT NOT NULL,
    rule        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    annotations TEXT NOT NULL,
    from_phase  TEXT NOT NULL,
    to_phase    TEXT NOT NULL,
    at_ms       INTEGER NOT NULL,
    since_ms    INTEGER NOT NULL,
    value       REAL,
    reason      TEXT NOT NULL,
    discovered  INTEGER NOT NULL CHECK (discovered IN (0, 1))
) STRICT;

CREATE INDEX transitions_of_tenant ON transitions (tenant, id);
CREATE INDEX transitions_by_time ON transitions (at_ms);

CREATE TABLE events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms   INTEGER NOT NULL,
    tenant  TEXT NOT NULL,
    target  TEXT NOT NULL,
    kind    TEXT NOT NULL,
    summary TEXT NOT NULL,
    detail  TEXT NOT NULL
) STRICT;

CREATE INDEX events_of_tenant ON events (tenant, id);
CREATE INDEX events_by_time ON events (at_ms);
