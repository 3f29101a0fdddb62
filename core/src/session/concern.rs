//! How fresh reads have to be, and on which nodes they run, where that differs from what is configured.
//!
//! Decides which of several wishes counts: the innermost, but nothing that was made outside of a scope
//! loosens what the scope asks for.

use std::time::Duration;

use super::key::SessionKey;
use super::scope;
use crate::config::{Consistency, Options};
use crate::mode::Hint;

/// How fresh reads have to be, and whether they go to the primary or to replicas: of one handle, one scope,
/// one query. What it leaves open is as outside.
///
/// It counts more than what is configured. Made inside a [`Session::scope`](crate::Session::scope) it also
/// counts more than the scope's; made outside, as a handle in an application's state is, it can only be
/// stricter than the scope's, not looser. The primary is stricter than replicas.
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::{Consistency, Hint, ReadConcern, Session};
///
/// let strong = ReadConcern::from(Consistency::Strong);
/// let recent = ReadConcern::new().max_staleness(Duration::from_millis(200));
/// assert_ne!(strong, recent);
/// // everything that is awaited in its scope reads from the primary
/// let checkout = Session::new().with(Hint::Primary);
/// # drop(checkout);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a read concern does nothing until it is given to a handle, a scope or a query"]
pub struct ReadConcern {
    pub(crate) consistency: Option<Consistency>,
    pub(crate) max_staleness: Option<Duration>,
    pub(crate) hint: Option<Hint>,
    /// The session of the scope in which it was made.
    made_in: Option<SessionKey>,
}

impl Default for ReadConcern {
    fn default() -> Self {
        Self::new()
    }
}

impl From<Consistency> for ReadConcern {
    fn from(consistency: Consistency) -> Self {
        Self::new().consistency(consistency)
    }
}

impl From<Hint> for ReadConcern {
    fn from(hint: Hint) -> Self {
        Self::new().hint(hint)
    }
}

impl ReadConcern {
    /// Everything as outside.
    pub fn new() -> Self {
        Self {
            made_in: scope::current_key(),
            ..Self::NONE
        }
    }

    pub(crate) const NONE: Self = Self {
        consistency: None,
        max_staleness: None,
        hint: None,
        made_in: None,
    };

    /// Reads are as consistent as this.
    pub const fn consistency(mut self, consistency: Consistency) -> Self {
        self.consistency = Some(consistency);
        self
    }

    /// Replicas staler than this take none of the reads. Unlike the configured bound it may be shorter than
    /// the sampling interval: nodes are sampled faster while somebody asks for it.
    pub const fn max_staleness(mut self, bound: Duration) -> Self {
        self.max_staleness = Some(bound);
        self
    }

    /// Reads go to the primary, or to replicas whatever the [`Mode`](crate::Mode) keeps back, or where they
    /// are served ([`Hint::None`]).
    pub const fn hint(mut self, hint: Hint) -> Self {
        self.hint = Some(hint);
        self
    }

    /// Together with that of the scope around it, whose session is `scope`.
    pub(crate) fn inside(self, outer: Self, scope: SessionKey) -> Self {
        let is_inner = self.made_in == Some(scope);
        let stricter = |inner: Consistency, outer| if is_inner { inner } else { inner.max(outer) };
        let firmer = |inner: Hint, outer| if is_inner { inner } else { inner.max(outer) };
        let shorter = |inner: Duration, outer| if is_inner { inner } else { inner.min(outer) };
        Self {
            consistency: both(self.consistency, outer.consistency, stricter),
            max_staleness: both(self.max_staleness, outer.max_staleness, shorter),
            hint: both(self.hint, outer.hint, firmer),
            made_in: self.made_in,
        }
    }

    /// What counts where this one, of a handle, is used.
    pub(crate) fn here(self) -> Self {
        match scope::current_concern() {
            None => self,
            Some((outer, scope)) => self.inside(outer, scope),
        }
    }

    /// What counts for a read: consistency, and the bound, if there is one.
    pub(crate) fn settled(self, options: &Options) -> (Consistency, Option<Duration>) {
        (
            self.consistency.unwrap_or(options.consistency),
            self.max_staleness.or(options.max_staleness),
        )
    }
}

fn both<T>(inner: Option<T>, outer: Option<T>, decide: impl FnOnce(T, T) -> T) -> Option<T> {
    match (inner, outer) {
        (Some(inner), Some(outer)) => Some(decide(inner, outer)),
        (inner, outer) => inner.or(outer),
    }
}
