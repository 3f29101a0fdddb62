//! [`SplitPool`]: what an application holds in place of its pool.

use std::fmt;
use std::sync::Arc;

use orm_split_core::{Hint, Route, SessionKey, SplitError, Status};

use crate::builder::SplitBuilder;
use crate::connection::SplitConnection;
use crate::node_connection::NodeConnection;
use crate::pool_of_node::PoolState;
use crate::split::Split;

/// Pools to one primary and any number of replicas.
///
/// Cheap to clone; all clones share pools and counters. Without replicas it behaves as the one pool in
/// it: nothing is spawned beside it, nothing is sent.
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # async fn build() -> Result<(), diesel_split::SplitError> {
/// use diesel_async::AsyncPgConnection;
/// use diesel_split::{SplitConnection, SplitPool};
///
/// let pool = SplitPool::<AsyncPgConnection>::builder()
///     .primary("postgres://app@db-main/app")
///     .replica("postgres://app@replica-1/app")
///     .build()
///     .await?;
/// let conn: SplitConnection<AsyncPgConnection> = pool.get().await?;
/// # drop(conn);
/// # Ok(())
/// # }
/// ```
pub struct SplitPool<C: NodeConnection> {
    pub(crate) split: Arc<Split<C>>,
}

impl<C: NodeConnection> SplitPool<C> {
    /// Starts building pools to a primary and its replicas.
    pub fn builder() -> SplitBuilder<C> {
        SplitBuilder::default()
    }

    pub(crate) fn new(split: Split<C>) -> Self {
        Self {
            split: Arc::new(split),
        }
    }

    /// A connection. It takes one from a server only when it has a statement to run; that is also when
    /// a full or unreachable pool shows.
    ///
    /// # Errors
    /// The pools were closed.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn get(&self) -> Result<SplitConnection<C>, SplitError> {
        if self.split.is_closed() {
            return Err(SplitError::Closed);
        }
        Ok(SplitConnection::new(Arc::clone(&self.split)))
    }

    /// Nodes, health, staleness and counters. Without replicas nothing is watched.
    #[must_use]
    pub fn status(&self) -> Status {
        if self.split.splitter.topology().replicas().is_empty() {
            return Status::without_replicas();
        }
        self.split.splitter.status()
    }

    /// The nodes' names and how many connections are open to each, the primary first; none once closed.
    #[must_use]
    pub fn state(&self) -> Vec<(Arc<str>, PoolState)> {
        self.split.states()
    }

    /// Where `sql` would go now in the current task, and why, without sending it. In
    /// [`Mode::Shadow`](crate::Mode::Shadow) also where it would go otherwise.
    #[must_use]
    pub fn explain(&self, sql: &str) -> Route {
        self.split.splitter.explain(sql, Hint::None)
    }

    /// The current task wrote something that the library could not see: its reads wait for the replicas
    /// to have it.
    pub fn wrote(&self) {
        self.split.splitter.wrote(SessionKey::current());
    }

    /// Stops watching the nodes and lets go of their pools, for all clones. Idle connections are closed
    /// now, those in use when they are given back; nobody gets another one.
    ///
    /// # Cancel safety
    /// What was closed stays closed.
    pub async fn close(&self) {
        self.split.close().await;
    }
}

impl<C: NodeConnection> Clone for SplitPool<C> {
    fn clone(&self) -> Self {
        Self {
            split: Arc::clone(&self.split),
        }
    }
}

impl<C: NodeConnection> fmt::Debug for SplitPool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.split.splitter.topology().nodes().iter();
        let names: Vec<&str> = nodes.map(|node| node.name()).collect();
        f.debug_struct("SplitPool")
            .field("nodes", &names)
            .finish_non_exhaustive()
    }
}

#[cfg(feature = "tower")]
impl<C: NodeConnection> orm_split_core::tower::KeepsSessions for SplitPool<C> {
    fn splitter(&self) -> Option<Arc<orm_split_core::Splitter>> {
        Some(Arc::clone(&self.split.splitter))
    }
}
