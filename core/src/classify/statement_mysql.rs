//! How MySQL and MariaDB statements begin.
//!
//! Decides from the first words what a statement is that is no query, and finds the query behind
//! `EXPLAIN` and `ANALYZE`. Must never answer that a query follows where another statement does.

use super::functions::{Call, Verdict};
use super::functions_mysql::{FUNCTIONS, must_touch};
use super::grammar::{Finding, Grammar, Lexer};
use super::keyword::Keyword;
use super::keywords_mysql::KEYWORDS;
use super::names::Name;
use super::statement::{Head, Tokens, explained, other};
use super::token::{Kind, Token};
use super::transaction;
use crate::intent::Cause;

/// The grammar of MySQL and MariaDB.
#[derive(Debug)]
pub(super) struct MySql;

impl Grammar for MySql {
    const TABLES_HAVE_COLUMN_ALIASES: bool = false;

    /// A variable, wherever it stands, is a value of the session.
    #[inline]
    fn keyword(sql: &[u8], word: Token) -> Keyword {
        if is_variable(word.text(sql)) {
            return Keyword::SessionValue;
        }
        KEYWORDS.find(sql, word.start, word.end)
    }

    /// In backticks only stored functions are called, and so are some names of built-in ones if a
    /// blank stands before the bracket.
    fn function(call: Call<'_>) -> Verdict {
        let verdict = FUNCTIONS.verdict(call.kind, call.name, call.bare);
        let stored = call.kind != Kind::Word || !call.touches && must_touch(call.name);
        match verdict {
            Verdict::Read if stored => Verdict::Primary(Cause::UnknownFunction),
            verdict => verdict,
        }
    }

    fn is_builtin_schema(_: Kind, _: &[u8]) -> bool {
        // `lower` is built in, `d.lower` a stored function of the database `d`
        false
    }

    fn is_session_schema(_: Kind, _: &[u8]) -> bool {
        // a temporary table looks like any other; a replica does not know it
        false
    }

    /// It leaves a number for the session's next statement.
    #[inline]
    fn is_session_name(_: Kind, name: &[u8]) -> bool {
        name.eq_ignore_ascii_case(b"sql_calc_found_rows")
    }

    fn cause<L: Lexer>(tokens: &mut Tokens<'_, L>, word: &str) -> Cause {
        match word {
            "insert" | "update" | "delete" | "replace" | "load" | "import" => Cause::Write,
            "lock" => Cause::Lock,
            "begin" => begin(tokens),
            "start" => start(tokens),
            "commit" | "rollback" => transaction::end(tokens),
            "savepoint" | "release" => Cause::TransactionControl,
            "xa" => xa(tokens),
            "set" | "show" | "use" | "prepare" | "execute" | "deallocate" | "handler"
            | "unlock" | "reset" | "get" | "help" => Cause::SessionState,
            "create" => create(tokens),
            "alter" | "binlog" | "cache" | "call" | "change" | "check" | "checksum" | "clone"
            | "do" | "drop" | "flush" | "grant" | "install" | "kill" | "optimize" | "purge"
            | "rename" | "repair" | "restart" | "resignal" | "revoke" | "shutdown" | "signal"
            | "stop" | "truncate" | "uninstall" => Cause::Utility,
            _ => Cause::NotUnderstood,
        }
    }

    fn head<L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Result<Option<Head>, Finding> {
        match tokens.word(first).as_ref().map(Name::as_str) {
            Some("explain" | "describe" | "desc" | "analyze") => explain(tokens, first).map(Some),
            _ => Err(other::<Self, L>(tokens, first)),
        }
    }
}

fn is_variable(name: &[u8]) -> bool {
    name.first() == Some(&b'@')
}

/// `EXPLAIN [ANALYZE | EXTENDED | PARTITIONS] [FORMAT = x] query`, and MariaDB's
/// `ANALYZE [FORMAT = x] query`, which runs it. Without a query they describe or analyse a table.
fn explain<L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Result<Head, Finding> {
    let mut token = tokens.next();
    if is_analyze(first, tokens.sql) && is_table_maintenance(tokens, token) {
        return Err(Finding::new(Cause::Utility, first));
    }
    while tokens.word(token).is_some_and(|word| is_option(&word)) {
        let is_format = token.text(tokens.sql).eq_ignore_ascii_case(b"format");
        token = tokens.next();
        if is_format {
            if token.text(tokens.sql) != b"=" {
                return Err(Finding::new(Cause::NotUnderstood, token));
            }
            tokens.next();
            token = tokens.next();
        }
    }
    explained::<MySql, L>(tokens, token).map_err(|finding| match finding.cause {
        // the name of a table
        Cause::NotUnderstood => Finding::new(Cause::Utility, first),
        _ => finding,
    })
}

fn is_analyze(first: Token, sql: &[u8]) -> bool {
    first.text(sql).eq_ignore_ascii_case(b"analyze")
}

/// `ANALYZE [LOCAL | NO_WRITE_TO_BINLOG] TABLE`
fn is_table_maintenance<L: Lexer>(tokens: &Tokens<'_, L>, token: Token) -> bool {
    tokens.word(token).is_some_and(|word| {
        matches!(
            word.as_str(),
            "table" | "tables" | "local" | "no_write_to_binlog"
        )
    })
}

fn is_option(word: &Name) -> bool {
    matches!(
        word.as_str(),
        "analyze" | "extended" | "partitions" | "format"
    )
}

/// `BEGIN [WORK]`; MariaDB's `BEGIN NOT ATOMIC` is a program.
fn begin<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    match tokens.next_word().as_ref().map(Name::as_str) {
        None | Some("work") => Cause::TransactionBegin,
        Some(_) => Cause::Utility,
    }
}

fn start<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    match tokens.next_word().as_ref().map(Name::as_str) {
        Some("transaction") => Cause::TransactionBegin,
        _ => Cause::Utility,
    }
}

/// A distributed transaction belongs to its session until it is prepared, and is decided from any.
fn xa<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    match tokens.next_word().as_ref().map(Name::as_str) {
        Some("start" | "begin") => Cause::TransactionBegin,
        Some("commit" | "rollback") => Cause::TransactionEnd,
        Some("end" | "prepare") => Cause::TransactionControl,
        _ => Cause::Utility,
    }
}

/// Temporary tables belong to the session.
fn create<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Cause {
    loop {
        match tokens.next_word().as_ref().map(Name::as_str) {
            Some("temporary") => return Cause::SessionState,
            Some("or" | "replace") => {}
            _ => return Cause::Utility,
        }
    }
}
