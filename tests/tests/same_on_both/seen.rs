//! What a walk through an area saw.

use std::fmt::Debug;

use anyhow::{Result, ensure};

/// Results in the order in which they came.
#[derive(Debug, Default)]
pub(crate) struct Seen(Vec<String>);

impl Seen {
    /// One result.
    pub(crate) fn saw(&mut self, what: &str, result: impl Debug) {
        self.0.push(format!("{what}: {result:?}"));
    }

    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn must_equal(&self, expected: &Self, area: &str) -> Result<()> {
        for (seen, expected) in self.0.iter().zip(&expected.0) {
            ensure!(seen == expected, "{area}\n plain {expected}\n split {seen}");
        }
        ensure!(self.0.len() == expected.0.len(), "{area}: not as many");
        ensure!(!self.0.is_empty(), "{area}: nothing was seen");
        Ok(())
    }
}
