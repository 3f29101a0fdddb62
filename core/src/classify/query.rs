//! Reads a query token by token and says whether it is a plain read.
//!
//! One pass, no recursion and a fixed number of bracket levels. A query may contain anything but
//! what changes or locks something: data-modifying words, `INTO`, a lock behind `FOR`, a call of a
//! function that is not known to read ([`calls`](super::calls)), and values or objects of one
//! session. Must never take a keyword for a name, except where the grammar allows nothing else:
//! directly behind a dot, `AS` or `::`.

use std::marker::PhantomData;

use super::catalogue::Catalogue;
use super::grammar::Grammar;
use super::keyword::Keyword;
use super::token::{Kind, Token};
use crate::intent::Cause;

/// Deeper brackets than this are given up; people and query builders stay far below.
pub(super) const LEVELS: usize = 256;

/// Inside the list of common table expressions of a `WITH`.
pub(super) const WITH_LIST: u8 = 1;
/// Where a grouping element may stand.
pub(super) const GROUPING: u8 = 2;
/// Inside `DISTINCT ON (…)`.
pub(super) const DISTINCT_ON: u8 = 4;

/// What the last token was to the rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Last {
    Start,
    Open,
    Close,
    OpenSquare,
    CloseSquare,
    Comma,
    Dot,
    /// A dot inside the name of a type or alias.
    TypeDot,
    Cast,
    Sign,
    /// A number or parameter.
    Value,
    Text,
    /// An identifier that is no keyword, or stands where only names can.
    Name,
    /// The name behind `AS` or `::`: a type or alias, never a function.
    TypeName,
    /// The `NOT` of `AS NOT MATERIALIZED`.
    AsNot,
    Word(Keyword),
}

/// What qualifies the identifier that was met last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Qualifier {
    None,
    /// The schema of the built-in functions.
    Builtin,
    Other,
}

/// The state between two tokens of a query.
#[derive(Debug)]
pub(super) struct Query<'a, G> {
    pub(super) sql: &'a [u8],
    pub(super) last: Last,
    /// What stood before `last`.
    pub(super) before: Last,
    /// What stood before `before`.
    pub(super) earlier: Last,
    /// The identifier met last.
    pub(super) name: Token,
    pub(super) qualifier: Qualifier,
    /// The schema that qualifies `name`; `None` if there is more than one part, or something else.
    pub(super) schema: Option<Token>,
    /// What the server's catalogue says.
    pub(super) catalogue: Option<&'a Catalogue>,
    /// The flags of the current bracket level.
    pub(super) here: u8,
    /// The flags of the levels around it.
    around: [u8; LEVELS],
    depth: usize,
    /// The token that shows the cause, if it is not the one taken last.
    pub(super) blamed: Option<Token>,
    grammar: PhantomData<G>,
}

impl<'a, G: Grammar> Query<'a, G> {
    pub(super) fn new(sql: &'a [u8], catalogue: Option<&'a Catalogue>) -> Self {
        Self {
            sql,
            last: Last::Start,
            before: Last::Start,
            earlier: Last::Start,
            name: Token::NONE,
            qualifier: Qualifier::None,
            schema: None,
            catalogue,
            here: 0,
            around: [0; LEVELS],
            depth: 0,
            blamed: None,
            grammar: PhantomData,
        }
    }

    /// Takes the next token; an error if with it the query is no plain read.
    #[inline(always)]
    pub(super) fn take(&mut self, token: Token) -> Result<(), Cause> {
        if self.last == Last::Word(Keyword::Into) {
            return Err(self.table_created(token));
        }
        let last = match token.kind {
            Kind::Word => self.word(token)?,
            Kind::Quoted | Kind::Unicode => self.quoted(token)?,
            Kind::Text => self.shared(token, Last::Text)?,
            Kind::Number | Kind::Param => Last::Value,
            Kind::Sign => Last::Sign,
            Kind::Cast => Last::Cast,
            Kind::Comma => Last::Comma,
            Kind::Dot => self.dot()?,
            Kind::Open => self.open(token)?,
            Kind::Close => self.close()?,
            Kind::OpenSquare => Last::OpenSquare,
            Kind::CloseSquare => Last::CloseSquare,
            Kind::Semicolon | Kind::End | Kind::Bad => {
                return Err(Cause::NotUnderstood);
            }
        };
        self.earlier = self.before;
        self.before = self.last;
        self.last = last;
        Ok(())
    }

    /// Whether the query may end here.
    pub(super) fn finish(&self) -> Result<(), Cause> {
        if self.depth > 0 || matches!(self.last, Last::Start | Last::Word(Keyword::Into)) {
            return Err(Cause::NotUnderstood);
        }
        Ok(())
    }

    /// `SELECT … INTO` creates a table, or fills a variable: for all to see, or for this session.
    fn table_created(&mut self, target: Token) -> Cause {
        let keyword = match target.kind {
            Kind::Word => G::keyword(self.sql, target),
            _ => Keyword::None,
        };
        self.blame_name(match keyword {
            Keyword::Temporary | Keyword::SessionValue => Cause::SessionState,
            _ => Cause::Write,
        })
    }

    /// Nothing of a name that the catalogue knows to be no plain read, whatever it is here.
    #[inline]
    fn known(&mut self, token: Token) -> Result<(), Cause> {
        match self.catalogue {
            Some(catalogue) if catalogue.avoids(self.sql, token) => Err(Cause::Relation),
            _ => Ok(()),
        }
    }

    #[inline(always)]
    fn quoted(&mut self, token: Token) -> Result<Last, Cause> {
        self.known(token)?;
        let last = self.name(token);
        self.shared(token, last)
    }

    /// The name, unless by itself it names something of this session alone.
    #[inline]
    fn shared(&self, token: Token, last: Last) -> Result<Last, Cause> {
        if G::is_session_name(token.kind, token.text(self.sql)) {
            return Err(Cause::SessionState);
        }
        Ok(last)
    }

    /// The identifier met last shows the cause, not the token behind it.
    #[cold]
    pub(super) fn blame_name(&mut self, cause: Cause) -> Cause {
        self.blamed = Some(self.name);
        cause
    }

    /// An identifier, unless it is a keyword.
    #[inline(always)]
    fn name(&mut self, token: Token) -> Last {
        self.name = token;
        match self.last {
            Last::Dot => Last::Name,
            Last::TypeDot => Last::TypeName,
            Last::Cast | Last::Word(Keyword::As) => {
                self.qualifier = Qualifier::None;
                Last::TypeName
            }
            _ => {
                self.qualifier = Qualifier::None;
                Last::Name
            }
        }
    }

    #[inline(always)]
    fn word(&mut self, token: Token) -> Result<Last, Cause> {
        self.known(token)?;
        let keyword = G::keyword(self.sql, token);
        let last = self.name(token);
        if last == Last::TypeName || self.last == Last::Dot {
            let as_not = keyword == Keyword::Not && self.last == Last::Word(Keyword::As);
            return Ok(if as_not { Last::AsNot } else { last });
        }
        if keyword == Keyword::None {
            return self.shared(token, last);
        }
        if let Some(cause) = self.keyword(keyword) {
            return Err(cause);
        }
        if keyword == Keyword::Materialized && self.last == Last::AsNot {
            return Ok(Last::TypeName);
        }
        Ok(Last::Word(keyword))
    }

    /// Notes what a keyword starts or ends, and what it forbids.
    fn keyword(&mut self, keyword: Keyword) -> Option<Cause> {
        match (self.last, keyword) {
            (Last::Word(Keyword::For), Keyword::Update | Keyword::LockStrength) => {
                return Some(Cause::Lock);
            }
            (_, Keyword::Update | Keyword::Modify) => return Some(Cause::Write),
            (_, Keyword::SessionValue) => return Some(Cause::SessionState),
            (_, Keyword::Lock) => return Some(Cause::Lock),
            (Last::Word(Keyword::Value), Keyword::For) => return Some(Cause::Function),
            (Last::Start | Last::Open, Keyword::With) => self.here |= WITH_LIST,
            (Last::Word(Keyword::Group), Keyword::By) => self.here |= GROUPING,
            _ if ends_list(keyword) => self.here &= !(WITH_LIST | GROUPING),
            _ => {}
        }
        None
    }

    #[inline]
    fn dot(&mut self) -> Result<Last, Cause> {
        match self.last {
            Last::TypeName | Last::TypeDot => return Ok(Last::TypeDot),
            // the name ends in UESCAPE '…': it is not known which name it is
            Last::Text => return Err(Cause::NotUnderstood),
            Last::Name | Last::Word(_) if self.before != Last::Dot => {
                let schema = self.name.text(self.sql);
                if G::is_session_schema(self.name.kind, schema) {
                    return Err(self.blame_name(Cause::SessionState));
                }
                let builtin = G::is_builtin_schema(self.name.kind, schema);
                self.schema = Some(self.name);
                self.qualifier = if builtin {
                    Qualifier::Builtin
                } else {
                    Qualifier::Other
                };
            }
            _ => {
                self.qualifier = Qualifier::Other;
                self.schema = None;
            }
        }
        Ok(Last::Dot)
    }

    fn open(&mut self, token: Token) -> Result<Last, Cause> {
        let inside = self.bracket(token)?;
        let Some(level) = self.around.get_mut(self.depth) else {
            return Err(Cause::NotUnderstood);
        };
        *level = self.here;
        self.here = inside;
        self.depth += 1;
        Ok(Last::Open)
    }

    fn close(&mut self) -> Result<Last, Cause> {
        // an expression follows DISTINCT ON (…), so its bracket ends no operand
        let last = if self.here & DISTINCT_ON == 0 {
            Last::Close
        } else {
            Last::Sign
        };
        let around = self
            .depth
            .checked_sub(1)
            .and_then(|depth| self.around.get(depth));
        let Some(&around) = around else {
            return Err(Cause::NotUnderstood);
        };
        self.here = around;
        self.depth -= 1;
        Ok(last)
    }
}

/// Whether a keyword cannot stand inside a `WITH` list or a `GROUP BY` list of its own level.
fn ends_list(keyword: Keyword) -> bool {
    matches!(
        keyword,
        Keyword::Clause
            | Keyword::Select
            | Keyword::Values
            | Keyword::Table
            | Keyword::Order
            | Keyword::Fetch
            | Keyword::For
    )
}
