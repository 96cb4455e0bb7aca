-- What act changes, with what takes it back, and what policies may do.

-- One change of one setting. The row is on disk before the change is begun. `step` is JSON: the setting, how it stood
-- before, how it is to stand after, and both as a person would write them. `cause` is the policy's `when`; `instance`
-- and `since_ms` are the firing, the scheduled time or the request that had it done. `server` is where the target was.
-- `why_undone` is empty until the change is taken back. Times are stored time in milliseconds, `wall_ms` the calendar's.
CREATE TABLE journal (
    id         INTEGER PRIMARY KEY AUTOINCREMENT,
    tenant     TEXT NOT NULL,
    policy     TEXT NOT NULL,
    cause      TEXT NOT NULL,
    instance   TEXT NOT NULL,
    since_ms   INTEGER NOT NULL,
    target     TEXT NOT NULL,
    server     TEXT NOT NULL,
    key        TEXT NOT NULL,
    step       TEXT NOT NULL,
    undo       TEXT NOT NULL CHECK (undo IN ('manual', 'on_resolve')),
    actor      TEXT NOT NULL,
    phase      TEXT NOT NULL CHECK (phase IN ('begun', 'done', 'void', 'failed', 'unclear', 'undoing', 'undone', 'undo refused')),
    why_undone TEXT NOT NULL DEFAULT '' CHECK (why_undone IN ('', 'resolved', 'asked', 'did not hold')),
    begun_ms   INTEGER NOT NULL,
    wall_ms    INTEGER NOT NULL,
    changed_ms INTEGER NOT NULL,
    closed_ms  INTEGER
) STRICT;

-- One firing acts once; where nothing came of it, it may act again.
CREATE UNIQUE INDEX journal_once ON journal (tenant, policy, instance, since_ms) WHERE phase <> 'void';
-- A target has one change under way at most.
CREATE UNIQUE INDEX journal_under_way ON journal (tenant, target) WHERE phase IN ('begun', 'undoing');
CREATE INDEX journal_of_setting ON journal (tenant, target, key, id);
CREATE INDEX journal_of_policy ON journal (tenant, policy, id);

-- Every phase of every change, append-only.
CREATE TABLE journal_log (
    id     INTEGER PRIMARY KEY AUTOINCREMENT,
    entry  INTEGER NOT NULL REFERENCES journal (id),
    phase  TEXT NOT NULL,
    at_ms  INTEGER NOT NULL,
    actor  TEXT NOT NULL,
    words  TEXT NOT NULL
) STRICT;

CREATE INDEX journal_log_of_entry ON journal_log (entry, id);

-- Policies that are armed, each with the definition that was armed: another one is not.
CREATE TABLE armed (
    tenant     TEXT NOT NULL,
    policy     TEXT NOT NULL,
    definition TEXT NOT NULL,
    at_ms      INTEGER NOT NULL,
    actor      TEXT NOT NULL,
    PRIMARY KEY (tenant, policy)
) STRICT, WITHOUT ROWID;

-- Up to when a schedule's times are dealt with, in the calendar's milliseconds.
CREATE TABLE schedules (
    tenant   TEXT NOT NULL,
    policy   TEXT NOT NULL,
    schedule TEXT NOT NULL,
    until_ms INTEGER NOT NULL,
    PRIMARY KEY (tenant, policy)
) STRICT, WITHOUT ROWID;

-- What policies would do and do not by themselves: the plan for each firing, one at most.
CREATE TABLE plans (
    tenant   TEXT NOT NULL,
    policy   TEXT NOT NULL,
    instance TEXT NOT NULL,
    since_ms INTEGER NOT NULL,
    cause    TEXT NOT NULL,
    step     TEXT NOT NULL,
    at_ms    INTEGER NOT NULL,
    PRIMARY KEY (tenant, policy, instance)
) STRICT, WITHOUT ROWID;

-- Whether everything is stopped: no row, or the one row that says by whom.
CREATE TABLE stopped (
    one   INTEGER PRIMARY KEY CHECK (one = 1),
    at_ms INTEGER NOT NULL,
    actor TEXT NOT NULL
) STRICT;
