//! A bookshop whose writes go to the primary and whose reads go to replicas.
//!
//! `cargo run -p quickstart-diesel` keeps it in one SQLite file; with `-- --postgres` it runs on a local
//! PostgreSQL cluster whose replicas are 300 ms behind. The shop does not know the difference.

#![allow(
    unreachable_pub,
    reason = "a program has no outside: `pub` is what a module offers to the others"
)]
#![expect(
    clippy::duplicate_mod,
    reason = "Diesel's queries are typed by their database: one source is compiled for each of the two"
)]

mod nodes;
mod on_postgres;
mod on_sqlite;
mod schema;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    bookshop::program::run("quickstart-diesel", nodes::sqlite, nodes::postgres).await
}
