//! The worker: `DATABASE_URL` says where its jobs are. Stops on a signal, or after `JOBS` jobs.
//!
//! `ENQUEUE=20` first adds a job for each of 20 customers.

use std::env;
use std::str::FromStr;
use std::time::Duration;

use sea_orm_migration::MigratorTrait;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

use worker_invoices::worker::{self, Options};
use worker_invoices::{Migrator, database, queue};

/// The plan of the jobs that `ENQUEUE` adds.
const SMALL: i32 = 1;

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let db = database::connect().await?;
    Migrator::up(&db, None).await?;
    if let Some(customers) = number("ENQUEUE")? {
        queue::enqueue(&db, 1..=customers, SMALL).await?;
    }
    let options = Options {
        batch: 5,
        pause: Duration::from_millis(100),
        jobs: number("JOBS")?,
    };
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    tracing::info!("working");
    let done = worker::run(&db, &options, stop).await?;
    tracing::info!(done, "stopped");
    Ok(db.close().await?)
}

fn number<N>(name: &str) -> anyhow::Result<Option<N>>
where
    N: FromStr<Err: Into<anyhow::Error>>,
{
    let value = env::var(name).ok();
    let number = value.map(|value| value.parse().map_err(Into::into));
    number.transpose()
}
