//! What an opening bracket opens: a call, or something else.
//!
//! Every identifier in front of a bracket is a call until its neighbours prove that the grammar
//! allows none there. A call must be of a function known to read, unqualified or in the schema of
//! the built-in ones.

use super::functions::{Call, Verdict};
use super::grammar::Grammar;
use super::keyword::Keyword;
use super::query::{DISTINCT_ON, GROUPING, Last, Qualifier, Query, WITH_LIST};
use super::token::Token;
use crate::intent::Cause;

impl<G: Grammar> Query<'_, G> {
    /// The flags of the level that this bracket opens; an error if it makes the query no read.
    pub(super) fn bracket(&mut self, token: Token) -> Result<u8, Cause> {
        match self.last {
            Last::Name if self.is_named_list() => Ok(0),
            Last::Name => self.call(token),
            Last::Word(keyword) => self.keyword_bracket(keyword, token),
            Last::TypeName
            | Last::Start
            | Last::Open
            | Last::Close
            | Last::OpenSquare
            | Last::Comma
            | Last::Sign => Ok(0),
            Last::Cast
            | Last::CloseSquare
            | Last::Dot
            | Last::TypeDot
            | Last::Value
            | Last::Text
            | Last::AsNot => Err(Cause::NotUnderstood),
        }
    }

    /// Whether the name before the bracket is an alias or a common table expression, so that the
    /// bracket holds its columns.
    fn is_named_list(&self) -> bool {
        if self.qualifier != Qualifier::None {
            return false;
        }
        match self.before {
            // no expression can follow a closing bracket directly
            Last::Close | Last::Word(Keyword::Ordinality) => true,
            Last::Comma | Last::Word(Keyword::With | Keyword::Recursive) => {
                self.here & WITH_LIST != 0
            }
            // `FROM t x(a, b)`: no call can follow directly behind a table, nor behind any other
            // name of which a list consists
            Last::Name => {
                G::TABLES_HAVE_COLUMN_ALIASES
                    && matches!(
                        self.earlier,
                        Last::Dot | Last::Comma | Last::Word(Keyword::From | Keyword::Join)
                    )
            }
            _ => false,
        }
    }

    /// A bracket behind a word that can be a keyword.
    fn keyword_bracket(&mut self, keyword: Keyword, token: Token) -> Result<u8, Cause> {
        let before = self.before;
        let opens = match keyword {
            Keyword::On if before == Last::Word(Keyword::Distinct) => return Ok(DISTINCT_ON),
            _ if keyword.opens() => true,
            Keyword::Operator => false,
            Keyword::By => matches!(
                before,
                Last::Word(Keyword::Group | Keyword::Order | Keyword::Partition)
            ),
            Keyword::Rollup => self.here & GROUPING != 0 && starts_element(before),
            Keyword::Sets if before == Last::Word(Keyword::Grouping) => return Ok(GROUPING),
            Keyword::AfterCall => before == Last::Close,
            // `x NOT ILIKE (…)`: behind an operand NOT belongs to what follows it
            Keyword::Infix if before == Last::Word(Keyword::Not) => ends_operand(self.earlier),
            Keyword::Infix => ends_operand(before),
            Keyword::Join => ends_operand(before) || before == Last::Word(Keyword::JoinSide),
            Keyword::FirstNext => before == Last::Word(Keyword::Fetch),
            Keyword::SampleMethod => before == Last::Word(Keyword::Tablesample),
            Keyword::Varying => {
                matches!(before, Last::TypeName | Last::Word(Keyword::Character))
            }
            Keyword::Second => matches!(
                before,
                Last::TypeName | Last::Text | Last::Word(Keyword::Interval | Keyword::To)
            ),
            Keyword::Zone => before == Last::Word(Keyword::Time),
            _ => self.is_named_list(),
        };
        if opens { Ok(0) } else { self.call(token) }
    }

    /// A call of the function named last.
    fn call(&mut self, bracket: Token) -> Result<u8, Cause> {
        let bare = self.qualifier == Qualifier::None;
        let schema = self.schema.filter(|_| !bare);
        let call = Call {
            kind: self.name.kind,
            name: self.name.text(self.sql),
            bare,
            touches: self.name.end == bracket.start,
            schema: schema.map(|schema| (schema.kind, schema.text(self.sql))),
        };
        let by_name = match self.qualifier {
            Qualifier::None | Qualifier::Builtin => G::function(call),
            Qualifier::Other => Verdict::Primary(Cause::UnknownFunction),
        };
        let verdict = match self.catalogue {
            Some(catalogue) => catalogue.verdict(call, by_name),
            None => by_name,
        };
        match verdict {
            Verdict::Read => Ok(0),
            Verdict::Primary(cause) => Err(self.blame_name(cause)),
        }
    }
}

/// Whether an operand can end here, so that only an operator or a keyword follows.
fn ends_operand(last: Last) -> bool {
    matches!(
        last,
        Last::Close | Last::CloseSquare | Last::Value | Last::Text | Last::Name | Last::TypeName
    )
}

/// Whether an element of a `GROUP BY` list starts behind this.
fn starts_element(last: Last) -> bool {
    matches!(
        last,
        Last::Comma | Last::Open | Last::Word(Keyword::By | Keyword::Distinct)
    )
}
