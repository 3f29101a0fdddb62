//! Replicas behind one address, through either ORM: recognised, both used, and followed when they change.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{HealthState, NodeStatus, Role, Session};
use tokio::time::{Instant, sleep, timeout};

use crate::application::{Application, Settings};
use crate::kit::balancer::Balancer;
use crate::kit::postgres::{Cluster, Database, Node};
use crate::topology::wait_for_members;

/// Rising counters, each written and read by a session of its own.
const SESSIONS: i32 = 12;

/// A cluster whose replicas stand behind one address; the second lags by two seconds.
struct Balanced<A> {
    cluster: Cluster,
    database: Database,
    app: A,
}

impl<A: Application> Balanced<A> {
    async fn start(change: impl FnOnce(&mut Settings)) -> Result<Self> {
        let cluster = Cluster::builder().replicas(2).start().await?;
        let database = cluster.create_database().await?.balanced(&cluster).await?;
        let mut settings = Settings::of(&database);
        change(&mut settings);
        let app = A::connect(&settings).await?;
        app.create_counters(SESSIONS).await?;
        for replica in cluster.replicas() {
            replica.wait_caught_up(cluster.primary()).await?;
        }
        let late = cluster.replicas().last().context("two replicas")?;
        late.set_apply_delay(Duration::from_secs(2)).await?;
        let balanced = Self {
            cluster,
            database,
            app,
        };
        balanced.wait_for_members(2).await?;
        Ok(balanced)
    }

    fn balancer(&self) -> Result<&Balancer> {
        self.database.balancer().context("balanced")
    }

    fn replicas(&self) -> Result<[&Node; 2]> {
        match self.cluster.replicas() {
            [first, second] => Ok([first, second]),
            _ => anyhow::bail!("two replicas"),
        }
    }

    /// Reads without a pause keep connections to all members open.
    async fn wait_for_members(&self, count: usize) -> Result<()> {
        let reads = async {
            loop {
                read_at_once(&self.app, 8).await?;
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::select! {
            failed = reads => failed,
            known = wait_for_members(count, || self.app.status()) => known,
        }
    }

    /// The monitor's own search may have been cut, too, before it found the other member.
    async fn wait_until_up(&self) -> Result<()> {
        let up = async {
            while self.replica()?.health != HealthState::Up {
                sleep(Duration::from_millis(10)).await;
            }
            anyhow::Ok(())
        };
        timeout(Duration::from_secs(10), up)
            .await
            .context("the other member does not keep the node up")?
    }

    fn replica(&self) -> Result<NodeStatus> {
        let mut nodes = self.app.status().nodes.into_iter();
        nodes
            .find(|node| node.role == Role::Replica)
            .context("a replica")
    }
}

/// So many reads at the same time, each in a session of its own; what they saw.
#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn read_at_once<A: Application>(app: &A, reads: usize) -> Result<Vec<i64>> {
    let tasks = (0..reads).map(|_| {
        let app = app.clone();
        tokio::spawn(async move { app.read(1).await })
    });
    try_join_all(tasks).await?.into_iter().collect()
}

/// Both members take reads of those who wrote nothing, and one that wrote reads nothing older.
///
/// # Errors
/// They do not, or it does.
pub async fn both_members_take_reads_and_none_that_is_too_old<A: Application>() -> Result<()> {
    let world = Balanced::<A>::start(|_| ()).await?;
    let before = world.app.status().served_by_primary();
    world.app.write(1, 7).await?;
    sleep(Duration::from_millis(300)).await;
    let mut seen = Vec::new();
    for _ in 0..20 {
        seen.extend(read_at_once(&world.app, 8).await?);
        ensure!(world.app.read(1).await? == 7, "its own write");
        if seen.contains(&0) && seen.contains(&7) {
            break;
        }
    }
    ensure!(seen.contains(&0) && seen.contains(&7), "{seen:?}");
    let written = world.app.status().served_by_primary() - before;
    ensure!(
        written < 40,
        "{written} statements on the primary: {:?}",
        world.app.status()
    );
    world.app.close().await
}

/// One member replays nothing any more: beyond the bound it takes no reads, and the other takes them.
///
/// # Errors
/// A read was staler than allowed, or they went to the primary.
pub async fn a_member_beyond_the_bound_takes_no_reads<A: Application>() -> Result<()> {
    let world = Balanced::<A>::start(|settings| {
        settings.max_staleness = Duration::from_secs(4);
        settings.sample_slow = Duration::from_millis(200);
    })
    .await?;
    let [_, late] = world.replicas()?;
    late.pause_replay().await?;
    world.app.write(1, 7).await?;
    let stale = async {
        while read_at_once(&world.app, 8).await?.contains(&0) {
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    timeout(Duration::from_secs(20), stale)
        .await
        .context("it still serves what is too old")??;
    let before = world.app.status();
    for _ in 0..50 {
        let seen = read_at_once(&world.app, 8).await?;
        ensure!(!seen.contains(&0), "{seen:?}: {:?}", world.app.status());
    }
    let after = world.app.status();
    let on_replica = after.served_by_replicas() - before.served_by_replicas();
    // eight at once find the one that is fresh enough only so often; on a busy machine a third of the time
    ensure!(on_replica > 80, "{on_replica} of 400: {after:?}");
    late.resume_replay().await?;
    world.app.close().await
}

/// Backends are taken out and put in while the application reads.
///
/// # Errors
/// A read failed, or the change was not noticed.
#[expect(clippy::disallowed_methods, reason = "load comes from many tasks")]
pub async fn backends_that_come_and_go_are_followed_and_no_read_fails<A: Application>() -> Result<()>
{
    let world = Balanced::<A>::start(|settings| {
        settings.sample_slow = Duration::from_millis(200);
        settings.probe_deadline = Duration::from_millis(500);
    })
    .await?;
    let [first, second] = world.replicas()?;
    let until = Instant::now() + Duration::from_secs(20);
    let load = (0..6).map(|_| {
        let app = world.app.clone();
        tokio::spawn(async move { app.read_until(until).await })
    });
    let load: Vec<_> = load.collect();
    let balancer = world.balancer()?;
    for gone in [second, first] {
        balancer.remove(gone.port());
        balancer.cut(gone.port());
        world.wait_for_members(1).await?;
        world.wait_until_up().await?;
        let before = balancer.led_to(gone.port());
        balancer.add(gone.port());
        world.wait_for_members(2).await?;
        ensure!(balancer.led_to(gone.port()) > before);
    }
    for task in load {
        let (reads, failures) = task.await?;
        ensure!(reads > 100, "only {reads} reads");
        ensure!(failures.is_empty(), "{failures:?}");
    }
    world.app.close().await
}

/// Sessions that write and read rising integers, through a change of what the address leads to.
///
/// # Errors
/// A session read less than it had written or read.
#[expect(clippy::disallowed_methods, reason = "sessions of many tasks")]
pub async fn no_session_reads_backwards<A: Application>() -> Result<()> {
    let world = Balanced::<A>::start(|_| ()).await?;
    let until = Instant::now() + Duration::from_secs(12);
    let sessions = (0..SESSIONS).map(|id| {
        let app = world.app.clone();
        tokio::spawn(Session::new().scope(history(app, id, until)))
    });
    let sessions: Vec<_> = sessions.collect();
    sleep(Duration::from_secs(3)).await;
    let [first, second] = world.replicas()?;
    let balancer = world.balancer()?;
    // late and early change places; connections are cut as well
    first.set_apply_delay(Duration::from_secs(1)).await?;
    second.set_apply_delay(Duration::ZERO).await?;
    sleep(Duration::from_secs(3)).await;
    balancer.remove(second.port());
    balancer.cut(second.port());
    sleep(Duration::from_secs(2)).await;
    balancer.add(second.port());
    let (mut reads, mut back) = (0, 0);
    for session in sessions {
        let (its_reads, its_back) = session.await??;
        reads += its_reads;
        back += its_back;
    }
    let on_replicas = world.app.status().served_by_replicas();
    tracing::info!(reads, back, on_replicas, "history");
    ensure!(back == 0, "{back} of {reads}");
    ensure!(on_replicas > 500, "{on_replicas} of {reads} on replicas");
    world.app.close().await
}

/// Writes now and then and reads all the time; reads, and how many of them went back.
async fn history<A: Application>(app: A, id: i32, until: Instant) -> Result<(u64, u64)> {
    let (mut reads, mut back, mut known) = (0, 0, 0);
    while Instant::now() < until {
        if reads % 40 == 0 {
            known += 1;
            app.write(id, known).await?;
        }
        let seen = app.read(id).await?;
        back += u64::from(seen < known);
        known = known.max(seen);
        reads += 1;
        sleep(Duration::from_millis(3)).await;
    }
    Ok((reads, back))
}
