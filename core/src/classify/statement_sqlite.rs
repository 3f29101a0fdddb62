//! How SQLite statements begin.
//!
//! Decides from the first words what a statement is that is no query, and finds the query behind
//! `EXPLAIN`. Must never answer that a query follows where another statement does.

use super::functions::{Call, Verdict};
use super::functions_sqlite::FUNCTIONS;
use super::grammar::{Finding, Grammar, Lexer};
use super::keyword::Keyword;
use super::keywords_sqlite::KEYWORDS;
use super::names::Name;
use super::statement::{Head, Tokens, explained, other};
use super::token::{Kind, Token};
use super::{pragma, transaction};
use crate::intent::Cause;

/// SQLite's grammar.
#[derive(Debug)]
pub(super) struct Sqlite;

impl Grammar for Sqlite {
    const TABLES_HAVE_COLUMN_ALIASES: bool = false;

    #[inline]
    fn keyword(sql: &[u8], word: Token) -> Keyword {
        KEYWORDS.find(sql, word.start, word.end)
    }

    /// Names compare without case even when they are quoted.
    fn function(call: Call<'_>) -> Verdict {
        let bare = call.bare && call.kind == Kind::Word;
        let name = unquoted(call.kind, call.name);
        if pragma::is_readable_table(name) {
            return Verdict::Read;
        }
        FUNCTIONS.verdict(Kind::Word, name, bare)
    }

    fn is_builtin_schema(_: Kind, _: &[u8]) -> bool {
        // a function has no schema; a table-valued one can be written `main.json_each(…)`, rarely
        false
    }

    fn is_session_schema(kind: Kind, name: &[u8]) -> bool {
        unquoted(kind, name).eq_ignore_ascii_case(b"temp")
    }

    fn is_session_name(kind: Kind, name: &[u8]) -> bool {
        let name = unquoted(kind, name);
        match name.first() {
            Some(b'p' | b'P') => pragma::is_unreadable_table(name),
            Some(b's' | b'S') => name
                .get(..12)
                .is_some_and(|start| start.eq_ignore_ascii_case(b"sqlite_temp_")),
            _ => false,
        }
    }

    fn cause<L: Lexer>(tokens: &mut Tokens<'_, L>, word: &str) -> Cause {
        match word {
            "insert" | "update" | "delete" | "replace" => Cause::Write,
            // Outside a transaction SAVEPOINT opens one; the text does not show where it stands. The
            // end is not guessed from RELEASE, which may leave an outer one open: a session that began
            // with SAVEPOINT stays on the primary until COMMIT, ROLLBACK or its connection's end.
            "begin" | "savepoint" => Cause::TransactionBegin,
            "release" => Cause::TransactionControl,
            "commit" | "end" | "rollback" => transaction::end(tokens),
            "attach" | "detach" | "pragma" => Cause::SessionState,
            "create" => create(tokens),
            "alter" | "analyze" | "drop" | "reindex" | "vacuum" => Cause::Utility,
            _ => Cause::NotUnderstood,
        }
    }

    fn head<L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Result<Option<Head>, Finding> {
        match tokens.word(first).as_ref().map(Name::as_str) {
            Some("explain") => explain(tokens).map(Some),
            Some("pragma") => pragma::read(tokens, first).map(|()| None),
            _ => Err(other::<Self, L>(tokens, first)),
        }
    }
}

/// `EXPLAIN [QUERY PLAN] query`
fn explain<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Result<Head, Finding> {
    let mut token = tokens.next();
    while tokens
        .word(token)
        .is_some_and(|word| matches!(word.as_str(), "query" | "plan"))
    {
        token = tokens.next();
    }
    explained::<Sqlite, L>(tokens, token)
}

/// Temporary objects belong to the connection.
fn create<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    match tokens.next_word().as_ref().map(Name::as_str) {
        Some("temp" | "temporary") => Cause::SessionState,
        _ => Cause::Utility,
    }
}

/// A name without its quotes.
fn unquoted(kind: Kind, name: &[u8]) -> &[u8] {
    match kind {
        Kind::Word => name,
        _ => name
            .get(1..name.len().saturating_sub(1))
            .unwrap_or_default(),
    }
}
