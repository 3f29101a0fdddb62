//! The tokens both lexers produce.
//!
//! A token says where it stands and what sort of thing it is, never what it means: that a word is
//! a keyword, a name or a function is decided by the rules, because SQL lets most keywords be names.

/// What sort of thing a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// An identifier or keyword without quotes.
    Word,
    /// A quoted identifier (`"x"`; on SQLite also `[x]` and `` `x` ``).
    Quoted,
    /// A quoted identifier with Unicode escapes, `U&"x"`.
    Unicode,
    /// A string, bit string or blob, in whatever quotes.
    Text,
    /// A number.
    Number,
    /// A bind parameter.
    Param,
    /// An operator, or a character that only operators and slices use.
    Sign,
    /// `::`
    Cast,
    /// `,`
    Comma,
    /// `.`
    Dot,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `[`
    OpenSquare,
    /// `]`
    CloseSquare,
    /// `;`
    Semicolon,
    /// The end of the text.
    End,
    /// Something this dialect has no token for, or a token that never ends.
    Bad,
}

/// One token: its kind and the bytes it covers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

impl Token {
    /// A token that stands before the first one.
    pub(super) const NONE: Self = Self {
        kind: Kind::End,
        start: 0,
        end: 0,
    };

    /// The token's text; empty if the token is not of this text.
    pub(super) fn text(self, sql: &[u8]) -> &[u8] {
        sql.get(self.start..self.end).unwrap_or_default()
    }

    /// Whether the token names something: a word or a quoted identifier.
    pub(super) fn is_identifier(self) -> bool {
        matches!(self.kind, Kind::Word | Kind::Quoted | Kind::Unicode)
    }
}
