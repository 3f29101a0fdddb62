//! The shared routing cases: `tests/cases/*.txt`, whose heads describe the format.

use anyhow::{Context, Result};
use orm_split::sea_orm::Role;

/// One statement and where it has to run.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Case {
    /// Line in its file.
    pub line: usize,
    /// Where it has to run.
    pub role: Role,
    /// What the row expects: `read`, or `primary:` and the cause.
    pub expected: String,
    /// The heading that it stands under.
    pub heading: String,
    /// What is hard about it.
    pub comment: String,
    /// The statement.
    pub sql: String,
}

/// The cases of PostgreSQL.
///
/// # Errors
/// The file is malformed.
pub fn postgres() -> Result<Vec<Case>> {
    parse(include_str!("../cases/routing_postgres.txt"))
}

/// The cases of SQLite.
///
/// # Errors
/// The file is malformed.
pub fn sqlite() -> Result<Vec<Case>> {
    parse(include_str!("../cases/routing_sqlite.txt"))
}

/// The cases of MySQL and MariaDB.
///
/// # Errors
/// The file is malformed.
pub fn mysql() -> Result<Vec<Case>> {
    parse(include_str!("../cases/routing_mysql.txt"))
}

/// What the suites send through the library: statements that SeaORM and Diesel write, mostly.
#[must_use]
pub fn recorded() -> Vec<String> {
    let file = include_str!("../cases/statements_recorded.txt");
    let rows = file.lines().filter(|line| !line.starts_with('#'));
    rows.map(unescape).collect()
}

fn parse(file: &str) -> Result<Vec<Case>> {
    let mut cases = Vec::new();
    let mut heading = "";
    for (line, text) in (1..).zip(file.lines()) {
        match text.strip_prefix('#') {
            Some(comment) => heading = comment.trim(),
            None if text.is_empty() => {}
            None => cases.push(parse_case(line, heading, text)?),
        }
    }
    Ok(cases)
}

fn parse_case(line: usize, heading: &str, text: &str) -> Result<Case> {
    let mut columns = text.splitn(3, '|');
    let mut column = || {
        let column = columns.next();
        column.with_context(|| format!("line {line} has no three columns"))
    };
    let expected = column()?.trim().to_owned();
    let comment = column()?.trim().to_owned();
    let sql = column()?;
    let role = if expected == "read" {
        Role::Replica
    } else {
        Role::Primary
    };
    let sql = unescape(sql.strip_prefix(' ').unwrap_or(sql));
    Ok(Case {
        line,
        role,
        expected,
        heading: heading.to_owned(),
        comment,
        sql,
    })
}

fn unescape(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let escaped = if character == '\\' {
            characters.next()
        } else {
            None
        };
        plain.push(match escaped {
            None => character,
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('0') => '\0',
            Some(other) => other,
        });
    }
    plain
}
