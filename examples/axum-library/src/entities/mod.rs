//! What the library keeps.

pub mod author;
pub mod book;
pub mod loan;
pub mod member;
