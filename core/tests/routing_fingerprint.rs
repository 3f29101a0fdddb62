//! A fingerprint stands for a statement, not for its values.

mod cases;

use orm_split_core::{Cause, Dialect, Intent, fingerprint};
use rstest::rstest;
use std::collections::HashMap;

#[rstest]
#[case("SELECT f(1)", "select F ( $1 ) ;")]
#[case("SELECT f('a')", "SELECT f(E'b\\'')")]
#[case(
    "SELECT a FROM t WHERE a IN (1, 2, 3)",
    "SELECT a FROM t WHERE a IN ($1)"
)]
#[case("SELECT /* one */ f(a)", "SELECT f(a) -- two")]
#[case("VALUES (1, 'a'), (2, 'b')", "VALUES ($1), ($2)")]
fn statements_that_differ_in_values_share_a_fingerprint(#[case] one: &str, #[case] other: &str) {
    assert_eq!(
        fingerprint(Dialect::Postgres, one),
        fingerprint(Dialect::Postgres, other)
    );
}

#[rstest]
#[case("SELECT f(a)", "SELECT g(a)")]
#[case("SELECT ab", "SELECT a b")]
#[case("SELECT \"A\"", "SELECT \"a\"")]
#[case("SELECT 1, a", "SELECT 1 a")]
#[case("SELECT 1, a", "SELECT a, 1")]
#[case("SELECT a.b", "SELECT a, b")]
#[case("SELECT 'a", "SELECT 'b")]
fn other_statements_have_other_fingerprints(#[case] one: &str, #[case] other: &str) {
    assert_ne!(
        fingerprint(Dialect::Postgres, one),
        fingerprint(Dialect::Postgres, other)
    );
}

#[test]
fn no_read_shares_a_fingerprint_with_a_statement_for_the_primary() {
    for cases in [cases::postgres(), cases::sqlite(), cases::mysql()] {
        let mut seen = HashMap::new();
        // what is not understood, and empty statements behind the last one, leave no trace
        let counts = |case: &cases::Case| {
            let traceless = [Cause::NotUnderstood, Cause::MultipleStatements];
            !traceless.map(Intent::Primary).contains(&case.expected)
        };
        for case in cases.into_iter().filter(counts) {
            let number = fingerprint(case.dialect, &case.sql);
            let (expected, sql) = seen
                .entry(number)
                .or_insert((case.expected, case.sql.clone()));
            let alike = (*expected == Intent::Read) == (case.expected == Intent::Read);
            assert!(alike, "{sql} and {}", case.sql);
        }
    }
}
