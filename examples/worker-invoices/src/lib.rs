//! A worker that turns queued jobs into invoices.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::missing_errors_doc,
    reason = "an application: nobody depends on it"
)]

pub mod billing;
pub mod database;
pub mod entities;
mod migrations;
pub mod queue;
pub mod report;
pub mod worker;

pub use migrations::Migrator;
