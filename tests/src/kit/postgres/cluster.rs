//! A primary and its replicas.

use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::Result;
use tokio::sync::RwLock;

use super::builder::Builder;
use super::database::Database;
use super::node::{Node, PATIENCE};
use super::{APP_ROLE, conf};
use crate::kit::guard::Guard;

/// Beyond this, a new database is not worth waiting out the delay for.
const SHORT_DELAY: Duration = Duration::from_secs(2);

/// A primary with streaming replicas, stopped and deleted when it is dropped,
/// and also when the test process ends in any other way.
#[derive(Debug)]
pub struct Cluster {
    // First, so that the servers are gone before their ports are given back.
    guard: Guard,
    primary: Node,
    replicas: Vec<Node>,
    databases: AtomicU32,
    // Written by who suspends a delay, read by who relies on one.
    suspending: RwLock<()>,
}

impl Cluster {
    /// A cluster with a primary and no replica, unless told otherwise.
    pub fn builder() -> Builder {
        Builder::default()
    }

    pub(super) const fn new(guard: Guard, primary: Node, replicas: Vec<Node>) -> Self {
        Self {
            guard,
            primary,
            replicas,
            databases: AtomicU32::new(0),
            suspending: RwLock::const_new(()),
        }
    }

    /// The node that was the primary at the start.
    #[must_use]
    pub const fn primary(&self) -> &Node {
        &self.primary
    }

    /// The nodes that were replicas at the start.
    #[must_use]
    pub fn replicas(&self) -> &[Node] {
        &self.replicas
    }

    /// All nodes, the primary first.
    pub fn nodes(&self) -> impl Iterator<Item = &Node> {
        std::iter::once(&self.primary).chain(&self.replicas)
    }

    /// The folder that holds the data folders and logs; gone after the cluster.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.guard.folder()
    }

    /// Makes an empty database owned by the application's role, with a name of
    /// its own, and waits until every replica has it.
    ///
    /// That takes the apply delay, if it is at most two seconds; a longer one is
    /// suspended meanwhile, which a test of the same cluster might notice.
    ///
    /// # Errors
    /// When the primary is away, or a replica does not get there: one that is
    /// stopped, paused or cut off never does.
    pub async fn create_database(&self) -> Result<Database> {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("test_{number}");
        // `template0`: nobody can be connected to it, which would make this fail.
        let create = format!("CREATE DATABASE {name} OWNER {APP_ROLE} TEMPLATE template0");
        self.primary.sql(&create).await?;
        {
            let _unsuspended = self.suspending.read().await;
            if self
                .replicas
                .iter()
                .all(|replica| replica.apply_delay() <= SHORT_DELAY)
            {
                for replica in &self.replicas {
                    wait_for(replica, &name).await?;
                }
                return Ok(Database::new(name, self));
            }
        }
        let _alone = self.suspending.write().await;
        for replica in &self.replicas {
            let delay = replica.apply_delay();
            replica.set_apply_delay(Duration::ZERO).await?;
            let seen = wait_for(replica, &name).await;
            replica.set_apply_delay(delay).await?;
            seen?;
        }
        Ok(Database::new(name, self))
    }
}

async fn wait_for(replica: &Node, database: &str) -> Result<()> {
    let name = conf::quoted(database);
    let query = format!("SELECT EXISTS (SELECT FROM pg_database WHERE datname = {name})");
    let what = format!("the database {database} arrives");
    replica
        .until(&what, PATIENCE, || async {
            replica.value(&query, &[]).await
        })
        .await
}
