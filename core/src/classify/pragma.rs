//! SQLite's PRAGMA: the few that only read the database.
//!
//! Most PRAGMAs set or show something of one connection, and some write (`journal_mode` may, by
//! its name alone). Only those that describe the schema or the file's header are reads; every form
//! with `=` is not, whatever it names.

use super::grammar::{Finding, Lexer};
use super::names::Name;
use super::statement::Tokens;
use super::token::{Kind, Token};
use crate::intent::Cause;

/// Readable with an argument, and as tables `pragma_…`.
static WITH_ARGUMENT: &[&str] = &[
    "foreign_key_check",
    "foreign_key_list",
    "index_info",
    "index_list",
    "index_xinfo",
    "table_info",
    "table_list",
    "table_xinfo",
];

/// Readable only bare: an argument would set them.
static BARE: &[&str] = &[
    "application_id",
    "collation_list",
    "compile_options",
    "encoding",
    "freelist_count",
    "function_list",
    "module_list",
    "page_count",
    "page_size",
    "pragma_list",
    "schema_version",
    "user_version",
];

const PREFIX: &[u8] = b"pragma_";

/// Whether the whole statement is a PRAGMA that reads; if not, the finding that says so.
///
/// `pragma` is the first token.
pub(super) fn read<L: Lexer>(tokens: &mut Tokens<'_, L>, pragma: Token) -> Result<(), Finding> {
    let refused = Err(Finding::new(Cause::SessionState, pragma));
    let mut name = tokens.next();
    let mut next = tokens.next();
    if next.kind == Kind::Dot {
        if tokens
            .word(name)
            .is_none_or(|schema| schema.as_str() == "temp")
        {
            return refused;
        }
        name = tokens.next();
        next = tokens.next();
    }
    let Some(name) = tokens.word(name) else {
        return refused;
    };
    match next.kind {
        Kind::End | Kind::Semicolon if is(WITH_ARGUMENT, &name) || is(BARE, &name) => Ok(()),
        Kind::Open if is(WITH_ARGUMENT, &name) => argument(tokens).map_or(refused, Ok),
        _ => refused,
    }
}

/// One name or value in brackets, and nothing behind it.
fn argument<L: Lexer>(tokens: &mut Tokens<'_, L>) -> Option<()> {
    let argument = tokens.next();
    let simple = argument.is_identifier() || matches!(argument.kind, Kind::Text | Kind::Number);
    let closed = tokens.next().kind == Kind::Close;
    let ended = matches!(tokens.next().kind, Kind::End | Kind::Semicolon);
    (simple && closed && ended).then_some(())
}

/// Whether this names a PRAGMA table that only reads.
pub(super) fn is_readable_table(name: &[u8]) -> bool {
    table(name).is_some_and(|name| is(WITH_ARGUMENT, &name) || is(BARE, &name))
}

/// Whether this names some other PRAGMA table: `pragma_optimize` runs ANALYZE when it is read.
pub(super) fn is_unreadable_table(name: &[u8]) -> bool {
    starts_as_table(name) && !is_readable_table(name)
}

fn table(name: &[u8]) -> Option<Name> {
    if !starts_as_table(name) {
        return None;
    }
    Name::new(Kind::Word, name.get(PREFIX.len()..)?)
}

fn starts_as_table(name: &[u8]) -> bool {
    name.get(..PREFIX.len())
        .is_some_and(|start| start.eq_ignore_ascii_case(PREFIX))
}

fn is(sorted: &[&str], name: &Name) -> bool {
    sorted.binary_search(&name.as_str()).is_ok()
}
