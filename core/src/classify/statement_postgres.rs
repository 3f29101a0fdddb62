//! How PostgreSQL statements begin.
//!
//! Decides from the first words what a statement is that is no query, and finds the query behind
//! `EXPLAIN`. Must never answer that a query follows where another statement does.

use super::functions::{Call, Verdict};
use super::functions_postgres_other::FUNCTIONS;
use super::grammar::{Finding, Grammar, Lexer};
use super::keyword::Keyword;
use super::keywords_postgres::KEYWORDS;
use super::names::Name;
use super::statement::{Head, Tokens, explained, other, starts_query};
use super::token::{Kind, Token};
use super::transaction;
use crate::intent::Cause;

/// PostgreSQL's grammar.
#[derive(Debug)]
pub(super) struct Postgres;

impl Grammar for Postgres {
    const TABLES_HAVE_COLUMN_ALIASES: bool = true;

    #[inline]
    fn keyword(sql: &[u8], word: Token) -> Keyword {
        KEYWORDS.find(sql, word.start, word.end)
    }

    fn function(call: Call<'_>) -> Verdict {
        builtin(call)
    }

    #[inline]
    fn is_builtin_schema(kind: Kind, name: &[u8]) -> bool {
        may_start_with_p(kind, name)
            && Name::new(kind, name).is_some_and(|name| name.as_str() == "pg_catalog")
    }

    #[inline]
    fn is_session_schema(kind: Kind, name: &[u8]) -> bool {
        may_start_with_p(kind, name)
            && Name::new(kind, name).is_some_and(|name| name.as_str().starts_with("pg_temp"))
    }

    #[inline]
    fn is_session_name(_: Kind, _: &[u8]) -> bool {
        false
    }

    fn cause<L: Lexer>(tokens: &mut Tokens<'_, L>, word: &str) -> Cause {
        match word {
            "insert" | "update" | "delete" | "merge" => Cause::Write,
            "lock" => Cause::Lock,
            "copy" => copy(tokens),
            "begin" | "start" => Cause::TransactionBegin,
            "commit" | "end" | "rollback" | "abort" => transaction::end(tokens),
            "savepoint" | "release" => Cause::TransactionControl,
            "prepare" => prepare(tokens),
            // SHOW reads a setting of the session, as current_setting does
            "set" | "reset" | "show" | "discard" | "deallocate" | "declare" | "fetch" | "move"
            | "close" | "execute" | "load" | "listen" | "unlisten" => Cause::SessionState,
            "create" => create(tokens),
            "alter" | "analyse" | "analyze" | "call" | "checkpoint" | "cluster" | "comment"
            | "do" | "drop" | "grant" | "import" | "notify" | "reassign" | "refresh"
            | "reindex" | "revoke" | "security" | "truncate" | "vacuum" => Cause::Utility,
            _ => Cause::NotUnderstood,
        }
    }

    fn head<L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Result<Option<Head>, Finding> {
        match tokens.word(first) {
            Some(word) if word.as_str() == "explain" => explain(tokens).map(Some),
            _ => Err(other::<Self, L>(tokens, first)),
        }
    }
}

/// What a call of a built-in function is.
pub(super) fn builtin(call: Call<'_>) -> Verdict {
    FUNCTIONS.verdict(call.kind, call.name, call.bare)
}

/// Most names can be told from `pg_…` by one byte.
#[inline]
fn may_start_with_p(kind: Kind, name: &[u8]) -> bool {
    match kind {
        Kind::Word => matches!(name.first(), Some(b'p' | b'P')),
        Kind::Quoted => name.get(1) == Some(&b'p'),
        _ => true,
    }
}

/// `EXPLAIN [ANALYZE] [VERBOSE] query` or `EXPLAIN (options) query`: what it explains is judged as
/// if it ran, because with ANALYZE it does.
fn explain<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Result<Head, Finding> {
    let mut token = tokens.next();
    if token.kind == Kind::Open {
        let inside = tokens.next();
        if starts_query::<Postgres, L>(tokens, inside) {
            return Ok(Head {
                first: token,
                second: Some(inside),
            });
        }
        skip_options(tokens, inside)?;
        token = tokens.next();
    } else {
        while tokens.word(token).is_some_and(|word| is_option(&word)) {
            token = tokens.next();
        }
    }
    explained::<Postgres, L>(tokens, token)
}

fn is_option(word: &Name) -> bool {
    matches!(word.as_str(), "analyze" | "analyse" | "verbose")
}

/// Behind the closing bracket of `EXPLAIN (…)`, whose options hold no brackets.
fn skip_options<L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Result<(), Finding> {
    let mut token = first;
    loop {
        match token.kind {
            Kind::Close => return Ok(()),
            Kind::Word | Kind::Text | Kind::Number | Kind::Comma | Kind::Sign => {}
            _ => return Err(Finding::new(Cause::NotUnderstood, token)),
        }
        token = tokens.next();
    }
}

/// `COPY … FROM` and `COPY (write) TO` write. `COPY (query) TO` may read, but its rows come by a
/// protocol of their own, which no routed call speaks.
fn copy<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    let mut depth = 0_usize;
    let mut last = Keyword::None;
    loop {
        let token = tokens.next();
        let mut keyword = Keyword::None;
        match token.kind {
            Kind::Open => depth += 1,
            Kind::Close => depth = depth.saturating_sub(1),
            Kind::Word => keyword = Postgres::keyword(tokens.sql, token),
            Kind::End | Kind::Bad | Kind::Semicolon => return Cause::Utility,
            _ => {}
        }
        match keyword {
            Keyword::Update | Keyword::LockStrength if last == Keyword::For => return Cause::Lock,
            Keyword::Modify | Keyword::Update | Keyword::Into => return Cause::Write,
            _ if depth == 0 && is_from(tokens, token) => return Cause::Write,
            _ => last = keyword,
        }
    }
}

fn is_from<L>(tokens: &Tokens<'_, L>, token: Token) -> bool {
    token.text(tokens.sql).eq_ignore_ascii_case(b"from")
}

/// `PREPARE TRANSACTION` ends the session's transaction; other forms name a statement.
fn prepare<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    match tokens.next_word() {
        Some(word) if word.as_str() == "transaction" => Cause::TransactionEnd,
        _ => Cause::SessionState,
    }
}

/// Temporary objects belong to the session.
fn create<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    loop {
        match tokens.next_word().as_ref().map(Name::as_str) {
            Some("temp" | "temporary") => return Cause::SessionState,
            Some("or" | "replace" | "local" | "global") => {}
            _ => return Cause::Utility,
        }
    }
}
