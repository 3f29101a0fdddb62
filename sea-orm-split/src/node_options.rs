//! The options with which connections to one PostgreSQL node are opened.
//!
//! Decides what is asked of the server when a session starts, and whose password is used. Must never
//! print options: sqlx's print the password.

use std::fmt;
use std::future::Future;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use orm_split_core::{Node, Splitter};
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, PgPool};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Asked for the options of each new connection.
pub(crate) type Provider = Arc<
    dyn Fn(PgConnectOptions) -> BoxFuture<'static, Result<PgConnectOptions, BoxError>>
        + Send
        + Sync,
>;

/// The provider that a user gives.
pub(crate) fn provider<F, Fut, E>(provide: F) -> Provider
where
    F: Fn(PgConnectOptions) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<PgConnectOptions, E>> + Send + 'static,
    E: Into<BoxError>,
{
    Arc::new(move |options| {
        let provided = provide(options);
        async move { provided.await.map_err(Into::into) }.boxed()
    })
}

/// How long a provider may take.
const PROVIDE_WITHIN: Duration = Duration::from_secs(30);

/// The options of one node.
pub(crate) struct NodeOptions {
    node: Arc<Node>,
    splitter: Weak<Splitter>,
    given: PgConnectOptions,
    /// What a session is asked to start with.
    settings: Vec<(&'static str, String)>,
    /// The server does not take any: a pooler in front of it.
    are_refused: AtomicBool,
    provider: Option<Provider>,
    /// Set once it is made.
    pool: OnceLock<PgPool>,
}

impl fmt::Debug for NodeOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NodeOptions")
            .field("node", &self.node.name())
            .field("settings", &self.settings)
            .field("are_refused", &self.are_refused)
            .finish_non_exhaustive()
    }
}

/// The setting that makes a session read-only.
pub(crate) const READ_ONLY: (&str, &str) = ("default_transaction_read_only", "on");

impl NodeOptions {
    /// Options for `node`, which were `given`.
    pub(crate) fn new(
        splitter: &Arc<Splitter>,
        node: &Arc<Node>,
        given: PgConnectOptions,
        search_path: Option<String>,
        provider: Option<Provider>,
    ) -> Self {
        let mut settings = Vec::new();
        settings.extend(search_path.map(|path| ("search_path", path)));
        if !node.is_primary() {
            settings.push((READ_ONLY.0, READ_ONLY.1.to_owned()));
        }
        Self {
            node: Arc::clone(node),
            splitter: Arc::downgrade(splitter),
            given,
            settings,
            are_refused: AtomicBool::new(false),
            provider,
            pool: OnceLock::new(),
        }
    }

    /// Those of a pool that was made elsewhere, which stay what they are.
    pub(crate) fn of_pool(splitter: &Arc<Splitter>, node: &Arc<Node>, pool: &PgPool) -> Self {
        let given = (*pool.connect_options()).clone();
        let options = Self::new(splitter, node, given, None, None);
        options.belong_to(pool);
        options
    }

    /// The pool that was made with them.
    pub(crate) fn belong_to(&self, pool: &PgPool) {
        self.pool.get_or_init(|| pool.clone());
    }

    /// Whether the server is asked for something that a pooler may refuse.
    pub(crate) fn have_settings(&self) -> bool {
        !self.settings.is_empty()
    }

    /// What was given, with our settings unless they are refused.
    pub(crate) fn guarded(&self) -> PgConnectOptions {
        let given = self.given.clone();
        // even an empty list would be sent
        if self.are_refused.load(Ordering::Acquire) || self.settings.is_empty() {
            return given;
        }
        given.options(self.settings.iter().map(|(name, value)| (*name, value)))
    }

    /// The options for a connection that is about to be opened. Without a provider they are the
    /// pool's, which the user may have exchanged.
    pub(crate) async fn current(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let Some(provider) = &self.provider else {
            let pool = self.pool.get();
            return Ok(
                pool.map_or_else(|| self.guarded(), |pool| (*pool.connect_options()).clone())
            );
        };
        let provided = tokio::time::timeout(PROVIDE_WITHIN, provider(self.guarded())).await;
        let provided =
            provided.unwrap_or_else(|_| Err(format!("no answer within {PROVIDE_WITHIN:?}").into()));
        provided.map_err(|source| {
            sqlx::Error::Configuration(Box::new(NotProvided {
                node: Arc::from(self.node.name()),
                source,
            }))
        })
    }

    /// Asks the provider, for a connection that the pool is about to open.
    pub(crate) async fn refresh(&self) -> Result<(), sqlx::Error> {
        if self.provider.is_some() {
            self.renewed().await?;
        }
        Ok(())
    }

    /// After a connection was refused for its credentials: whether there are others to try, because they
    /// may have rotated since the provider was asked.
    pub(crate) async fn renews_after(&self, error: &sqlx::Error) -> bool {
        let database = error.as_database_error();
        let code = database.and_then(sqlx::error::DatabaseError::code);
        matches!(code.as_deref(), Some("28P01" | "28000"))
            && self.provider.is_some()
            && self.renewed().await.is_ok()
    }

    /// As [`current`](Self::current). What the provider said goes for the pool too, whose next
    /// connection may be opened where it cannot be asked: by SeaORM, or through the raw handle.
    async fn renewed(&self) -> Result<PgConnectOptions, sqlx::Error> {
        let options = self.current().await?;
        if self.provider.is_some() {
            self.exchange(options.clone());
        }
        Ok(options)
    }

    fn exchange(&self, options: PgConnectOptions) {
        if let Some(pool) = self.pool.get() {
            pool.set_connect_options(options);
        }
    }

    /// Opens a connection outside of the pool, with options changed from the pool's.
    pub(crate) async fn open(
        &self,
        change: impl Fn(PgConnectOptions) -> PgConnectOptions + Send,
    ) -> Result<PgConnection, sqlx::Error> {
        let error = match change(self.renewed().await?).connect().await {
            Err(error) if refuses_settings(&error) && self.have_settings() => error,
            opened => return opened,
        };
        if self.are_refused.swap(true, Ordering::AcqRel) {
            return Err(error);
        }
        self.tell_refused();
        if self.provider.is_none() {
            self.exchange(self.guarded());
        }
        change(self.renewed().await?).connect().await
    }

    fn tell_refused(&self) {
        let names: Vec<_> = self.settings.iter().map(|(name, _)| *name).collect();
        let remark = format!(
            "sessions start without {}: the pooler in front of it refuses start-up options",
            names.join(", ")
        );
        tracing::warn!(node = self.node.name(), remark);
        if let Some(splitter) = self.splitter.upgrade() {
            splitter.remark(&self.node, remark);
        }
    }
}

/// PgBouncer before 1.20 closes a connection that starts with options it does not track.
fn refuses_settings(error: &sqlx::Error) -> bool {
    let refused = "unsupported startup parameter";
    let database = error.as_database_error();
    database.is_some_and(|error| error.message().contains(refused))
}

/// The provider had no options for a new connection.
#[derive(Debug)]
struct NotProvided {
    node: Arc<str>,
    source: BoxError,
}

impl fmt::Display for NotProvided {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, source } = self;
        write!(
            f,
            "{node}: the provider of connect options failed: {source}"
        )
    }
}

impl std::error::Error for NotProvided {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(self.source.as_ref())
    }
}
