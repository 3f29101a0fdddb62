//! The default policy: the node on which a statement is likely to be over first.
//!
//! Looks at every candidate. The power of two choices would be cheaper among hundreds, but among sixteen
//! a scan takes tens of nanoseconds, and of two random choices both are slow ones s(s - 1) / n(n - 1) of
//! the time: every sixth read with two slow ones of four.

use rand::Rng;

use super::{Candidate, Candidates, Select};

/// Chooses the candidate with the least *slowness × (statements in flight + 1) / weight*. The default.
///
/// Slowness is a candidate's average latency over that of the fastest one; up to a fifth of difference is
/// taken for noise and counts as none. It is learned from the statements that succeed, forgets over time,
/// and fades when a node takes no reads, so that one that was slow is tried again. Ties are broken at
/// random, or every process of a fleet would prefer the same idle replica.
///
/// How far a replica lags has no say in it: who is too stale is no candidate, and all processes would
/// stampede to the freshest.
///
/// ```
/// use orm_split_core::{Adaptive, Select};
///
/// let policy: &dyn Select = &Adaptive;
/// assert_eq!(format!("{policy:?}"), "Adaptive");
/// ```
#[derive(Clone, Copy, Debug, Default)]
#[allow(clippy::exhaustive_structs, reason = "it has no settings")]
pub struct Adaptive;

impl Select for Adaptive {
    fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a> {
        let (best, its_load) = candidates.fastest();
        candidates.least(rng, |candidate| {
            let load = candidate.load();
            // most of the price of a choice among slow ones would be to tell by how much they lose
            if load >= its_load && candidate.is_slow_beyond_doubt(best) {
                return f32::INFINITY;
            }
            candidate.slowness_over(best) * load
        })
    }
}
