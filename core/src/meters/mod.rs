//! What is counted and timed for the `metrics` facade.
//!
//! Decides names and labels, which `docs/metrics.md` lists. Must cost nothing without the feature, and with it
//! neither a lock nor an allocation for a statement: handles are looked up once and kept.

#[cfg(not(feature = "metrics"))]
mod off;
#[cfg(feature = "metrics")]
mod on;

#[cfg(not(feature = "metrics"))]
pub(crate) use off::{Meters, NodeMeters, Stopwatch};
#[cfg(feature = "metrics")]
pub use on::DURATION_BUCKETS;
#[cfg(feature = "metrics")]
pub(crate) use on::{Meters, NodeMeters, Stopwatch};
