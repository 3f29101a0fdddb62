//! What the library does: rules, and transactions over several tables.

pub mod catalogue;
pub mod lending;
