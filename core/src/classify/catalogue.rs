//! What only the server knows of a statement's names: the user's functions, and tables and views
//! that are no plain reads.
//!
//! An immutable value, filled by an adapter from the server's catalogue and then looked up without
//! allocating. **Which schema an unqualified name means depends on the session's `search_path` and
//! on argument types, which the text does not show.** So a name without a schema is a read only if
//! every user function of that name in every schema is one, whatever it shadows; and a table is
//! known by its name alone.
//!
//! Must never make a read of what is not listed, nor of a built-in function that is known to write.

use std::collections::{HashMap, HashSet};

use super::functions::{Call, Verdict};
use super::names::Name;
use super::token::{Kind, Token};
use super::{Dialect, read};
use crate::config::UserFunctions;
use crate::intent::Cause;

/// What a function promises of itself.
///
/// ```
/// use orm_split_core::Volatility;
///
/// // of overloads the worst one counts
/// assert!(Volatility::Immutable < Volatility::Volatile);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(clippy::exhaustive_enums, reason = "PostgreSQL has these three")]
pub enum Volatility {
    /// Neither reads nor changes the database.
    Immutable,
    /// Does not change the database.
    Stable,
    /// Anything.
    Volatile,
}

/// The user's functions and the names that are no plain reads, of one server.
///
/// ```
/// use orm_split_core::{Catalogue, Cause, Dialect, Intent, UserFunctions, Volatility, classify_with};
///
/// let mut catalogue = Catalogue::default();
/// catalogue.add_function("public", "price_of", Volatility::Stable);
/// catalogue.add_definition("tickets", "SELECT nextval('ticket')");
/// let catalogue = catalogue.settled(UserFunctions::default());
///
/// let classify = |sql| classify_with(Dialect::Postgres, &catalogue, sql);
/// assert_eq!(classify("SELECT price_of(7)"), Intent::Read);
/// assert_eq!(classify("TABLE tickets"), Intent::Primary(Cause::Relation));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    /// By name, and for all schemas together under the name alone.
    functions: HashMap<Box<str>, Overloads>,
    avoided: HashSet<Box<str>>,
    definitions: Vec<(Box<str>, Box<str>)>,
    allowed: UserFunctions,
    restricts: bool,
    /// Every function that is not known takes its caller's word for it.
    trusts: bool,
    /// What a definition asks of the session is the same on every node.
    prepared: bool,
}

#[derive(Clone, Debug, Default)]
struct Overloads {
    by_schema: HashMap<Box<str>, Volatility>,
}

fn asks_setting(call: Call<'_>) -> bool {
    Name::new(call.kind, call.name).is_some_and(|name| name.as_str() == "current_setting")
}

impl Catalogue {
    /// No catalogue of a server: it takes every unknown function for a read.
    pub(crate) fn trusting() -> Self {
        Self {
            trusts: true,
            ..Self::default()
        }
    }

    /// Takes a definition that asks `current_setting` for a read: a hook sets the same on every node.
    #[must_use]
    pub fn with_prepared_sessions(mut self) -> Self {
        self.prepared = true;
        self
    }

    /// Notes a function, as the server spells its names. Of overloads the worst one counts.
    pub fn add_function(&mut self, schema: &str, name: &str, volatility: Volatility) {
        let overloads = self.functions.entry(name.into()).or_default();
        let known = overloads.by_schema.entry(schema.into());
        let known = known.or_insert(volatility);
        *known = (*known).max(volatility);
    }

    /// Notes a table, view or type that a replica cannot serve: unlogged, foreign.
    pub fn add_avoided(&mut self, name: &str) {
        self.avoided.insert(name.into());
    }

    /// Notes a view, policy or domain by the query or condition that runs when it is used: it is
    /// avoided unless that is a read itself.
    pub fn add_definition(&mut self, name: &str, sql: &str) {
        self.definitions.push((name.into(), sql.into()));
    }

    /// The catalogue as it is looked up, with what the user allows.
    #[must_use]
    pub fn settled(mut self, allowed: UserFunctions) -> Self {
        self.allowed = allowed;
        // a view may stand on another one: until nothing changes
        loop {
            let definitions = std::mem::take(&mut self.definitions);
            let before = definitions.len();
            let (kept, avoided): (Vec<_>, Vec<_>) = definitions
                .into_iter()
                .partition(|(_, sql)| read(Dialect::Postgres, sql.as_bytes(), Some(&self)).is_ok());
            self.definitions = kept;
            self.avoided
                .extend(avoided.into_iter().map(|(name, _)| name));
            if self.definitions.len() == before {
                break;
            }
        }
        // a user's own statement may ask for a setting that differs from node to node
        self.prepared = false;
        self.restricts = !self.avoided.is_empty() || self.shadows();
        self
    }

    /// How many functions are known, overloads counted once for each schema.
    #[must_use]
    pub fn functions(&self) -> usize {
        let overloads = self.functions.values();
        overloads.map(|overloads| overloads.by_schema.len()).sum()
    }

    /// How many tables, views and types are known to be no plain reads.
    #[must_use]
    pub fn avoided(&self) -> usize {
        self.avoided.len()
    }

    /// Whether something is no read that would be one by its text alone.
    pub(crate) fn restricts(&self) -> bool {
        self.restricts
    }

    /// Whether a user's function that is no read has the name of a built-in one that is.
    fn shadows(&self) -> bool {
        self.functions.iter().any(|(name, overloads)| {
            let call = Call::of_word(name.as_bytes());
            let reads = super::statement_postgres::builtin(call) == Verdict::Read;
            let worst = overloads.by_schema.values().max();
            reads && worst.is_some_and(|&worst| !self.allowed.allow(worst))
        })
    }

    /// Whether an identifier names something that is no plain read.
    pub(super) fn avoids(&self, sql: &[u8], token: Token) -> bool {
        !self.avoided.is_empty()
            && Name::new(token.kind, token.text(sql))
                .is_none_or(|name| self.avoided.contains(name.as_str()))
    }

    /// The verdict on a call, given the one by the name alone.
    pub(super) fn verdict(&self, call: Call<'_>, by_name: Verdict) -> Verdict {
        match (self.reads(call), by_name) {
            (Some(true), Verdict::Primary(Cause::UnknownFunction)) => Verdict::Read,
            (Some(false), _) => Verdict::Primary(Cause::Function),
            (None, Verdict::Primary(Cause::UnknownFunction)) if self.trusts => Verdict::Read,
            (None, Verdict::Primary(Cause::Function)) if self.prepared && asks_setting(call) => {
                Verdict::Read
            }
            (None | Some(true), by_name) => by_name,
        }
    }

    /// Whether the user's functions of this name are reads; `None` if there is none.
    fn reads(&self, call: Call<'_>) -> Option<bool> {
        let name = Name::new(call.kind, call.name)?;
        let overloads = self.functions.get(name.as_str())?;
        let worst = match call.schema {
            None if call.bare => overloads.by_schema.values().max(),
            None => None,
            Some((kind, schema)) => {
                let schema = Name::new(kind, schema)?;
                overloads.by_schema.get(schema.as_str())
            }
        };
        worst.map(|&worst| self.allowed.allow(worst))
    }
}

impl UserFunctions {
    fn allow(self, volatility: Volatility) -> bool {
        match self {
            Self::None => false,
            Self::Immutable => volatility == Volatility::Immutable,
            Self::Stable => volatility <= Volatility::Stable,
        }
    }
}

impl<'a> Call<'a> {
    fn of_word(name: &'a [u8]) -> Self {
        Self {
            kind: Kind::Word,
            name,
            bare: true,
            touches: true,
            schema: None,
        }
    }
}
