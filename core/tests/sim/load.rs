//! Who asks for what, and when: open-loop, so that a slow server does not slow down those who ask.

use std::sync::Arc;

use orm_split_core::{Adaptive, Candidate, Candidates, LeastInFlight, RoundRobin, Select};
use rand::rngs::StdRng;
use rand::{Rng, RngExt};

pub const MS: u64 = 1_000_000;
pub const SECOND: u64 = 1_000 * MS;

/// How long a statement keeps a worker of a healthy server.
#[derive(Clone, Copy, Debug)]
pub enum Work {
    /// Exponentially distributed around so many nanoseconds.
    Around(u64),
    /// 99 of 100 take 1 ms, one 200 ms.
    Mixed,
}

impl Work {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "milliseconds in nanoseconds"
    )]
    pub fn draw(self, rng: &mut StdRng) -> u64 {
        match self {
            Self::Around(mean) => (mean as f64 * waits(rng)) as u64 + 1,
            Self::Mixed if rng.random_ratio(1, 100) => 200 * MS,
            Self::Mixed => MS,
        }
    }
}

/// Exponentially distributed around 1.
pub fn waits(rng: &mut StdRng) -> f64 {
    -(1.0 - rng.random::<f64>()).ln()
}

/// The policies that are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Policy {
    Ours,
    LeastInFlight,
    RoundRobin,
    P2c,
}

impl Policy {
    pub const ALL: [Self; 4] = [Self::Ours, Self::LeastInFlight, Self::RoundRobin, Self::P2c];

    pub fn make(self) -> Arc<dyn Select> {
        match self {
            Self::Ours => Arc::new(Adaptive),
            Self::LeastInFlight => Arc::new(LeastInFlight),
            Self::RoundRobin => Arc::new(RoundRobin::default()),
            Self::P2c => Arc::new(PowerOfTwoChoices),
        }
    }
}

/// A user's own policy: of two random candidates the better one, by the same cost as ours.
#[derive(Debug)]
struct PowerOfTwoChoices;

impl Select for PowerOfTwoChoices {
    fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a> {
        let count = candidates.count();
        let one = rng.random_range(0..count);
        let other = (one + rng.random_range(1..count.max(2))) % count;
        let numbered = || candidates.iter().zip(0..count);
        let pick = |number| numbered().find(|(_, n)| *n == number);
        let [Some((one, _)), Some((other, _))] = [pick(one), pick(other)] else {
            return candidates.first();
        };
        let cost = |candidate: Candidate<'a>| {
            f64::from(candidates.slowness(candidate)) * f64::from(candidate.in_flight() + 1)
        };
        if cost(other) < cost(one) { other } else { one }
    }
}
