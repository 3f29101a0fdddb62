//! The size and the time limits of one pool.

use std::time::Duration;

use super::reader::{Alias, Reader, Unit};
use super::values::Limit;
use crate::config::ConfigError;
use crate::role::Role;

/// The pool of a node. What is left out keeps the default of the pool in use (`ConnectOptions` under SeaORM,
/// `PoolOptions` under Diesel).
///
/// ```
/// use orm_split_core::environment::Settings;
///
/// let settings = Settings::from_vars([
///     ("WRITE_DATABASE_URL", "postgres://app@db-main/app"),
///     ("READ_DATABASE_URL", "postgres://app@replica/app"),
///     ("ORM_SPLIT_PRIMARY_MAX_CONNECTIONS", "10"),
///     ("ORM_SPLIT_REPLICA_MAX_CONNECTIONS", "50"),
/// ])?;
/// assert_eq!(settings.primary_pool.max_connections, Some(10));
/// assert_eq!(settings.replica_pool.max_connections, Some(50));
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "serde",
    derive(serde::Deserialize),
    serde(default, deny_unknown_fields)
)]
#[non_exhaustive]
pub struct PoolSettings {
    /// Connections at most, for each node of the role. 1 or more; without it pools hold 10.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "super::from_file::setting")
    )]
    pub max_connections: Option<u32>,
    /// Connections that are kept open, at most `max_connections`. deadpool keeps none.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "super::from_file::setting")
    )]
    pub min_connections: Option<u32>,
    /// Connections that are idle for longer are closed. 1 ms to 365 days, or off.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "super::from_file::setting")
    )]
    pub idle_time: Option<Limit>,
    /// Older connections are closed. 1 ms to 365 days, or off.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "super::from_file::setting")
    )]
    pub lifetime: Option<Limit>,
    /// How long a statement may wait for a connection, opening one included. 1 ms to an hour. A read gives
    /// a replica up after `checkout_deadline`.
    #[cfg_attr(
        feature = "serde",
        serde(deserialize_with = "super::from_file::setting")
    )]
    pub connection_timeout: Option<Duration>,
}

impl PoolSettings {
    /// Checks every field of the pool that is called `name`.
    pub(super) fn validate(&self, name: &str) -> Result<(), ConfigError> {
        const MS: Duration = Duration::from_millis(1);
        const HOUR: Duration = Duration::from_secs(3600);
        const YEAR: Duration = Duration::from_secs(365 * 86_400);
        let refused = |field: &str, value: String, accepted: &str| {
            Err(ConfigError::new(format!("{name}.{field}"), value, accepted))
        };
        if self.max_connections == Some(0) {
            return refused("max_connections", "0".to_owned(), "1 or more");
        }
        if let (Some(least), most) = (self.min_connections, self.max_connections.unwrap_or(10))
            && least > most
        {
            let accepted = format!("at most max_connections, {most}");
            return refused("min_connections", least.to_string(), &accepted);
        }
        for (field, limit, most, accepted) in [
            (
                "idle_time",
                self.idle_time.and_then(Limit::duration),
                YEAR,
                "1ms to 365days, or `off`",
            ),
            (
                "lifetime",
                self.lifetime.and_then(Limit::duration),
                YEAR,
                "1ms to 365days, or `off`",
            ),
            (
                "connection_timeout",
                self.connection_timeout,
                HOUR,
                "1ms to 1h",
            ),
        ] {
            if let Some(limit) = limit
                && (limit < MS || limit > most)
            {
                return refused(field, format!("{limit:?}"), accepted);
            }
        }
        Ok(())
    }

    /// Reads the variables of the pools of nodes with this role.
    pub(super) fn read(reader: &mut Reader<'_>, role: Role) -> Result<Self, ConfigError> {
        const CONNECT: Alias = Alias("DB_CONNECTION_TIMEOUT", Unit::Written);
        let pool = pool_name(role);
        let connect: &[Alias] = match role {
            Role::Primary => &[CONNECT],
            Role::Replica => &[Alias("REPLICA_CONNECTION_TIMEOUT", Unit::Written), CONNECT],
        };
        let off = Unit::ZeroIsOff;
        Ok(Self {
            max_connections: reader.of_pool(
                pool,
                "max_connections",
                &[Alias("DB_MAX_CONNECTIONS", Unit::Written)],
            )?,
            min_connections: reader.of_pool(
                pool,
                "min_connections",
                &[Alias("DB_MIN_CONNECTIONS", Unit::Written)],
            )?,
            idle_time: reader.of_pool(pool, "idle_time", &[Alias("DB_MAX_IDLE_TIME", off)])?,
            lifetime: reader.of_pool(pool, "lifetime", &[Alias("DB_MAX_LIFETIME", off)])?,
            connection_timeout: reader.of_pool(pool, "connection_timeout", connect)?,
        })
    }
}

/// What the pools of a role are called in files and errors.
pub(super) const fn pool_name(role: Role) -> &'static str {
    match role {
        Role::Primary => "primary_pool",
        Role::Replica => "replica_pool",
    }
}
