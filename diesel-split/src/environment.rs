//! A builder, or a pool, out of [`Settings`]: variables or a file.
//!
//! Decides nothing but which limit of a pool each setting is. What is accepted, core decides.

use orm_split_core::environment::{PoolSettings, Settings};
use orm_split_core::{ConfigError, SplitError};

use crate::builder::SplitBuilder;
use crate::node_connection::NodeConnection;
use crate::pool::SplitPool;
use crate::pool_of_node::PoolOptions;

impl<C: NodeConnection> SplitBuilder<C> {
    /// A builder with what the variables of this process say: see [`Settings::from_env`], and the chapter on
    /// configuration, which lists them. What is called on it afterwards comes on top.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn build() -> Result<(), diesel_split::SplitError> {
    /// use diesel_async::AsyncPgConnection;
    /// use diesel_split::SplitBuilder;
    ///
    /// // DATABASE_URL and DATABASE_REPLICA_URLS, or DB_HOST and DB_REPLICA_HOST, or …
    /// let pool = SplitBuilder::<AsyncPgConnection>::from_env()?.build().await?;
    /// # drop(pool);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A variable is missing, contradicts another, or has a value that is not accepted; the error names it.
    pub fn from_env() -> Result<Self, SplitError> {
        Self::from_settings(&Settings::from_env()?)
    }

    /// A builder with these settings: the URLs, the limits of the pools, and every option of the library.
    ///
    /// # Errors
    /// A setting is missing or not accepted.
    pub fn from_settings(settings: &Settings) -> Result<Self, SplitError> {
        let builder = Self::of(settings);
        builder.map_err(|error| settings.named(error).into())
    }

    fn of(settings: &Settings) -> Result<Self, ConfigError> {
        settings.validate()?;
        let mut builder = Self::default();
        builder.options = settings.options()?;
        builder.policy = settings.select();
        builder = builder
            .primary_options(options_of(&settings.primary_pool))
            .replica_options(options_of(&settings.replica_pool));
        if let Some(url) = &settings.primary {
            builder = builder.primary(url.expose());
        }
        for replica in settings.used_replicas() {
            builder = builder.replica_at(replica.url.expose(), replica.placement());
        }
        Ok(builder)
    }
}

impl<C: NodeConnection> SplitPool<C> {
    /// Pools as the variables of this process say: see [`Settings::from_env`], and the chapter on
    /// configuration, which lists them.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # async fn build() -> Result<(), diesel_split::SplitError> {
    /// use diesel_async::AsyncPgConnection;
    /// use diesel_split::SplitPool;
    ///
    /// let pool = SplitPool::<AsyncPgConnection>::from_env().await?;
    /// # drop(pool);
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`SplitBuilder::from_env`] and [`SplitBuilder::build`]; a setting that cannot be used is named by its
    /// variable.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn from_env() -> Result<Self, SplitError> {
        Self::from_settings(&Settings::from_env()?).await
    }

    /// As [`from_env`](Self::from_env), with settings of any origin.
    ///
    /// # Errors
    /// As [`SplitBuilder::from_settings`] and [`SplitBuilder::build`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn from_settings(settings: &Settings) -> Result<Self, SplitError> {
        let error = match SplitBuilder::from_settings(settings)?.build().await {
            Ok(pool) => return Ok(pool),
            Err(error) => error,
        };
        Err(if let SplitError::Config(config) = error {
            settings.named(config).into()
        } else {
            error
        })
    }
}

fn options_of(pool: &PoolSettings) -> PoolOptions {
    let mut options = PoolOptions::default();
    if let Some(most) = pool.max_connections {
        options.max_size = most;
    }
    if let Some(least) = pool.min_connections {
        options.min_idle = least;
    }
    if let Some(limit) = pool.idle_time {
        options.idle_timeout = limit.duration();
    }
    if let Some(limit) = pool.lifetime {
        options.max_lifetime = limit.duration();
    }
    if let Some(limit) = pool.connection_timeout {
        options.wait = Some(limit);
        options.create = Some(limit);
    }
    options
}
