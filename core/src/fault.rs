//! What a failed attempt says about the node it ran on.
//!
//! The adapter sorts its driver's errors into these with one exhaustive `match`; core decides from
//! the kind alone whether to retry, where, and whether the node is to blame.

use serde::Serialize;

/// Whose fault an error is.
///
/// ```
/// use orm_split_core::Fault;
///
/// assert!(Fault::Unreachable.blames_node());
/// assert!(!Fault::Query.is_retryable_read());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    clippy::exhaustive_enums,
    reason = "each kind needs a decision wherever faults are judged"
)]
pub enum Fault {
    /// The statement itself is wrong; the node is healthy. Never retried.
    Query,
    /// The node refused to write (25006; 0A000 or 55000 in recovery; SQLite `READONLY`): nothing
    /// has happened. Run once on the primary.
    ReadOnly,
    /// A table, column, type, function or schema is not there (42P01, 42703, 42704, 42883, 3F000). A
    /// replica may not have replayed the migration yet: run once on the primary, whose answer counts.
    SchemaLag,
    /// The standby cancelled the statement in favour of replay (40001), or cannot serve it during
    /// recovery just now. The node is healthy.
    Conflict,
    /// No connection became free in time; the node may be healthy.
    Saturated,
    /// The node could not be reached, or the connection broke.
    Unreachable,
    /// The node is starting up or shutting down (57P01..57P03).
    ShuttingDown,
    /// No answer in time.
    Timeout,
    /// The statement ran for longer than the time-out of statements allows (see
    /// [`Options`](crate::Options)); the node may be healthy.
    Expired,
}

impl Fault {
    /// The fault as it appears in spans and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Query => "query",
            Self::ReadOnly => "read_only",
            Self::SchemaLag => "schema_lag",
            Self::Conflict => "conflict",
            Self::Saturated => "saturated",
            Self::Unreachable => "unreachable",
            Self::ShuttingDown => "shutting_down",
            Self::Timeout => "timeout",
            Self::Expired => "expired",
        }
    }

    /// Whether the node should leave the selection until a probe brings it back.
    #[must_use]
    pub const fn blames_node(self) -> bool {
        match self {
            Self::Unreachable | Self::ShuttingDown | Self::Timeout => true,
            Self::Query
            | Self::ReadOnly
            | Self::SchemaLag
            | Self::Conflict
            | Self::Saturated
            | Self::Expired => false,
        }
    }

    /// Whether the statement itself may be wrong, so that its own error is worth more than ours.
    #[must_use]
    pub const fn blames_statement(self) -> bool {
        match self {
            Self::Query | Self::SchemaLag => true,
            Self::ReadOnly
            | Self::Conflict
            | Self::Saturated
            | Self::Unreachable
            | Self::ShuttingDown
            | Self::Timeout
            | Self::Expired => false,
        }
    }

    /// Whether an autocommit read of which no row was delivered may run on another node.
    #[must_use]
    pub const fn is_retryable_read(self) -> bool {
        match self {
            Self::Query => false,
            Self::ReadOnly
            | Self::SchemaLag
            | Self::Conflict
            | Self::Saturated
            | Self::Unreachable
            | Self::ShuttingDown
            | Self::Timeout
            | Self::Expired => true,
        }
    }
}
