//! The roles of the keywords of MySQL and MariaDB.
//!
//! Their grammars call a function without a schema only by a name that is no keyword at all,
//! reserved or not, so no function of a user's can hide behind a word in `Opens` or `Clause`.

use super::keyword::{Keyword, KeywordTable};

pub(super) static KEYWORDS: KeywordTable = KeywordTable::new(&[
    (Keyword::As, &["as"]),
    (
        Keyword::Opens,
        &[
            "all", "and", "any", "between", "binary", "case", "div", "else", "exists", "from",
            "in", "index", "interval", "key", "lateral", "match", "or", "row", "some", "then",
            "using", "when", "where", "xor",
        ],
    ),
    (Keyword::Distinct, &["distinct", "distinctrow"]),
    (Keyword::On, &["on"]),
    (Keyword::Not, &["not"]),
    (
        Keyword::Clause,
        &["except", "having", "intersect", "limit", "union", "window"],
    ),
    (Keyword::Select, &["select"]),
    (Keyword::Values, &["values"]),
    (Keyword::Table, &["table"]),
    (Keyword::With, &["with"]),
    (Keyword::Recursive, &["recursive"]),
    (Keyword::Order, &["order"]),
    (Keyword::Group, &["group"]),
    (Keyword::Partition, &["partition"]),
    (Keyword::By, &["by"]),
    (Keyword::AfterCall, &["over"]),
    (
        Keyword::Infix,
        &[
            "against", "columns", "escape", "like", "mod", "of", "offset", "regexp", "rlike",
        ],
    ),
    (Keyword::Join, &["join"]),
    (
        Keyword::JoinSide,
        &[
            "cross",
            "full",
            "inner",
            "left",
            "natural",
            "outer",
            "right",
            "straight_join",
        ],
    ),
    (Keyword::Leads, &["collate", "is", "range", "rows"]),
    (Keyword::For, &["for"]),
    (Keyword::LockStrength, &["share"]),
    // LOCK IN SHARE MODE
    (Keyword::Lock, &["lock"]),
    // NEXT VALUE FOR, PREVIOUS VALUE FOR
    (Keyword::Value, &["value"]),
    (Keyword::Update, &["update"]),
    (Keyword::Modify, &["delete", "insert"]),
    (Keyword::Into, &["into"]),
    (
        Keyword::SessionValue,
        &[
            "current_role",
            "current_user",
            "session_user",
            "system_user",
        ],
    ),
]);
