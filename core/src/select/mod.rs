//! Policies: which of several equally allowed replicas serves a read.
//!
//! A policy decides among candidates only. It cannot make a node eligible that is not, and it cannot
//! return nothing: the set it sees is never empty, and what it returns comes from that set.

mod adaptive;
mod candidates;
mod least_in_flight;
mod random;
mod round_robin;

#[cfg(test)]
mod tests;

use std::fmt;

use rand::Rng;

pub use adaptive::Adaptive;
pub use candidates::{Candidate, Candidates};
pub use least_in_flight::LeastInFlight;
pub use random::Random;
pub use round_robin::RoundRobin;

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
