//! The quick look of `classify` never calls a read what all the rules, read by `explain`, do not.

mod cases;
mod disguises;

use cases::Case;
use disguises::{disguise, embed, pick, rng};
use orm_split_core::{Dialect, Intent, classify, explain};
use rand::Rng;

/// One token for each rule that asks about neighbours, and for each thing that hides others.
const TOKENS: &[&str] = &[
    "SELECT",
    "FROM",
    "t",
    "a",
    "\"b\"",
    "\"lower\"",
    "pg_temp",
    "\"pg_temp\"",
    "pg_catalog",
    ".",
    ",",
    "(",
    ")",
    "[",
    "]",
    "::",
    ":",
    ":=",
    "=",
    "-",
    "/",
    "*",
    "1",
    ".5",
    "1.5",
    "1e5",
    "1e+5",
    "2",
    "'s'",
    "'\\'",
    "E'\\''",
    "U&\"a\"",
    "\"",
    "'",
    "$1",
    "$a$",
    "$",
    "U&\"pg\\005ftemp\"",
    ";",
    "--",
    "/*",
    "*/",
    "\n",
    "\0",
    "AS",
    "NOT",
    "MATERIALIZED",
    "FOR",
    "UPDATE",
    "SHARE",
    "KEY",
    "INTO",
    "TEMP",
    "INSERT",
    "DELETE",
    "WITH",
    "RECURSIVE",
    "VALUES",
    "TABLE",
    "IN",
    "ON",
    "DISTINCT",
    "ORDER",
    "GROUP",
    "BY",
    "ROLLUP",
    "SETS",
    "GROUPING",
    "OVER",
    "FILTER",
    "LIKE",
    "JOIN",
    "LEFT",
    "IS",
    "FETCH",
    "FIRST",
    "ORDINALITY",
    "OPERATOR",
    "TABLESAMPLE",
    "SYSTEM",
    "VARYING",
    "INTERVAL",
    "SECOND",
    "TIME",
    "ZONE",
    "TO",
    "current_user",
    "nextval",
    "count",
    "coalesce",
    "unknown",
    "é",
    "x'0'",
    "n'a'",
];

fn agree(sql: &str) {
    let explained = explain(Dialect::Postgres, sql).intent;
    assert_eq!(classify(Dialect::Postgres, sql), explained, "{sql:?}");
}

fn postgres_cases() -> Vec<Case> {
    let own = |case: &Case| case.dialect == Dialect::Postgres;
    cases::all().into_iter().filter(own).collect()
}

#[test]
fn both_agree_on_every_case_in_every_disguise() {
    let mut rng = rng();
    for case in postgres_cases() {
        agree(&case.sql);
        for _ in 0..30 {
            let text = disguise(&mut rng, &case.sql);
            agree(&text);
            agree(&embed(&mut rng, &text));
            agree(&embed(&mut rng, &case.sql));
        }
    }
}

#[test]
fn both_agree_on_every_three_tokens() {
    for first in TOKENS {
        for second in TOKENS {
            for third in TOKENS {
                agree(&format!("SELECT {first} {second} {third} (a)"));
                agree(&format!("SELECT {first}{second}{third}"));
                agree(&format!("SELECT {first}{second} {third}"));
            }
        }
    }
}

#[test]
fn both_agree_on_random_tokens() {
    let mut rng = rng();
    let mut reads = 0;
    for _ in 0..100_000 {
        let start = ["SELECT ", "WITH ", "VALUES ", "TABLE ", "select(", " "];
        let mut sql = String::from(pick(&mut rng, &start));
        for _ in 0..rng.next_u32() % 12 {
            sql.push_str(pick(&mut rng, TOKENS));
            sql.push_str(pick(&mut rng, &[" ", " ", " ", "", "\n"]));
        }
        agree(&sql);
        reads += usize::from(classify(Dialect::Postgres, &sql) == Intent::Read);
    }
    assert!(reads > 1_000, "{reads}");
}

/// A token put in, taken out or written over anywhere in a statement that reads.
#[test]
fn both_agree_on_mutated_reads() {
    let mut rng = rng();
    let reads = |case: &Case| case.expected == Intent::Read;
    for case in postgres_cases().into_iter().filter(reads) {
        let parts: Vec<&str> = case
            .sql
            .split_inclusive([' ', '(', ')', ',', '.'])
            .collect();
        for _ in 0..200 {
            let mut mutated = parts.clone();
            for _ in 0..=rng.next_u32() % 2 {
                let at = rng.next_u32() as usize % mutated.len();
                match rng.next_u32() % 3 {
                    0 => mutated.insert(at, pick(&mut rng, TOKENS)),
                    1 => mutated[at] = pick(&mut rng, TOKENS),
                    _ => mutated[at] = "",
                }
            }
            agree(&mutated.concat());
            agree(&mutated.join(" "));
        }
    }
}
