//! The pool of one node: bb8's or deadpool's, made by us or handed in.
//!
//! Decides nothing but what the two kinds of pool do differently.

#[cfg(feature = "bb8")]
mod bb8_pool;
#[cfg(feature = "deadpool")]
mod deadpool_pool;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orm_split_core::{Fault, Node, ProbeError, SplitError};

use crate::lease::Pooled;
use crate::node_connection::NodeConnection;
use crate::opener::Opener;

/// What the rest of the adapter needs of a pool.
#[async_trait]
pub(crate) trait PoolOfNode<C: NodeConnection>: Send + Sync {
    /// A connection that may be used, as far as can be told without a round trip.
    async fn checkout(&self) -> Result<Box<dyn Pooled<C>>, NoConnection>;

    /// A connection of no pool, for a prober.
    async fn dedicated(&self) -> Result<C, ProbeError>;

    fn state(&self) -> PoolState;

    /// Lets no further connection out, where the pool can.
    fn close(&self);
}

/// Why a pool gave no connection.
#[derive(Debug)]
pub(crate) enum NoConnection {
    /// Its own time limit ran out.
    TimedOut,
    #[cfg(feature = "deadpool")]
    Closed,
    Failed(ProbeError),
    Refused(SplitError),
}

impl NoConnection {
    pub(crate) fn describe(self, limit: &str) -> Result<ProbeError, SplitError> {
        match self {
            Self::TimedOut => Ok(ProbeError::new(Fault::Saturated, limit)),
            #[cfg(feature = "deadpool")]
            Self::Closed => Err(SplitError::Closed),
            Self::Failed(error) => Ok(error),
            Self::Refused(refusal) => Err(refusal),
        }
    }
}

/// How many connections a node's pool has.
///
/// ```
/// use diesel_split::PoolState;
///
/// fn in_use(state: &PoolState) -> u32 {
///     state.connections - state.idle
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolState {
    /// Open connections.
    pub connections: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// How many there may be.
    pub max_size: u32,
}

impl PoolState {
    /// Whether all connections that the pool may open are in use.
    #[must_use]
    pub fn is_saturated(&self) -> bool {
        self.idle == 0 && self.connections >= self.max_size
    }
}

/// Which kind of pool the builder makes for each node.
///
/// ```
/// use diesel_split::PoolKind;
///
/// # #[cfg(feature = "bb8")]
/// assert_eq!(PoolKind::default(), PoolKind::Bb8);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum PoolKind {
    /// bb8: connections are opened in the background. The default.
    #[cfg(feature = "bb8")]
    #[default]
    Bb8,
    /// deadpool: whoever needs a connection opens it.
    #[cfg(feature = "deadpool")]
    #[cfg_attr(not(feature = "bb8"), default)]
    Deadpool,
}

/// Limits of the pool of one node. `None` is no limit.
///
/// ```
/// use std::time::Duration;
/// use diesel_split::PoolOptions;
///
/// let mut options = PoolOptions::default();
/// options.max_size = 50;
/// options.wait = Some(Duration::from_secs(5));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolOptions {
    /// Connections at most, at least 1. Default 10.
    pub max_size: u32,
    /// Idle connections that are kept open, at most `max_size`. Default 0. bb8 only: under deadpool whoever
    /// needs a connection opens it.
    pub min_idle: u32,
    /// How long a checkout may take. Default 30 s, at least 1 ms. On a replica `checkout_deadline` is
    /// mostly shorter.
    pub wait: Option<Duration>,
    /// How long opening a connection may take. Default 10 s.
    pub create: Option<Duration>,
    /// How long looking at an idle connection may take, which is pinged if it was idle for 30 s. Default
    /// no limit but `wait`. deadpool only.
    pub recycle: Option<Duration>,
    /// Connections that are idle for longer are closed. Default 10 minutes. Under deadpool, which does nothing
    /// in the background, when they are taken the next time.
    pub idle_timeout: Option<Duration>,
    /// Older connections are closed. Default 30 minutes. Under deadpool as with `idle_timeout`.
    pub max_lifetime: Option<Duration>,
}

impl Default for PoolOptions {
    fn default() -> Self {
        Self {
            max_size: 10,
            min_idle: 0,
            wait: Some(Duration::from_secs(30)),
            create: Some(Duration::from_secs(10)),
            recycle: None,
            idle_timeout: Some(Duration::from_secs(600)),
            max_lifetime: Some(Duration::from_secs(1800)),
        }
    }
}

/// A pool that was made elsewhere: bb8's or deadpool's over diesel-async's own manager.
///
/// Connections that it opens are not asked who they lead to, and a replica's are not made read-only; its
/// hooks stay as they are. A connection whose statement did not finish is closed all the same.
///
/// ```no_run
/// # #[cfg(all(feature = "bb8", feature = "postgres"))]
/// # async fn build() -> Result<(), Box<dyn std::error::Error>> {
/// use diesel_async::AsyncPgConnection;
/// use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8::Pool};
/// use diesel_split::{ExistingPool, SplitPool};
///
/// let manager = AsyncDieselConnectionManager::new("postgres://app@db-main/app");
/// let existing = Pool::builder().max_size(20).build(manager).await?;
/// let pool = SplitPool::<AsyncPgConnection>::builder()
///     .primary_pool(ExistingPool::from(existing))
///     .replica("postgres://app@replica-1/app")
///     .build()
///     .await?;
/// # drop(pool);
/// # Ok(())
/// # }
/// ```
pub struct ExistingPool<C>(pub(crate) Arc<dyn PoolOfNode<C>>);

impl<C> fmt::Debug for ExistingPool<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ExistingPool").finish_non_exhaustive()
    }
}

/// Makes a pool that opens its connections through `opener`.
pub(crate) fn make<C: NodeConnection>(
    kind: PoolKind,
    opener: &Arc<Opener<C>>,
    options: &PoolOptions,
) -> Result<Arc<dyn PoolOfNode<C>>, SplitError> {
    match kind {
        #[cfg(feature = "bb8")]
        PoolKind::Bb8 => Ok(bb8_pool::make(opener, options)),
        #[cfg(feature = "deadpool")]
        PoolKind::Deadpool => deadpool_pool::make(opener, options),
    }
}

/// The node's name and why its pool has no connection.
pub(crate) fn failure(node: &Node, error: ProbeError) -> SplitError {
    SplitError::Exhausted(vec![orm_split_core::AttemptFailure::new(
        node.name(),
        orm_split_core::Phase::Checkout,
        error.fault,
        error.message,
    )])
}
