//! Judges statements by orm-split's classifier and by PostgreSQL's own parser, and compares.
//!
//! The parser answers with a tree, in which a lock, a write or a call cannot hide behind quotes,
//! comments or spelling. So what the classifier gets wrong about a text shows here, and only that:
//! which functions read is the same reviewed list for both.

pub mod compare;
pub mod oracle;
#[path = "../../src/sql/mod.rs"]
pub mod sql;
