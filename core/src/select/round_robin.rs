//! One node after the other, whatever they do.

use std::sync::atomic::{AtomicU32, Ordering};

use rand::Rng;

use super::{Candidate, Candidates, Select};

/// Chooses the candidates in turn; where weights differ, as evenly as their proportion allows.
///
/// It does not notice that a node is slow: of every n reads one waits for it. [`Adaptive`](super::Adaptive) is
/// the better choice unless something outside counts on the order.
///
/// ```
/// use orm_split_core::{RoundRobin, Select};
///
/// let policy: &dyn Select = &RoundRobin::default();
/// assert!(format!("{policy:?}").starts_with("RoundRobin"));
/// ```
#[derive(Debug, Default)]
pub struct RoundRobin {
    turn: AtomicU32,
}

/// The golden ratio's fraction: its multiples fill the unit interval more evenly than any other's, however
/// many there have been.
const GOLDEN: f64 = 0.618_033_988_749_894_9;

impl Select for RoundRobin {
    fn select<'a>(&self, candidates: Candidates<'a>, _rng: &mut dyn Rng) -> Candidate<'a> {
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        if candidates.weigh_alike() {
            return candidates.nth(turn % candidates.count());
        }
        #[expect(clippy::cast_possible_truncation, reason = "a fraction")]
        let share = (f64::from(turn) * GOLDEN).fract() as f32;
        candidates.at_share(share)
    }
}
