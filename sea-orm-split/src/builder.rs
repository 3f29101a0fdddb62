//! Building a [`SplitConnection`]: settings are checked, pools made, nodes identified.
//!
//! Decides what is an error at start and what is a warning. A mistake that would serve wrong data
//! (another cluster, one server under two names) is an error; a node that is down, or in a state
//! that passes, is not: the process starts with any replica down, and with all of them down.

use std::sync::Arc;

#[cfg(any(feature = "postgres", feature = "sqlite"))]
use futures_util::future::BoxFuture;
use orm_split_core::address;
use orm_split_core::{Adaptive, ConfigError, Dialect, Options, Placement, Role, Select, Splitter};
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};

use crate::assembly::{Extras, assemble};
use crate::connection::SplitConnection;
use crate::error::host_error;
use crate::node_url::{checked_urls, dialect_of, dialect_of_primary};
#[cfg(any(feature = "postgres", feature = "sqlite"))]
use crate::prepare::Preparing;

/// Builds a [`SplitConnection`].
///
/// ```no_run
/// use sea_orm_split::{SplitBuilder, SplitConnection};
/// use std::time::Duration;
///
/// # async fn connect() -> Result<(), sea_orm::DbErr> {
/// let builder: SplitBuilder = SplitConnection::builder();
/// let db = builder
///     .primary("postgres://app@db-main/app")
///     .replica("postgres://app@replica-1/app")
///     .replica("postgres://app@replica-2/app")
///     .max_staleness(Duration::from_secs(5))
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `connect` is called"]
pub struct SplitBuilder {
    primary: Option<Primary>,
    replicas: Vec<ConnectOptions>,
    /// Of the replicas.
    placements: Vec<Placement>,
    pub(crate) options: Options,
    pub(crate) policy: Arc<dyn Select>,
    extras: Extras,
}

pub(crate) enum Primary {
    ToConnect(Box<ConnectOptions>),
    Connected(DatabaseConnection),
}

impl std::fmt::Debug for SplitBuilder {
    /// Leaves out the nodes' `ConnectOptions`, which print their URLs, passwords included.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SplitBuilder")
            .field("replicas", &self.replicas.len())
            .field("options", &self.options)
            .field("policy", &self.policy)
            .field("hooks", &self.extras.hooks)
            .finish_non_exhaustive()
    }
}

impl Default for SplitBuilder {
    fn default() -> Self {
        Self {
            primary: None,
            replicas: Vec::new(),
            placements: Vec::new(),
            options: Options::default(),
            policy: Arc::new(Adaptive),
            extras: Extras::default(),
        }
    }
}

impl SplitBuilder {
    /// The node that takes writes. Required, unless [`primary_connection`](Self::primary_connection)
    /// is called instead. It is connected to as `Database::connect` would, within the limits of its
    /// options; with `connect_lazy` it may be down at start.
    ///
    /// Its options mean what they mean to `Database::connect`, with one exception where there are
    /// replicas: connections are checked when they are taken from the pool, in the place of sqlx's only
    /// hook for idle connections. A hook of the user's in that place cannot be read back: set through
    /// `map_sqlx_postgres_pool_opts` (or that of SQLite) it is an error, but
    /// **`map_sqlx_postgres_before_acquire` is dropped without a word**. Give it to
    /// [`prepare_postgres`](Self::prepare_postgres) instead, which runs it beside the check.
    pub fn primary(mut self, options: impl Into<ConnectOptions>) -> Self {
        self.primary = Some(Primary::ToConnect(Box::new(options.into())));
        self
    }

    /// As [`primary`](Self::primary), with a connection that exists. Connections that its pool opens
    /// are trusted to lead to a primary, since its hooks cannot be composed with ours.
    pub fn primary_connection(mut self, connection: DatabaseConnection) -> Self {
        self.primary = Some(Primary::Connected(connection));
        self
    }

    /// A node that follows the primary. Any number. Connected to lazily; its sessions are read-only.
    ///
    /// What is said of the options of [`primary`](Self::primary) holds here too. Its `after_connect` runs
    /// when the node is reached for the first time, over a pool of its own, and the node takes no read
    /// before it has succeeded; a hook that fails because a replica refuses to write is let pass.
    ///
    /// MySQL: replicas are accepted and never used; every statement runs on the primary.
    pub fn replica(self, options: impl Into<ConnectOptions>) -> Self {
        self.replica_at(options, Placement::default())
    }

    /// As [`replica`](Self::replica), with a weight, a zone, or both.
    ///
    /// ```no_run
    /// use sea_orm_split::{Placement, SplitConnection};
    ///
    /// # async fn connect() -> Result<(), sea_orm::DbErr> {
    /// let db = SplitConnection::builder()
    ///     .primary("postgres://app@db-main/app")
    ///     .replica_at("postgres://app@replica-1/app", Placement::new().zone("eu-1a").weight(2))
    ///     .replica_at("postgres://app@replica-2/app", Placement::new().zone("eu-1b"))
    ///     .zone("eu-1a") // reads stay on replica-1 while it takes them
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn replica_at(mut self, options: impl Into<ConnectOptions>, placement: Placement) -> Self {
        self.replicas.push(options.into());
        self.placements.push(placement);
        self
    }

    /// Runs a hook on each PostgreSQL connection before it is used, new or idle, on every node, whoever
    /// uses it: a statement, a transaction, or the raw handle. For what depends on whoever asks, as a
    /// tenant or a role does: it runs in the task that asked. See [`Preparing`] for an example.
    ///
    /// `Ok(false)` and errors close the connection. Another takes its place; if that is new and not
    /// let pass either, a read goes to the next node, and on the primary the statement fails (a
    /// transaction after `acquire_timeout`, since sqlx goes on trying).
    ///
    /// It takes the place of the hooks `before_acquire` and `after_connect` that are set in
    /// `map_sqlx_postgres_pool_opts`. `set_schema_search_path` is kept.
    #[cfg(feature = "postgres")]
    pub fn prepare_postgres<F>(mut self, hook: F) -> Self
    where
        F: for<'c> Fn(
                &'c mut sqlx::postgres::PgConnection,
                Preparing,
            ) -> BoxFuture<'c, Result<bool, sqlx::Error>>
            + Send
            + Sync
            + 'static,
    {
        self.extras.hooks.postgres = Some(Arc::new(hook));
        self.options.sessions_are_prepared = true;
        self
    }

    /// As `prepare_postgres`, for SQLite connections.
    #[cfg(feature = "sqlite")]
    pub fn prepare_sqlite<F>(mut self, hook: F) -> Self
    where
        F: for<'c> Fn(
                &'c mut sqlx::sqlite::SqliteConnection,
                Preparing,
            ) -> BoxFuture<'c, Result<bool, sqlx::Error>>
            + Send
            + Sync
            + 'static,
    {
        self.extras.hooks.sqlite = Some(Arc::new(hook));
        self
    }

    /// Asks for the options of each new PostgreSQL connection, on every node: for passwords that
    /// rotate and tokens that expire. The provider gets what it would be opened with (host and user
    /// are in it) and returns that with the password of the moment.
    ///
    /// It is asked for the monitor's connections too, which are replaced every `probe_reconnect`
    /// (default 5 s), so keep what is expensive. A connection that SeaORM opens by itself, for a
    /// transaction or through the raw handle, is opened with the latest answer. An error means that the
    /// node cannot be opened; it is shown, so it must not hold a secret. An answer may take 30 s.
    ///
    /// ```no_run
    /// use sea_orm_split::SplitConnection;
    ///
    /// async fn token() -> std::io::Result<String> {
    ///     tokio::fs::read_to_string("/run/secrets/database").await
    /// }
    ///
    /// # async fn connect() -> Result<(), sea_orm::DbErr> {
    /// let db = SplitConnection::builder()
    ///     .primary("postgres://app@db-main/app")
    ///     .replica("postgres://app@replica-1/app")
    ///     .postgres_options(|options| async move {
    ///         let password = token().await?;
    ///         Ok::<_, std::io::Error>(options.password(password.trim()))
    ///     })
    ///     .connect()
    ///     .await?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "postgres")]
    pub fn postgres_options<F, Fut, E>(mut self, provider: F) -> Self
    where
        F: Fn(sqlx::postgres::PgConnectOptions) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<sqlx::postgres::PgConnectOptions, E>> + Send + 'static,
        E: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        self.extras.postgres_options = Some(crate::node_options::provider(provider));
        self
    }

    orm_split_core::option_methods!();

    /// Connects.
    ///
    /// # Errors
    /// A setting is out of range, a URL cannot be used, nodes are of different back ends, two of them
    /// are one server, a replica belongs to another cluster, or the primary cannot be reached. A
    /// replica that is down is no error.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn connect(self) -> Result<SplitConnection, DbErr> {
        self.options.validate().map_err(host_error)?;
        let missing = || {
            let accepted = "`.primary(url)` or `.primary_connection(connection)`";
            host_error(ConfigError::new("primary", "nothing", accepted))
        };
        let primary = self.primary.ok_or_else(missing)?;
        let urls = checked_urls(&primary, &self.replicas).map_err(host_error)?;
        check_back_end(&self.extras, dialect_of_primary(&primary, &urls)).map_err(host_error)?;
        let expires = self.options.statement_timeout(Role::Primary).is_some();
        if self.replicas.is_empty() && self.extras.given().is_empty() && !expires {
            let single = Box::pin(connect_single(primary));
            return Ok(SplitConnection::from(single.await?));
        }
        let dialect = dialect_of(&primary, &urls).map_err(host_error)?;
        let placed = (1..).zip(self.placements);
        let placed: Vec<(Arc<str>, _)> = placed
            .map(|(number, placement)| (Arc::from(format!("replica-{number}")), placement))
            .collect();
        let splitter = Splitter::over(dialect, self.options, self.policy, "primary", &placed);
        let splitter = splitter.map_err(host_error)?;
        // boxed: it nests deeper than SeaORM's own way of connecting, which counts against the recursion
        // limit of whoever awaits it
        Box::pin(assemble(
            Arc::new(splitter),
            primary,
            self.replicas,
            &self.extras,
        ))
        .await
    }
}

/// A hook that would never run is a mistake.
fn check_back_end(extras: &Extras, dialect: Option<Dialect>) -> Result<(), ConfigError> {
    let other = |(_, needed): &(&str, Dialect)| dialect != Some(*needed);
    match extras.given().into_iter().find(other) {
        None => Ok(()),
        Some((field, needed)) => Err(ConfigError::new(
            field,
            format!(
                "a primary of kind {}",
                dialect.map_or("none", address::kind)
            ),
            format!("one of kind {}", address::kind(needed)),
        )),
    }
}

async fn connect_single(primary: Primary) -> Result<DatabaseConnection, DbErr> {
    match primary {
        Primary::Connected(connection) => Ok(connection),
        Primary::ToConnect(options) => Database::connect(*options).await,
    }
}
