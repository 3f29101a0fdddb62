//! What a quick start does with its arguments, from its first line to its exit code.

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use crate::day;
use crate::ledger::Ledger;
use crate::report::Report;
use crate::shop::Shop;

/// Runs a small bookshop and shows for each statement where it ran and why.
///
/// Without arguments: one SQLite file in WAL mode, one connection that writes and two pools that
/// only read.
#[derive(Parser)]
struct Args {
    /// Run on a local PostgreSQL cluster, started for this run, with two replicas 300 ms behind
    #[arg(long)]
    postgres: bool,
}

/// Where to find a database and its replicas.
pub struct Nodes {
    pub primary: String,
    pub replicas: Vec<String>,
}

/// Spends a day in the shop that the arguments ask for: one of `on_sqlite`, in a file that does not
/// exist yet, or one of `on_postgres`.
pub async fn run<F, P>(
    name: &str,
    on_sqlite: impl AsyncFnOnce(&Path) -> Result<F>,
    on_postgres: impl AsyncFnOnce(&Nodes) -> Result<P>,
) -> ExitCode
where
    F: Shop,
    P: Shop,
{
    let args = Args::parse();
    let report = Report::install();
    let outcome = if args.postgres {
        in_cluster(&report, on_postgres).await
    } else {
        in_file(&report, on_sqlite).await
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn in_file<S: Shop>(
    report: &Report,
    open: impl AsyncFnOnce(&Path) -> Result<S>,
) -> Result<ExitCode> {
    let folder = tempfile::tempdir()?;
    let shop = open(&folder.path().join("bookshop.db")).await?;
    spend(shop, report).await
}

#[cfg(target_os = "linux")]
async fn in_cluster<S: Shop>(
    report: &Report,
    open: impl AsyncFnOnce(&Nodes) -> Result<S>,
) -> Result<ExitCode> {
    let (cluster, nodes) = crate::cluster::start().await?;
    let shop = open(&nodes).await?;
    let code = spend(shop, report).await;
    drop(cluster);
    code
}

#[cfg(not(target_os = "linux"))]
async fn in_cluster<S: Shop>(
    _: &Report,
    _: impl AsyncFnOnce(&Nodes) -> Result<S>,
) -> Result<ExitCode> {
    anyhow::bail!("--postgres needs Linux: what starts the local cluster reads /proc")
}

/// One day in the shop, and how it went: a failure if a read was stale or none was on a replica.
async fn spend<S: Shop>(shop: S, report: &Report) -> Result<ExitCode> {
    let mut ledger = Ledger::default();
    report.head();
    let ended = day::spend(&shop, &mut ledger).await;
    shop.close().await?;
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
