//! What holds for every text, whatever it is: shared by the tests and the fuzz target.

#![allow(unreachable_pub, reason = "each program uses it in its own way")]

use orm_split_core::{
    Catalogue, Cause, Dialect, Intent, classify, classify_with, explain, fingerprint,
};

pub const DIALECTS: [Dialect; 3] = [Dialect::Postgres, Dialect::Sqlite, Dialect::MySql];

/// What may follow a statement without changing it.
const NOTHING: [&str; 4] = [" ", "\n", "\n/* x */", "\n-- x"];

/// Everything public, on one text. Panics where something does not hold.
pub fn check(dialect: Dialect, sql: &str) {
    let intent = classify(dialect, sql);
    assert_eq!(intent, classify(dialect, sql), "{dialect:?} {sql:?}");
    explains(dialect, sql, intent);
    let number = fingerprint(dialect, sql);
    assert_eq!(number, fingerprint(dialect, sql), "{dialect:?} {sql:?}");
    let nothing_known = classify_with(dialect, &Catalogue::default(), sql);
    assert_eq!(nothing_known, intent, "{dialect:?} {sql:?}");
    for behind in NOTHING {
        let longer = format!("{sql}{behind}");
        if classify(dialect, &longer) != Intent::Read {
            // also of a read: where a setting decides which quotes match, this may have closed a
            // comment that was open under one of its values
            continue;
        }
        if intent == Intent::Read {
            assert_eq!(number, fingerprint(dialect, &longer), "{dialect:?} {sql:?}");
        } else {
            // what was open may be closed by what follows
            let was_open = intent == Intent::Primary(Cause::NotUnderstood) && behind.contains("*/");
            assert!(was_open, "{dialect:?} {sql:?} {longer:?}");
        }
    }
    // on a line of its own nothing but a quote or comment can hide it, and those never end
    let with_write = format!("{sql}\n; DELETE FROM t");
    assert_ne!(
        classify(dialect, &with_write),
        Intent::Read,
        "{dialect:?} {sql:?}"
    );
}

/// The explanation agrees, and points at a token of the text.
fn explains(dialect: Dialect, sql: &str, intent: Intent) {
    let explained = explain(dialect, sql);
    assert_eq!(explained.intent, intent, "{dialect:?} {sql:?}");
    let Some(range) = explained.decided_on else {
        return;
    };
    assert_ne!(intent, Intent::Read, "{dialect:?} {sql:?}");
    let token = sql.get(range);
    assert!(
        token.is_some_and(|token| !token.is_empty()),
        "{dialect:?} {sql:?}"
    );
}
