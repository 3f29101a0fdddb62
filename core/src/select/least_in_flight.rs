//! The node with the fewest statements in flight for its weight; ties are broken at random, or every
//! process of a fleet would prefer the same idle replica.

use rand::Rng;

use super::{Candidate, Candidates, Select};

/// Chooses the candidate with the least *(statements in flight + 1) / weight*.
///
/// ```
/// use orm_split_core::{LeastInFlight, Select};
///
/// let policy: &dyn Select = &LeastInFlight;
/// assert_eq!(format!("{policy:?}"), "LeastInFlight");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it has no settings")]
pub struct LeastInFlight;

impl Select for LeastInFlight {
    fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a> {
        candidates.least(rng, Candidate::load)
    }
}
