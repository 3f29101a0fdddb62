//! What differs between the connection types that can stand behind a
//! [`SplitConnection`](crate::SplitConnection).
//!
//! Decides nothing about nodes: it builds queries, sends them, and asks servers who they are.

use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use diesel::query_builder::{QueryFragment, QueryId};
use diesel::result::Error;
use diesel::row::Row;
use diesel::{ConnectionResult, QueryResult};
use diesel_async::pooled_connection::PoolableConnection;
use diesel_async::{AsyncConnection, AsyncConnectionCore};
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use orm_split_core::address::Address;
use orm_split_core::{Catalogue, ConfigError, Dialect, Identity, Lsn, ProbeError, Reading};

use crate::owned_query::{self, Dynamic, OwnedQuery, Static};

/// A connection type of diesel-async that can be split: `AsyncPgConnection`, `AsyncMysqlConnection` and
/// `SyncConnectionWrapper<SqliteConnection>`, each behind the feature of its back end.
///
/// Only to be named in bounds; it cannot be implemented elsewhere, and its items are no part of the
/// public API.
///
/// ```
/// use diesel::QueryResult;
/// use diesel_async::SimpleAsyncConnection;
/// use diesel_split::{NodeConnection, SplitConnection};
///
/// async fn vacuum<C: NodeConnection>(conn: &mut SplitConnection<C>) -> QueryResult<()> {
///     conn.batch_execute("VACUUM").await
/// }
/// ```
pub trait NodeConnection: AsyncConnection + PoolableConnection + Sealed + 'static {
    /// Which SQL it speaks.
    #[doc(hidden)]
    const DIALECT: Dialect;
    /// Fails if a transaction is open on the connection, or was and is not any more afterwards.
    #[doc(hidden)]
    const IS_IDLE: &'static str;
    /// The values of a query, collected.
    #[doc(hidden)]
    type Binds: Send + Sync + 'static;
    /// What its driver takes them as, once they are complete.
    #[doc(hidden)]
    type DriverBinds: Send + Sync + 'static;
    /// A row that borrows from no connection.
    #[doc(hidden)]
    type OwnedRow: Send + 'static + for<'r> Row<'r, <Self as AsyncConnectionCore>::Backend>;
    /// What is remembered of a server's types.
    #[doc(hidden)]
    type Types: Default + Send + Sync + 'static;
    /// What has to be remembered between two questions to a server.
    #[doc(hidden)]
    type Witness: Send + Sync + 'static;

    /// Reads the URL given for `field`.
    #[doc(hidden)]
    fn address(field: &str, url: &str) -> Result<Address, ConfigError>;

    /// Builds a query: nothing of it is borrowed afterwards.
    #[doc(hidden)]
    fn build<Q>(query: &Q, types: &Arc<Self::Types>) -> QueryResult<Built<Self::Binds>>
    where
        Q: QueryFragment<<Self as AsyncConnectionCore>::Backend>;

    /// The binds as the driver takes them; what is missing is asked of the server.
    #[doc(hidden)]
    fn complete<'c>(
        &'c mut self,
        binds: &'c Arc<Self::Binds>,
        types: &'c Self::Types,
    ) -> BoxFuture<'c, QueryResult<Arc<Self::DriverBinds>>>;

    /// As [`complete`](Self::complete), if nothing is missing.
    #[doc(hidden)]
    fn completed(binds: &Arc<Self::Binds>) -> Option<Arc<Self::DriverBinds>>;

    /// The statement failed with `error`: what was remembered of its types may be outdated.
    #[doc(hidden)]
    fn forget_types(binds: &Self::Binds, types: &Self::Types, error: &Error);

    #[doc(hidden)]
    fn send_load<I: owned_query::Identity>(
        &mut self,
        query: OwnedQuery<Self::DriverBinds, I>,
    ) -> BoxFuture<'_, QueryResult<RowStream<'_, Self>>>;

    #[doc(hidden)]
    fn send_execute<I: owned_query::Identity>(
        &mut self,
        query: OwnedQuery<Self::DriverBinds, I>,
    ) -> BoxFuture<'_, QueryResult<usize>>;

    /// Opens a connection as the URL says, TLS included where that was compiled in.
    #[doc(hidden)]
    fn open(url: &str) -> BoxFuture<'_, ConnectionResult<Self>>;

    /// Begins a transaction by this text, where transactions can be built.
    #[doc(hidden)]
    fn begin_as<'c>(&'c mut self, sql: &'c str) -> BoxFuture<'c, QueryResult<()>>;

    /// Makes its sessions read-only, where the server can.
    #[doc(hidden)]
    fn make_read_only(&mut self) -> BoxFuture<'_, QueryResult<()>>;

    /// For connections that `url` opens, on the primary or on a replica.
    #[doc(hidden)]
    fn witness(url: &str, is_primary: bool) -> Self::Witness;

    /// Asks the server who it is.
    #[doc(hidden)]
    fn identify<'c>(
        &'c mut self,
        witness: &'c Self::Witness,
    ) -> BoxFuture<'c, Result<Identity, ProbeError>>;

    /// Asks the server where it stands, after [`identify`](Self::identify).
    #[doc(hidden)]
    fn read_position<'c>(
        &'c mut self,
        witness: &'c Self::Witness,
    ) -> BoxFuture<'c, Result<Reading, ProbeError>>;

    /// Waits until the server has replayed `position`, or for `limit`; `false` at once if it cannot wait.
    #[doc(hidden)]
    fn wait_for<'c>(
        &'c mut self,
        witness: &'c Self::Witness,
        position: Lsn,
        limit: Duration,
    ) -> BoxFuture<'c, Result<bool, ProbeError>> {
        let _ = (witness, position, limit);
        Box::pin(std::future::ready(Ok(false)))
    }

    /// Asks a primary for its functions and views; `None` where the back end has none to tell apart.
    #[doc(hidden)]
    fn read_catalogue(&mut self) -> BoxFuture<'_, Result<Option<Catalogue>, ProbeError>> {
        Box::pin(std::future::ready(Ok(None)))
    }

    /// Whether idle connections still lead to what they were opened to, as far as the client can tell.
    #[doc(hidden)]
    fn leads_there(witness: &Self::Witness) -> bool;
}

/// Rows as a driver delivers them.
pub(crate) type RowStream<'c, C> = BoxStream<'c, QueryResult<<C as NodeConnection>::OwnedRow>>;

/// A query's text and values.
#[derive(Debug)]
pub struct Built<B> {
    pub(crate) sql: String,
    pub(crate) is_safe_to_cache: bool,
    pub(crate) binds: B,
}

pub trait Sealed {}

/// A query that can be sent any number of times.
pub(crate) trait Replay<C: NodeConnection>: Send + Sync {
    fn sql(&self) -> &str;

    fn load<'c>(
        &'c self,
        connection: &'c mut C,
        types: &'c C::Types,
    ) -> BoxFuture<'c, QueryResult<RowStream<'c, C>>>;

    fn execute<'c>(
        &'c self,
        connection: &'c mut C,
        types: &'c C::Types,
    ) -> BoxFuture<'c, QueryResult<usize>>;

    /// The statement failed on a server.
    fn failed(&self, types: &C::Types, error: &Error);
}

struct Replayable<C: NodeConnection, I> {
    sql: Arc<str>,
    is_safe_to_cache: bool,
    binds: Arc<C::Binds>,
    identity: PhantomData<fn() -> I>,
}

impl<C: NodeConnection, I: owned_query::Identity> Replayable<C, I> {
    fn with(&self, binds: Arc<C::DriverBinds>) -> OwnedQuery<C::DriverBinds, I> {
        OwnedQuery {
            sql: Arc::clone(&self.sql),
            is_safe_to_cache: self.is_safe_to_cache,
            binds,
            identity: PhantomData,
        }
    }
}

impl<C: NodeConnection, I: owned_query::Identity> Replay<C> for Replayable<C, I> {
    fn sql(&self) -> &str {
        &self.sql
    }

    fn load<'c>(
        &'c self,
        connection: &'c mut C,
        types: &'c C::Types,
    ) -> BoxFuture<'c, QueryResult<RowStream<'c, C>>> {
        if let Some(binds) = C::completed(&self.binds) {
            return connection.send_load(self.with(binds)); // as most are: a future less on the way
        }
        Box::pin(async move {
            let binds = connection.complete(&self.binds, types).await?;
            connection.send_load(self.with(binds)).await
        })
    }

    fn execute<'c>(
        &'c self,
        connection: &'c mut C,
        types: &'c C::Types,
    ) -> BoxFuture<'c, QueryResult<usize>> {
        if let Some(binds) = C::completed(&self.binds) {
            return connection.send_execute(self.with(binds));
        }
        Box::pin(async move {
            let binds = connection.complete(&self.binds, types).await?;
            connection.send_execute(self.with(binds)).await
        })
    }

    fn failed(&self, types: &C::Types, error: &Error) {
        C::forget_types(&self.binds, types, error);
    }
}

/// Builds a query, synchronously, into something that can be sent again and again.
pub(crate) fn replay_of<C, Q>(query: &Q, types: &Arc<C::Types>) -> QueryResult<Arc<dyn Replay<C>>>
where
    C: NodeConnection,
    Q: QueryFragment<<C as AsyncConnectionCore>::Backend> + QueryId,
{
    let built = C::build(query, types)?;
    Ok(if Q::HAS_STATIC_QUERY_ID {
        replayable::<C, Static<Q::QueryId>>(built)
    } else {
        replayable::<C, Dynamic>(built)
    })
}

fn replayable<C: NodeConnection, I: owned_query::Identity>(
    built: Built<C::Binds>,
) -> Arc<dyn Replay<C>> {
    Arc::new(Replayable::<C, I> {
        sql: Arc::from(built.sql),
        is_safe_to_cache: built.is_safe_to_cache,
        binds: Arc::new(built.binds),
        identity: PhantomData,
    })
}

/// How a query is sent is the same text for every connection type, but no generic function: only for
/// the concrete types are the drivers' rows known to borrow nothing.
macro_rules! sends {
    () => {
        fn send_load<I: $crate::owned_query::Identity>(
            &mut self,
            query: $crate::owned_query::OwnedQuery<Self::DriverBinds, I>,
        ) -> futures_util::future::BoxFuture<
            '_,
            diesel::QueryResult<$crate::node_connection::RowStream<'_, Self>>,
        > {
            Box::pin(async move {
                let rows = diesel_async::AsyncConnectionCore::load(self, query).await?;
                Ok(futures_util::StreamExt::boxed(rows))
            })
        }

        fn send_execute<I: $crate::owned_query::Identity>(
            &mut self,
            query: $crate::owned_query::OwnedQuery<Self::DriverBinds, I>,
        ) -> futures_util::future::BoxFuture<'_, diesel::QueryResult<usize>> {
            Box::pin(diesel_async::AsyncConnectionCore::execute_returning_count(
                self, query,
            ))
        }
    };
}
pub(crate) use sends;

/// The same for back ends that know all their types beforehand.
#[cfg(any(feature = "mysql", feature = "sqlite"))]
macro_rules! knows_its_types {
    () => {
        type Types = ();

        fn build<Q>(
            query: &Q,
            _: &std::sync::Arc<()>,
        ) -> diesel::QueryResult<$crate::node_connection::Built<Self::Binds>>
        where
            Q: diesel::query_builder::QueryFragment<
                    <Self as diesel_async::AsyncConnectionCore>::Backend,
                >,
        {
            use diesel::query_builder::{MoveableBindCollector, QueryBuilder};
            type Db = <Connection as diesel_async::AsyncConnectionCore>::Backend;

            let backend = Db::default();
            let mut builder = <Db as diesel::backend::Backend>::QueryBuilder::default();
            query.to_sql(&mut builder, &backend)?;
            let mut collector = <Db as diesel::backend::Backend>::BindCollector::<'_>::default();
            query.collect_binds(&mut collector, &mut (), &backend)?;
            Ok($crate::node_connection::Built {
                sql: builder.finish(),
                is_safe_to_cache: query.is_safe_to_cache_prepared(&backend)?,
                binds: std::sync::Arc::new(collector.moveable()),
            })
        }

        fn complete<'c>(
            &'c mut self,
            binds: &'c std::sync::Arc<Self::Binds>,
            (): &'c (),
        ) -> futures_util::future::BoxFuture<
            'c,
            diesel::QueryResult<std::sync::Arc<Self::DriverBinds>>,
        > {
            Box::pin(std::future::ready(Ok(std::sync::Arc::clone(
                binds.as_ref(),
            ))))
        }

        fn completed(
            binds: &std::sync::Arc<Self::Binds>,
        ) -> Option<std::sync::Arc<Self::DriverBinds>> {
            Some(std::sync::Arc::clone(binds.as_ref()))
        }

        fn forget_types(_: &Self::Binds, (): &(), _: &diesel::result::Error) {}
    };
}
#[cfg(any(feature = "mysql", feature = "sqlite"))]
pub(crate) use knows_its_types;
