//! Policies: which of several equally allowed replicas serves a read.
//!
//! A policy decides among candidates only. It cannot make a node eligible that is not, and it cannot
//! return nothing: the set it sees is never empty, and what it returns comes from that set.

mod least_in_flight;

use std::fmt;
use std::sync::Arc;

use rand::Rng;

pub use least_in_flight::LeastInFlight;

use crate::node::Node;

/// A policy for choosing a replica.
///
/// ```
/// use orm_split_core::{Candidate, Candidates, Select};
/// use rand::Rng;
///
/// /// Always the first in the order of configuration.
/// #[derive(Debug)]
/// struct First;
///
/// impl Select for First {
///     fn select<'a>(&self, candidates: Candidates<'a>, _rng: &mut dyn Rng) -> Candidate<'a> {
///         candidates.first()
///     }
/// }
/// ```
pub trait Select: fmt::Debug + Send + Sync {
    /// Chooses one of the candidates. Called for every routed read: it should neither block nor
    /// allocate.
    fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a>;
}

/// The non-empty set of replicas that may serve a read.
///
/// ```
/// use orm_split_core::Candidates;
///
/// fn busiest(candidates: Candidates<'_>) -> u32 {
///     candidates.iter().map(|candidate| candidate.in_flight()).max().unwrap_or(0)
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Candidates<'a> {
    nodes: &'a [Arc<Node>],
    mask: u64,
}

/// One of the [`Candidates`].
///
/// ```
/// use orm_split_core::{Candidate, Candidates};
///
/// /// Prefers nodes by name.
/// fn by_name(candidates: Candidates<'_>) -> Candidate<'_> {
///     let first = candidates.first();
///     candidates.iter().fold(first, |best, next| if next.name() < best.name() { next } else { best })
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Candidate<'a>(&'a Arc<Node>);

impl<'a> Candidates<'a> {
    /// The nodes whose bit is set in `mask`; `None` if there are none.
    pub(crate) fn new(nodes: &'a [Arc<Node>], mask: u64) -> Option<Self> {
        let present = u64::MAX.checked_shr(64_u32.saturating_sub(u32::try_from(nodes.len()).ok()?));
        let mask = mask & present.unwrap_or(0);
        (mask != 0).then_some(Self { nodes, mask })
    }

    /// The candidates in the order of configuration.
    pub fn iter(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        let mask = self.mask;
        let with_index = self.nodes.iter().enumerate();
        with_index
            .filter(move |(index, _)| mask & (1 << index) != 0)
            .map(|(_, node)| Candidate(node))
    }

    /// How many there are; at least one.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.mask.count_ones()
    }

    /// The first in the order of configuration.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "the constructor admits only masks with a bit of an existing node"
    )]
    pub fn first(&self) -> Candidate<'a> {
        Candidate(&self.nodes[self.mask.trailing_zeros() as usize])
    }
}

impl<'a> Candidate<'a> {
    /// Statements selected for the node and not finished.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.0.in_flight()
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &'a str {
        self.0.name()
    }

    pub(crate) fn node(self) -> &'a Arc<Node> {
        self.0
    }
}
