//! Between the host's errors and ours.
//!
//! Decides whose fault a driver's error is, from its SQLSTATE, severity and kind, and carries our errors
//! inside [`DbErr`]. Never shows a URL: SeaORM's and sqlx's messages hold none once a URL was parsed.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "sqlx::Error and DbErr are non_exhaustive; each `_` arm is the safe answer"
)]

use std::sync::Arc;

use orm_split_core::{Fault, ProbeError, SplitError, sqlstate};
use sea_orm::{ConnAcquireErr, DbErr, RuntimeErr};

/// The error of this library inside a [`DbErr`], if it is one.
///
/// ```
/// use sea_orm::DbErr;
/// use sea_orm_split::{SplitConnection, SplitError, split_error};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let error = SplitConnection::builder()
///     .primary("nonsense://app:secret@db-main/app")
///     .connect()
///     .await
///     .unwrap_err();
/// assert!(matches!(split_error(&error), Some(SplitError::Config(_))));
/// assert!(!error.to_string().contains("secret"));
/// # }
/// ```
#[must_use]
pub fn split_error(error: &DbErr) -> Option<&SplitError> {
    match driver_error(error)? {
        sqlx::Error::AnyDriverError(inner) => inner.downcast_ref(),
        _ => None,
    }
}

/// Our error as the host's.
pub(crate) fn host_error(error: impl Into<SplitError>) -> DbErr {
    let boxed = sqlx::Error::AnyDriverError(Box::new(error.into()));
    DbErr::Conn(RuntimeErr::SqlxError(Arc::new(boxed)))
}

/// A checkout that failed, as SeaORM itself reports it.
pub(crate) fn checkout_error(error: sqlx::Error) -> DbErr {
    match error {
        sqlx::Error::PoolTimedOut => DbErr::ConnectionAcquire(ConnAcquireErr::Timeout),
        sqlx::Error::PoolClosed => DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed),
        other => DbErr::Conn(RuntimeErr::SqlxError(Arc::new(other))),
    }
}

/// A failed query, as SeaORM itself reports it.
pub(crate) fn query_error(error: sqlx::Error) -> DbErr {
    DbErr::Query(RuntimeErr::SqlxError(Arc::new(error)))
}

/// A failed execution, as SeaORM itself reports it.
pub(crate) fn exec_error(error: sqlx::Error) -> DbErr {
    DbErr::Exec(RuntimeErr::SqlxError(Arc::new(error)))
}

/// A failed probe.
pub(crate) fn probe_error(error: &sqlx::Error) -> ProbeError {
    ProbeError::new(fault_of_driver(error), error.to_string())
}

/// Whose fault an error is.
pub(crate) fn fault_of(error: &DbErr) -> Fault {
    match error {
        DbErr::ConnectionAcquire(ConnAcquireErr::Timeout) => Fault::Saturated,
        DbErr::ConnectionAcquire(ConnAcquireErr::ConnectionClosed) => Fault::Unreachable,
        other => driver_error(other).map_or(Fault::Query, fault_of_driver),
    }
}

/// What the driver said.
pub(crate) fn driver_error(error: &DbErr) -> Option<&sqlx::Error> {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => Some(inner),
        _ => None,
    }
}

/// The driver's error out of the host's; one that is not the driver's, or has another owner, travels whole.
#[cfg(feature = "schema-sync")]
pub(crate) fn into_driver_error(error: DbErr) -> sqlx::Error {
    match error {
        DbErr::Conn(RuntimeErr::SqlxError(inner))
        | DbErr::Exec(RuntimeErr::SqlxError(inner))
        | DbErr::Query(RuntimeErr::SqlxError(inner)) => Arc::try_unwrap(inner)
            .unwrap_or_else(|shared| sqlx::Error::AnyDriverError(Box::new(shared))),
        other => sqlx::Error::AnyDriverError(Box::new(other)),
    }
}

pub(crate) fn fault_of_driver(error: &sqlx::Error) -> Fault {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code();
            let fault = sqlstate::fault_of(code.as_deref().unwrap_or(""), database.message());
            // the server has closed the connection, whatever it says of the statement
            if fault.blames_statement() && ends_connection(error) {
                return Fault::Conflict;
            }
            fault
        }
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::WorkerCrashed
        | sqlx::Error::PoolClosed => Fault::Unreachable,
        sqlx::Error::PoolTimedOut => Fault::Saturated,
        sqlx::Error::AnyDriverError(ours) => match ours.downcast_ref() {
            // the node is not to be used: the statement was not sent and may run elsewhere
            Some(SplitError::Refused { .. } | SplitError::Unstable { .. }) => Fault::Conflict,
            _ => Fault::Query,
        },
        // `Protocol` included: a statement with too few values ends there, on a healthy node. The
        // enum is non_exhaustive; an error of the statement is never retried
        _ => Fault::Query,
    }
}

/// Whether the server closes the connection after this error, as with FATAL and PANIC.
fn ends_connection(error: &sqlx::Error) -> bool {
    #[cfg(feature = "postgres")]
    {
        use sqlx::postgres::{PgDatabaseError, PgSeverity};
        let database = error.as_database_error();
        let postgres = database.and_then(|error| error.try_downcast_ref::<PgDatabaseError>());
        postgres.is_some_and(|e| matches!(e.severity(), PgSeverity::Fatal | PgSeverity::Panic))
    }
    #[cfg(not(feature = "postgres"))]
    {
        let _file = error;
        false
    }
}

/// Whether the connection is idle again after this error: the server reported it and went on.
pub(crate) fn leaves_connection_usable(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Database(_) => !ends_connection(error),
        sqlx::Error::RowNotFound | sqlx::Error::ColumnDecode { .. } | sqlx::Error::Encode(_) => {
            true
        }
        // also for what later versions add: a closed connection costs less than a shared one
        _ => false,
    }
}
