//! What the worker reads and writes.

pub mod invoice;
pub mod job;
pub mod plan;
