//! Whatever the text, classification ends, soon, without a panic and without allocating.

mod cases;
mod disguises;
mod invariants;

use invariants::DIALECTS;
use orm_split_core::{
    Catalogue, Intent, UserFunctions, Volatility, classify, classify_with, explain, fingerprint,
};
use proptest::prelude::*;
use rand::Rng;
use std::time::Duration;
use tokio::time::Instant;

/// Everything public, on one text.
fn exercise(sql: &str) {
    for dialect in DIALECTS {
        invariants::check(dialect, sql);
    }
}

fn fragments() -> impl Strategy<Value = String> {
    let fragment = prop::sample::select(vec![
        "SELECT",
        "WITH",
        "x",
        "AS",
        "(",
        ")",
        ",",
        ".",
        ";",
        "'",
        "''",
        "\"",
        "$$",
        "$a$",
        "$1",
        "E'",
        "U&'",
        "U&\"",
        "\\",
        "/*",
        "*/",
        "--",
        "\n",
        "\r",
        " ",
        "::",
        ":=",
        ":",
        "?",
        "[",
        "]",
        "`",
        "FOR",
        "UPDATE",
        "NOT",
        "INTO",
        "MATERIALIZED",
        "nextval",
        "1",
        "1e",
        ".5",
        "é",
        "\u{feff}",
        "\0",
        "@",
        "#",
        "EXPLAIN",
        "PRAGMA",
        "COPY",
        "FROM",
        "x'",
        "0x",
        "UESCAPE",
    ]);
    prop::collection::vec(fragment, 0..40).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn no_text_panics(sql in any::<String>()) {
        exercise(&sql);
    }

    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        exercise(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_heap_of_fragments_panics(sql in fragments()) {
        exercise(&sql);
    }
}

#[test]
fn no_prefix_or_suffix_of_a_statement_panics() {
    for case in cases::all() {
        for (at, _) in case.sql.char_indices() {
            let (prefix, suffix) = case.sql.split_at(at);
            exercise(prefix);
            exercise(suffix);
        }
    }
}

/// How long statements are mutilated: `ORM_SPLIT_FUZZ_SECONDS`, or two seconds.
fn fuzzing() -> Duration {
    let given = std::env::var("ORM_SPLIT_FUZZ_SECONDS").ok();
    let seconds = given.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(2))
}

/// The rows of the case files, again and again with pieces of each other in them: whatever comes of
/// it, all of the public functions agree, and soon.
#[test]
fn no_mutilated_statement_panics_or_hangs() {
    let cases: Vec<Vec<u8>> = cases::all()
        .into_iter()
        .map(|case| case.sql.into_bytes())
        .filter(|sql| !sql.is_empty())
        .collect();
    let mut rng = disguises::rng();
    let mut below = |bound: usize| rng.next_u32() as usize % bound;
    let started = Instant::now();
    let mut text = cases[0].clone();
    let mut rounds = 0;
    while started.elapsed() < fuzzing() {
        if below(8) == 0 || text.len() > 4_000 {
            text = cases[below(cases.len())].clone();
        }
        let other = &cases[below(cases.len())];
        let from = below(other.len());
        let piece = &other[from..(from + 1 + below(12)).min(other.len())];
        let at = below(text.len() + 1);
        let end = (at + below(6)).min(text.len());
        text.splice(at..end, piece.iter().copied());
        exercise(&String::from_utf8_lossy(&text));
        rounds += 1;
    }
    assert!(rounds > 100, "{rounds}");
}

#[test]
fn a_megabyte_of_openings_is_refused_in_linear_time() {
    let openings = [
        "(",
        "((((",
        "/*/*/*",
        "'",
        "\"",
        "$$",
        "$a$",
        "$a",
        "$a$b",
        "$",
        "[",
        "`",
        "--",
        "E'\\",
        "E'a'\n",
        "'a'\n--x\n",
        "SELECT (",
        "f(",
        "WITH x AS (",
        "EXPLAIN (",
        ",",
        "::",
        ".",
        "é",
        "U&\"\\",
        "1e",
        "*/",
        "x.",
        "'a' ",
        "\"a\"(",
        "PRAGMA ",
        "COPY (",
        "COMMIT AND ",
        "CREATE OR ",
    ];
    let started = Instant::now();
    for opening in openings {
        let text = opening.repeat((1 << 20) / opening.len() + 1);
        for text in [format!("SELECT {text}"), text] {
            for dialect in DIALECTS {
                std::hint::black_box((classify(dialect, &text), fingerprint(dialect, &text)));
            }
        }
    }
    // some 250 megabytes without optimisation; quadratic time would take hours
    assert!(
        started.elapsed() < Duration::from_secs(120),
        "{:?}",
        started.elapsed()
    );
}

#[test]
fn a_million_brackets_are_refused() {
    let text = format!("SELECT {}1{}", "(".repeat(1_000_000), ")".repeat(1_000_000));
    for dialect in DIALECTS {
        assert_ne!(classify(dialect, &text), Intent::Read);
    }
}

#[test]
fn nothing_is_allocated() {
    let mut catalogue = Catalogue::default();
    catalogue.add_function("public", "my_function", Volatility::Stable);
    catalogue.add_avoided("v");
    let catalogue = catalogue.settled(UserFunctions::default());
    for case in cases::all() {
        let allocated = allocation_counter::measure(|| {
            let intent = classify(case.dialect, &case.sql);
            let explained = explain(case.dialect, &case.sql);
            let known = classify_with(case.dialect, &catalogue, &case.sql);
            let number = fingerprint(case.dialect, &case.sql);
            std::hint::black_box((intent, explained, known, number));
        });
        assert_eq!(allocated.count_total, 0, "{}", case.sql);
    }
}

#[test]
fn the_allocation_counter_counts() {
    let allocated = allocation_counter::measure(|| drop(std::hint::black_box(vec![1_u8])));
    assert_eq!(allocated.count_total, 1);
}
