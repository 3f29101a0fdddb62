//! What a policy sees: a set that is never empty, and of each member what may count.

use std::sync::Arc;
use std::time::Duration;

use rand::{Rng, RngExt};

use crate::clock::Moment;
use crate::node::Node;
use crate::slowness;

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
    now: Moment,
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
pub struct Candidate<'a> {
    node: &'a Arc<Node>,
    now: Moment,
}

impl<'a> Candidates<'a> {
    /// The nodes whose bit is set in `mask`; `None` if there are none.
    pub(crate) fn new(nodes: &'a [Arc<Node>], mask: u64, now: Moment) -> Option<Self> {
        let present = u64::MAX.checked_shr(64_u32.saturating_sub(u32::try_from(nodes.len()).ok()?));
        let mask = mask & present.unwrap_or(0);
        (mask != 0).then_some(Self { nodes, mask, now })
    }

    /// The candidates in the order of configuration.
    pub fn iter(&self) -> impl Iterator<Item = Candidate<'a>> + use<'a> {
        let (nodes, now) = (self.nodes, self.now);
        bits(self.mask).filter_map(move |index| {
            let node = nodes.get(index as usize)?;
            Some(Candidate { node, now })
        })
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
        Candidate {
            node: &self.nodes[self.mask.trailing_zeros() as usize],
            now: self.now,
        }
    }

    /// The candidate that costs least; of several that do, one at random.
    ///
    /// ```
    /// use orm_split_core::{Candidate, Candidates, Select};
    /// use rand::Rng;
    ///
    /// /// The most powerful first.
    /// #[derive(Debug)]
    /// struct Heaviest;
    ///
    /// impl Select for Heaviest {
    ///     fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a> {
    ///         candidates.least(rng, |candidate| -candidate.weight())
    ///     }
    /// }
    /// ```
    pub fn least(&self, rng: &mut dyn Rng, cost: impl Fn(Candidate<'a>) -> f32) -> Candidate<'a> {
        let mut least = f32::INFINITY;
        let mut ties = 0;
        let mut rest = self.mask;
        while let Some(node) = self.nodes.get(rest.trailing_zeros() as usize) {
            let bit = rest & rest.wrapping_neg();
            rest ^= bit;
            let cost = cost(Candidate {
                node,
                now: self.now,
            });
            if cost < least {
                (least, ties) = (cost, bit);
            } else if cost <= least {
                ties |= bit;
            }
        }
        // a cost that is no number is never the least
        let ties = if ties == 0 { self.mask } else { ties };
        let tied = Self {
            mask: ties,
            ..*self
        };
        match tied.count() {
            1 => tied.first(),
            count => tied.nth(rng.random_range(0..count)),
        }
    }

    /// How slow `candidate` is, at least 1: its latency over that of the fastest one among the candidates.
    /// Less than a fifth of difference counts as none, and it fades while the node takes no reads. 1 if
    /// nothing was measured.
    ///
    /// ```
    /// use orm_split_core::Candidates;
    ///
    /// fn how_many_are_slow(candidates: Candidates<'_>) -> usize {
    ///     candidates.iter().filter(|candidate| candidates.slowness(*candidate) > 2.0).count()
    /// }
    /// ```
    #[must_use]
    pub fn slowness(&self, candidate: Candidate<'a>) -> f32 {
        candidate.slowness_over(self.fastest().0)
    }

    /// The lowest average of logarithms, and the load of the candidate that has it; both infinite if nothing
    /// was measured.
    pub(super) fn fastest(&self) -> (f32, f32) {
        let (mut best, mut fastest, mut rest) = (f32::INFINITY, None, self.mask);
        while let Some(node) = self.nodes.get(rest.trailing_zeros() as usize) {
            rest &= rest.wrapping_sub(1);
            if let Some(average) = node.slowness.average()
                && average < best
            {
                (best, fastest) = (average, Some(node));
            }
        }
        let now = self.now;
        let load = fastest.map(|node| Candidate { node, now }.load());
        (best, load.unwrap_or(f32::INFINITY))
    }

    /// The candidate so many places after the first, which must be less than there are.
    pub(super) fn nth(&self, index: u32) -> Candidate<'a> {
        let mut mask = self.mask;
        for _ in 0..index {
            mask &= mask.wrapping_sub(1);
        }
        let rest = Self { mask, ..*self };
        if mask == 0 {
            self.first()
        } else {
            rest.first()
        }
    }

    pub(super) fn weigh_alike(&self) -> bool {
        let weight = self.first().weight();
        self.iter()
            .all(|candidate| (candidate.weight() - weight).abs() < f32::EPSILON)
    }

    /// The candidate into whose part a number from 0 to 1 falls, where each has a part of its weight.
    pub(super) fn at_share(&self, share: f32) -> Candidate<'a> {
        let all: f32 = self.iter().map(Candidate::weight).sum();
        let mut left = share * all;
        for candidate in self.iter() {
            left -= candidate.weight();
            if left < 0.0 {
                return candidate;
            }
        }
        self.first()
    }
}

/// The indices of the bits of a word, the lowest first.
fn bits(mut word: u64) -> impl Iterator<Item = u32> {
    std::iter::from_fn(move || {
        let index = (word != 0).then(|| word.trailing_zeros());
        word &= word.wrapping_sub(1);
        index
    })
}

impl<'a> Candidate<'a> {
    /// Statements selected for the node and not finished, those of this process.
    #[must_use]
    pub fn in_flight(self) -> u32 {
        self.node.in_flight()
    }

    /// What a statement took lately, from being sent to its last row (of a stream: to its first); an average
    /// in which one of 200 ms among those of 2 ms counts little. `None` before the first.
    #[must_use]
    pub fn latency(self) -> Option<Duration> {
        self.node.slowness.average().map(slowness::latency_of)
    }

    /// How much of the reads the node should take in proportion to others. Default 1.
    #[must_use]
    pub fn weight(self) -> f32 {
        self.node.weight
    }

    /// Where the node stands, if that was configured.
    #[must_use]
    pub fn zone(self) -> Option<&'a str> {
        self.node.zone.as_deref()
    }

    /// The node's name.
    #[must_use]
    pub fn name(self) -> &'a str {
        self.node.name()
    }

    pub(crate) fn node(self) -> &'a Arc<Node> {
        self.node
    }

    /// Statements in flight with one more, by weight.
    #[expect(
        clippy::cast_precision_loss,
        reason = "nobody has 16 million statements in flight"
    )]
    pub(super) fn load(self) -> f32 {
        (self.in_flight() + 1) as f32 / self.weight()
    }

    pub(super) fn slowness_over(self, best: f32) -> f32 {
        self.node.slowness.over(best, self.now)
    }

    /// Whether [`slowness_over`](Self::slowness_over) is above 1; `false` also if that takes more than a look.
    pub(super) fn is_slow_beyond_doubt(self, best: f32) -> bool {
        self.node.slowness.is_beyond_doubt(best, self.now)
    }
}
