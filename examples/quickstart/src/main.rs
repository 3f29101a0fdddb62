//! A bookshop whose writes go to the primary and whose reads go to replicas.
//!
//! `cargo run -p quickstart` keeps it in one SQLite file; with `-- --postgres` it runs on a local
//! PostgreSQL cluster whose replicas are 300 ms behind. The shop does not know the difference.

#![allow(
    unreachable_pub,
    reason = "a program has no outside: `pub` is what a module offers to the others"
)]

mod day;
mod ledger;
mod nodes;
mod report;
mod shop;

use std::process::ExitCode;

use clap::Parser;
use orm_split::sea_orm::SplitConnection;

use crate::ledger::Ledger;
use crate::report::Report;

/// Runs a small bookshop and shows for each statement where it ran and why.
///
/// Without arguments: one SQLite file in WAL mode, one connection that writes and two pools that
/// only read.
#[derive(Debug, Parser)]
#[command(name = "quickstart")]
struct Args {
    /// Run on a local PostgreSQL cluster, started for this run, with two replicas 300 ms behind
    #[arg(long)]
    postgres: bool,
}

#[tokio::main]
async fn main() -> ExitCode {
    let args = Args::parse();
    let report = Report::install();
    let outcome = if args.postgres {
        on_postgres(&report).await
    } else {
        on_sqlite(&report).await
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quickstart: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn on_sqlite(report: &Report) -> anyhow::Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let db = nodes::sqlite(&folder.path().join("bookshop.db")).await?;
    run(db, report).await
}

#[cfg(target_os = "linux")]
async fn on_postgres(report: &Report) -> anyhow::Result<ExitCode> {
    let cluster = nodes::cluster().await?;
    let db = nodes::postgres(&cluster).await?;
    run(db, report).await
}

#[cfg(not(target_os = "linux"))]
async fn on_postgres(_: &Report) -> anyhow::Result<ExitCode> {
    anyhow::bail!("--postgres needs Linux: what starts the local cluster reads /proc")
}

/// One day in the shop, and how it went: a failure if a read was stale or none was on a replica.
async fn run(db: SplitConnection, report: &Report) -> anyhow::Result<ExitCode> {
    let mut ledger = Ledger::default();
    report.head();
    let ended = day::spend(&db, &mut ledger).await;
    db.close().await?;
    ended?;
    report.say("");
    report.say(&format!("reads on replicas: {}", report.on_replicas()));
    report.say(&format!("on the primary: {}", report.on_primary()));
    report.say(&format!("stale reads: {}", ledger.stale()));
    let is_good = ledger.stale() == 0 && report.on_replicas() > 0;
    Ok(if is_good {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
