//! Settings that no program sets, whatever grants it has, each with its reason.

/// Which names a line is about.
enum Names {
    Whole(&'static [&'static str]),
    Begin(&'static [&'static str]),
    End(&'static [&'static str]),
}

/// The first line that fits gives the reason. The names are in small letters, as those of settings are but for three.
const NEVER: &[(Names, &str)] = &[
    (
        Names::End(&["command", "_proc", "on_init", "on_plperl_init", "on_plperlu_init", "on_perl_init"]),
        "it runs a program or a function",
    ),
    (
        Names::End(&["_library", "_libraries", "library_path", "control_path", "jit_provider", "destdir"]),
        "it loads programs into the server",
    ),
    (
        Names::End(&["_file", "_dir", "_directory", "_filename", "_file_mode", "pid_file", "_keyfile"]),
        "it names a file or a folder, or says who may read one",
    ),
    (Names::End(&["conninfo", "password"]), "it may hold a secret"),
    (
        Names::Begin(&["ssl", "krb_", "gss_", "ldap_", "scram_", "md5_", "password_", "oauth_", "recovery_target"]),
        "it decides who may log in, or how what is said is kept secret",
    ),
    (
        Names::Whole(&[
            "authentication_timeout",
            "bonjour",
            "bonjour_name",
            "createrole_self_grant",
            "db_user_namespace",
            "listen_addresses",
            "lo_compat_privileges",
            "port",
            "row_security",
            "trusted_extensions",
        ]),
        "it decides who may log in, or what they may do then",
    ),
    (
        Names::Whole(&["primary_slot_name", "recovery_min_apply_delay", "wal_receiver_create_temp_slot"]),
        "it decides whom a standby follows, and how",
    ),
    (
        Names::Whole(&[
            "data_sync_retry",
            "fsync",
            "full_page_writes",
            "ignore_checksum_failure",
            "ignore_invalid_pages",
            "remove_temp_files_after_crash",
            "restart_after_crash",
            "wal_sync_method",
            "zero_damaged_pages",
        ]),
        "with a wrong value a crash or a damaged page costs data",
    ),
    (
        Names::Whole(&["idle_replication_slot_timeout", "max_slot_wal_keep_size"]),
        "with a wrong value a replication slot is lost, and no undo brings it back",
    ),
    (
        Names::Whole(&["synchronous_standby_names", "synchronized_standby_slots"]),
        "with a wrong value what is committed or sent waits for a server that is not there",
    ),
    (
        Names::Whole(&[
            "allow_in_place_tablespaces",
            "allow_system_table_mods",
            "exit_on_error",
            "session_replication_role",
        ]),
        "with it the server breaks rules that it keeps otherwise",
    ),
    (
        Names::Begin(&["debug_", "trace_", "pre_auth_", "post_auth_", "wal_consistency"]),
        "it is for the server's makers",
    ),
    (Names::Begin(&["pgaudit.", "sepgsql.", "anon."]), "it decides what is recorded or hidden about whom"),
    (
        Names::Whole(&["transaction_deferrable", "transaction_isolation", "transaction_read_only"]),
        "it belongs to one transaction, not to the server",
    ),
    (
        Names::Whole(&["application_name", "client_encoding", "role", "seed", "session_authorization"]),
        "it belongs to one session, not to the server",
    ),
    (Names::Whole(&["allow_alter_system"]), "it is not to be set by ALTER SYSTEM"),
];

/// Why no program sets this one. `None`: it may.
pub fn never(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let fits = |names: &Names| match names {
        Names::Whole(all) => all.contains(&name.as_str()),
        Names::Begin(all) => all.iter().any(|begin| name.starts_with(begin)),
        Names::End(all) => all.iter().any(|end| name.ends_with(end)),
    };
    NEVER.iter().find(|(names, _)| fits(names)).map(|(_, reason)| *reason)
}

/// Settings that are lists of identifiers. The server quotes each part when it writes them; a list given as one text
/// would become one identifier. (GUC_LIST_QUOTE of guc_tables.c, of which extensions have none.)
pub fn is_list_of_identifiers(name: &str) -> bool {
    matches!(name, "search_path" | "temp_tablespaces")
}
