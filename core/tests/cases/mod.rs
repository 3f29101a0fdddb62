//! Reads the case files in `tests/cases`; their heads describe the format.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]
#![allow(
    clippy::expect_used,
    clippy::panic,
    reason = "a malformed case file fails its test"
)]

use orm_split_core::{Cause, Dialect, Intent};

/// One line of a case file.
#[derive(Clone, Debug)]
pub struct Case {
    pub dialect: Dialect,
    pub line: usize,
    pub expected: Intent,
    /// What is hard about it.
    pub comment: String,
    pub sql: String,
}

pub fn postgres() -> Vec<Case> {
    parse(
        Dialect::Postgres,
        include_str!("../../../tests/cases/routing_postgres.txt"),
    )
}

pub fn sqlite() -> Vec<Case> {
    parse(
        Dialect::Sqlite,
        include_str!("../../../tests/cases/routing_sqlite.txt"),
    )
}

pub fn mysql() -> Vec<Case> {
    parse(
        Dialect::MySql,
        include_str!("../../../tests/cases/routing_mysql.txt"),
    )
}

/// What the suites send through the library: statements that SeaORM and Diesel write, mostly.
pub fn recorded() -> Vec<String> {
    let file = include_str!("../../../tests/cases/statements_recorded.txt");
    let rows = file.lines().filter(|line| !line.starts_with('#'));
    rows.map(unescape).collect()
}

pub fn all() -> Vec<Case> {
    let mut cases = postgres();
    cases.extend(sqlite());
    cases.extend(mysql());
    cases
}

fn parse(dialect: Dialect, file: &str) -> Vec<Case> {
    let numbered = file
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    let cases = numbered.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    cases
        .map(|(line, text)| parse_case(dialect, line, text))
        .collect()
}

fn parse_case(dialect: Dialect, line: usize, text: &str) -> Case {
    let mut columns = text.splitn(3, '|');
    let mut column = || columns.next().expect("every case has two |");
    let (expected, comment, sql) = (column(), column(), column());
    let sql = sql.strip_prefix(' ').unwrap_or(sql);
    Case {
        dialect,
        line,
        expected: intent(expected.trim(), line),
        comment: comment.trim().to_owned(),
        sql: unescape(sql),
    }
}

fn intent(expected: &str, line: usize) -> Intent {
    match expected.strip_prefix("primary:") {
        Some(cause) => Intent::Primary(self::cause(cause, line)),
        None => {
            assert_eq!(expected, "read", "line {line}");
            Intent::Read
        }
    }
}

fn cause(name: &str, line: usize) -> Cause {
    match name {
        "write" => Cause::Write,
        "lock" => Cause::Lock,
        "function" => Cause::Function,
        "unknown_function" => Cause::UnknownFunction,
        "session_state" => Cause::SessionState,
        "transaction_begin" => Cause::TransactionBegin,
        "transaction_end" => Cause::TransactionEnd,
        "transaction_control" => Cause::TransactionControl,
        "utility" => Cause::Utility,
        "multiple_statements" => Cause::MultipleStatements,
        "empty" => Cause::Empty,
        "not_understood" => Cause::NotUnderstood,
        _ => panic!("line {line}: no cause {name}"),
    }
}

fn unescape(text: &str) -> String {
    let mut sql = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        if character != '\\' {
            sql.push(character);
            continue;
        }
        match characters
            .next()
            .expect("a character behind every backslash")
        {
            'n' => sql.push('\n'),
            'r' => sql.push('\r'),
            't' => sql.push('\t'),
            '0' => sql.push('\0'),
            '\\' => sql.push('\\'),
            other => panic!("no escape \\{other} in {text}"),
        }
    }
    sql
}
