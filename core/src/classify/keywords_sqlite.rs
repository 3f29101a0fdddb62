//! The roles of SQLite's keywords.
//!
//! SQLite lets most keywords be names where nothing else fits, so only those it always reserves
//! stand in `Opens` and `Clause`; the others need a neighbour that proves them keywords.

use super::keyword::{Keyword, KeywordTable};

pub(super) static KEYWORDS: KeywordTable = KeywordTable::new(&[
    (Keyword::As, &["as"]),
    (
        Keyword::Opens,
        &[
            "and", "between", "case", "else", "exists", "from", "in", "or", "then", "using",
            "when", "where",
        ],
    ),
    (Keyword::Distinct, &["all", "distinct"]),
    (Keyword::On, &["on"]),
    (Keyword::Not, &["not"]),
    (
        Keyword::Clause,
        &["except", "having", "intersect", "limit", "union"],
    ),
    (Keyword::Select, &["select"]),
    (Keyword::Values, &["values"]),
    (Keyword::With, &["with"]),
    (Keyword::Recursive, &["recursive"]),
    (Keyword::Materialized, &["materialized"]),
    (Keyword::Order, &["order"]),
    (Keyword::Group, &["group"]),
    (Keyword::Partition, &["partition"]),
    (Keyword::By, &["by"]),
    (Keyword::AfterCall, &["filter", "over"]),
    (
        Keyword::Infix,
        &["escape", "glob", "like", "match", "offset", "regexp"],
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
        &["collate", "groups", "is", "range", "rows"],
    ),
    (Keyword::Update, &["update"]),
    (Keyword::Modify, &["delete", "insert"]),
    (Keyword::Into, &["into"]),
]);
