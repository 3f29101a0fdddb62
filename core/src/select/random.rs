//! Any node, in proportion to the weights.

use rand::{Rng, RngExt};

use super::{Candidate, Candidates, Select};

/// Chooses a candidate at random, in proportion to the weights.
///
/// ```
/// use orm_split_core::{Random, Select};
///
/// let policy: &dyn Select = &Random;
/// assert_eq!(format!("{policy:?}"), "Random");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it has no settings")]
pub struct Random;

impl Select for Random {
    fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a> {
        candidates.at_share(rng.random())
    }
}
