//! The built-in functions of MySQL and MariaDB, by what a call of them does.
//!
//! Reviewed from the reference manuals of MySQL 8.4 and MariaDB 10.11. Left out on purpose: what
//! answers for one session (`last_insert_id`, `row_count`, `found_rows`, `connection_id`,
//! `database`, `user`), locks (`get_lock` and its family), waits for replication, sequences,
//! `benchmark`, `load_file`, and what an extension registers.

use super::functions::{Functions, Index};

pub(super) static FUNCTIONS: Functions = Functions {
    reads: READS,
    index: Index::new(READS),
    syntax: SYNTAX,
    others: OTHERS,
    other_prefixes: &["gtid_", "master_", "ps_", "source_", "wait_", "wsrep_"],
};

/// Whether the server takes this built-in name for one only if the bracket touches it.
pub(super) fn must_touch(name: &[u8]) -> bool {
    MUST_TOUCH
        .iter()
        .any(|touching| touching.as_bytes().eq_ignore_ascii_case(name))
}

#[rustfmt::skip]
static MUST_TOUCH: &[&str] = &[
    "adddate", "bit_and", "bit_or", "bit_xor", "cast", "count", "curdate", "curtime", "date_add",
    "date_sub", "extract", "group_concat", "json_arrayagg", "json_objectagg", "max", "mid", "min",
    "now", "position", "st_collect", "std", "stddev", "stddev_pop", "stddev_samp", "subdate",
    "substr", "substring", "sum", "sysdate", "trim", "variance", "var_pop", "var_samp",
];

/// Words of the grammar that take brackets, and types with modifiers.
#[rustfmt::skip]
static SYNTAX: &[&str] = &[
    "bigint", "bit", "cast", "char", "convert", "current_date", "current_time",
    "current_timestamp", "datetime", "dec", "decimal", "double", "extract", "fixed", "float",
    "int", "integer", "json_table", "localtime", "localtimestamp", "mediumint", "nchar",
    "numeric", "nvarchar", "position", "real", "smallint", "time", "timestamp", "tinyint", "trim",
    "varbinary", "varchar", "year",
];

/// Functions that lock, write, or answer for one session or node.
#[rustfmt::skip]
static OTHERS: &[&str] = &[
    "benchmark", "connection_id", "current_role", "current_user", "database", "found_rows",
    "get_lock", "is_free_lock", "is_used_lock", "last_insert_id", "lastval", "load_file",
    "name_const", "nextval", "release_all_locks", "release_lock", "row_count", "schema",
    "session_user", "setval", "system_user", "user", "uuid_short",
];

#[rustfmt::skip]
static READS: &[&str] = &[
    "abs", "acos", "adddate", "addtime", "aes_decrypt", "aes_encrypt", "any_value", "ascii",
    "asin", "atan", "atan2", "avg", "bin", "bin_to_uuid", "bit_and", "bit_count", "bit_length",
    "bit_or", "bit_xor", "ceil", "ceiling", "char", "char_length", "character_length", "charset",
    "coalesce", "coercibility", "collation", "compress", "concat", "concat_ws", "conv",
    "convert_tz", "cos", "cot", "count", "crc32", "cume_dist", "curdate", "curtime", "date",
    "date_add", "date_format", "date_sub", "datediff", "day", "dayname", "dayofmonth",
    "dayofweek", "dayofyear", "degrees", "dense_rank", "elt", "exp", "export_set",
    "extractvalue", "field", "find_in_set", "first_value", "floor", "format", "format_bytes",
    "from_base64", "from_days", "from_unixtime", "greatest", "group_concat", "grouping", "hex",
    "hour", "if", "ifnull", "inet6_aton", "inet6_ntoa", "inet_aton", "inet_ntoa", "instr",
    "interval", "is_ipv4", "is_ipv4_compat", "is_ipv4_mapped", "is_ipv6", "is_uuid", "isnull",
    "json_array", "json_array_append", "json_array_insert", "json_arrayagg", "json_contains",
    "json_contains_path", "json_depth", "json_extract", "json_insert", "json_keys",
    "json_length", "json_merge_patch", "json_merge_preserve", "json_object", "json_objectagg",
    "json_overlaps", "json_pretty", "json_quote", "json_remove", "json_replace", "json_search",
    "json_set", "json_type", "json_unquote", "json_valid", "json_value", "lag", "last_day",
    "last_value", "lcase", "lead", "least", "left", "length", "ln", "locate", "log", "log10",
    "log2", "lower", "lpad", "ltrim", "make_set", "makedate", "maketime", "max", "md5",
    "median", "microsecond", "mid", "min", "minute", "mod", "month", "monthname", "now",
    "nth_value", "ntile", "nullif", "oct", "octet_length", "ord", "percent_rank",
    "percentile_cont", "percentile_disc", "period_add", "period_diff", "pi", "pow", "power",
    "quarter", "quote", "radians", "rand", "random_bytes", "rank", "regexp_instr",
    "regexp_like", "regexp_replace", "regexp_substr", "repeat", "replace", "reverse", "right",
    "round", "row_number", "rpad", "rtrim", "sec_to_time", "second", "sha", "sha1", "sha2",
    "sign", "sin", "sleep", "soundex", "space", "sqrt", "st_area", "st_asgeojson", "st_astext",
    "st_aswkb", "st_aswkt", "st_buffer", "st_centroid", "st_contains", "st_crosses",
    "st_difference", "st_dimension", "st_disjoint", "st_distance", "st_distance_sphere",
    "st_envelope", "st_equals", "st_geomfromgeojson", "st_geomfromtext", "st_geomfromwkb",
    "st_intersection", "st_intersects", "st_isvalid", "st_length", "st_overlaps",
    "st_pointfromtext", "st_srid", "st_touches", "st_union", "st_within", "st_x", "st_y",
    "std", "stddev", "stddev_pop", "stddev_samp", "str_to_date", "strcmp", "subdate", "substr",
    "substring", "substring_index", "subtime", "sum", "sysdate", "tan", "time", "time_format",
    "time_to_sec", "timediff", "timestamp", "timestampadd", "timestampdiff", "to_base64",
    "to_char", "to_days", "to_seconds", "truncate", "ucase", "uncompress",
    "uncompressed_length", "unhex", "unix_timestamp", "updatexml", "upper", "utc_date",
    "utc_time", "utc_timestamp", "uuid", "uuid_to_bin", "var_pop", "var_samp", "variance",
    "version", "week", "weekday", "weekofyear", "weight_string", "year", "yearweek",
];
