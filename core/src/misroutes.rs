//! Statements that were taken for reads and that a replica refused as writes.
//!
//! Decides nothing: it remembers fingerprints, so that the same statement goes to the primary the
//! next time. Bounded; an empty memory costs one atomic load.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};

use parking_lot::RwLock;

/// A bounded set of statement fingerprints; the oldest goes first.
#[derive(Debug, Default)]
pub(crate) struct Misroutes {
    known: RwLock<Known>,
    count: AtomicUsize,
}

#[derive(Debug, Default)]
struct Known {
    set: HashSet<u64>,
    order: VecDeque<u64>,
}

const CAPACITY: usize = 1_024;

impl Misroutes {
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// Whether the fingerprint is remembered; it is computed only if anything is.
    pub(crate) fn contains(&self, fingerprint: impl FnOnce() -> u64) -> bool {
        self.len() != 0 && self.known.read().set.contains(&fingerprint())
    }

    pub(crate) fn remember(&self, fingerprint: u64) {
        let mut known = self.known.write();
        if known.set.insert(fingerprint) {
            known.order.push_back(fingerprint);
        }
        while known.order.len() > CAPACITY {
            if let Some(oldest) = known.order.pop_front() {
                known.set.remove(&oldest);
            }
        }
        self.count.store(known.set.len(), Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_empty_memory_computes_no_fingerprint() {
        let misroutes = Misroutes::default();
        assert!(!misroutes.contains(|| unreachable!("nothing is remembered")));
    }

    #[test]
    fn the_oldest_are_forgotten_first() {
        let misroutes = Misroutes::default();
        for fingerprint in 0..2_000 {
            misroutes.remember(fingerprint);
            misroutes.remember(fingerprint);
        }
        assert_eq!(misroutes.len(), CAPACITY);
        assert!(misroutes.contains(|| 1_999));
        assert!(!misroutes.contains(|| 0));
    }
}
