//! What a [`SplitConnection`] can be made of without a builder: all that a `DatabaseConnection` can be made of.
//!
//! None of these has replicas: everything goes through the one connection as before.

use sea_orm::{DatabaseConnection, DatabaseConnectionType};

use crate::connection::SplitConnection;

impl From<DatabaseConnection> for SplitConnection {
    /// A connection without replicas: everything goes through `connection` as before.
    fn from(connection: DatabaseConnection) -> Self {
        Self::new(connection, None)
    }
}

impl From<DatabaseConnectionType> for SplitConnection {
    /// A connection without replicas.
    fn from(connection: DatabaseConnectionType) -> Self {
        DatabaseConnection::from(connection).into()
    }
}

#[cfg(feature = "postgres")]
impl From<sqlx::PgPool> for SplitConnection {
    /// A connection without replicas.
    fn from(pool: sqlx::PgPool) -> Self {
        DatabaseConnection::from(pool).into()
    }
}

#[cfg(feature = "sqlite")]
impl From<sqlx::SqlitePool> for SplitConnection {
    /// A connection without replicas.
    fn from(pool: sqlx::SqlitePool) -> Self {
        DatabaseConnection::from(pool).into()
    }
}

impl Default for SplitConnection {
    /// Disconnected, as `DatabaseConnection::default()`: every query is an error.
    fn default() -> Self {
        DatabaseConnection::default().into()
    }
}
