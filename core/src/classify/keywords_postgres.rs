//! The roles of PostgreSQL's keywords.
//!
//! A word may stand in `Opens` or `Clause` only if PostgreSQL reserves it, or forbids it as a
//! function's name: otherwise somebody's function could hide behind it.

use super::keyword::{Keyword, KeywordTable};

pub(super) static KEYWORDS: KeywordTable = KeywordTable::new(&[
    (Keyword::As, &["as"]),
    (
        Keyword::Opens,
        &[
            "and",
            "any",
            "array",
            "asymmetric",
            "between",
            "both",
            "case",
            "default",
            "else",
            "exists",
            "in",
            "lateral",
            "leading",
            "or",
            "row",
            "some",
            "symmetric",
            "then",
            "trailing",
            "using",
            "variadic",
            "when",
            "where",
        ],
    ),
    (Keyword::From, &["from", "only"]),
    (Keyword::Distinct, &["all", "distinct"]),
    (Keyword::On, &["on"]),
    (Keyword::Not, &["not"]),
    (
        Keyword::Clause,
        &[
            "except",
            "having",
            "intersect",
            "limit",
            "offset",
            "union",
            "window",
        ],
    ),
    (Keyword::Select, &["select"]),
    (Keyword::Values, &["values"]),
    (Keyword::Table, &["table"]),
    (Keyword::With, &["with"]),
    (Keyword::Recursive, &["recursive"]),
    (Keyword::Materialized, &["materialized"]),
    (Keyword::Order, &["order"]),
    (Keyword::Group, &["group"]),
    (Keyword::Partition, &["partition"]),
    (Keyword::By, &["by"]),
    (Keyword::Rollup, &["cube", "rollup"]),
    (Keyword::Grouping, &["grouping"]),
    (Keyword::Sets, &["sets"]),
    (Keyword::AfterCall, &["filter", "over", "repeatable"]),
    (
        Keyword::Infix,
        &[
            "columns", "escape", "ilike", "like", "overlaps", "passing", "value",
        ],
    ),
    (Keyword::Join, &["join"]),
    (
        Keyword::JoinSide,
        &[
            "cross", "full", "inner", "left", "natural", "outer", "right",
        ],
    ),
    (
        Keyword::Leads,
        &[
            "content", "document", "groups", "is", "range", "ref", "rows", "version",
        ],
    ),
    (Keyword::Fetch, &["fetch"]),
    (Keyword::FirstNext, &["first", "next"]),
    (Keyword::Ordinality, &["ordinality"]),
    (Keyword::Operator, &["operator"]),
    (Keyword::Tablesample, &["tablesample"]),
    (Keyword::SampleMethod, &["bernoulli", "system"]),
    (Keyword::Character, &["bit", "char", "character", "nchar"]),
    (Keyword::Varying, &["varying"]),
    (Keyword::Interval, &["interval"]),
    (Keyword::To, &["to"]),
    (Keyword::Second, &["second"]),
    (Keyword::Time, &["time"]),
    (Keyword::Zone, &["zone"]),
    (Keyword::For, &["for"]),
    (Keyword::LockStrength, &["key", "no", "share"]),
    (Keyword::Update, &["update"]),
    (Keyword::Modify, &["delete", "insert", "merge"]),
    (Keyword::Into, &["into"]),
    (
        Keyword::Temporary,
        &["global", "local", "temp", "temporary"],
    ),
    // The user and the search path are what SET ROLE, SET SESSION AUTHORIZATION and SET
    // search_path change, and a replica's URL may name another user: as with current_setting,
    // only the session that was set up can answer. CURRENT_CATALOG is no such value: nothing
    // changes it and a physical replica has the same databases.
    (
        Keyword::SessionValue,
        &[
            "current_role",
            "current_schema",
            "current_user",
            "session_user",
            "system_user",
            "user",
        ],
    ),
]);
