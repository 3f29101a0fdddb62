//! Drives one text from its first token to its last.
//!
//! The dialect reads what comes first, [`query`](super::query) reads a query. Whatever they find,
//! the text is followed to its end, because a second statement behind it, or a quote that never
//! closes, outweighs every other cause: an adapter must not believe that `INSERT …; BEGIN` is an
//! INSERT.

use super::catalogue::Catalogue;
use super::grammar::{Finding, Grammar, Lexer};
use super::names::Name;
use super::query::Query;
use super::token::{Kind, Token};
use crate::intent::Cause;

/// The tokens of a text, and the one read last.
#[derive(Debug)]
pub(super) struct Tokens<'a, L> {
    pub(super) sql: &'a [u8],
    lexer: L,
    catalogue: Option<&'a Catalogue>,
    current: Token,
}

impl<'a, L: Lexer> Tokens<'a, L> {
    pub(super) fn new(sql: &'a [u8], lexer: L, catalogue: Option<&'a Catalogue>) -> Self {
        Self {
            sql,
            lexer,
            catalogue,
            current: Token::NONE,
        }
    }

    /// The next token. The end is final: behind it stands nothing.
    pub(super) fn next(&mut self) -> Token {
        self.current = self.lexer.next();
        self.current
    }

    /// The next token as a word in lower case, if it is one.
    pub(super) fn next_word(&mut self) -> Option<Name> {
        let token = self.next();
        self.word(token)
    }

    /// A token as a word in lower case, if it is one.
    pub(super) fn word(&self, token: Token) -> Option<Name> {
        match token.kind {
            Kind::Word => Name::new(token.kind, token.text(self.sql)),
            _ => None,
        }
    }

    /// The lexer, for what it noticed on the way.
    pub(super) fn lexer(&self) -> &L {
        &self.lexer
    }

    /// Follows the text to its end: an error if it is more, or less, than one statement.
    fn drain(&mut self) -> Result<(), Finding> {
        loop {
            match self.current.kind {
                Kind::End => return Ok(()),
                Kind::Bad => return Err(Finding::new(Cause::NotUnderstood, self.current)),
                Kind::Semicolon => return self.nothing_follows(),
                _ => self.next(),
            };
        }
    }

    fn nothing_follows(&mut self) -> Result<(), Finding> {
        let token = self.next();
        match token.kind {
            Kind::End => Ok(()),
            Kind::Bad => Err(Finding::new(Cause::NotUnderstood, token)),
            _ => Err(Finding::new(Cause::MultipleStatements, token)),
        }
    }
}

/// The first tokens of a query that follows a statement's head.
#[derive(Clone, Copy, Debug)]
pub(super) struct Head {
    pub(super) first: Token,
    /// Set where telling the head's end needed one token more.
    pub(super) second: Option<Token>,
}

/// Reads a whole text: an error says why it is no plain read.
pub(super) fn read<G: Grammar, L: Lexer>(tokens: &mut Tokens<'_, L>) -> Result<(), Finding> {
    let finding = statement::<G, L>(tokens);
    tokens.drain()?;
    finding
}

fn statement<G: Grammar, L: Lexer>(tokens: &mut Tokens<'_, L>) -> Result<(), Finding> {
    let first = tokens.next();
    match first.kind {
        Kind::End | Kind::Semicolon => Err(Finding::new(Cause::Empty, first)),
        _ if starts_query::<G, L>(tokens, first) => query::<G, L>(
            tokens,
            Head {
                first,
                second: None,
            },
        ),
        _ => match G::head(tokens, first)? {
            Some(head) => query::<G, L>(tokens, head),
            None => Ok(()),
        },
    }
}

/// What a statement is that starts with this token and is no query.
pub(super) fn other<G: Grammar, L: Lexer>(tokens: &mut Tokens<'_, L>, first: Token) -> Finding {
    let cause = match tokens.word(first) {
        Some(word) => G::cause(tokens, word.as_str()),
        None => Cause::NotUnderstood,
    };
    Finding::new(cause, first)
}

/// The query behind `EXPLAIN` and its options, or the finding that it is none.
pub(super) fn explained<G: Grammar, L: Lexer>(
    tokens: &mut Tokens<'_, L>,
    first: Token,
) -> Result<Head, Finding> {
    if starts_query::<G, L>(tokens, first) {
        return Ok(Head {
            first,
            second: None,
        });
    }
    Err(other::<G, L>(tokens, first))
}

/// Whether a query can start with this token.
pub(super) fn starts_query<G: Grammar, L>(tokens: &Tokens<'_, L>, token: Token) -> bool {
    match token.kind {
        Kind::Open => true,
        Kind::Word => G::keyword(tokens.sql, token).starts_query(),
        _ => false,
    }
}

fn query<G: Grammar, L: Lexer>(tokens: &mut Tokens<'_, L>, head: Head) -> Result<(), Finding> {
    let mut query = Query::<G>::new(tokens.sql, tokens.catalogue);
    match body::<G, L>(tokens, head, &mut query) {
        Ok(()) => Ok(()),
        Err(cause) => Err(Finding::new(cause, query.blamed.unwrap_or(tokens.current))),
    }
}

fn body<G: Grammar, L: Lexer>(
    tokens: &mut Tokens<'_, L>,
    head: Head,
    query: &mut Query<'_, G>,
) -> Result<(), Cause> {
    let mut token = head.first;
    let mut second = head.second;
    while token.kind == Kind::Open {
        query.take(token)?;
        token = second.take().unwrap_or_else(|| tokens.next());
    }
    let starts = starts_query::<G, L>(tokens, token);
    query.take(token)?;
    if !starts {
        return Err(Cause::NotUnderstood);
    }
    loop {
        // Not `tokens.next()`: a token kept in memory costs this loop more than reading it.
        let token = tokens.lexer.next();
        let step = match token.kind {
            Kind::End | Kind::Semicolon => Some(query.finish()),
            _ => query.take(token).err().map(Err),
        };
        if let Some(outcome) = step {
            tokens.current = token;
            return outcome;
        }
    }
}
