//! SQLite's built-in functions, by what a call of them does.
//!
//! Reviewed from `PRAGMA function_list` of SQLite 3.40 and the documentation of the core, date,
//! aggregate, window, mathematical and JSON functions up to 3.51. Left out on purpose:
//! `last_insert_rowid`, `changes` and `total_changes` (they answer for one connection),
//! `load_extension`, `sqlite_log`, `fts3_tokenizer` and everything an extension or the application
//! registers. Of the table-valued PRAGMA functions only those of [`pragma`](super::pragma) are
//! reads; they are judged there.

use super::functions::{Functions, Index};

pub(super) static FUNCTIONS: Functions = Functions {
    reads: READS,
    index: Index::new(READS),
    syntax: &["cast"],
    others: &[
        "changes",
        "edit",
        "fts3_tokenizer",
        "last_insert_rowid",
        "load_extension",
        "readfile",
        "sqlite_log",
        "total_changes",
        "writefile",
    ],
    other_prefixes: &["pragma_"],
};

#[rustfmt::skip]
static READS: &[&str] = &[
    "abs", "acos", "acosh", "asin", "asinh", "atan", "atan2", "atanh", "avg", "ceil",
    "ceiling", "char", "coalesce", "concat", "concat_ws", "cos", "cosh", "count", "cume_dist",
    "date", "datetime", "degrees", "dense_rank", "exp", "first_value", "floor", "format",
    "glob", "group_concat", "hex", "if", "ifnull", "iif", "instr", "json", "json_array",
    "json_array_length", "json_each", "json_error_position", "json_extract",
    "json_group_array", "json_group_object", "json_insert", "json_object", "json_patch",
    "json_pretty", "json_quote", "json_remove", "json_replace", "json_set", "json_tree",
    "json_type", "json_valid", "jsonb", "jsonb_array", "jsonb_each", "jsonb_extract",
    "jsonb_group_array", "jsonb_group_object", "jsonb_insert", "jsonb_object", "jsonb_patch",
    "jsonb_remove", "jsonb_replace", "jsonb_set", "jsonb_tree", "julianday", "lag",
    "last_value", "lead", "length", "like", "likelihood", "likely", "ln", "log", "log10",
    "log2", "lower", "ltrim", "max", "median", "min", "mod", "nth_value", "ntile", "nullif",
    "octet_length", "percent_rank", "percentile", "percentile_cont", "percentile_disc", "pi",
    "pow", "power", "printf", "quote", "radians", "random", "randomblob", "rank", "replace",
    "round", "row_number", "rtrim", "sign", "sin", "sinh", "soundex", "sqlite_compileoption_get",
    "sqlite_compileoption_used", "sqlite_offset", "sqlite_source_id", "sqlite_version", "sqrt",
    "strftime", "string_agg", "substr", "substring", "subtype", "sum", "tan", "tanh", "time",
    "timediff", "total", "trim", "trunc", "typeof", "unhex", "unicode", "unistr",
    "unistr_quote", "unixepoch", "unlikely", "upper", "zeroblob",
];
