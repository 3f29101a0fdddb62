//! Tests of the tables behind the rules.

use super::functions::{Functions, Verdict};
use super::token::Kind;
use super::{functions_mysql, functions_postgres_other, functions_sqlite, names::Name};
use crate::intent::Cause;

fn all() -> [(&'static str, &'static Functions); 3] {
    [
        ("postgres", &functions_postgres_other::FUNCTIONS),
        ("sqlite", &functions_sqlite::FUNCTIONS),
        ("mysql", &functions_mysql::FUNCTIONS),
    ]
}

#[test]
fn function_lists_are_sorted_lower_case_and_short_enough_to_be_found() {
    for (dialect, lists) in all() {
        for list in [lists.reads, lists.syntax, lists.others] {
            for pair in list.windows(2) {
                assert!(
                    pair[0] < pair[1],
                    "{dialect}: {} before {}",
                    pair[0],
                    pair[1]
                );
            }
            for name in list {
                assert_eq!(*name, name.to_ascii_lowercase(), "{dialect}");
                assert!(
                    Name::new(Kind::Word, name.as_bytes()).is_some(),
                    "{dialect}: {name}"
                );
            }
        }
    }
}

#[test]
fn every_listed_function_is_found() {
    for (dialect, lists) in all() {
        for name in lists.reads.iter().chain(lists.syntax) {
            let verdict = lists.verdict(Kind::Word, name.as_bytes(), true);
            assert_eq!(verdict, Verdict::Read, "{dialect}: {name}");
        }
        for name in lists.others {
            let verdict = lists.verdict(Kind::Word, name.as_bytes(), true);
            assert_eq!(
                verdict,
                Verdict::Primary(Cause::Function),
                "{dialect}: {name}"
            );
        }
    }
}

#[test]
fn no_function_is_both_a_read_and_known_to_be_none() {
    // lo_get reads, in a family that writes
    let exceptions = ["lo_get"];
    for (dialect, lists) in all() {
        for name in lists.reads.iter().filter(|name| !exceptions.contains(name)) {
            assert!(!lists.others.contains(name), "{dialect}: {name}");
            let family = lists
                .other_prefixes
                .iter()
                .find(|prefix| name.starts_with(**prefix));
            assert_eq!(family, None, "{dialect}: {name}");
        }
    }
}

#[test]
fn every_spelling_of_a_name_has_one_canonical_form() {
    let spellings: [(Kind, &str); 6] = [
        (Kind::Word, "NextVal"),
        (Kind::Quoted, "\"nextval\""),
        (Kind::Unicode, "U&\"\\006Eextval\""),
        (Kind::Unicode, "u&\"\\+00006Eext\\0076al\""),
        (Kind::Unicode, "U&\"nextval\""),
        (Kind::Word, "nextval"),
    ];
    for (kind, text) in spellings {
        let name = Name::new(kind, text.as_bytes()).expect("a short name");
        assert_eq!(name.as_str(), "nextval", "{text}");
    }
}

#[test]
fn broken_escapes_and_long_names_are_no_names() {
    for text in [
        "U&\"\\00\"",
        "U&\"\\zzzz\"",
        "U&\"\\d800\"",
        "U&\"\\+1\"",
        "U&\"\\\"",
    ] {
        assert!(
            Name::new(Kind::Unicode, text.as_bytes()).is_none(),
            "{text}"
        );
    }
    assert!(Name::new(Kind::Word, &[b'a'; 64]).is_none());
}
