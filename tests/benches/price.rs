//! What SeaORM users pay: `find_by_id` through a `SplitConnection` against a `DatabaseConnection` to
//! the same server on loopback, interleaved in one run.
//!
//! Prints the ratio of the medians with a 95 % bootstrap interval. With `--gate` it fails if a read
//! costs more than 1.10 times what it costs with SeaORM's defaults. The stricter comparison, without
//! the ping that SeaORM sends first, has a wide gate of its own: its figure moves with the machine
//! (1.02 to 1.15 were seen for the same code).

#![allow(clippy::print_stdout, reason = "a benchmark reports")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::Cluster;
use rand::RngExt;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, EntityTrait};
use tokio::time::Instant;

const ROUNDS: usize = 4_000;
const WARM_UP: usize = 500;
const RESAMPLES: usize = 1_000;
const GATE: f64 = 1.10;
const GATE_WITHOUT_PING: f64 = 1.50;

async fn time(db: &impl ConnectionTrait, id: i32) -> Result<Duration> {
    let started = Instant::now();
    let found = counter::Entity::find_by_id(id).one(db).await?;
    let elapsed = started.elapsed();
    ensure!(found.is_some());
    Ok(elapsed)
}

/// Both in turn, each first as often as the other.
async fn compare(plain: &impl ConnectionTrait, split: &SplitConnection) -> Result<Vec<(f64, f64)>> {
    let mut pairs = Vec::with_capacity(ROUNDS);
    for round in 0..WARM_UP + ROUNDS {
        let id = i32::try_from(round % 100)?;
        let (a, b) = if round % 2 == 0 {
            let a = time(plain, id).await?;
            (a, time(split, id).await?)
        } else {
            let b = time(split, id).await?;
            (time(plain, id).await?, b)
        };
        if round >= WARM_UP {
            pairs.push((a.as_secs_f64(), b.as_secs_f64()));
        }
    }
    Ok(pairs)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ratio(pairs: &[(f64, f64)]) -> f64 {
    let plain = median(pairs.iter().map(|pair| pair.0).collect());
    median(pairs.iter().map(|pair| pair.1).collect()) / plain
}

/// The bounds between which 95 % of the ratios of resampled runs lie.
fn interval(pairs: &[(f64, f64)]) -> (f64, f64) {
    let mut rng = rand::rng();
    let mut ratios: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let draw = (0..pairs.len()).filter_map(|_| pairs.get(rng.random_range(0..pairs.len())));
            ratio(&draw.copied().collect::<Vec<_>>())
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let at = |share: usize| ratios.get(RESAMPLES * share / 1_000).copied();
    (at(25).unwrap_or(f64::NAN), at(975).unwrap_or(f64::NAN))
}

async fn report(name: &str, plain: &impl ConnectionTrait, split: &SplitConnection) -> Result<f64> {
    let pairs = compare(plain, split).await?;
    let (low, high) = interval(&pairs);
    let plain = median(pairs.iter().map(|pair| pair.0).collect()) * 1e6;
    println!(
        "{name}: ratio {:.3} [{low:.3}, {high:.3}], plain median {plain:.1} us",
        ratio(&pairs)
    );
    Ok(low)
}

#[tokio::main]
async fn main() -> Result<()> {
    let is_gate = std::env::args().any(|argument| argument == "--gate");
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 100).await?;
    let url = database.replica_urls().first().context("a replica")?;
    let plain = Database::connect(url.as_str()).await?;
    // the strictest comparison: without the ping that sqlx sends before every statement by default
    let mut options = ConnectOptions::new(url);
    options.test_before_acquire(false);
    let unpinged = Database::connect(options).await?;

    let route = db.explain("SELECT 1");
    ensure!(route.role == Role::Replica, "{route:?}");
    let with_ping = report("against the defaults of SeaORM", &plain, &db).await?;
    let without = report("against SeaORM without its ping", &unpinged, &db).await?;
    db.close().await?;
    plain.close().await?;
    unpinged.close().await?;
    ensure!(
        !is_gate || (with_ping <= GATE && without <= GATE_WITHOUT_PING),
        "slower than the gates of {GATE} and, without ping, {GATE_WITHOUT_PING}"
    );
    Ok(())
}
