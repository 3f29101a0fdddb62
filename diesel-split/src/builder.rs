//! Building a [`SplitPool`]: settings are checked, pools made, nodes identified.

use std::fmt;
use std::sync::Arc;

use diesel::ConnectionResult;
use futures_util::future::BoxFuture;
use orm_split_core::{Adaptive, ConfigError, Options, Placement, Select, SplitError};

use crate::assembly::{self, Checked, Given};
use crate::node_connection::NodeConnection;
use crate::opener::Setup;
use crate::pool::SplitPool;
use crate::pool_of_node::{ExistingPool, PoolKind, PoolOptions};

/// Builds a [`SplitPool`].
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # async fn build() -> Result<(), diesel_split::SplitError> {
/// use std::time::Duration;
/// use diesel_async::AsyncPgConnection;
/// use diesel_split::{PoolOptions, SplitBuilder, SplitPool};
///
/// let mut many = PoolOptions::default();
/// many.max_size = 50;
/// let builder: SplitBuilder<AsyncPgConnection> = SplitPool::builder();
/// let pool = builder
///     .primary("postgres://app@db-main/app")
///     .replica("postgres://app@replica-1/app")
///     .replica_options(many)
///     .max_staleness(Duration::from_secs(5))
///     .build()
///     .await?;
/// # drop(pool);
/// # Ok(())
/// # }
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct SplitBuilder<C: NodeConnection> {
    primary: Option<Given<C>>,
    replicas: Vec<(Given<C>, Placement)>,
    primary_options: PoolOptions,
    replica_options: PoolOptions,
    kind: PoolKind,
    setup: Setup<C>,
    is_lazy: bool,
    pub(crate) options: Options,
    pub(crate) policy: Arc<dyn Select>,
}

impl<C: NodeConnection> Default for SplitBuilder<C> {
    fn default() -> Self {
        Self {
            primary: None,
            replicas: Vec::new(),
            primary_options: PoolOptions::default(),
            replica_options: PoolOptions::default(),
            kind: PoolKind::default(),
            setup: Arc::new(|url| C::open(url)),
            is_lazy: false,
            options: Options::default(),
            policy: Arc::new(Adaptive),
        }
    }
}

impl<C: NodeConnection> SplitBuilder<C> {
    /// The node that takes writes. Required, unless [`primary_pool`](Self::primary_pool) is called
    /// instead.
    pub fn primary(mut self, url: impl Into<String>) -> Self {
        self.primary = Some(Given::Url(url.into()));
        self
    }

    /// As [`primary`](Self::primary), with a pool that exists.
    pub fn primary_pool(mut self, pool: impl Into<ExistingPool<C>>) -> Self {
        self.primary = Some(Given::Pool(pool.into()));
        self
    }

    /// A node that follows the primary. Any number. Connected to lazily; its sessions are read-only.
    pub fn replica(self, url: impl Into<String>) -> Self {
        self.replica_at(url, Placement::default())
    }

    /// As [`replica`](Self::replica), with a weight, a zone, or both.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn build() -> Result<(), diesel_split::SplitError> {
    /// use diesel_async::AsyncPgConnection;
    /// use diesel_split::{Placement, SplitPool};
    ///
    /// let pool = SplitPool::<AsyncPgConnection>::builder()
    ///     .primary("postgres://app@db-main/app")
    ///     .replica_at("postgres://app@replica-1/app", Placement::new().zone("eu-1a").weight(2))
    ///     .replica_at("postgres://app@replica-2/app", Placement::new().zone("eu-1b"))
    ///     .zone("eu-1a") // reads stay on replica-1 while it takes them
    ///     .build()
    ///     .await?;
    /// # drop(pool);
    /// # Ok(())
    /// # }
    /// ```
    pub fn replica_at(mut self, url: impl Into<String>, placement: Placement) -> Self {
        self.replicas.push((Given::Url(url.into()), placement));
        self
    }

    /// As [`replica`](Self::replica), with a pool that exists; its sessions are not made read-only.
    pub fn replica_pool(self, pool: impl Into<ExistingPool<C>>) -> Self {
        self.replica_pool_at(pool, Placement::default())
    }

    /// As [`replica_pool`](Self::replica_pool), with a weight, a zone, or both.
    pub fn replica_pool_at(
        mut self,
        pool: impl Into<ExistingPool<C>>,
        placement: Placement,
    ) -> Self {
        self.replicas.push((Given::Pool(pool.into()), placement));
        self
    }

    /// Limits of the primary's pool.
    pub fn primary_options(mut self, options: PoolOptions) -> Self {
        self.primary_options = options;
        self
    }

    /// Limits of each replica's pool.
    pub fn replica_options(mut self, options: PoolOptions) -> Self {
        self.replica_options = options;
        self
    }

    /// Which pools are made. Default bb8, if its feature is on.
    pub fn pool_kind(mut self, kind: PoolKind) -> Self {
        self.kind = kind;
        self
    }

    /// How connections are opened, on every node, as `custom_setup` of diesel-async's `ManagerConfig`:
    /// the place to prepare a connection for a tenant or a role, and for TLS of one's own. Also used for
    /// the monitor's connections. Default: as the URL says.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # {
    /// use diesel_async::{AsyncConnection, AsyncPgConnection, SimpleAsyncConnection};
    /// use diesel_split::SplitPool;
    ///
    /// let builder = SplitPool::<AsyncPgConnection>::builder().custom_setup(|url| {
    ///     Box::pin(async move {
    ///         let mut conn = AsyncPgConnection::establish(url).await?;
    ///         let path = conn.batch_execute("SET search_path TO shop").await;
    ///         path.map_err(diesel::ConnectionError::CouldntSetupConfiguration)?;
    ///         Ok(conn)
    ///     })
    /// });
    /// # }
    /// ```
    pub fn custom_setup<F>(mut self, setup: F) -> Self
    where
        F: for<'u> Fn(&'u str) -> BoxFuture<'u, ConnectionResult<C>> + Send + Sync + 'static,
    {
        self.setup = Arc::new(setup);
        self
    }

    /// Whether the primary may be down at start. Default false: [`build`](Self::build) connects to it,
    /// if there are replicas.
    pub fn lazy(mut self, is_lazy: bool) -> Self {
        self.is_lazy = is_lazy;
        self
    }

    orm_split_core::option_methods!();

    /// Makes the pools and, with replicas, looks at the nodes. Without any, nothing is sent.
    ///
    /// # Errors
    /// A setting is out of range, a URL cannot be used, two nodes are one server, a replica belongs to
    /// another cluster, or the primary cannot be reached. A replica that is down is no error.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn build(self) -> Result<SplitPool<C>, SplitError> {
        self.options.validate()?;
        for (field, options) in [
            ("primary_options", &self.primary_options),
            ("replica_options", &self.replica_options),
        ] {
            if options.max_size == 0 {
                return Err(ConfigError::new(field, "max_size 0", "1 or more").into());
            }
            if options.min_idle > options.max_size {
                let value = format!("min_idle {}", options.min_idle);
                let accepted = format!("at most max_size, {}", options.max_size);
                return Err(ConfigError::new(field, value, accepted).into());
            }
        }
        let missing = || ConfigError::new("primary", "nothing", "`.primary(url)` or a pool");
        let primary = self.primary.ok_or_else(missing)?;
        assembly::check_urls(&primary, &self.replicas)?;
        let checked = Checked {
            primary,
            replicas: self.replicas,
            primary_options: self.primary_options,
            replica_options: self.replica_options,
            kind: self.kind,
            setup: self.setup,
            is_lazy: self.is_lazy,
        };
        assembly::assemble(checked, self.options, self.policy).await
    }
}

impl<C: NodeConnection> fmt::Debug for SplitBuilder<C> {
    /// Leaves out the URLs, which hold passwords.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SplitBuilder")
            .field("replicas", &self.replicas.len())
            .field("options", &self.options)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}
