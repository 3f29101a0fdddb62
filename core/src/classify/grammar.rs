//! What a dialect has to supply so that the shared rules can read its queries.

use super::functions::{Call, Verdict};
use super::keyword::Keyword;
use super::statement::{Head, Tokens};
use super::token::{Kind, Token};
use crate::intent::Cause;

/// A stream of tokens that ends with `End` or `Bad`, and repeats it.
pub(super) trait Lexer {
    /// The next token.
    fn next(&mut self) -> Token;
}

/// A lexer whose blanks can be passed without a look at the token behind them.
pub(super) trait Scan {
    /// The position in the text.
    fn at(&self) -> usize;

    /// Moves behind blanks and comments; `false` at a comment that never ends, or that the server runs.
    fn skip_blank(&mut self) -> bool;

    /// Moves behind the token that starts here.
    fn kind(&mut self) -> Kind;
}

impl<S: Scan> Lexer for S {
    #[inline(always)]
    fn next(&mut self) -> Token {
        let blank = self.at();
        let (start, kind) = if self.skip_blank() {
            (self.at(), self.kind())
        } else {
            (blank, Kind::Bad)
        };
        Token {
            kind,
            start,
            end: self.at(),
        }
    }
}

/// A dialect's words and functions.
pub(super) trait Grammar {
    /// Whether a table's alias may be followed by names for its columns, without `AS`.
    const TABLES_HAVE_COLUMN_ALIASES: bool;

    /// The role of an unquoted word of this text.
    fn keyword(sql: &[u8], word: Token) -> Keyword;

    /// What a call without a schema, or with the one of the built-in functions, is.
    fn function(call: Call<'_>) -> Verdict;

    /// Whether a function qualified with this schema is still a built-in one.
    fn is_builtin_schema(kind: Kind, name: &[u8]) -> bool;

    /// Whether objects of this schema belong to one session.
    fn is_session_schema(kind: Kind, name: &[u8]) -> bool;

    /// Whether this name, wherever it stands, is of something that belongs to one session.
    fn is_session_name(kind: Kind, name: &[u8]) -> bool;

    /// The cause of a statement that is no query, by its first word.
    fn cause<L: Lexer>(tokens: &mut Tokens<'_, L>, word: &str) -> Cause;

    /// Reads what stands before a query, and answers the query's first tokens.
    ///
    /// `None`: the whole statement was read, and only reads. An error: it is no plain read.
    fn head<L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Result<Option<Head>, Finding>;
}

/// A cause and the token that shows it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Finding {
    pub(super) cause: Cause,
    pub(super) token: Token,
}

impl Finding {
    pub(super) fn new(cause: Cause, token: Token) -> Self {
        Self { cause, token }
    }
}
