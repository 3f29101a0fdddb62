//! Where the replicas of a suite stand: the same guarantees hold wherever.

use std::time::Duration;

use anyhow::{Context, Result};
use orm_split::sea_orm::{Role, Status};
use tokio::time::{sleep, timeout};

use crate::kit::postgres::{Cluster, Database, Delay, shared};

/// How an application reaches two replicas.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Topology {
    /// Each has an address of its own; both lag alike.
    Apart,
    /// One address leads to either. One replays at once, the other two seconds after the commit.
    OneAddress,
}

impl Topology {
    /// An empty database on a shared cluster; replicas that are apart lag by `delay`.
    ///
    /// # Errors
    /// The cluster does not start.
    pub async fn database(self, delay: Delay) -> Result<Database> {
        let cluster = self.cluster(delay).await?;
        self.over(cluster, cluster.create_database().await?).await
    }

    /// A database on a cluster of the test's own.
    ///
    /// # Errors
    /// There is no free port.
    pub async fn over(self, cluster: &Cluster, database: Database) -> Result<Database> {
        match self {
            Self::Apart => Ok(database),
            Self::OneAddress => database.balanced(cluster).await,
        }
    }

    async fn cluster(self, delay: Delay) -> Result<&'static Cluster> {
        match self {
            Self::Apart => shared(delay).await,
            Self::OneAddress => shared(Delay::Uneven).await,
        }
    }

    /// Waits until every replica of the shared cluster has what the primary has now, and an address that leads
    /// to several is known for it.
    ///
    /// # Errors
    /// That takes longer than 30 s.
    pub async fn settle(self, delay: Delay, status: impl Fn() -> Status) -> Result<()> {
        if self == Self::Apart {
            return Ok(());
        }
        let cluster = self.cluster(delay).await?;
        for replica in cluster.replicas() {
            replica.wait_caught_up(cluster.primary()).await?;
        }
        wait_for_members(2, status).await
    }
}

/// Waits until so many servers are known behind the only replica's address, and how far each is behind.
///
/// # Errors
/// They are not within 30 s.
pub async fn wait_for_members(count: usize, status: impl Fn() -> Status) -> Result<()> {
    let known = || {
        let nodes = status().nodes.into_iter();
        let members = nodes
            .filter(|node| node.role == Role::Replica)
            .flat_map(|node| node.members);
        members.filter(|member| member.staleness.is_some()).count()
    };
    let waited = timeout(Duration::from_secs(30), async {
        while known() != count {
            sleep(Duration::from_millis(10)).await;
        }
    });
    waited
        .await
        .with_context(|| format!("not {count} members: {:?}", status()))
}
