//! No statement is a read to the classifier and something else to PostgreSQL's parser.

#![allow(
    clippy::expect_used,
    reason = "a setting that cannot be read fails its test"
)]

#[path = "../../../core/tests/cases/mod.rs"]
mod cases;

use orm_split_differential::compare::Comparison;
use orm_split_differential::sql::Generator;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// A number from the environment: more statements, or others.
fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |value| {
        let wrong = format!("{name}={value}: not accepted; use a whole number");
        value.parse().expect(&wrong)
    })
}

fn none_is_unsafe(compared: &Comparison) {
    println!("{compared}");
    assert!(compared.unsafe_ones.is_empty(), "{compared}");
}

#[test]
fn generated_statements_are_judged_as_the_parser_judges_them() {
    let count = setting("ORM_SPLIT_STATEMENTS", 50_000);
    let mut generator = Generator::new(setting("ORM_SPLIT_SEED", 1));
    let mut compared = Comparison::default();
    for _ in 0..count {
        compared.add(&generator.statement());
    }
    none_is_unsafe(&compared);
    assert!(compared.offloaded_share() >= 0.99, "{compared}");
    // the corpus is worth something: both sorts, and SQL
    let few = compared.statements / 8;
    assert!(compared.reads > few && compared.others > few, "{compared}");
    assert!(compared.invalid < compared.statements / 100, "{compared}");
    println!("{:#?}", compared.reasons);
}

/// Pieces of two statements put together: mostly no SQL, and what is, nobody has written.
#[test]
fn mutilated_statements_are_judged_as_the_parser_judges_them() {
    let count = setting("ORM_SPLIT_STATEMENTS", 50_000);
    let seed = setting("ORM_SPLIT_SEED", 1);
    let mut generator = Generator::new(seed ^ 0xffff);
    let mut rng = StdRng::seed_from_u64(seed);
    let mut compared = Comparison::default();
    let mut other = generator.statement();
    for _ in 0..count {
        let one = generator.statement();
        compared.add(&mutilated(&mut rng, &one, &other));
        other = one;
    }
    none_is_unsafe(&compared);
    assert!(compared.others > compared.statements / 200, "{compared}");
}

fn mutilated(rng: &mut StdRng, one: &str, other: &str) -> String {
    let (a, b) = (span(rng, one), span(rng, other));
    let mut text = one.to_owned();
    match rng.random_range(0..4) {
        0 => text.replace_range(a, ""),
        1 => text.insert_str(a.start, &other[b]),
        2 => text.replace_range(a, &other[b]),
        _ => {
            let doubled = text[a.clone()].to_owned();
            text.insert_str(a.start, &doubled);
        }
    }
    text
}

/// A few characters of a text.
fn span(rng: &mut StdRng, text: &str) -> std::ops::Range<usize> {
    let bounds: Vec<usize> = text.char_indices().map(|(at, _)| at).collect();
    let first = rng.random_range(0..bounds.len());
    let last = (first + rng.random_range(1..12)).min(bounds.len() - 1);
    bounds[first]..bounds[last]
}

#[test]
fn hard_statements_are_judged_as_the_parser_judges_them() {
    let mut compared = Comparison::default();
    for case in cases::postgres() {
        compared.add(&case.sql);
    }
    none_is_unsafe(&compared);
    assert!(compared.statements >= 400, "{compared}");
}

#[test]
fn what_an_orm_writes_is_judged_as_the_parser_judges_it() {
    let mut compared = Comparison::default();
    for sql in cases::recorded() {
        compared.add(&sql);
    }
    none_is_unsafe(&compared);
    assert!(compared.offloaded_share() >= 0.99, "{compared}");
    assert!(compared.reads > 100, "{compared}");
}
