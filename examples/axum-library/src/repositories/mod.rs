//! Queries, one file per table. They run on a connection or inside a transaction.

pub mod authors;
pub mod books;
pub mod loans;
pub mod members;
