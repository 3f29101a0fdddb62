//! What the shop has to see, against what it saw.

use std::fmt::Debug;

/// Counts reads that did not show what was written before them.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    stale: usize,
}

impl Ledger {
    /// `found` was read after `expected` had been written by the same session.
    pub(crate) fn compare<F, E>(&mut self, what: &str, found: F, expected: E)
    where
        F: PartialEq<E> + Debug,
        E: Debug,
    {
        if found != expected {
            self.stale += 1;
            eprintln!("stale: {what} is {expected:?}, but {found:?} was read");
        }
    }

    pub(crate) const fn stale(&self) -> usize {
        self.stale
    }
}
