//! [`SplitConnection`]: what an application holds in place of a `DatabaseConnection`.
//!
//! Decides nothing. Every inherent method of `DatabaseConnection` that would bypass routing through
//! `Deref` stands here again.

use std::fmt;
use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;

use orm_split_core::{Asks, Dialect, Hint, Route, Status};
use sea_orm::metric::Info;
use sea_orm::{ConnectOptions, DatabaseConnection, DbBackend, DbErr, Schema, SchemaBuilder};

use crate::builder::SplitBuilder;
use crate::query::Callback;
use crate::session::OwnSession;
use crate::split::Split;
use crate::watch::raw_callback;

/// A connection to one primary and any number of replicas.
///
/// Implements [`ConnectionTrait`](sea_orm::ConnectionTrait), [`StreamTrait`](sea_orm::StreamTrait)
/// and [`TransactionTrait`](sea_orm::TransactionTrait), so every query of SeaORM takes it. Cheap to clone; all clones share
/// pools and counters. Without replicas it behaves exactly as the `DatabaseConnection` in it: nothing
/// is spawned, nothing is sent.
///
/// It dereferences to the primary's `DatabaseConnection`, so that functions which still name that
/// type go on compiling. What they write cannot be seen, so whoever takes that handle reads from the
/// primary for the next `raw_pin` (default 5 s).
///
/// ```
/// use sea_orm::{ConnectionTrait, DbBackend, EntityTrait, MockDatabase, MockExecResult, Statement};
/// use sea_orm_split::SplitConnection;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), sea_orm::DbErr> {
/// // tests with mocks go on working
/// let mock = MockDatabase::new(DbBackend::Postgres)
///     .append_exec_results([MockExecResult { last_insert_id: 0, rows_affected: 1 }])
///     .into_connection();
/// let db = SplitConnection::from(mock);
/// let deleted = db
///     .execute_raw(Statement::from_string(DbBackend::Postgres, "DELETE FROM cake"))
///     .await?;
/// assert_eq!(deleted.rows_affected(), 1);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct SplitConnection {
    /// The primary, with the user's metric callback.
    pub(crate) primary: DatabaseConnection,
    /// The primary once more, as handed out raw: its callback tells us of statements.
    pub(crate) raw: DatabaseConnection,
    pub(crate) split: Option<Arc<Split>>,
    /// What the handle asks for, beside the text of each statement.
    pub(crate) asks: Asks,
    /// The session that the handle and its clones are.
    pub(crate) own: Option<Arc<OwnSession>>,
    pub(crate) metric: Option<Callback>,
}

impl SplitConnection {
    /// Starts building a connection to a primary and its replicas.
    pub fn builder() -> SplitBuilder {
        SplitBuilder::default()
    }

    /// Connects to a single database, as `Database::connect` does.
    ///
    /// # Errors
    /// The URL cannot be used, or the database cannot be reached.
    ///
    /// # Cancel safety
    /// Dropping the future drops what was opened.
    pub async fn connect(options: impl Into<ConnectOptions>) -> Result<Self, DbErr> {
        Self::builder().primary(options).connect().await
    }

    pub(crate) fn new(primary: DatabaseConnection, split: Option<Arc<Split>>) -> Self {
        let mut connection = Self {
            raw: primary.clone(),
            primary,
            split,
            asks: Asks::default(),
            own: None,
            metric: None,
        };
        connection.watch_raw_handle();
        connection
    }

    /// A handle whose reads go to the primary too. Everything else is shared with this one.
    ///
    /// ```
    /// # use sea_orm::{DbBackend, MockDatabase};
    /// # use sea_orm_split::SplitConnection;
    /// # let db = SplitConnection::from(MockDatabase::new(DbBackend::Postgres).into_connection());
    /// let balance_from = db.primary();
    /// # drop(balance_from);
    /// ```
    #[must_use]
    pub fn primary(&self) -> Self {
        let mut handle = self.clone();
        handle.asks.hint = Hint::Primary;
        handle
    }

    /// Nodes, health, staleness and counters. Without replicas nothing is watched or counted.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.split {
            None => self.status_alone(),
            Some(split) => split.splitter.status(),
        }
    }

    /// Where `sql` would go now in the current session, and why, without sending it. In
    /// [`Mode::Shadow`](crate::Mode::Shadow) also where it would go otherwise.
    ///
    /// ```
    /// # use sea_orm::{DbBackend, MockDatabase};
    /// # use sea_orm_split::{Reason, SplitConnection};
    /// # let db = SplitConnection::from(MockDatabase::new(DbBackend::Postgres).into_connection());
    /// let route = db.explain("SELECT * FROM cake");
    /// assert_eq!(route.reason, Reason::NoReplica);
    /// ```
    ///
    /// # Panics
    /// If it was made from a disconnected `DatabaseConnection`, which has no dialect.
    #[must_use]
    pub fn explain(&self, sql: &str) -> Route {
        match &self.split {
            None => Route::without_replicas(self.dialect(), sql),
            Some(split) => split.splitter.explain(sql, self.asks),
        }
    }

    fn dialect(&self) -> Dialect {
        match self.get_database_backend() {
            DbBackend::Sqlite => Dialect::Sqlite,
            DbBackend::Postgres => Dialect::Postgres,
            // everything is a statement for the primary there, which is the safe answer
            DbBackend::MySql | _ => Dialect::MySql,
        }
    }

    /// The current session, and the handle's if it has one, wrote something that the library could not see:
    /// their reads of this database wait for the replicas to have it. [`Session::wrote`](crate::Session::wrote)
    /// says so of every database.
    pub fn wrote(&self) {
        if let Some(split) = &self.split {
            for key in self.sessions() {
                split.splitter.wrote(key);
            }
        }
    }

    /// Sets a callback for every statement of this handle, on whichever node it runs.
    pub fn set_metric_callback<F>(&mut self, callback: F)
    where
        F: Fn(&Info<'_>) + Send + Sync + 'static,
    {
        let callback: Callback = Arc::new(callback);
        self.metric = Some(Arc::clone(&callback));
        self.primary.set_metric_callback(move |info| callback(info));
        self.watch_raw_handle();
    }

    /// The callback of the raw handle runs in the task that uses it: that is how its writes are seen.
    pub(crate) fn watch_raw_handle(&mut self) {
        let Some(split) = &self.split else {
            self.raw = self.primary.clone();
            return;
        };
        self.raw = self.primary.clone();
        let callback = raw_callback(&split.splitter, self.metric.clone(), self.asks.session);
        self.raw.set_metric_callback(callback);
    }

    /// The current session takes a handle through which it writes unseen.
    pub(crate) fn pin_for_raw_handle(&self) {
        if let Some(split) = &self.split {
            for key in self.sessions() {
                split.splitter.raw_handle_taken_by(key);
            }
        }
    }

    /// The kind of database.
    ///
    /// # Panics
    /// If it was made from a disconnected `DatabaseConnection`, as there.
    #[must_use]
    pub fn get_database_backend(&self) -> DbBackend {
        self.primary.get_database_backend()
    }

    /// A [`SchemaBuilder`] for this kind of database.
    #[must_use]
    pub fn get_schema_builder(&self) -> SchemaBuilder {
        Schema::new(self.get_database_backend()).builder()
    }

    /// A [`SchemaBuilder`] of all entities below the module `prefix`.
    #[cfg(feature = "entity-registry")]
    #[must_use]
    pub fn get_schema_registry(&self, prefix: &str) -> SchemaBuilder {
        self.primary.get_schema_registry(prefix)
    }

    /// Checks that the primary can be reached.
    ///
    /// # Errors
    /// It cannot.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn ping(&self) -> Result<(), DbErr> {
        match &self.split {
            None => self.primary.ping().await,
            // boxed, as in `close_by_ref`: its depth counts against the recursion limit of whoever awaits
            // it, and should be no more than that of a `DatabaseConnection`
            Some(split) => Box::pin(split.ping_primary()).await,
        }
    }

    /// Closes the pools of all nodes and joins the monitor's tasks. Other clones are closed with it.
    /// Waits for statements that are running; for those on replicas no longer than 5 s.
    ///
    /// # Errors
    /// The primary's pool could not be closed.
    ///
    /// # Cancel safety
    /// What was closed stays closed.
    pub async fn close(self) -> Result<(), DbErr> {
        self.close_by_ref().await
    }

    /// As [`close`](Self::close).
    ///
    /// # Errors
    /// The primary's pool could not be closed.
    ///
    /// # Cancel safety
    /// What was closed stays closed.
    pub async fn close_by_ref(&self) -> Result<(), DbErr> {
        if let Some(split) = &self.split {
            Box::pin(split.close()).await;
        }
        self.primary.close_by_ref().await
    }

    /// The primary's sqlx pool. What is written through it is not seen: see [`Deref`](#impl-Deref-for-SplitConnection).
    ///
    /// # Panics
    /// If this is no PostgreSQL connection, as `DatabaseConnection`'s method does.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub fn get_postgres_connection_pool(&self) -> &sqlx::PgPool {
        (**self).get_postgres_connection_pool()
    }

    /// The primary's sqlx pool. What is written through it is not seen: see [`Deref`](#impl-Deref-for-SplitConnection).
    ///
    /// # Panics
    /// If this is no MySQL connection, as `DatabaseConnection`'s method does.
    #[cfg(feature = "mysql")]
    #[must_use]
    pub fn get_mysql_connection_pool(&self) -> &sqlx::MySqlPool {
        (**self).get_mysql_connection_pool()
    }

    /// The primary's sqlx pool. What is written through it is not seen: see [`Deref`](#impl-Deref-for-SplitConnection).
    ///
    /// # Panics
    /// If this is no SQLite connection, as `DatabaseConnection`'s method does.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub fn get_sqlite_connection_pool(&self) -> &sqlx::SqlitePool {
        (**self).get_sqlite_connection_pool()
    }

    /// The mock connection in it.
    ///
    /// # Panics
    /// If this is no mock connection, as `DatabaseConnection`'s method does.
    #[cfg(feature = "mock")]
    #[must_use]
    pub fn as_mock_connection(&self) -> &sea_orm::MockDatabaseConnection {
        self.primary.as_mock_connection()
    }

    /// What a mock connection was asked, see `DatabaseConnection::into_transaction_log`.
    ///
    /// # Panics
    /// If this is no mock connection, as `DatabaseConnection`'s method does.
    #[cfg(feature = "mock")]
    #[must_use]
    pub fn into_transaction_log(self) -> Vec<sea_orm::Transaction> {
        self.primary.into_transaction_log()
    }
}

impl Deref for SplitConnection {
    type Target = DatabaseConnection;

    /// The primary, raw. The current session's reads stay on the primary for the next `raw_pin`.
    fn deref(&self) -> &DatabaseConnection {
        self.pin_for_raw_handle();
        &self.raw
    }
}

impl fmt::Debug for SplitConnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nodes = self.split.as_ref().map(|split| {
            let topology = split.splitter.topology();
            let nodes = topology.nodes().iter();
            nodes.map(|node| node.name().to_owned()).collect::<Vec<_>>()
        });
        f.debug_struct("SplitConnection")
            .field("primary", &self.primary)
            .field("nodes", &nodes.unwrap_or_default())
            .finish_non_exhaustive()
    }
}

/// What SeaORM's traits return where they are not written with `async_trait`.
pub(crate) type Boxed<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;
