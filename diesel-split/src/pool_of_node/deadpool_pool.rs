//! deadpool.
//!
//! Whoever needs a connection opens it, within its own deadline.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use deadpool::Runtime;
use deadpool::managed::{
    Manager as ManagesObjects, Metrics, Object, Pool, PoolError, RecycleError, RecycleResult,
};
use diesel_async::pooled_connection::{self, AsyncDieselConnectionManager};
use orm_split_core::{ConfigError, Connected, ProbeError, SplitError};

use super::{ExistingPool, NoConnection, PoolOfNode, PoolOptions, PoolState};
use crate::error::{connection_error, probe_error};
use crate::lease::Pooled;
use crate::node_connection::NodeConnection;
use crate::opener::{Opened, Opener};

struct Manager<C: NodeConnection> {
    opener: Arc<Opener<C>>,
    idle_timeout: Option<Duration>,
    max_lifetime: Option<Duration>,
}

impl<C: NodeConnection> ManagesObjects for Manager<C> {
    type Type = Box<Opened<C>>;
    type Error = SplitError;

    async fn create(&self) -> Result<Box<Opened<C>>, SplitError> {
        self.opener.open().await
    }

    async fn recycle(
        &self,
        opened: &mut Box<Opened<C>>,
        metrics: &Metrics,
    ) -> RecycleResult<SplitError> {
        let is_over = |limit: Option<Duration>, time| limit.is_some_and(|limit| time > limit);
        if is_over(self.idle_timeout, opened.idle_since.elapsed())
            || is_over(self.max_lifetime, metrics.age())
        {
            return Err(RecycleError::message("it is too old"));
        }
        if self.opener.is_usable(opened).await {
            return Ok(());
        }
        Err(RecycleError::message("it may not be used any longer"))
    }
}

struct Made<C: NodeConnection> {
    pool: Pool<Manager<C>>,
    opener: Arc<Opener<C>>,
}

pub(super) fn make<C: NodeConnection>(
    opener: &Arc<Opener<C>>,
    options: &PoolOptions,
) -> Result<Arc<dyn PoolOfNode<C>>, SplitError> {
    let manager = Manager {
        opener: Arc::clone(opener),
        idle_timeout: options.idle_timeout,
        max_lifetime: options.max_lifetime,
    };
    let pool = Pool::builder(manager)
        .max_size(usize::try_from(options.max_size.max(1)).unwrap_or(usize::MAX))
        .wait_timeout(options.wait)
        .create_timeout(options.create)
        .recycle_timeout(options.recycle)
        .runtime(Runtime::Tokio1)
        .build();
    let pool = pool.map_err(|error| {
        ConfigError::new(opener.node.name(), error.to_string(), "limits of a pool")
    })?;
    Ok(Arc::new(Made {
        pool,
        opener: Arc::clone(opener),
    }))
}

#[async_trait]
impl<C: NodeConnection> PoolOfNode<C> for Made<C> {
    async fn checkout(&self) -> Result<Box<dyn Pooled<C>>, NoConnection> {
        match self.pool.get().await {
            Ok(object) => Ok(Box::new(Checked(Some(object)))),
            Err(PoolError::Backend(error)) => Err(NoConnection::Refused(error)),
            Err(PoolError::Closed) => Err(NoConnection::Closed),
            Err(PoolError::Timeout(_) | _) => Err(self
                .opener
                .last_failure()
                .map_or(NoConnection::TimedOut, |failure| {
                    NoConnection::Failed(ProbeError::new(failure.fault, failure.cause))
                })),
        }
    }

    async fn dedicated(&self) -> Result<C, ProbeError> {
        self.opener.connect().await
    }

    fn state(&self) -> PoolState {
        state(&self.pool)
    }

    fn close(&self) {
        self.pool.close();
    }
}

fn state<M: ManagesObjects>(pool: &Pool<M>) -> PoolState {
    let status = pool.status();
    let number = |count: usize| u32::try_from(count).unwrap_or(u32::MAX);
    PoolState {
        connections: number(status.size),
        idle: number(status.available),
        max_size: number(status.max_size),
    }
}

/// `None` once it is closed.
struct Checked<C: NodeConnection>(Option<Object<Manager<C>>>);

impl<C: NodeConnection> Pooled<C> for Checked<C> {
    #[expect(
        clippy::expect_used,
        reason = "only `discard`, which consumes it, takes the object"
    )]
    fn connection(&mut self) -> &mut C {
        let object = self.0.as_mut().expect("not discarded");
        &mut object.connection
    }

    fn connected(&self) -> Option<Connected> {
        self.0.as_ref().and_then(|object| object.connected)
    }

    fn is_unknown(&mut self) {
        if let Some(object) = &mut self.0 {
            object.is_unknown = true;
        }
    }

    fn discard(mut self: Box<Self>) {
        drop(self.0.take().map(Object::take));
    }
}

impl<C: NodeConnection> Drop for Checked<C> {
    fn drop(&mut self) {
        // deadpool looks at a connection only when it is taken again: one that is spent would keep its
        // statement, and its place, until then
        let spent = self.0.take_if(|object| object.is_spent());
        drop(spent.map(Object::take));
    }
}

/// A pool over diesel-async's own manager.
struct Existing<C>(Pool<AsyncDieselConnectionManager<C>>)
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManagesObjects<Type = C, Error = pooled_connection::PoolError>;

impl<C> From<Pool<AsyncDieselConnectionManager<C>>> for ExistingPool<C>
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManagesObjects<Type = C, Error = pooled_connection::PoolError>,
{
    fn from(pool: Pool<AsyncDieselConnectionManager<C>>) -> Self {
        Self(Arc::new(Existing(pool)))
    }
}

#[async_trait]
impl<C> PoolOfNode<C> for Existing<C>
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManagesObjects<Type = C, Error = pooled_connection::PoolError>,
{
    async fn checkout(&self) -> Result<Box<dyn Pooled<C>>, NoConnection> {
        match self.0.get().await {
            Ok(object) => Ok(Box::new(Borrowed(Some(object)))),
            Err(PoolError::Backend(error)) => Err(NoConnection::Failed(pool_error(&error))),
            Err(PoolError::Closed) => Err(NoConnection::Closed),
            Err(_) => Err(NoConnection::TimedOut),
        }
    }

    async fn dedicated(&self) -> Result<C, ProbeError> {
        let opened = self.0.manager().create().await;
        opened.map_err(|error| pool_error(&error))
    }

    fn state(&self) -> PoolState {
        state(&self.0)
    }

    fn close(&self) {
        self.0.close();
    }
}

fn pool_error(error: &pooled_connection::PoolError) -> ProbeError {
    match error {
        pooled_connection::PoolError::ConnectionError(error) => connection_error(error),
        pooled_connection::PoolError::QueryError(error) => probe_error(error),
    }
}

/// Of a pool whose connections are the user's own.
struct Borrowed<C>(Option<Object<AsyncDieselConnectionManager<C>>>)
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManagesObjects<Type = C, Error = pooled_connection::PoolError>;

impl<C> Pooled<C> for Borrowed<C>
where
    C: NodeConnection,
    AsyncDieselConnectionManager<C>: ManagesObjects<Type = C, Error = pooled_connection::PoolError>,
{
    #[expect(
        clippy::expect_used,
        reason = "only `discard`, which consumes it, takes the object"
    )]
    fn connection(&mut self) -> &mut C {
        self.0.as_mut().expect("not discarded")
    }

    fn connected(&self) -> Option<Connected> {
        None
    }

    /// Its own pool looks at what it hands out.
    fn is_unknown(&mut self) {}

    fn discard(mut self: Box<Self>) {
        drop(self.0.take().map(Object::take));
    }
}
