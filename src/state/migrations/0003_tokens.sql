-- Tokens: who may come in by TCP, as what, and until when. The secret itself is kept nowhere.
CREATE TABLE tokens (
    id         TEXT PRIMARY KEY,
    -- SHA-256 of the whole token.
    hash       BLOB NOT NULL CHECK (length(hash) = 32),
    name       TEXT NOT NULL UNIQUE,
    -- A JSON list of tenants, or null for all.
    tenants    TEXT CHECK (tenants IS NULL OR json_array_length(tenants) > 0),
    role       TEXT NOT NULL CHECK (role IN ('viewer', 'operator', 'admin')),
    created_ms INTEGER NOT NULL,
    created_by TEXT NOT NULL,
    -- By the wall clock; null for never.
    expires_ms INTEGER,
    -- By the wall clock, coarse; null for never.
    used_ms    INTEGER
) STRICT, WITHOUT ROWID;
