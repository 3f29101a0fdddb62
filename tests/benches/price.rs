//! What SeaORM users pay: `find_by_id` through a `SplitConnection` against a `DatabaseConnection` to
//! the same server on loopback, interleaved in one run.
//!
//! Prints the ratio of the medians with a 95 % bootstrap interval. With `--gate` it fails if a read
//! costs more than 1.10 times what it costs with SeaORM's defaults. The stricter comparison, without
//! the ping that SeaORM sends first, has a wide gate of its own: its figure moves with the machine
//! (1.02 to 1.15 were seen for the same code).

mod paired;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::Cluster;
use sea_orm::{ConnectOptions, ConnectionTrait, Database, EntityTrait};

use paired::Pairs;

const ROUNDS: usize = 4_000;
const GATE: f64 = 1.10;
const GATE_WITHOUT_PING: f64 = 1.50;

async fn find(db: &impl ConnectionTrait, id: i32) -> Result<()> {
    let found = counter::Entity::find_by_id(id).one(db).await?;
    ensure!(found.is_some());
    Ok(())
}

async fn report(name: &str, plain: &impl ConnectionTrait, split: &SplitConnection) -> Result<f64> {
    let pairs = Pairs::measured(
        ROUNDS,
        async |id| find(plain, id).await,
        async |id| find(split, id).await,
    );
    Ok(pairs.await?.report(name))
}

#[tokio::main]
async fn main() -> Result<()> {
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
        !paired::is_gate() || (with_ping <= GATE && without <= GATE_WITHOUT_PING),
        "slower than the gates of {GATE} and, without ping, {GATE_WITHOUT_PING}"
    );
    Ok(())
}
