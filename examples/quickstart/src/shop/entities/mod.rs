//! The shop's tables, written as SeaORM's guide does.

pub mod author;
pub mod book;
pub mod sale;
