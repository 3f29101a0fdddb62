//! How many of the statements of the last ten seconds succeeded.
//!
//! Successes are counted elsewhere, by an atomic; what is kept here are sums at some instants.

use std::collections::VecDeque;
use std::time::Duration;

use crate::clock::Moment;

const SPAN: Duration = Duration::from_secs(10);
/// Sums are kept for instants that lie at least so far apart: a dozen of them.
const GRAIN: Duration = Duration::from_secs(1);
/// Fewer statements than this say nothing.
const LEAST: u64 = 20;

#[derive(Clone, Copy, Debug)]
struct Sums {
    at: Moment,
    successes: u64,
    failures: u64,
}

#[derive(Debug, Default)]
pub(super) struct Window {
    /// The first one stands at or before the beginning of the span, if there is one that old.
    kept: VecDeque<Sums>,
    successes: u64,
    failures: u64,
}

impl Window {
    /// So many statements have succeeded since the start.
    pub(super) fn succeeded(&mut self, now: Moment, successes: u64) {
        // counted before the lock was taken, so perhaps a little less than was known already
        self.successes = self.successes.max(successes);
        let successes = self.successes;
        let newest = self.kept.back();
        if newest.is_none_or(|newest| now.since(newest.at) >= GRAIN) {
            let failures = self.failures;
            self.kept.push_back(Sums {
                at: now,
                successes,
                failures,
            });
        }
        while (self.kept.get(1)).is_some_and(|second| now.since(second.at) >= SPAN) {
            self.kept.pop_front();
        }
    }

    /// One has failed.
    pub(super) fn failed(&mut self) {
        self.failures += 1;
    }

    /// Less than 80 % succeeded.
    pub(super) fn is_bad(&self) -> bool {
        let Some(oldest) = self.kept.front() else {
            return false;
        };
        let successes = self.successes - oldest.successes;
        let all = successes + self.failures - oldest.failures;
        all >= LEAST && successes * 5 < all * 4
    }
}
