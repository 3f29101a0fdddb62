//! A statement that needs the primary needs it in any disguise.

mod cases;
mod disguises;

use cases::Case;
use disguises::{disguise, embed, rng};
use orm_split_core::{Cause, Dialect, Intent, classify};
use rand::Rng;

const ROUNDS: usize = 30;

/// Rows that can stand inside a larger query, and whose cause stays true there.
fn stays_true(case: &Case) -> bool {
    let can_stand = [
        "select", "with", "values", "table", "insert", "update", "delete", "merge",
    ];
    let first = case
        .sql
        .split(|c: char| !c.is_ascii_alphabetic())
        .next()
        .unwrap_or_default();
    let stands = can_stand.contains(&first.to_ascii_lowercase().as_str());
    stands
        && matches!(
            case.expected,
            Intent::Primary(Cause::Write | Cause::Lock | Cause::Function | Cause::UnknownFunction)
        )
}

#[test]
fn no_disguise_makes_a_primary_statement_a_read() {
    let mut rng = rng();
    let mut tried = 0;
    for case in cases::all()
        .iter()
        .filter(|case| case.expected != Intent::Read)
    {
        for _ in 0..ROUNDS {
            let text = disguise(&mut rng, &case.sql);
            assert_ne!(classify(case.dialect, &text), Intent::Read, "{text}");
            tried += 1;
        }
    }
    assert!(tried > 10_000, "{tried}");
}

#[test]
fn no_query_around_it_makes_a_primary_statement_a_read() {
    let mut rng = rng();
    for case in cases::all().iter().filter(|case| stays_true(case)) {
        for _ in 0..ROUNDS {
            let disguised = disguise(&mut rng, &case.sql);
            let mut text = embed(&mut rng, &disguised);
            for _ in 0..rng.next_u32() % 3 {
                text = embed(&mut rng, &text);
            }
            assert_ne!(classify(case.dialect, &text), Intent::Read, "{text}");
        }
    }
}

#[test]
fn reads_stay_reads_behind_comments_and_in_brackets() {
    let mut rng = rng();
    // on MySQL a blank before the bracket can make another function of a call
    let may_be_spaced = |case: &&Case| case.dialect != Dialect::MySql || !case.sql.contains('(');
    for case in cases::all()
        .iter()
        .filter(|case| case.expected == Intent::Read)
        .filter(may_be_spaced)
    {
        let text = disguise(&mut rng, &case.sql);
        assert_eq!(classify(case.dialect, &text), Intent::Read, "{text}");
        let whole = case.sql.to_ascii_lowercase();
        if case.dialect == Dialect::Postgres && whole.starts_with("select") {
            let inner = case.sql.trim_end().trim_end_matches([';']);
            let text = format!("WITH q AS ({inner}\n) SELECT * FROM q");
            if !case.sql.contains(';') {
                assert_eq!(classify(case.dialect, &text), Intent::Read, "{text}");
            }
        }
    }
}
