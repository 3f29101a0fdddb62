//! What an application notices of a network that fails, through either ORM: replicas, and the primary, behind
//! proxies whose faults are switched under load.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{HealthState, Status};
use tokio::time::{Instant, sleep, timeout};

use crate::application::{Application, Settings, Way};
use crate::kit::postgres::{Cluster, Database};
use crate::kit::proxy::{Fault, FaultProxy};
use crate::load::{Requests, open_loop};
use crate::outages::wait_for_replicas;

/// Reads a second.
const READS: u32 = 60;
/// Takes so long that there are always some under way, and no processor.
const READ: &str = "SELECT value FROM counter, pg_sleep(0.03) WHERE id = 1";
/// How long all is well before the fault.
const BEFORE: Duration = Duration::from_millis(1_500);
/// Nobody waits longer for a replica to leave.
const LONGEST: Duration = Duration::from_secs(8);

/// A cluster, each of whose nodes is reached through a proxy.
#[derive(Debug)]
#[non_exhaustive]
pub struct Network {
    /// The servers.
    pub cluster: Cluster,
    /// A database on them.
    pub database: Database,
    /// In front of the primary.
    pub primary: FaultProxy,
    /// In front of the replicas, in their order.
    pub replicas: Vec<FaultProxy>,
}

impl Network {
    /// Starts so many replicas, and their primary.
    ///
    /// # Errors
    /// A server or a proxy does not start.
    pub async fn start(replicas: usize) -> Result<Self> {
        let cluster = Cluster::builder().replicas(replicas).start().await?;
        let database = cluster.create_database().await?;
        let mut proxies = Vec::new();
        for node in cluster.replicas() {
            proxies.push(FaultProxy::start(node.port()).await?);
        }
        Ok(Self {
            primary: FaultProxy::start(cluster.primary().port()).await?,
            replicas: proxies,
            database,
            cluster,
        })
    }

    /// Where an application connects to.
    ///
    /// # Errors
    /// None, if the kit's URLs are any.
    pub fn settings(&self) -> Result<Settings> {
        let urls = self.replicas.iter().zip(self.database.replica_urls());
        let urls: Result<Vec<_>> = urls.map(|(proxy, url)| proxy.url(url)).collect();
        let primary = self.primary.url(self.database.primary_url())?;
        Ok(Settings::new(primary, &urls?))
    }

    /// The proxy in front of the first replica.
    ///
    /// # Errors
    /// There is none.
    pub fn first(&self) -> Result<&FaultProxy> {
        self.replicas.first().context("a replica")
    }

    /// Connects, makes counters, and waits until all replicas are up.
    ///
    /// # Errors
    /// One of these does not work.
    pub async fn application<A: Application>(&self, settings: &Settings) -> Result<A> {
        let app = A::connect(settings).await?;
        app.create_counters(10).await?;
        wait_for_replicas(&app, self.replicas.len()).await?;
        Ok(app)
    }
}

/// What became of reads while one of two replicas was in trouble.
#[derive(Debug)]
#[non_exhaustive]
pub struct Noticed {
    /// While all was well.
    pub before: Requests,
    /// During the fault.
    pub during: Requests,
    /// Until the replica had left the selection; `None` if it did not.
    pub left_after: Option<Duration>,
}

impl Noticed {
    /// One line for a reader.
    #[must_use]
    pub fn line(&self, what: &str) -> String {
        let left = self
            .left_after
            .map_or("never".to_owned(), |after| format!("after {after:.2?}"));
        format!(
            "{what}: {} of {} reads failed; p50 {:.1?}, p99 {:.1?}, slowest {:.2?}, {} over 100 ms \
             (before: p50 {:.1?}, p99 {:.1?}, slowest {:.1?}); left {left}",
            self.during.failures().len(),
            self.during.count(),
            self.during.at_most(500),
            self.during.at_most(990),
            self.during.at_most(1_000),
            self.during.slower_than(Duration::from_millis(100)),
            self.before.at_most(500),
            self.before.at_most(990),
            self.before.at_most(1_000),
        )
    }

    /// How much longer the slowest read took than the slowest one before.
    #[must_use]
    pub fn added(&self) -> Duration {
        let slowest = self.during.at_most(1_000);
        slowest.saturating_sub(self.before.at_most(1_000))
    }
}

/// Reads of 30 ms that take so long while all is well say that the machine is busy with something else.
const BUSY: Duration = Duration::from_millis(250);
/// How often it is measured again then.
const TRIES: usize = 4;

/// The first of two replicas is in trouble for so long, under an open-loop load of reads. Measured again, a few
/// times, if the machine was too busy for that load before there was any trouble.
///
/// # Errors
/// The servers, not the reads, did something wrong.
pub async fn one_of_two_replicas<A: Application>(
    fault: Fault,
    lasts: Duration,
    change: impl Fn(&mut Settings),
) -> Result<Noticed> {
    let mut tries = 1;
    loop {
        let noticed = once::<A>(fault.clone(), lasts, &change).await?;
        if tries == TRIES || noticed.before.at_most(990) < BUSY {
            return Ok(noticed);
        }
        tries += 1;
    }
}

async fn once<A: Application>(
    fault: Fault,
    lasts: Duration,
    change: impl Fn(&mut Settings),
) -> Result<Noticed> {
    let network = Network::start(2).await?;
    let mut settings = network.settings()?;
    change(&mut settings);
    let app: A = network.application(&settings).await?;
    let started = Instant::now();
    let reading = open_loop(READS, BEFORE + lasts, |_| {
        let app = app.clone();
        async move { app.send(Way::QueryOne, READ).await }
    });
    let trouble = async {
        sleep(BEFORE).await;
        network.first()?.befall(fault).await?;
        let began = Instant::now();
        let leaves = leaves(|| app.status());
        let left = timeout(lasts.min(LONGEST), leaves).await.ok();
        tokio::time::sleep_until(started + BEFORE + lasts).await;
        let ended = Instant::now();
        network.first()?.heal().await?;
        anyhow::Ok((began, left.map(|left| left - began), ended))
    };
    let (requests, trouble) = tokio::join!(reading, trouble);
    let (requests, (began, left_after, ended)) = (requests?, trouble?);
    app.close().await?;
    Ok(Noticed {
        before: requests.ended_before(began),
        during: requests.between(began, ended),
        left_after,
    })
}

/// The instant at which the first replica has left the selection.
async fn leaves(status: impl Fn() -> Status) -> Instant {
    loop {
        let nodes = status().nodes;
        let health = nodes.get(1).map(|node| node.health);
        if matches!(health, Some(HealthState::Down | HealthState::Ejected)) {
            return Instant::now();
        }
        sleep(Duration::from_millis(2)).await;
    }
}

/// A replica whose statements fail at once while its probes are answered: nobody notices.
///
/// # Errors
/// A read failed.
pub async fn a_replica_that_fails_fast_costs_no_error<A: Application>() -> Result<String> {
    let network = Network::start(2).await?;
    let app: A = network.application(&network.settings()?).await?;
    let reading = open_loop(READS, Duration::from_secs(6), |_| {
        let app = app.clone();
        async move { app.send(Way::QueryOne, READ).await }
    });
    let trouble = async {
        sleep(Duration::from_secs(1)).await;
        let proxy = network.first()?;
        proxy.befall(Fault::ResetOn("counter".to_owned())).await?;
        // what was prepared before is sent without its text
        proxy.reset_open();
        sleep(Duration::from_millis(1_500)).await;
        let status = app.status();
        let node = status.nodes.get(1).context("a replica")?.clone();
        ensure!(node.health != HealthState::Down, "{node:?}");
        anyhow::Ok(node)
    };
    let (requests, node) = tokio::join!(reading, trouble);
    let (requests, node) = (requests?, node?);
    let (failures, count) = (requests.failures(), requests.count());
    ensure!(failures.is_empty(), "{failures:?}");
    ensure!(requests.count() > 300, "there was no load");
    let status = app.status();
    let on_primary = status.served_by_primary();
    app.close().await?;
    Ok(format!(
        "0 of {count} reads failed (0), slowest {:.0?}; after 1.5 s the replica is {:?}; {on_primary} statements ran \
         on the primary, its setup included",
        requests.at_most(1_000),
        node.health
    ))
}
