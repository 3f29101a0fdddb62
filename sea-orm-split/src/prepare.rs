//! Hooks that prepare a connection for whoever is about to use it, on whichever node.
//!
//! Decides what becomes of a connection whose hook fails or refuses it: it is closed, never used
//! unprepared. sqlx keeps one hook for idle connections and one for new ones and shows neither, so
//! what has to run beside our own checks is given to the builder.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use orm_split_core::{Dialect, Fault, Node, Role};

use crate::error::fault_of_driver;

/// What a hook is told of the connection that it prepares, see
/// [`SplitBuilder`](crate::SplitBuilder).
///
/// A hook may be the first to see its connection, however old that is: connections are also opened
/// ahead of use. So it sets whatever it needs each time.
///
/// ```no_run
/// use std::time::Duration;
/// use sea_orm_split::{Preparing, SplitConnection};
/// # use sea_orm::sqlx;
///
/// tokio::task_local! {
///     /// Whose request this is.
///     static TENANT: String;
/// }
///
/// # async fn connect() -> Result<(), sea_orm::DbErr> {
/// let db = SplitConnection::builder()
///     .primary("postgres://app@db-main/app")
///     .replica("postgres://app@replica-1/app")
///     .prepare_postgres(|connection, preparing: Preparing| {
///         Box::pin(async move {
///             let tenant = TENANT.try_with(String::clone).unwrap_or_default();
///             sqlx::query("SELECT set_config('app.tenant', $1, false)")
///                 .bind(tenant)
///                 .execute(connection)
///                 .await?;
///             Ok(preparing.age < Duration::from_secs(600))
///         })
///     })
///     .connect()
///     .await?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Preparing {
    /// The node's name, as in [`Status`](crate::Status).
    pub node: Arc<str>,
    /// What the node was configured to be.
    pub role: Role,
    /// Time since the connection was opened; zero for one that is new.
    pub age: Duration,
    /// Time since it was last used; zero for one that is new.
    pub idle_for: Duration,
}

impl Preparing {
    pub(crate) fn of(node: &Node) -> Self {
        Self {
            node: Arc::from(node.name()),
            role: node.role(),
            age: Duration::ZERO,
            idle_for: Duration::ZERO,
        }
    }

    pub(crate) fn idle(self, age: Duration, idle_for: Duration) -> Self {
        Self {
            age,
            idle_for,
            ..self
        }
    }
}

/// A hook for connections of one back end.
pub(crate) type Hook<C> = Arc<
    dyn for<'c> Fn(&'c mut C, Preparing) -> BoxFuture<'c, Result<bool, sqlx::Error>> + Send + Sync,
>;

/// The hooks of all back ends.
#[derive(Clone, Default)]
pub(crate) struct Hooks {
    #[cfg(feature = "postgres")]
    pub(crate) postgres: Option<Hook<sqlx::postgres::PgConnection>>,
    #[cfg(feature = "sqlite")]
    pub(crate) sqlite: Option<Hook<sqlx::sqlite::SqliteConnection>>,
}

impl Hooks {
    /// Looked at for every statement.
    pub(crate) fn are_none(&self) -> bool {
        #[cfg(feature = "postgres")]
        if self.postgres.is_some() {
            return false;
        }
        #[cfg(feature = "sqlite")]
        if self.sqlite.is_some() {
            return false;
        }
        true
    }

    /// The back ends that a hook was given for, with the name of the method that takes it.
    pub(crate) fn given(&self) -> Vec<(&'static str, Dialect)> {
        let given: &[Option<(&'static str, Dialect)>] = &[
            #[cfg(feature = "postgres")]
            self.postgres
                .as_ref()
                .map(|_| ("prepare_postgres", Dialect::Postgres)),
            #[cfg(feature = "sqlite")]
            self.sqlite
                .as_ref()
                .map(|_| ("prepare_sqlite", Dialect::Sqlite)),
        ];
        given.iter().flatten().copied().collect()
    }
}

impl std::fmt::Debug for Hooks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.given().into_iter().map(|(name, _)| name);
        f.debug_set().entries(names).finish()
    }
}

/// A hook did not let a connection pass.
#[derive(Debug)]
struct NotPrepared {
    node: Arc<str>,
    source: Option<sqlx::Error>,
}

impl std::fmt::Display for NotPrepared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: the hook that prepares connections ", self.node)?;
        match &self.source {
            Some(source) => write!(f, "failed: {source}"),
            None => f.write_str("refused a new one"),
        }
    }
}

impl std::error::Error for NotPrepared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source
            .as_ref()
            .map(|source| source as &(dyn std::error::Error + 'static))
    }
}

/// The error of a new connection whose hook ended with `outcome`. What a hook sent says nothing about
/// the statement that waits for the connection, unless the node itself is away.
pub(crate) fn not_prepared(node: &Node, failure: Option<sqlx::Error>) -> sqlx::Error {
    match failure {
        Some(error)
            if matches!(
                fault_of_driver(&error),
                Fault::Unreachable | Fault::ShuttingDown
            ) =>
        {
            error
        }
        source => sqlx::Error::AnyDriverError(Box::new(NotPrepared {
            node: Arc::from(node.name()),
            source,
        })),
    }
}
