//! A connection that is checked out for one attempt, and the guard around it.
//!
//! Decides whether a connection goes back to its pool. Must never give one back with a statement
//! still on it: sqlx would drain the abandoned result in a task without a time limit and keep the
//! slot meanwhile, so that one server that stands still eats the whole pool. A connection whose
//! statement did not finish is closed instead; the statement may run on at the server.

use crate::error::leaves_connection_usable;

/// A connection of one of the back ends.
#[derive(Debug)]
pub(crate) enum Connection {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::pool::PoolConnection<sqlx::Postgres>),
    #[cfg(feature = "mysql")]
    MySql(sqlx::pool::PoolConnection<sqlx::MySql>),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::pool::PoolConnection<sqlx::Sqlite>),
}

/// Evaluates one expression for whichever back end the connection is of.
macro_rules! on_connection {
    ($leased:expr, $connection:ident => $body:expr) => {
        match $leased.connection_mut() {
            #[cfg(feature = "postgres")]
            $crate::leased::Connection::Postgres($connection) => $body,
            #[cfg(feature = "mysql")]
            $crate::leased::Connection::MySql($connection) => $body,
            #[cfg(feature = "sqlite")]
            $crate::leased::Connection::Sqlite($connection) => $body,
        }
    };
}
pub(crate) use on_connection;

/// Closes its connection when dropped, unless the statement finished.
#[derive(Debug)]
pub(crate) struct Leased {
    connection: Connection,
    is_finished: bool,
}

impl Leased {
    pub(crate) fn new(connection: Connection) -> Self {
        Self {
            connection,
            is_finished: false,
        }
    }

    pub(crate) fn connection_mut(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// The statement came to an end, with this result.
    pub(crate) fn finished<T>(&mut self, result: &Result<T, sqlx::Error>) {
        self.is_finished = result.as_ref().err().is_none_or(leaves_connection_usable);
    }

    /// Gives an unused connection back.
    pub(crate) fn release(mut self) {
        self.is_finished = true;
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if !self.is_finished {
            on_connection!(self, connection => connection.close_on_drop());
        }
    }
}
