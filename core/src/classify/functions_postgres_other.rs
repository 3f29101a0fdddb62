//! What else can stand in front of a bracket on PostgreSQL: syntax, and functions that are no reads.

use super::functions::{Functions, Index};
use super::functions_postgres::READS;

/// All lists together.
pub(super) static FUNCTIONS: Functions = Functions {
    reads: READS,
    index: Index::new(READS),
    syntax: SYNTAX,
    others: OTHERS,
    other_prefixes: OTHER_PREFIXES,
};

/// Words of the grammar that take brackets, and types with modifiers.
///
/// No function can be called by these words without quotes or a schema. The SQL/JSON ones became
/// words of the grammar in 16 and 17; on an older server a user's function can carry their name.
#[rustfmt::skip]
static SYNTAX: &[&str] = &[
    "bit", "cast", "char", "character", "coalesce", "current_time", "current_timestamp", "dec",
    "decimal", "extract", "float", "greatest", "grouping", "interval", "json", "json_array",
    "json_arrayagg", "json_exists", "json_object", "json_objectagg", "json_query",
    "json_scalar", "json_serialize", "json_table", "json_value", "least", "localtime",
    "localtimestamp", "nchar", "normalize", "nullif", "numeric", "overlay", "position",
    "substring", "time", "timestamp", "treat", "trim", "varchar", "xmlattributes", "xmlconcat",
    "xmlelement", "xmlexists", "xmlforest", "xmlnamespaces", "xmlparse", "xmlpi", "xmlroot",
    "xmlserialize", "xmltable",
];

/// Functions that write, lock, notify, run text they are given, or answer for one session or node.
#[rustfmt::skip]
static OTHERS: &[&str] = &[
    "current_query", "current_role", "current_schema", "current_schemas", "current_setting",
    "current_user", "currval", "cursor_to_xml", "cursor_to_xmlschema", "database_to_xml",
    "database_to_xml_and_xmlschema", "database_to_xmlschema", "get_current_ts_config",
    "inet_client_addr", "inet_client_port", "inet_server_addr", "inet_server_port", "lastval",
    "loread", "lowrite", "nextval", "pg_backend_pid", "pg_cancel_backend", "pg_conf_load_time",
    "pg_cursor", "pg_export_snapshot", "pg_extension_config_dump",
    "pg_import_system_collations", "pg_is_in_recovery", "pg_is_wal_replay_paused",
    "pg_listening_channels", "pg_lock_status", "pg_log_backend_memory_contexts",
    "pg_my_temp_schema", "pg_nextoid", "pg_notify", "pg_postmaster_start_time",
    "pg_prepared_statement", "pg_promote", "pg_read_binary_file", "pg_read_file",
    "pg_reload_conf", "pg_rotate_logfile", "pg_safe_snapshot_blocking_pids",
    "pg_sequence_last_value", "pg_start_backup", "pg_stat_clear_snapshot", "pg_stat_file",
    "pg_stat_force_next_flush", "pg_stop_backup", "pg_switch_wal", "pg_terminate_backend",
    "pg_xact_status", "query_to_xml", "query_to_xml_and_xmlschema", "query_to_xmlschema",
    "schema_to_xml", "schema_to_xml_and_xmlschema", "schema_to_xmlschema", "session_user",
    "set_config", "setseed", "setval", "table_to_xml", "table_to_xml_and_xmlschema",
    "table_to_xmlschema", "ts_rewrite", "ts_stat",
];

/// Families of such functions.
static OTHER_PREFIXES: &[&str] = &[
    "binary_upgrade_",
    "brin_",
    "dblink",
    "gin_clean_",
    "lo_",
    "pg_advisory_",
    "pg_backup_",
    "pg_copy_",
    "pg_create_",
    "pg_current_",
    "pg_drop_",
    "pg_get_wal_",
    "pg_last_",
    "pg_logical_",
    "pg_ls_",
    "pg_replication_",
    "pg_stat_get_",
    "pg_stat_reset",
    "pg_sync_",
    "pg_try_advisory_",
    "pg_wal_replay_",
    "txid_",
];
