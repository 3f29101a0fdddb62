//! Every line of the case files is classified as the line says.

mod cases;

use cases::Case;
use orm_split_core::{Cause, Intent, classify, explain};
use std::collections::HashSet;

fn check(cases: &[Case], at_least: usize) {
    assert!(cases.len() >= at_least, "{} cases", cases.len());
    let wrong: Vec<String> = cases
        .iter()
        .filter_map(|case| {
            let intent = classify(case.dialect, &case.sql);
            let message = format!("line {}: {:?} for {}", case.line, intent, case.sql);
            (intent != case.expected).then_some(message)
        })
        .collect();
    assert!(wrong.is_empty(), "{}\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn every_statement_has_a_comment_of_its_own_that_says_what_is_hard_about_it() {
    for cases in [cases::postgres(), cases::sqlite(), cases::mysql()] {
        let mut seen = HashSet::new();
        for case in cases {
            let words = case.comment.split_whitespace().count();
            assert!(words > 1, "line {}: {}", case.line, case.sql);
            assert_ne!(case.comment, case.sql, "line {}", case.line);
            assert!(seen.insert(case.comment), "line {} repeats one", case.line);
        }
    }
}

#[test]
fn postgres_statements_are_routed_as_the_case_file_says() {
    check(&cases::postgres(), 400);
}

#[test]
fn sqlite_statements_are_routed_as_the_case_file_says() {
    check(&cases::sqlite(), 150);
}

#[test]
fn mysql_statements_are_routed_as_the_case_file_says() {
    check(&cases::mysql(), 250);
}

#[test]
fn explain_agrees_with_classify_and_points_into_the_text() {
    for case in cases::all() {
        let explained = explain(case.dialect, &case.sql);
        assert_eq!(
            explained.intent,
            classify(case.dialect, &case.sql),
            "{}",
            case.sql
        );
        if explained.intent == Intent::Read {
            assert_eq!(explained.decided_on, None, "{}", case.sql);
        }
        if let Some(range) = explained.decided_on {
            assert!(!case.sql[range].is_empty(), "{}", case.sql);
        }
    }
}

#[test]
fn the_same_statement_twice_in_one_text_is_never_a_read() {
    // a quote that never closes is closed by the next one's
    let whole = |case: &Case| case.expected != Intent::Primary(Cause::NotUnderstood);
    for case in cases::all().into_iter().filter(whole) {
        let twice = format!("{}\n;\n{}", case.sql, case.sql);
        assert_ne!(classify(case.dialect, &twice), Intent::Read, "{twice}");
    }
}
