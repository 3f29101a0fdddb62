//! Between Diesel's errors and ours.
//!
//! Decides whose fault a driver's error is. diesel-async shows no SQLSTATE: some codes have a kind of
//! their own, the rest is told by the server's message, and whatever is not recognised is the
//! statement's own error. Our errors travel as the information of a `DatabaseError`.

#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "the enums of Diesel are non_exhaustive; each `_` arm is the safe answer"
)]

use diesel::ConnectionError;
use diesel::result::{DatabaseErrorKind, Error};
use orm_split_core::{Fault, ProbeError, SplitError, sqlstate};

/// An error on its way through core: Diesel's own, or ours, which Diesel's cannot be asked for.
#[derive(Debug)]
pub(crate) enum HostError {
    Diesel(Error),
    Ours(SplitError),
}

impl From<Error> for HostError {
    fn from(error: Error) -> Self {
        Self::Diesel(error)
    }
}

impl From<SplitError> for HostError {
    fn from(error: SplitError) -> Self {
        Self::Ours(error)
    }
}

/// Our error as Diesel's.
pub(crate) fn diesel_error(error: &SplitError) -> Error {
    let information = Box::new(error.to_string());
    Error::DatabaseError(DatabaseErrorKind::UnableToSendCommand, information)
}

/// A failed probe.
pub(crate) fn probe_error(error: &Error) -> ProbeError {
    ProbeError::new(fault_of_diesel(error), describe_diesel(error))
}

/// A connection that could not be opened.
pub(crate) fn connection_error(error: &ConnectionError) -> ProbeError {
    match error {
        ConnectionError::CouldntSetupConfiguration(inner) => {
            let fault = match fault_of_diesel(inner) {
                // whatever the server says, there is no connection
                Fault::Query => Fault::Unreachable,
                other => other,
            };
            ProbeError::new(fault, describe_diesel(inner))
        }
        ConnectionError::BadConnection(message) => {
            ProbeError::new(Fault::Unreachable, message.as_str())
        }
        // could repeat the URL
        _ => ProbeError::new(Fault::Unreachable, "the URL cannot be used"),
    }
}

/// Whose fault an error is.
pub(crate) fn fault_of(error: &HostError) -> Fault {
    match error {
        HostError::Diesel(error) => fault_of_diesel(error),
        // the node is not to be used: the statement was not sent and may run elsewhere
        HostError::Ours(SplitError::Refused { .. } | SplitError::Unstable { .. }) => {
            Fault::Conflict
        }
        HostError::Ours(SplitError::Exhausted(failures)) => failures
            .last()
            .map_or(Fault::Query, |failure| failure.fault),
        HostError::Ours(_) => Fault::Query,
    }
}

pub(crate) fn fault_of_diesel(error: &Error) -> Fault {
    let Error::DatabaseError(kind, information) = error else {
        return Fault::Query;
    };
    match kind {
        DatabaseErrorKind::ReadOnlyTransaction => Fault::ReadOnly,
        DatabaseErrorKind::SerializationFailure => Fault::Conflict,
        DatabaseErrorKind::ClosedConnection => Fault::Unreachable,
        DatabaseErrorKind::UnableToSendCommand if is_the_statements(information.message()) => {
            Fault::Query
        }
        DatabaseErrorKind::UnableToSendCommand => Fault::Unreachable,
        DatabaseErrorKind::Unknown => sqlstate::fault_of_message(information.message()),
        _ => Fault::Query,
    }
}

/// tokio-postgres reports mistakes of a statement like a lost connection.
fn is_the_statements(message: &str) -> bool {
    let starts = [
        "error serializing",
        "error deserializing",
        "invalid message length",
    ];
    starts.iter().any(|start| message.starts_with(start))
        || (message.starts_with("expected ") && message.contains("parameters but got"))
}

/// Whether the connection is idle again after this error: the server reported it and went on.
pub(crate) fn leaves_connection_usable(error: &Error) -> bool {
    match error {
        Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection,
            information,
        ) => is_the_statements(information.message()),
        _ => true,
    }
}

pub(crate) fn describe(error: &HostError) -> String {
    match error {
        HostError::Diesel(error) => describe_diesel(error),
        HostError::Ours(error) => error.to_string(),
    }
}

fn describe_diesel(error: &Error) -> String {
    error.to_string()
}

/// An error and what caused it, in one line.
#[cfg(feature = "postgres")]
pub(crate) fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
