//! `build_transaction()`: transactions with an isolation level and an access mode.
//!
//! Decides which of them may be on a replica: one that is declared to be read-only, unless it is
//! SERIALIZABLE, which no standby offers.

use std::sync::Arc;

use diesel::QueryResult;
use diesel::result::Error;
use diesel_async::{AsyncPgConnection, TransactionManager};
use futures_util::future::BoxFuture;
use tracing::Instrument as _;

use crate::connection::SplitConnection;
use crate::leased::Leased;
use crate::node_connection::NodeConnection;
use crate::routed::{Keeps, Kind, Routed};
use crate::slots::OnReplica;
use crate::transaction_manager::SplitTransactionManager;

type Connection = SplitConnection<AsyncPgConnection>;

/// A transaction that is about to begin, as diesel-async's `TransactionBuilder`.
///
/// ```no_run
/// use diesel::prelude::*;
/// use diesel_async::{AsyncPgConnection, RunQueryDsl};
/// use diesel_split::{SplitConnection, SplitTransactionBuilder};
///
/// diesel::table! { users { id -> Integer, } }
///
/// /// Two reads of one snapshot, on one replica.
/// async fn report(conn: &mut SplitConnection<AsyncPgConnection>) -> QueryResult<(i64, Vec<i32>)> {
///     let mut builder: SplitTransactionBuilder<'_> =
///         conn.build_transaction().repeatable_read().read_only();
///     builder
///         .run(async |conn| {
///             let count = users::table.count().get_result(conn).await?;
///             Ok::<_, diesel::result::Error>((count, users::table.select(users::id).load(conn).await?))
///         })
///         .await
/// }
/// ```
#[derive(Debug)]
#[must_use = "a transaction builder does nothing until `run` is called"]
pub struct SplitTransactionBuilder<'a> {
    connection: &'a mut Connection,
    isolation: Option<Isolation>,
    is_read_only: Option<bool>,
    is_deferrable: Option<bool>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Isolation {
    ReadCommitted,
    RepeatableRead,
    Serializable,
}

/// A closure whose future can be sent: what diesel-async asks of its callbacks.
pub trait AsyncCallback<T, R>:
    AsyncFnOnce(T) -> R + FnOnce(T) -> <Self as AsyncCallback<T, R>>::Future
{
    /// What it returns.
    type Future: Future<Output = R>;
}

impl<F, T, R, Fut> AsyncCallback<T, R> for F
where
    F: AsyncFnOnce(T) -> R + FnOnce(T) -> Fut,
    Fut: Future<Output = R>,
{
    type Future = Fut;
}

impl Connection {
    /// A transaction with an isolation level and an access mode. One that is
    /// [`read_only`](SplitTransactionBuilder::read_only) runs on a replica that is fresh enough for this
    /// connection, if there is one.
    pub fn build_transaction(&mut self) -> SplitTransactionBuilder<'_> {
        SplitTransactionBuilder {
            connection: self,
            isolation: None,
            is_read_only: None,
            is_deferrable: None,
        }
    }
}

impl<'a> SplitTransactionBuilder<'a> {
    /// It writes nothing: it may run on a replica, whose state at BEGIN is all that it asks for. A
    /// statement that must not run there moves it to the primary, if nobody can tell.
    pub fn read_only(mut self) -> Self {
        self.is_read_only = Some(true);
        self
    }

    /// It may write. The default of the server.
    pub fn read_write(mut self) -> Self {
        self.is_read_only = Some(false);
        self
    }

    /// A serializable read-only transaction may wait for a snapshot that nothing can spoil.
    pub fn deferrable(mut self) -> Self {
        self.is_deferrable = Some(true);
        self
    }

    /// It does not wait for such a snapshot. The default of the server.
    pub fn not_deferrable(mut self) -> Self {
        self.is_deferrable = Some(false);
        self
    }

    /// Each statement sees what was committed before it. The default of the server.
    pub fn read_committed(mut self) -> Self {
        self.isolation = Some(Isolation::ReadCommitted);
        self
    }

    /// All statements see what was committed before the first of them.
    pub fn repeatable_read(mut self) -> Self {
        self.isolation = Some(Isolation::RepeatableRead);
        self
    }

    /// As if transactions ran one after the other. On the primary only.
    pub fn serializable(mut self) -> Self {
        self.isolation = Some(Isolation::Serializable);
        self
    }

    /// Runs `callback` in the transaction; commits on `Ok`, rolls back on `Err`.
    ///
    /// # Errors
    /// The callback's error, or that of BEGIN, COMMIT or ROLLBACK; also if a transaction is open already.
    ///
    /// # Cancel safety
    /// As `AsyncConnection::transaction`: the connection is closed, which rolls back.
    pub async fn run<T, E, F>(&mut self, callback: F) -> Result<T, E>
    where
        for<'r> F: AsyncFnOnce(&'r mut Connection) -> Result<T, E>
            + AsyncCallback<&'r mut Connection, Result<T, E>, Future: Send>
            + Send
            + 'a,
        T: 'a,
        E: From<Error> + 'a,
    {
        self.begin().await?;
        match callback(&mut *self.connection).await {
            Ok(value) => {
                SplitTransactionManager::commit_transaction(&mut *self.connection).await?;
                Ok(value)
            }
            Err(error) => {
                SplitTransactionManager::rollback_transaction(&mut *self.connection).await?;
                Err(error)
            }
        }
    }

    async fn begin(&mut self) -> QueryResult<()> {
        self.connection.enter();
        if self.connection.slots.get_mut().in_transaction().is_some() {
            return Err(Error::AlreadyInTransaction);
        }
        let sql = self.sql();
        let is_read_only = self.is_read_only == Some(true);
        if is_read_only && self.isolation != Some(Isolation::Serializable) {
            let has_one_snapshot = self.isolation == Some(Isolation::RepeatableRead);
            return self
                .connection
                .begin_read_only(&sql, has_one_snapshot)
                .await;
        }
        let mut leased = self.connection.lease_primary().await?;
        let splitter = &self.connection.split.splitter;
        splitter.count_transaction();
        let span = splitter.runs_in_transaction(&leased.lease().node, &sql);
        let outcome = leased.connection().begin_as(&sql).instrument(span).await;
        self.connection.begun(leased, outcome, is_read_only)
    }

    fn sql(&self) -> String {
        let isolation = self.isolation.map(|isolation| match isolation {
            Isolation::ReadCommitted => " ISOLATION LEVEL READ COMMITTED",
            Isolation::RepeatableRead => " ISOLATION LEVEL REPEATABLE READ",
            Isolation::Serializable => " ISOLATION LEVEL SERIALIZABLE",
        });
        let mode = self.is_read_only.map(|read_only| match read_only {
            true => " READ ONLY",
            false => " READ WRITE",
        });
        let deferrable = self.is_deferrable.map(|deferrable| match deferrable {
            true => " DEFERRABLE",
            false => " NOT DEFERRABLE",
        });
        let parts = [isolation, mode, deferrable];
        parts
            .into_iter()
            .flatten()
            .fold("BEGIN TRANSACTION".to_owned(), |sql, part| sql + part)
    }
}

impl<C: NodeConnection> SplitConnection<C> {
    async fn begin_read_only(&self, sql: &str, has_one_snapshot: bool) -> QueryResult<()> {
        let begin = Begin {
            sql: Arc::from(sql),
        };
        let routed = Routed {
            handle: self,
            kind: begin,
        };
        let splitter = &self.split.splitter;
        let begun = splitter.begin_read_only(self.asks(), &routed).await;
        let keeps = begun.map_err(|error| self.host_error(error))?;
        self.slots.lock().begun_read_only(OnReplica {
            _keeps: keeps,
            sql: sql.to_owned(),
            has_one_snapshot,
            has_read: false,
        });
        Ok(())
    }
}

/// A BEGIN that is routed.
struct Begin {
    sql: Arc<str>,
}

impl<'conn, C: NodeConnection> Kind<'conn, C> for Begin {
    /// The transaction is in flight on its node as long as it lasts.
    type Output = Keeps;

    fn send(
        &self,
        mut leased: Leased<'conn, C>,
        keeps: Keeps,
    ) -> BoxFuture<'conn, QueryResult<Keeps>> {
        let sql = Arc::clone(&self.sql);
        Box::pin(async move {
            let outcome = leased.connection().begin_as(&sql).await;
            leased.finished(&outcome);
            outcome.map(|()| keeps)
        })
    }
}
