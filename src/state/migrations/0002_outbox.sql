-- Who is to be told what, and who was.

-- A group of alerts that one outlet of one receiver hears of together.
CREATE TABLE groups (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    receiver TEXT NOT NULL,
    channel  TEXT NOT NULL,
    key      TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    labels   TEXT NOT NULL,
    UNIQUE (receiver, channel, key)
) STRICT;

-- Alerts that began or ended and that the group has not been told of. The id is the order of telling.
CREATE TABLE outbox (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    group_id    INTEGER NOT NULL REFERENCES groups (id),
    rule        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    annotations TEXT NOT NULL,
    starts_ms   INTEGER NOT NULL,
    ends_ms     INTEGER,
    queued_ms   INTEGER NOT NULL
) STRICT;

CREATE INDEX outbox_of_group ON outbox (group_id, id);

-- Alerts of the group that fire. `notice` is the outbox entry that tells so; the entry is gone once it was told.
CREATE TABLE members (
    group_id    INTEGER NOT NULL REFERENCES groups (id),
    rule        TEXT NOT NULL,
    labels      TEXT NOT NULL,
    annotations TEXT NOT NULL,
    starts_ms   INTEGER NOT NULL,
    notice      INTEGER NOT NULL,
    PRIMARY KEY (group_id, rule, labels)
) STRICT, WITHOUT ROWID;

-- Every attempt to tell: what (the first alerts of the message, and how many there were), to whom, when, and whether it
-- arrived.
CREATE TABLE deliveries (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    delivery TEXT NOT NULL,
    receiver TEXT NOT NULL,
    channel  TEXT NOT NULL,
    key      TEXT NOT NULL,
    tenant   TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    attempt  INTEGER NOT NULL,
    outcome  TEXT NOT NULL CHECK (outcome IN ('delivered', 'failed', 'refused', 'given up')),
    status   INTEGER,
    answer   TEXT NOT NULL,
    alerts   TEXT NOT NULL,
    alerts_total INTEGER NOT NULL
) STRICT;

CREATE INDEX deliveries_of_tenant ON deliveries (tenant, id);
CREATE INDEX deliveries_by_time ON deliveries (at_ms);
