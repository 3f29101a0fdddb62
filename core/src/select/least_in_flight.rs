//! The node with the fewest statements in flight; ties are broken at random, or every process of a
//! fleet would prefer the same idle replica.

use rand::{Rng, RngExt};

use super::{Candidate, Candidates, Select};

/// Chooses the candidate with the fewest statements in flight.
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
        let mut best = candidates.first();
        let mut least = best.in_flight();
        let mut ties = 1_u32;
        for candidate in candidates.iter().skip(1) {
            let in_flight = candidate.in_flight();
            if in_flight > least {
                continue;
            }
            ties = if in_flight < least { 1 } else { ties + 1 };
            least = in_flight;
            // reservoir sampling: each of n ties ends up chosen with probability 1/n
            if ties == 1 || rng.random_range(0..ties) == 0 {
                best = candidate;
            }
        }
        best
    }
}
