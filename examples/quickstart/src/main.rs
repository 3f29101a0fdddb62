//! A bookshop whose writes go to the primary and whose reads go to replicas.
//!
//! `cargo run -p quickstart` keeps it in one SQLite file; with `-- --postgres` it runs on a local
//! PostgreSQL cluster whose replicas are 300 ms behind. The shop does not know the difference.

#![allow(
    unreachable_pub,
    reason = "a program has no outside: `pub` is what a module offers to the others"
)]

mod nodes;
mod shop;

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    bookshop::program::run("quickstart", nodes::sqlite, nodes::postgres).await
}
