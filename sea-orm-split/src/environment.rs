//! A builder, or a connection, out of [`Settings`]: variables or a file.
//!
//! Decides nothing but which of SeaORM's limits of a pool each setting is. What is accepted, core decides.

use orm_split_core::environment::{DatabaseUrl, Limit, PoolSettings, Settings};
use orm_split_core::{ConfigError, SplitError};
use sea_orm::{ConnectOptions, DbErr};

use crate::builder::SplitBuilder;
use crate::connection::SplitConnection;
use crate::error::{host_error, split_error};

impl SplitBuilder {
    /// A builder with what the variables of this process say: see [`Settings::from_env`], and the chapter on
    /// configuration, which lists them. What is called on it afterwards comes on top.
    ///
    /// ```no_run
    /// use sea_orm_split::SplitBuilder;
    ///
    /// # async fn connect() -> Result<(), sea_orm::DbErr> {
    /// // DATABASE_URL and DATABASE_REPLICA_URLS, or DB_HOST and DB_REPLICA_HOST, or …
    /// let db = SplitBuilder::from_env()?.connect().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// A variable is missing, contradicts another, or has a value that is not accepted; the error names it.
    pub fn from_env() -> Result<Self, DbErr> {
        Self::from_settings(&Settings::from_env().map_err(host_error)?)
    }

    /// A builder with these settings: the URLs, the limits of the pools, and every option of the library.
    ///
    /// # Errors
    /// A setting is missing or not accepted.
    pub fn from_settings(settings: &Settings) -> Result<Self, DbErr> {
        builder_of(settings).map_err(|error| host_error(settings.named(error)))
    }
}

impl SplitConnection {
    /// Connects as the variables of this process say: see [`Settings::from_env`], and the chapter on
    /// configuration, which lists them.
    ///
    /// ```no_run
    /// use sea_orm_split::SplitConnection;
    ///
    /// # async fn connect() -> Result<(), sea_orm::DbErr> {
    /// let db = SplitConnection::from_env().await?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`SplitBuilder::from_env`] and [`SplitBuilder::connect`]; a setting that cannot be used is named by
    /// its variable.
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn from_env() -> Result<Self, DbErr> {
        let settings = Settings::from_env().map_err(host_error)?;
        Self::from_settings(&settings).await
    }

    /// As [`from_env`](Self::from_env), with settings of any origin.
    ///
    /// # Errors
    /// As [`SplitBuilder::from_settings`] and [`SplitBuilder::connect`].
    ///
    /// # Cancel safety
    /// Dropping the future closes what was opened.
    pub async fn from_settings(settings: &Settings) -> Result<Self, DbErr> {
        let connected = SplitBuilder::from_settings(settings)?.connect().await;
        connected.map_err(|error| match split_error(&error) {
            Some(SplitError::Config(config)) => host_error(settings.named(config.clone())),
            _ => error,
        })
    }
}

fn builder_of(settings: &Settings) -> Result<SplitBuilder, ConfigError> {
    settings.validate()?;
    let mut builder = SplitBuilder::default();
    builder.options = settings.options()?;
    builder.policy = settings.select();
    if let Some(url) = &settings.primary {
        builder = builder.primary(options_of(url, &settings.primary_pool));
    }
    for replica in settings.used_replicas() {
        let options = options_of(&replica.url, &settings.replica_pool);
        builder = builder.replica_at(options, replica.placement());
    }
    Ok(builder)
}

fn options_of(url: &DatabaseUrl, pool: &PoolSettings) -> ConnectOptions {
    let mut options = ConnectOptions::new(url.expose());
    if let Some(most) = pool.max_connections {
        options.max_connections(most);
    }
    if let Some(least) = pool.min_connections {
        options.min_connections(least);
    }
    if let Some(limit) = pool.idle_time {
        options.idle_timeout(limit.duration());
    }
    if let Some(limit) = pool.lifetime.map(Limit::duration) {
        options.max_lifetime(limit);
    }
    if let Some(limit) = pool.connection_timeout {
        options.acquire_timeout(limit);
    }
    options
}
