//! Tests against the real servers that `tests/servers/up` starts.
