//! Statement text to [`Intent`].
//!
//! Decides from the text alone whether a statement is a plain read. A hand-written lexer
//! ([`lexer_postgres`], [`lexer_mysql`], [`lexer_sqlite`]) cuts the text into tokens by the server's own rules, and
//! [`query`] reads them once, from left to right. Nothing is allocated, nothing recurses and the
//! time is linear, because every statement of the application passes through here. For the same
//! reason [`skim`] looks at a PostgreSQL text first: it recognises most reads in a fraction of the
//! time, by the same tables. [`explain`] goes without it, and tests hold the two to one answer.
//!
//! **What is not fully understood goes to the primary.** A write, a lock, a session command or a
//! call of an unknown function must never come out as [`Intent::Read`]; a read that comes out as
//! [`Intent::Primary`] only costs the primary some work.
//!
//! Five things cannot be seen from a text: a view, an operator, a cast or a domain whose function
//! writes, and that a table is unlogged. A PostgreSQL standby refuses all five loudly. A
//! [`Catalogue`] shows views, domains and unlogged tables, and which functions of the user's read.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "matches over tokens and keywords name those a rule is about; the other arm is the rule's default"
)]

mod bytes_postgres;
mod calls;
mod catalogue;
mod chunk;
mod cursor;
mod fingerprint;
mod functions;
mod functions_mysql;
mod functions_postgres;
mod functions_postgres_other;
mod functions_sqlite;
mod grammar;
mod hint;
mod keyword;
mod keywords_mysql;
mod keywords_postgres;
mod keywords_sqlite;
mod lexer_mysql;
mod lexer_postgres;
mod lexer_sqlite;
mod names;
mod pragma;
mod query;
mod skim;
#[cfg(test)]
mod skim_tests;
mod statement;
mod statement_mysql;
mod statement_postgres;
mod statement_sqlite;
#[cfg(test)]
mod tests;
mod token;
mod transaction;

use std::ops::Range;

use crate::intent::{Cause, Intent};
pub use catalogue::{Catalogue, Volatility};
use grammar::Finding;
pub(crate) use hint::{CommentHint, comment_hint};
use lexer_mysql::{Escapes, MySqlLexer};
use lexer_postgres::PostgresLexer;
use lexer_sqlite::SqliteLexer;
use statement::Tokens;
use statement_mysql::MySql;
use statement_postgres::Postgres;
use statement_sqlite::Sqlite;
use token::{Kind, Token};

/// The SQL a server speaks.
///
/// ```
/// use orm_split_core::{Dialect, Intent, classify};
///
/// let comment = "SELECT 1 /* a /* b */";
/// assert_eq!(classify(Dialect::Sqlite, comment), Intent::Read);
/// assert_ne!(classify(Dialect::Postgres, comment), Intent::Read); // never ends: comments nest
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Dialect {
    /// PostgreSQL and what speaks exactly its SQL.
    Postgres,
    /// SQLite 3.
    Sqlite,
    /// MySQL and MariaDB.
    MySql,
}

/// What a statement needs, and where its text shows it.
///
/// ```
/// use orm_split_core::{Dialect, explain};
///
/// let sql = "SELECT * FROM job FOR UPDATE SKIP LOCKED";
/// let classification = explain(Dialect::Postgres, sql);
/// assert_eq!(&sql[classification.decided_on.unwrap()], "UPDATE");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Classification {
    /// What the statement needs; always what [`classify`] answers.
    pub intent: Intent,
    /// The bytes of the token that decided; `None` for reads and where there is no such token.
    pub decided_on: Option<Range<usize>>,
}

/// What a statement needs, from its text.
///
/// Never allocates and never panics. The time is linear in the length of the text: about a
/// nanosecond a byte for most reads on PostgreSQL, a few for other statements.
///
/// On SQLite a `SAVEPOINT` counts as [`Cause::TransactionBegin`] and a `RELEASE` as
/// [`Cause::TransactionControl`], because the text does not show whether it is the outermost.
///
/// ```
/// use orm_split_core::{Cause, Dialect, Intent, classify};
///
/// let sql = "WITH gone AS (DELETE FROM cart RETURNING *) SELECT * FROM gone";
/// assert_eq!(classify(Dialect::Postgres, sql), Intent::Primary(Cause::Write));
/// assert_eq!(classify(Dialect::Sqlite, "-- all\nVALUES (1), (2)"), Intent::Read);
/// ```
#[must_use]
pub fn classify(dialect: Dialect, sql: &str) -> Intent {
    let bytes = sql.as_bytes();
    if dialect == Dialect::Postgres && !holds_nul(bytes) && skim::is_read(bytes) {
        return Intent::Read;
    }
    intent(read(dialect, bytes, None))
}

/// As [`classify`], with what the server's catalogue says of the names in the text.
///
/// Never allocates either.
///
/// ```
/// use orm_split_core::{Catalogue, Cause, Dialect, Intent, classify_with};
///
/// // of nothing known is what the text alone says
/// let intent = classify_with(Dialect::Postgres, &Catalogue::default(), "SELECT f(1)");
/// assert_eq!(intent, Intent::Primary(Cause::UnknownFunction));
/// ```
#[must_use]
pub fn classify_with(dialect: Dialect, catalogue: &Catalogue, sql: &str) -> Intent {
    let bytes = sql.as_bytes();
    let may_look = dialect == Dialect::Postgres && !catalogue.restricts();
    if may_look && !holds_nul(bytes) && skim::is_read(bytes) {
        return Intent::Read;
    }
    intent(read(dialect, bytes, Some(catalogue)))
}

fn intent(read: Result<(), Finding>) -> Intent {
    match read {
        Ok(()) => Intent::Read,
        Err(finding) => Intent::Primary(finding.cause),
    }
}

/// As [`classify`], and where in the text it was decided.
#[must_use]
pub fn explain(dialect: Dialect, sql: &str) -> Classification {
    classification(sql, read(dialect, sql.as_bytes(), None))
}

/// As [`classify_with`], and where in the text it was decided.
#[must_use]
pub fn explain_with(dialect: Dialect, catalogue: &Catalogue, sql: &str) -> Classification {
    classification(sql, read(dialect, sql.as_bytes(), Some(catalogue)))
}

fn classification(sql: &str, read: Result<(), Finding>) -> Classification {
    match read {
        Ok(()) => Classification {
            intent: Intent::Read,
            decided_on: None,
        },
        Err(Finding { cause, token }) => {
            let range = token.start..token.end.min(sql.len());
            let decided_on =
                (!range.is_empty() && sql.get(range.clone()).is_some()).then_some(range);
            Classification {
                intent: Intent::Primary(cause),
                decided_on,
            }
        }
    }
}

/// A number by which a statement is recognised again, whatever its values.
///
/// Equal for statements that differ only in literals, parameters, the length of a list of them,
/// comments, white space and the case of unquoted words. Not stable between releases.
///
/// ```
/// use orm_split_core::{Dialect, fingerprint};
///
/// let one = fingerprint(Dialect::Postgres, "SELECT f(1) -- once");
/// let other = fingerprint(Dialect::Postgres, "select f ( $1 );");
/// assert_eq!(one, other);
/// ```
#[must_use]
pub fn fingerprint(dialect: Dialect, sql: &str) -> u64 {
    let bytes = sql.as_bytes();
    match dialect {
        Dialect::Postgres => fingerprint::of_tokens(bytes, PostgresLexer::new(bytes, false)),
        Dialect::Sqlite => fingerprint::of_tokens(bytes, SqliteLexer::new(bytes)),
        Dialect::MySql => fingerprint::of_tokens(bytes, MySqlLexer::new(bytes, Escapes::Both)),
    }
}

fn read(dialect: Dialect, sql: &[u8], catalogue: Option<&Catalogue>) -> Result<(), Finding> {
    if holds_nul(sql) {
        // the server would take the text to end there
        return Err(Finding::new(Cause::NotUnderstood, Token::NONE));
    }
    match dialect {
        Dialect::Postgres => read_postgres(sql, catalogue),
        Dialect::Sqlite => {
            statement::read::<Sqlite, _>(&mut Tokens::new(sql, SqliteLexer::new(sql), None))
        }
        Dialect::MySql => read_mysql(sql),
    }
}

/// Looks at every byte, because that takes less time than asking after each whether to go on.
fn holds_nul(sql: &[u8]) -> bool {
    sql.iter().fold(false, |found, &byte| found | (byte == 0))
}

/// Whether `'\'` is a whole string depends on `standard_conforming_strings`, which the text does
/// not show. So a text with a backslash in a plain string must be a read under both settings,
/// unless one of them would not accept it at all.
fn read_postgres(sql: &[u8], catalogue: Option<&Catalogue>) -> Result<(), Finding> {
    let mut tokens = Tokens::new(sql, PostgresLexer::new(sql, false), catalogue);
    statement::read::<Postgres, _>(&mut tokens)?;
    if !tokens.lexer().saw_backslash() {
        return Ok(());
    }
    let mut tokens = Tokens::new(sql, PostgresLexer::new(sql, true), catalogue);
    match statement::read::<Postgres, _>(&mut tokens) {
        Err(finding) if finding.token.kind != Kind::Bad => {
            Err(Finding::new(Cause::NotUnderstood, finding.token))
        }
        _ => Ok(()),
    }
}

/// A text with a backslash in a string must be a read under every `sql_mode`, unless one of them
/// would not accept it at all.
fn read_mysql(sql: &[u8]) -> Result<(), Finding> {
    let mut tokens = Tokens::new(sql, MySqlLexer::new(sql, Escapes::Both), None);
    statement::read::<MySql, _>(&mut tokens)?;
    if !tokens.lexer().saw_backslash() {
        return Ok(());
    }
    for escapes in [Escapes::Single, Escapes::None] {
        let mut tokens = Tokens::new(sql, MySqlLexer::new(sql, escapes), None);
        match statement::read::<MySql, _>(&mut tokens) {
            Err(finding) if finding.token.kind != Kind::Bad => {
                return Err(Finding::new(Cause::NotUnderstood, finding.token));
            }
            _ => {}
        }
    }
    Ok(())
}
