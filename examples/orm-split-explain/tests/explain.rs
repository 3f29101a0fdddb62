//! The command, as a team runs it.

#![allow(
    clippy::expect_used,
    reason = "a command that cannot be run fails its test"
)]

use std::io::Write;
use std::process::{Command, Output, Stdio};

fn run(arguments: &[&str], input: &[u8]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_orm-split-explain"));
    let command = command.args(arguments).stdin(Stdio::piped());
    let mut child = command
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    let mut stdin = child.stdin.take().expect("standard input");
    // the command may refuse the first line and be gone
    drop(stdin.write_all(input));
    drop(stdin);
    child.wait_with_output().expect("the command ends")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).expect("UTF-8")
}

#[test]
fn each_json_string_is_answered_by_one_object() {
    let input =
        b"\"SELECT 1\"\n\"SELECT 1\\nFOR UPDATE\"\n\"\"\n\"SELECT f(1)\"\n\"DELETE FROM t\"\n";
    let output = run(&["--json"], input);
    assert!(output.status.success(), "{output:?}");
    let expected = [
        r#"{"intent":"read","cause":null}"#,
        r#"{"intent":"primary","cause":"lock"}"#,
        r#"{"intent":"primary","cause":"empty"}"#,
        r#"{"intent":"primary","cause":"unknown_function"}"#,
        r#"{"intent":"primary","cause":"write"}"#,
    ];
    assert_eq!(text(&output.stdout).lines().collect::<Vec<_>>(), expected);
}

#[test]
fn the_dialect_decides() {
    let read = |dialect: &str, sql: &str| {
        let output = run(
            &["--dialect", dialect, "--json"],
            format!("{sql:?}\n").as_bytes(),
        );
        text(&output.stdout).starts_with(r#"{"intent":"read""#)
    };
    assert!(read("mysql", "SELECT `a` FROM t # FOR UPDATE"));
    assert!(read("sqlite", "PRAGMA table_info(t)"));
    assert!(!read("postgres", "PRAGMA table_info(t)"));
    assert!(!read("mysql", "SELECT 1 /*! FOR UPDATE */"));
}

#[test]
fn people_are_shown_the_token_it_was_decided_on() {
    let output = run(&["SELECT 1", "SELECT * FROM größe FOR UPDATE"], b"");
    let shown = text(&output.stdout);
    let lines: Vec<&str> = shown.lines().collect();
    assert!(lines[0].starts_with("intent"), "{shown}");
    assert!(lines[1].starts_with("read"), "{shown}");
    assert!(
        lines[2].contains("lock") && lines[2].contains("UPDATE at 25"),
        "{shown}"
    );
    assert!(
        lines[3].contains("2 statements: 1 may run on a replica, 1 need"),
        "{shown}"
    );
}

#[test]
fn a_log_is_read_line_by_line() {
    let output = run(&[], b"SELECT 1\r\n\nUPDATE t SET a = 1\nSELECT 2");
    let shown = text(&output.stdout);
    assert!(shown.contains("3 statements: 2 may run"), "{shown}");
}

#[test]
fn bad_input_is_refused_by_line_value_and_what_is_accepted() {
    let cases: [(&[&str], &[u8], &str); 5] = [
        (
            &["--json"],
            b"\"SELECT 1\"\n42\n",
            "line 2: 42 is not accepted; use a JSON string",
        ),
        (
            &["--json"],
            b"SELECT 1\n",
            "line 1: SELECT 1 is not accepted; use a JSON string",
        ),
        (
            &["--json"],
            b"\"SELECT 1\n",
            "line 1: \"SELECT 1 is not accepted",
        ),
        (
            &[],
            b"SELECT 1\nSELECT '\xff'\n",
            "is not accepted; use UTF-8",
        ),
        (
            &["--dialect", "oracle"],
            b"",
            "[possible values: postgres, mysql, sqlite]",
        ),
    ];
    for (arguments, input, expected) in cases {
        let output = run(arguments, input);
        assert_eq!(output.status.code(), Some(2), "{output:?}");
        assert!(text(&output.stderr).contains(expected), "{output:?}");
    }
}

#[test]
fn what_was_answered_before_a_bad_line_is_printed() {
    let output = run(&["--json"], b"\"SELECT 1\"\nnull\n");
    assert_eq!(text(&output.stdout).lines().count(), 1);
}
