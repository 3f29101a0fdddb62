//! What it costs to be seen: `find_by_id` with metrics recorded, and with spans and events collected too, against
//! the same connection type with neither, to one server on loopback, interleaved in one run.
//!
//! A connection takes its handles from the recorder when it is built: one that was built before there is a
//! recorder counts for nobody. Prints the ratios of the medians with 95 % bootstrap intervals; with `--gate` it
//! fails if metrics cost more than 1.10, or metrics and spans more than 1.25.

mod paired;

use anyhow::{Result, ensure};
use metrics_exporter_prometheus::PrometheusBuilder;
use orm_split::sea_orm::{Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Cluster, Database};
use sea_orm::EntityTrait;
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt as _;

use paired::Pairs;

const ROUNDS: usize = 4_000;
const GATE_METRICS: f64 = 1.10;
const GATE_SPANS: f64 = 1.25;

async fn find(db: &SplitConnection, id: i32) -> Result<()> {
    ensure!(counter::Entity::find_by_id(id).one(db).await?.is_some());
    Ok(())
}

async fn connected(database: &Database) -> Result<SplitConnection> {
    let db = app::builder(database).connect().await?;
    app::wait_until_replicas_serve(&db).await?;
    let route = db.explain("SELECT 1");
    ensure!(route.role == Role::Replica, "{route:?}");
    Ok(db)
}

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let unseen = connected(&database).await?;
    app::create_counters(&unseen, 100).await?;
    // what is counted is known to a recorder from the first time on: that of this one is none
    for id in 0..100 {
        find(&unseen, id).await?;
    }
    let recorder = PrometheusBuilder::new().install_recorder()?;
    let seen = connected(&database).await?;
    let plain = async |id| find(&unseen, id).await;
    let metrics = Pairs::measured(ROUNDS, plain, async |id| find(&seen, id).await).await?;
    let metrics = metrics.report("metrics recorded");
    let filter = EnvFilter::new("info,orm_split::statement=debug");
    let formatted = tracing_subscriber::fmt::layer().with_writer(std::io::sink);
    let subscriber = tracing_subscriber::registry().with(filter).with(formatted);
    let dispatch = tracing::Dispatch::new(subscriber);
    let spans = Pairs::measured(ROUNDS, plain, async |id| {
        let _collected = tracing::dispatcher::set_default(&dispatch);
        find(&seen, id).await
    });
    let spans = spans
        .await?
        .report("metrics recorded, spans and events formatted");
    ensure!(
        recorder.render().contains("orm_split_statements_total"),
        "nothing was recorded"
    );
    unseen.close().await?;
    seen.close().await?;
    ensure!(
        !paired::is_gate() || (metrics <= GATE_METRICS && spans <= GATE_SPANS),
        "slower than the gates of {GATE_METRICS} and, with spans, {GATE_SPANS}"
    );
    Ok(())
}
