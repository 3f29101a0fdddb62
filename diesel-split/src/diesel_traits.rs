//! The traits of diesel-async over the nodes.
//!
//! Decides nothing: a query is built at once, since it need not be `Send`, and handed to the router.

use std::sync::Arc;

use diesel::associations::HasTable;
use diesel::connection::{CacheSize, Instrumentation, TransactionManagerStatus};
use diesel::query_builder::{AsChangeset, AsQuery, QueryFragment, QueryId};
use diesel::{ConnectionError, ConnectionResult, Identifiable, QueryResult};
use diesel_async::{
    AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection, TransactionManager,
    UpdateAndFetchResults,
};
use futures_util::future::BoxFuture;
use orm_split_core::Hint;

use crate::connection::SplitConnection;
use crate::instrumentation::Shared;
use crate::kinds::{Batch, Execute, Load};
use crate::node_connection::{NodeConnection, RowStream, replay_of};
use crate::pool::SplitPool;
use crate::pool_of_node::PoolOptions;
use crate::transaction_manager::SplitTransactionManager;

impl<C: NodeConnection> SimpleAsyncConnection for SplitConnection<C> {
    /// Several statements in one text: on the primary, also if all of them are reads.
    async fn batch_execute(&mut self, query: &str) -> QueryResult<()> {
        self.enter();
        let mut asks = self.asks();
        asks.hint = Hint::Primary;
        self.run(Batch(Arc::from(query)), query, asks).await
    }
}

impl<C: NodeConnection> AsyncConnectionCore for SplitConnection<C> {
    type LoadFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<Self::Stream<'conn, 'query>>>;
    type ExecuteFuture<'conn, 'query> = BoxFuture<'conn, QueryResult<usize>>;
    type Stream<'conn, 'query> = RowStream<'conn, C>;
    type Row<'conn, 'query> = C::OwnedRow;
    type Backend = <C as AsyncConnectionCore>::Backend;

    fn load<'conn, 'query, T>(&'conn mut self, source: T) -> Self::LoadFuture<'conn, 'query>
    where
        T: AsQuery + 'query,
        T::Query: QueryFragment<Self::Backend> + QueryId + 'query,
    {
        self.enter();
        let query = replay_of::<C, _>(&source.as_query(), &self.types);
        let types = Arc::clone(&self.types);
        let this = &*self;
        Box::pin(async move {
            let query = query?;
            let sql = Arc::clone(&query);
            let load = Load { query, types };
            this.run(load, sql.sql(), this.asks()).await
        })
    }

    fn execute_returning_count<'conn, 'query, T>(
        &'conn mut self,
        source: T,
    ) -> Self::ExecuteFuture<'conn, 'query>
    where
        T: QueryFragment<Self::Backend> + QueryId + 'query,
    {
        self.enter();
        let query = replay_of::<C, _>(&source, &self.types);
        let types = Arc::clone(&self.types);
        let this = &*self;
        Box::pin(async move {
            let query = query?;
            let sql = Arc::clone(&query);
            let execute = Execute { query, types };
            this.run(execute, sql.sql(), this.asks()).await
        })
    }
}

impl<C: NodeConnection> AsyncConnection for SplitConnection<C> {
    type TransactionManager = SplitTransactionManager;

    /// A pool of one connection, without replicas.
    async fn establish(database_url: &str) -> ConnectionResult<Self> {
        let one = PoolOptions {
            max_size: 1,
            ..PoolOptions::default()
        };
        let pool = SplitPool::<C>::builder()
            .primary(database_url)
            .primary_options(one);
        let bad =
            |error: orm_split_core::SplitError| ConnectionError::BadConnection(error.to_string());
        let pool = pool.build().await.map_err(bad)?;
        let mut connection = pool.get().await.map_err(bad)?;
        let opened = connection.lease_primary().await.map(|mut leased| {
            leased.finished(&Ok(()));
        });
        match opened {
            Ok(()) => {
                connection.idle = TransactionManagerStatus::default();
                Ok(connection)
            }
            Err(error) => Err(ConnectionError::BadConnection(error.to_string())),
        }
    }

    fn transaction_state(&mut self) -> &mut TransactionManagerStatus {
        SplitTransactionManager::transaction_manager_status_mut(self)
    }

    fn instrumentation(&mut self) -> &mut dyn Instrumentation {
        self.instrumentation
            .get_or_insert_with(|| Shared::new(diesel::connection::get_default_instrumentation()))
    }

    fn set_instrumentation(&mut self, instrumentation: impl Instrumentation) {
        let shared = Shared::new(instrumentation);
        self.instrumentation = Some(shared.clone());
        let slots = self.slots.get_mut();
        slots.set_up(|setup| setup.instrumentation = Some(shared));
    }

    fn set_prepared_statement_cache_size(&mut self, size: CacheSize) {
        let slots = self.slots.get_mut();
        slots.set_up(|setup| setup.cache_size = Some(size));
    }
}

impl<C, Changes, Output> UpdateAndFetchResults<Changes, Output> for SplitConnection<C>
where
    C: NodeConnection + UpdateAndFetchResults<Changes, Output>,
    Changes: AsChangeset<Target = <Changes as HasTable>::Table> + HasTable + Identifiable + Send,
    Output: Send + 'static,
{
    fn update_and_fetch<'conn, 'changes>(
        &'conn mut self,
        changeset: Changes,
    ) -> BoxFuture<'changes, QueryResult<Output>>
    where
        Changes: 'changes,
        'conn: 'changes,
        Self: 'changes,
    {
        self.enter();
        let this = &*self;
        Box::pin(async move {
            // as the connection itself does it: in one statement, or in two on MySQL
            let (mut leased, marks) = this.lease_to_write("UPDATE (save_changes)").await?;
            let outcome = leased.connection().update_and_fetch(changeset).await;
            leased.finished(&outcome);
            drop(leased);
            drop(marks);
            outcome
        })
    }
}
