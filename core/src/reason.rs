//! Why a statement went where it went.

use serde::Serialize;

use crate::intent::Cause;

/// The machine-readable cause of a routing decision: one value per cause, never a string.
///
/// ```
/// use orm_split_core::Reason;
///
/// assert_eq!(Reason::FloorNotMet.as_str(), "floor_not_met");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// A plain read on a replica that is fresh enough for whoever asks.
    Read,
    /// A plain read on a replica older than `max_staleness`, because the primary is down and the
    /// configuration prefers old data to an error.
    PrimaryLost,
    /// The statement needs the primary, for this cause.
    Statement(Cause),
    /// Inside a transaction: one node from BEGIN to COMMIT.
    Transaction,
    /// The session opened a transaction with a raw `BEGIN`.
    RawTransaction,
    /// The session holds, or recently held, the raw handle of the primary.
    RawHandle,
    /// The session changed the state of its connection (`SET`, a temporary table).
    SessionState,
    /// The caller asked for the primary.
    Hint,
    /// Reads stay on the primary unless asked to replicas ([`Mode::OptIn`](crate::Mode::OptIn)).
    OptIn,
    /// The session is not within the share of reads that may leave the primary.
    Share,
    /// Everything runs on the primary, and what would have gone where is recorded
    /// ([`Mode::Shadow`](crate::Mode::Shadow)).
    Shadow,
    /// The read is to see whatever was committed before it ([`Consistency::Strong`](crate::Consistency::Strong)).
    Strong,
    /// The session's reads stay for a while where the latest of them ran, which was the primary.
    Stays,
    /// No replica is configured.
    NoReplica,
    /// No replica has yet replayed what this session wrote.
    FloorNotMet,
    /// Every replica is staler than `max_staleness`, or its staleness is unknown.
    TooStale,
    /// Every replica is down, refused, or has already failed this statement.
    NoReplicaUp,
    /// A replica once refused this statement as a write.
    Misrouted,
    /// A replica just refused this very statement as a write.
    Refused,
    /// A replica just lacked a table, column, type, function or schema that this statement names.
    SchemaLag,
}

/// All reasons that are counted, in the order of their counters.
const COUNTED: [&str; 20] = [
    "read",
    "primary_lost",
    "statement",
    "transaction",
    "raw_transaction",
    "raw_handle",
    "hint",
    "no_replica",
    "floor_not_met",
    "too_stale",
    "no_replica_up",
    "misrouted",
    "refused",
    "schema_lag",
    "session_state",
    "strong",
    "stays",
    "opt_in",
    "share",
    "shadow",
];

impl Reason {
    /// How many counters a set of reason counters has.
    pub(crate) const COUNT: usize = COUNTED.len();

    /// The reason as it appears in `status()`, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::PrimaryLost => "primary_lost",
            Self::Statement(_) => "statement",
            Self::Transaction => "transaction",
            Self::RawTransaction => "raw_transaction",
            Self::RawHandle => "raw_handle",
            Self::SessionState => "session_state",
            Self::Hint => "hint",
            Self::OptIn => "opt_in",
            Self::Share => "share",
            Self::Shadow => "shadow",
            Self::Strong => "strong",
            Self::Stays => "stays",
            Self::NoReplica => "no_replica",
            Self::FloorNotMet => "floor_not_met",
            Self::TooStale => "too_stale",
            Self::NoReplicaUp => "no_replica_up",
            Self::Misrouted => "misrouted",
            Self::Refused => "refused",
            Self::SchemaLag => "schema_lag",
        }
    }

    /// Why the statement itself needs the primary, if that is the reason.
    #[must_use]
    pub const fn cause(self) -> Option<Cause> {
        match self {
            Self::Statement(cause) => Some(cause),
            Self::Read
            | Self::PrimaryLost
            | Self::Transaction
            | Self::RawTransaction
            | Self::RawHandle
            | Self::SessionState
            | Self::Hint
            | Self::OptIn
            | Self::Share
            | Self::Shadow
            | Self::Strong
            | Self::Stays
            | Self::NoReplica
            | Self::FloorNotMet
            | Self::TooStale
            | Self::NoReplicaUp
            | Self::Misrouted
            | Self::Refused
            | Self::SchemaLag => None,
        }
    }

    /// Index of the reason's counter, into [`COUNTED`].
    pub(crate) const fn index(self) -> usize {
        match self {
            Self::Read => 0,
            Self::PrimaryLost => 1,
            Self::Statement(_) => 2,
            Self::Transaction => 3,
            Self::RawTransaction => 4,
            Self::RawHandle => 5,
            Self::Hint => 6,
            Self::NoReplica => 7,
            Self::FloorNotMet => 8,
            Self::TooStale => 9,
            Self::NoReplicaUp => 10,
            Self::Misrouted => 11,
            Self::Refused => 12,
            Self::SchemaLag => 13,
            Self::SessionState => 14,
            Self::Strong => 15,
            Self::Stays => 16,
            Self::OptIn => 17,
            Self::Share => 18,
            Self::Shadow => 19,
        }
    }

    /// The name of the counter at `index`.
    pub(crate) fn name(index: usize) -> &'static str {
        COUNTED.get(index).copied().unwrap_or("unknown")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_has_a_counter_of_its_own_name() {
        let all = [
            Reason::Read,
            Reason::PrimaryLost,
            Reason::Statement(Cause::Write),
            Reason::Transaction,
            Reason::RawTransaction,
            Reason::RawHandle,
            Reason::Hint,
            Reason::NoReplica,
            Reason::FloorNotMet,
            Reason::TooStale,
            Reason::NoReplicaUp,
            Reason::Misrouted,
            Reason::Refused,
            Reason::SchemaLag,
            Reason::SessionState,
            Reason::Strong,
            Reason::Stays,
            Reason::OptIn,
            Reason::Share,
            Reason::Shadow,
        ];
        assert_eq!(all.len(), Reason::COUNT);
        for reason in all {
            assert_eq!(Reason::name(reason.index()), reason.as_str());
        }
    }
}
