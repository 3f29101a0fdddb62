//! bb8.
//!
//! It opens connections in tasks of its own, which outlive whoever waits, and tells a waiter nothing of
//! failures: the opener remembers why, and announces what no waiting will cure.

use std::sync::Arc;

use async_trait::async_trait;
use bb8::{ManageConnection, Pool, PooledConnection, RunError};
use diesel_async::TransactionManager;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, PoolError};
use orm_split_core::{Connected, ProbeError, SplitError};
use std::time::Duration;

use super::{ExistingPool, NoConnection, PoolOfNode, PoolOptions, PoolState};
use crate::error::{connection_error, probe_error};
use crate::lease::Pooled;
use crate::node_connection::NodeConnection;
use crate::opener::{Opened, Opener};

struct Manager<C: NodeConnection>(Arc<Opener<C>>);

impl<C: NodeConnection> ManageConnection for Manager<C> {
    type Connection = Box<Opened<C>>;
    type Error = SplitError;

    async fn connect(&self) -> Result<Box<Opened<C>>, SplitError> {
        self.0.open().await
    }

    async fn is_valid(&self, opened: &mut Box<Opened<C>>) -> Result<(), SplitError> {
        if self.0.is_usable(opened).await {
            return Ok(());
        }
        opened.is_discarded = true;
        let node = self.0.node.name().to_owned();
        Err(SplitError::Unstable { node })
    }

    fn has_broken(&self, opened: &mut Box<Opened<C>>) -> bool {
        opened.is_spent()
    }
}

struct Made<C: NodeConnection> {
    pool: Pool<Manager<C>>,
    opener: Arc<Opener<C>>,
}

pub(super) fn make<C: NodeConnection>(
    opener: &Arc<Opener<C>>,
    options: &PoolOptions,
) -> Arc<dyn PoolOfNode<C>> {
    let positive = |limit: Option<Duration>| limit.map(|limit| limit.max(Duration::from_millis(1)));
    let builder = Pool::builder()
        .max_size(options.max_size.max(1))
        .min_idle(Some(options.min_idle).filter(|least| *least > 0))
        .connection_timeout(positive(options.wait).unwrap_or(NO_LIMIT))
        .idle_timeout(positive(options.idle_timeout))
        .max_lifetime(positive(options.max_lifetime))
        // a replica that is down is noticed by its prober; a pool that goes on trying in growing
        // intervals would miss its return
        .retry_connection(opener.node.is_primary())
        .test_on_check_out(true);
    Arc::new(Made {
        pool: builder.build_unchecked(Manager(Arc::clone(opener))),
        opener: Arc::clone(opener),
    })
}

/// bb8 wants one; a century does not overflow its clock.
const NO_LIMIT: Duration = Duration::from_secs(3_155_760_000);

#[async_trait]
impl<C: NodeConnection> PoolOfNode<C> for Made<C> {
    async fn checkout(&self) -> Result<Box<dyn Pooled<C>>, NoConnection> {
        let refusal = self.opener.next_refusal();
        tokio::select! {
            biased;
            got = self.pool.get_owned() => match got {
                Ok(pooled) => Ok(Box::new(pooled)),
                Err(RunError::User(error)) => Err(NoConnection::Refused(error)),
                Err(RunError::TimedOut) => Err(self.opener.last_failure().map_or(
                    NoConnection::TimedOut,
                    |failure| NoConnection::Failed(ProbeError::new(failure.fault, failure.cause)),
                )),
            },
            refusal = refusal => Err(NoConnection::Refused(refusal)),
        }
    }

    async fn dedicated(&self) -> Result<C, ProbeError> {
        self.opener.connect().await
    }

    fn state(&self) -> PoolState {
        state(&self.pool)
    }

    fn close(&self) {}
}

fn state<M: ManageConnection>(pool: &Pool<M>) -> PoolState {
    let state = pool.state();
    PoolState {
        connections: state.connections,
        idle: state.idle_connections,
        max_size: pool.config().max_size,
    }
}

impl<C: NodeConnection> Pooled<C> for PooledConnection<'static, Manager<C>> {
    fn connection(&mut self) -> &mut C {
        &mut self.connection
    }

    fn connected(&self) -> Option<Connected> {
        self.connected
    }

    fn is_unknown(&mut self) {
        self.is_unknown = true;
    }

    fn discard(mut self: Box<Self>) {
        self.is_discarded = true;
    }
}

/// A pool over diesel-async's own manager.
struct Existing<C>(Pool<AsyncDieselConnectionManager<C>>)
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManageConnection<Connection = C, Error = PoolError>;

impl<C> From<Pool<AsyncDieselConnectionManager<C>>> for ExistingPool<C>
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManageConnection<Connection = C, Error = PoolError>,
{
    fn from(pool: Pool<AsyncDieselConnectionManager<C>>) -> Self {
        Self(Arc::new(Existing(pool)))
    }
}

#[async_trait]
impl<C> PoolOfNode<C> for Existing<C>
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManageConnection<Connection = C, Error = PoolError>,
{
    async fn checkout(&self) -> Result<Box<dyn Pooled<C>>, NoConnection> {
        match self.0.get_owned().await {
            Ok(pooled) => Ok(Box::new(Borrowed(pooled))),
            Err(RunError::TimedOut) => Err(NoConnection::TimedOut),
            Err(RunError::User(error)) => Err(NoConnection::Failed(pool_error(&error))),
        }
    }

    async fn dedicated(&self) -> Result<C, ProbeError> {
        let opened = self.0.dedicated_connection().await;
        opened.map_err(|error| pool_error(&error))
    }

    fn state(&self) -> PoolState {
        state(&self.0)
    }

    fn close(&self) {}
}

pub(super) fn pool_error(error: &PoolError) -> ProbeError {
    match error {
        PoolError::ConnectionError(error) => connection_error(error),
        PoolError::QueryError(error) => probe_error(error),
    }
}

/// Of a pool whose connections are the user's own.
struct Borrowed<C>(PooledConnection<'static, AsyncDieselConnectionManager<C>>)
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManageConnection<Connection = C, Error = PoolError>;

impl<C> Pooled<C> for Borrowed<C>
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManageConnection<Connection = C, Error = PoolError>,
{
    fn connection(&mut self) -> &mut C {
        &mut self.0
    }

    fn connected(&self) -> Option<Connected> {
        None
    }

    /// Its own pool looks at what it hands out.
    fn is_unknown(&mut self) {}

    fn discard(mut self: Box<Self>) {
        let connection: &mut C = &mut self.0;
        C::TransactionManager::transaction_manager_status_mut(connection).set_in_error();
    }
}
