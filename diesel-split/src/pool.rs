//! [`SplitPool`]: what an application holds in place of its pool.

use std::fmt;
use std::sync::Arc;

use orm_split_core::{
    Hint, PoolGauge as _, Route, SessionKey, SessionToken, SplitError, Status, TokenError,
};

#[cfg(feature = "axum")]
use diesel_async::SimpleAsyncConnection as _;

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
        let split = Arc::new(split);
        let gauge = Arc::downgrade(&split);
        split.splitter.pools_are_told_by(gauge);
        Self { split }
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
            let mut status = Status::without_replicas();
            for node in &mut status.nodes {
                node.pool = self.split.pool_use(self.split.splitter.primary());
            }
            return status;
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
    /// to have it. [`Session::wrote`](crate::Session::wrote) says so of every database.
    pub fn wrote(&self) {
        self.split.splitter.wrote(SessionKey::current());
    }

    /// What the current session has written and read, as text for another process or a later request: see
    /// [`resume`](Self::resume). To be asked for when the writes are done. What a connection wrote in another
    /// session has a token of [its own](SplitConnection::token).
    ///
    /// Mostly at once; else it takes one sample of the primary, of 5 ms and a round trip, which all who wait
    /// share.
    ///
    /// # Errors
    /// The builder was given no [`token_keys`](crate::SplitBuilder::token_keys), or the primary's position is not
    /// known: there are no replicas, or it does not answer.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn token(&self) -> Result<SessionToken, TokenError> {
        let session = [SessionKey::current()];
        self.split.splitter.token(session).await
    }

    /// From now on the current session has written what `token` tells of: its reads do not miss it, whichever
    /// connections it takes. A token that is refused changes nothing.
    ///
    /// ```no_run
    /// use diesel_split::{NodeConnection, Session, SplitPool};
    ///
    /// /// Does a job whose payload came with the token of whoever queued it.
    /// async fn run<C: NodeConnection>(pool: &SplitPool<C>, token: &str) {
    ///     let job = async {
    ///         if let Err(refusal) = pool.resume(token).await {
    ///             eprintln!("the job may miss what was written before it was queued: {refusal}");
    ///         }
    ///         // …
    ///     };
    ///     Session::new().scope(job).await;
    /// }
    /// ```
    ///
    /// # Errors
    /// No keys are configured, or why the token is refused. Without replicas none is: nobody lags.
    ///
    /// # Cancel safety
    /// The session is as before if the future is dropped.
    pub async fn resume(&self, token: &str) -> Result<(), TokenError> {
        self.split
            .splitter
            .resume(SessionKey::current(), token)
            .await
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
        let topology = self.split.splitter.topology();
        let nodes = topology.nodes().iter();
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

#[cfg(feature = "axum")]
#[async_trait::async_trait]
impl<C: NodeConnection> orm_split_core::endpoints::StatusSource for SplitPool<C> {
    fn status(&self) -> Status {
        Self::status(self)
    }

    fn recent(&self) -> orm_split_core::endpoints::StalenessLately {
        self.split.splitter.staleness_lately()
    }

    async fn primary_answers(&self) -> bool {
        match self.get().await {
            Ok(mut conn) => conn.batch_execute("SELECT 1").await.is_ok(),
            Err(_) => false,
        }
    }
}
