//! The two verdicts side by side.

use crate::oracle::{self, Verdict};
use orm_split_core::{Cause, Dialect, Intent, explain};
use std::collections::BTreeMap;
use std::fmt;

/// What came of a corpus.
#[derive(Debug, Default)]
pub struct Comparison {
    /// Statements judged.
    pub statements: usize,
    /// Plain reads to the parser.
    pub reads: usize,
    /// Of those, what the classifier calls reads.
    pub offloaded: usize,
    /// No plain reads to the parser.
    pub others: usize,
    /// Texts that no server accepts.
    pub invalid: usize,
    /// Reads to the classifier and none to the parser: each with the parser's reason.
    pub unsafe_ones: Vec<(String, String)>,
    /// Plain reads that the classifier sends to the primary: how many, and one of them, by its cause
    /// and the token on which that was decided.
    pub misses: BTreeMap<String, (usize, String)>,
    /// Why the parser calls statements no plain reads.
    pub reasons: BTreeMap<String, usize>,
}

impl Comparison {
    /// Judges one more statement.
    pub fn add(&mut self, sql: &str) {
        self.statements += 1;
        let ours = explain(Dialect::Postgres, sql);
        // what the applications' statements pass, beside the explained rules
        let quick = orm_split_core::classify(Dialect::Postgres, sql);
        let is_read = ours.intent == Intent::Read || quick == Intent::Read;
        match oracle::judge(sql) {
            Verdict::Invalid => self.invalid += 1,
            Verdict::Other(why) => {
                self.others += 1;
                *self.reasons.entry(why.clone()).or_default() += 1;
                if is_read {
                    self.unsafe_ones.push((why, sql.to_owned()));
                }
            }
            Verdict::Read => {
                self.reads += 1;
                match ours.intent {
                    Intent::Read => self.offloaded += 1,
                    Intent::Primary(cause) => {
                        let token = ours.decided_on.and_then(|range| sql.get(range));
                        let kind = format!("{} at {}", cause.as_str(), sort_of(token, cause, sql));
                        let miss = self
                            .misses
                            .entry(kind)
                            .or_insert_with(|| (0, sql.to_owned()));
                        miss.0 += 1;
                    }
                }
            }
        }
    }

    /// The share of plain reads that are offloaded; 1 if there are none.
    #[must_use]
    #[allow(clippy::cast_precision_loss, reason = "counts stay far below 2^52")]
    pub fn offloaded_share(&self) -> f64 {
        if self.reads == 0 {
            return 1.0;
        }
        self.offloaded as f64 / self.reads as f64
    }
}

/// Names are of one sort, and so is whatever stands in a text whose backslashes can be read two ways.
fn sort_of(token: Option<&str>, cause: Cause, sql: &str) -> String {
    let token = token.unwrap_or("the end").to_lowercase();
    let is_name = token.starts_with(['"', 'u']) || token.contains(|c: char| c.is_ascii_digit());
    if cause == Cause::NotUnderstood && sql.contains("\\'") {
        "what depends on standard_conforming_strings".to_owned()
    } else if is_name {
        "a name".to_owned()
    } else {
        token
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} statements: {} plain reads, {} others, {} that no server accepts; unsafe {}; offloaded {} of {} plain reads ({:.3} %)",
            self.statements,
            self.reads,
            self.others,
            self.invalid,
            self.unsafe_ones.len(),
            self.offloaded,
            self.reads,
            self.offloaded_share() * 100.0,
        )?;
        for (why, sql) in self.unsafe_ones.iter().take(20) {
            writeln!(f, "  UNSAFE ({why}): {sql:?}")?;
        }
        for (kind, (count, sql)) in &self.misses {
            writeln!(f, "  miss, {count} x {kind}: {sql:.300?}")?;
        }
        Ok(())
    }
}
