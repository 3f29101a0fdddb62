//! What the quick starts share: a day in a bookshop, and a report of where its statements ran.
//!
//! Knows no ORM and opens no connection: a [`Shop`] is written with each ORM as an application would
//! be, and [`program::run`] spends a day in it.

#![allow(
    missing_docs,
    missing_debug_implementations,
    clippy::exhaustive_structs,
    clippy::missing_errors_doc,
    reason = "part of two examples: nobody else depends on it"
)]

#[cfg(target_os = "linux")]
mod cluster;
mod day;
mod ledger;
pub mod program;
mod report;
mod shop;
pub mod trial;

pub use program::Nodes;
pub use shop::Shop;
