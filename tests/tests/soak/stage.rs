//! The servers, the addresses in front of them, and what befalls both.
//!
//! Decides who is in trouble: one node at a time, so that another one is always there for a read.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split_tests::application::Settings;
use orm_split_tests::faults::Network;
use orm_split_tests::history::History;
use orm_split_tests::kit::postgres::{APP_ROLE, Node};
use orm_split_tests::kit::proxy::FaultProxy;
use orm_split_tests::trouble::Trouble;
use rand::RngExt;
use rand::rngs::StdRng;
use tokio::time::{Instant, sleep};

/// Who leads the application to the new primary: what [`FOLLOWS`] says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(dead_code, reason = "one of them is chosen below")]
enum Follows {
    /// The address of the primary leads to it from then on, that of the replica to the old one.
    Addresses,
    /// The library finds it where it is.
    Library,
}

const FOLLOWS: Follows = Follows::Addresses;

/// A pool of each ORM, a prober, and one that is being replaced.
const CONNECTIONS: usize = 2 * (10 + 2);

pub struct Stage {
    network: Network,
    /// The node behind each address, the primary's address first; nodes are counted from the first primary.
    behind: Vec<usize>,
    /// How often what happened.
    pub troubles: BTreeMap<&'static str, u32>,
    /// Each time without a primary: from its end until the next one took writes.
    pub promotions: Vec<Duration>,
}

impl Stage {
    pub async fn start(replicas: usize) -> Result<Self> {
        Ok(Self {
            network: Network::start(replicas).await?,
            behind: (0..=replicas).collect(),
            troubles: BTreeMap::new(),
            promotions: Vec::new(),
        })
    }

    pub fn settings(&self) -> Result<Settings> {
        let mut settings = self.network.settings()?;
        settings.primary_wait = Duration::from_secs(10);
        // servers that wait for a processor, on a machine that is busy with other things, are no outage
        settings.probe_deadline = Duration::from_secs(4);
        Ok(settings)
    }

    /// The node that is behind an address now.
    fn node(&self, address: usize) -> Result<&Node> {
        let number = self.behind.get(address).context("an address")?;
        let mut nodes = self.network.cluster.nodes();
        nodes.nth(*number).context("a node")
    }

    fn proxy(&self, address: usize) -> Result<&FaultProxy> {
        match address.checked_sub(1) {
            Some(replica) => self.network.replicas.get(replica).context("an address"),
            None => Ok(&self.network.primary),
        }
    }

    /// A node is in trouble for a while.
    pub async fn something(&mut self, rng: &mut StdRng, histories: &[&History]) -> Result<()> {
        let address = match rng.random_ratio(1, 7) {
            true => 0,
            false => rng.random_range(1..self.behind.len()),
        };
        let trouble = match address {
            0 => Trouble::of_network(rng),
            _ => Trouble::of_replica(rng),
        };
        let lasts = Duration::from_millis(rng.random_range(300..3_000));
        *self.troubles.entry(name(&trouble, address)).or_default() += 1;
        // what a session wrote there nobody else may have yet
        excuse(histories, address == 0);
        let (node, proxy) = (self.node(address)?, self.proxy(address)?);
        trouble.befalls(node, proxy).await?;
        sleep(lasts).await;
        trouble.is_over(node, proxy).await?;
        if address == 0 {
            sleep(Duration::from_secs(2)).await;
        }
        excuse(histories, false);
        Ok(())
    }

    /// The primary is killed, a replica takes its place, and the old one becomes a copy of it.
    pub async fn promote(&mut self, rng: &mut StdRng, histories: &[&History]) -> Result<()> {
        excuse(histories, true);
        // what these sessions were told is written may not be lost, or they would rightly complain
        let writing = histories.iter().map(|history| history.without_writes());
        let writing = futures_util::future::join_all(writing).await;
        let address = rng.random_range(1..self.behind.len());
        for replica in 1..self.behind.len() {
            self.node(replica)?.wait_caught_up(self.node(0)?).await?;
        }
        let killed = Instant::now();
        self.node(0)?.kill().await?;
        let address = self.furthest(address).await?;
        let next = self.node(address)?;
        next.promote().await?;
        if FOLLOWS == Follows::Addresses {
            let (new, old) = (next.port(), self.node(0)?.port());
            for (address, port) in [(0, new), (address, old)] {
                self.proxy(address)?.point_to(port);
                self.proxy(address)?.reset_open();
            }
        }
        self.promotions.push(killed.elapsed());
        self.behind.swap(0, address);
        drop(writing);
        let (old, next) = (self.node(address)?, self.node(0)?);
        for other in (1..self.behind.len()).filter(|other| *other != address) {
            self.node(other)?.follow(next).await?;
        }
        old.rejoin(next).await?;
        // a restart point writes down the timeline where an ordinary role can read it
        next.sql("CHECKPOINT").await?;
        for replica in 1..self.behind.len() {
            self.node(replica)?.wait_caught_up(next).await?;
            self.node(replica)?.sql("CHECKPOINT").await?;
        }
        sleep(Duration::from_secs(3)).await;
        excuse(histories, false);
        Ok(())
    }

    /// The replica that has received most: the others can follow it. `address` if there are several.
    async fn furthest(&self, address: usize) -> Result<usize> {
        let mut furthest = (0, address);
        let others = (1..self.behind.len()).filter(|other| *other != address);
        for replica in std::iter::once(address).chain(others) {
            let admin = self.node(replica)?.admin("postgres").await?;
            let received = "SELECT (pg_last_wal_receive_lsn() - '0/0'::pg_lsn)::int8";
            let bytes: i64 = admin.query_one(received, &[]).await?.try_get(0)?;
            if bytes > furthest.0 {
                furthest = (bytes, replica);
            }
        }
        Ok(furthest.1)
    }

    /// What is in the journal, by the primary's own word, and how often.
    pub async fn entries(&self) -> Result<HashMap<i32, i64>> {
        let client = self.node(0)?.app(self.network.database.name()).await?;
        let all = "SELECT id, count(*) FROM journal GROUP BY id";
        let rows = client.query(all, &[]).await?;
        let entries = rows
            .iter()
            .map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
        entries.collect()
    }

    /// How many connections each node has, the first primary first.
    pub async fn connections(&self) -> Result<Vec<usize>> {
        let mut all = Vec::new();
        for node in self.network.cluster.nodes() {
            all.push(node.connections_of(APP_ROLE).await?);
        }
        Ok(all)
    }

    pub fn bounded(&self, connections: &[usize]) -> Result<()> {
        let most = connections.iter().max().copied().unwrap_or_default();
        ensure!(most <= CONNECTIONS, "{connections:?}");
        Ok(())
    }

    pub async fn nobody_is_connected(&self) -> Result<()> {
        let started = Instant::now();
        while self.connections().await?.iter().sum::<usize>() > 0 {
            let connections = self.connections().await?;
            ensure!(
                started.elapsed() < Duration::from_secs(20),
                "{connections:?}"
            );
            sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }
}

fn excuse(histories: &[&History], is_excused: bool) {
    for history in histories {
        history.excuse(is_excused);
    }
}

fn name(trouble: &Trouble, address: usize) -> &'static str {
    match trouble {
        _ if address == 0 => "primary's network",
        Trouble::Leaves(_) => "killed",
        Trouble::Restarts => "restarted",
        Trouble::StandsStill => "replay paused",
        Trouble::Network(_) => "network",
        _ => "other",
    }
}
