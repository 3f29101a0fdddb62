//! What a statement changes of its connection, beyond what its intent says.
//!
//! Decides only by words that stand in the text: rather one connection kept too long than its state lost.

use crate::intent::{Cause, Intent};

/// `SET LOCAL` and `SET TRANSACTION` end with their transaction.
pub(crate) fn is_local(sql: &str) -> bool {
    let mut words = sql.split_ascii_whitespace();
    let is_set = words
        .next()
        .is_some_and(|word| word.eq_ignore_ascii_case("set"));
    let what = words.next().unwrap_or_default();
    is_set
        && ["local", "transaction"]
            .iter()
            .any(|local| what.eq_ignore_ascii_case(local))
}

/// Whether a function changes its session, by its name: it sets something, or takes a lock that lasts
/// beyond the statement. Wherever the name stands, also in a comment.
pub(crate) fn calls_for_session(sql: &str) -> bool {
    const NAMES: [&str; 4] = [
        "set_config",
        "pg_advisory_lock",
        "pg_try_advisory_lock",
        "get_lock",
    ];
    NAMES.iter().any(|name| holds(sql, name))
}

/// Whether a function tells of what its session did before, by its name.
pub(crate) fn asks_for_session(sql: &str) -> bool {
    const CALLS: [&str; 5] = [
        "lastval(",
        "currval(",
        "last_insert_id(",
        "last_insert_rowid(",
        "changes()",
    ];
    CALLS.iter().any(|call| holds(sql, call))
}

/// Whether a statement of this intent may change its session's settings, if only until its transaction
/// ends.
pub(crate) fn may_change_settings(intent: Intent) -> bool {
    matches!(
        intent,
        Intent::Primary(
            Cause::SessionState
                | Cause::Function
                | Cause::MultipleStatements
                | Cause::NotUnderstood
        )
    )
}

/// Whether a statement of this intent may make a transaction write that was declared read-only:
/// `SET TRANSACTION READ WRITE`, the setting of that name, or a text that may hold either.
pub(crate) fn may_lift_read_only(intent: Intent, sql: &str) -> bool {
    match intent {
        Intent::Primary(Cause::MultipleStatements | Cause::NotUnderstood) => true,
        Intent::Primary(Cause::SessionState | Cause::Function) => holds(sql, "transaction"),
        Intent::Primary(_) | Intent::Read => false,
    }
}

fn holds(sql: &str, word: &str) -> bool {
    let mut windows = sql.as_bytes().windows(word.len());
    windows.any(|window| window.eq_ignore_ascii_case(word.as_bytes()))
}
