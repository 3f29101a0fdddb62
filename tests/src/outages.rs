//! Nodes that leave while an application reads and writes, through either ORM.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{HealthState, Reason, Role};
use tokio::time::{Instant, sleep, timeout};

use crate::application::{Application, Settings};
use crate::kit::postgres::{Cluster, Database, Node, Stop};

/// How a node leaves.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum End {
    /// All of its processes are killed.
    Killed,
    /// It is shut down.
    Stopped,
    /// It answers nothing, and closes nothing.
    Frozen,
}

impl End {
    /// Lets it happen to `node`.
    ///
    /// # Errors
    /// The node does not run.
    pub async fn befalls(self, node: &Node) -> Result<()> {
        match self {
            Self::Killed => node.kill().await,
            Self::Stopped => node.stop(Stop::Fast).await,
            Self::Frozen => node.freeze().await,
        }
    }

    /// Lets `node` come back.
    ///
    /// # Errors
    /// It does not.
    pub async fn is_over(self, node: &Node) -> Result<()> {
        match self {
            Self::Killed | Self::Stopped => node.start().await,
            Self::Frozen => node.thaw(),
        }
    }
}

/// Tasks that read all the time.
const TASKS: usize = 10;

/// A cluster with two replicas, and a database on it.
///
/// # Errors
/// It does not start.
pub async fn cluster() -> Result<(Cluster, Database)> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    Ok((cluster, database))
}

/// Waits until so many replicas are up, and it is known how far behind they are.
///
/// # Errors
/// They are not within 15 s.
pub async fn wait_for_replicas<A: Application>(app: &A, count: usize) -> Result<()> {
    wait_for_replicas_within(Duration::from_secs(15), app, count).await
}

/// The same of replicas that were away before: they may stay away for half a minute more each time.
///
/// # Errors
/// They are not within 90 s.
pub async fn wait_for_returning_replicas<A: Application>(app: &A, count: usize) -> Result<()> {
    wait_for_replicas_within(Duration::from_secs(90), app, count).await
}

async fn wait_for_replicas_within<A: Application>(
    limit: Duration,
    app: &A,
    count: usize,
) -> Result<()> {
    let all_up = async {
        loop {
            let nodes = app.status().nodes.into_iter();
            let up = nodes
                .filter(|node| node.role == Role::Replica)
                .filter(|node| matches!(node.health, HealthState::Up | HealthState::Ramping))
                .filter(|node| node.staleness.is_some());
            if up.count() == count {
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    let waited = timeout(limit, all_up).await;
    waited.with_context(|| format!("not {count} replicas are up: {:?}", app.status()))
}

/// Fifty reads at once.
///
/// # Errors
/// One of them failed.
pub async fn read_some<A: Application>(app: &A) -> Result<()> {
    let reads = (0..50).map(|_| app.read(1));
    try_join_all(reads).await.map(drop)
}

/// A replica leaves under load and comes back.
///
/// # Errors
/// A read failed, or there was no load.
#[expect(clippy::disallowed_methods, reason = "load comes from many tasks")]
pub async fn no_read_fails_when_a_replica_is<A: Application>(end: End) -> Result<()> {
    let (cluster, database) = cluster().await?;
    let mut settings = Settings::of(&database);
    settings.probe_deadline = Duration::from_millis(300);
    settings.sample_slow = Duration::from_millis(200);
    let app = A::connect(&settings).await?;
    app.create_counters(10).await?;
    wait_for_replicas(&app, 2).await?;
    let until = Instant::now() + Duration::from_secs(5);
    let tasks = (0..TASKS).map(|_| {
        let app = app.clone();
        tokio::spawn(async move { app.read_until(until).await })
    });
    let tasks: Vec<_> = tasks.collect();
    sleep(Duration::from_secs(1)).await;
    let victim = cluster.replicas().first().context("two replicas")?;
    end.befalls(victim).await?;
    wait_for_replicas(&app, 1).await?;
    sleep(Duration::from_secs(1)).await;
    end.is_over(victim).await?;
    wait_for_replicas(&app, 2).await?;
    let results = try_join_all(tasks).await?;
    let reads: u32 = results.iter().map(|(reads, _)| reads).sum();
    ensure!(reads > 1_000, "only {reads} reads: there was no load");
    let failures: Vec<_> = results.iter().flat_map(|(_, failures)| failures).collect();
    ensure!(
        failures.is_empty(),
        "{} of {reads}: {failures:?}",
        failures.len()
    );
    app.close().await
}

/// The primary is killed: reads go on, also beyond the staleness bound; writes fail until it is back.
/// Yields what they failed with.
///
/// # Errors
/// A read failed, or a write did not.
pub async fn reads_go_on_when_the_primary_is_down<A: Application>() -> Result<String> {
    let (cluster, database) = cluster().await?;
    let mut settings = Settings::of(&database);
    settings.primary_wait = Duration::from_secs(1);
    settings.max_staleness = Duration::from_secs(2);
    let app = A::connect(&settings).await?;
    app.create_counters(10).await?;
    cluster.primary().kill().await?;
    // beyond the bound nobody can say any longer how old the replicas are
    let lost = async {
        while app.explain("SELECT 1").reason != Reason::PrimaryLost {
            app.read(1).await?;
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    let lost = timeout(Duration::from_secs(15), lost).await;
    lost.with_context(|| format!("{:?}", app.explain("SELECT 1")))??;
    read_some(&app).await?;
    let write = app.write(1, 1).await;
    let failed = write
        .err()
        .context("a write succeeded without a primary")?
        .to_string();

    cluster.primary().start().await?;
    let written = async {
        while app.write(1, 2).await.is_err() {
            sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(Duration::from_secs(15), written)
        .await
        .context("no write succeeds")?;
    ensure!(
        app.read(1).await? == 2,
        "what was written last is read back"
    );
    app.close().await?;
    Ok(failed)
}
