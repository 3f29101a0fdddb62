//! What a statement needs, as a value.
//!
//! Decides nothing: [`classify`](crate::classify()) produces these values, and routing consumes
//! them.

use serde::Serialize;

/// Where a statement may run.
///
/// ```
/// use orm_split_core::{classify, Dialect, Intent};
///
/// assert_eq!(classify(Dialect::Postgres, "SELECT 1"), Intent::Read);
/// assert!(matches!(classify(Dialect::Postgres, "DELETE FROM t"), Intent::Primary(_)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    clippy::exhaustive_enums,
    reason = "a third kind of intent would have to be handled by every caller"
)]
pub enum Intent {
    /// A plain read: it may run on any node that is fresh enough.
    Read,
    /// It must run on the primary, for this cause.
    Primary(Cause),
}

impl Intent {
    /// Why a statement of a read-only transaction must not run on a replica, although the transaction
    /// is there. Not only what the replica would refuse: it would *grant* an advisory lock, and what
    /// was set for the transaction there is not set on the primary.
    ///
    /// ```
    /// use orm_split_core::{Cause, Dialect, Intent, classify};
    ///
    /// let locks = classify(Dialect::Postgres, "SELECT pg_advisory_xact_lock(42)");
    /// assert_eq!(locks.leaves_read_only_replica(), Some(Cause::Function));
    /// assert_eq!(Intent::Read.leaves_read_only_replica(), None);
    /// // refused wherever it runs
    /// assert_eq!(classify(Dialect::Postgres, "DELETE FROM t").leaves_read_only_replica(), None);
    /// ```
    #[must_use]
    pub const fn leaves_read_only_replica(self) -> Option<Cause> {
        match self {
            // a write ends with the error that it has in any read-only transaction
            Self::Read | Self::Primary(Cause::Empty | Cause::TransactionEnd | Cause::Write) => None,
            Self::Primary(cause) => Some(cause),
        }
    }
}

/// Why a statement needs the primary.
///
/// Several may be true of one statement; the first one met in its text is reported.
///
/// ```
/// use orm_split_core::{Cause, Dialect, Intent, classify};
///
/// let locks = "SELECT * FROM account WHERE id = $1 FOR UPDATE";
/// assert_eq!(classify(Dialect::Postgres, locks), Intent::Primary(Cause::Lock));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// INSERT, UPDATE, DELETE, MERGE, REPLACE, `SELECT … INTO`, `COPY … FROM`, wherever they stand.
    Write,
    /// A row or table lock (`FOR UPDATE`, `FOR SHARE`, `LOCK`).
    Lock,
    /// A call of a function that writes, locks, notifies or belongs to one session (`nextval`,
    /// `pg_advisory_lock`, `pg_notify`, `currval`, `current_setting`).
    Function,
    /// A call of a function that is not known to be a read.
    UnknownFunction,
    /// Names a view, domain, or a table that the server's catalogue shows to be no plain read: it
    /// calls what writes, or a replica cannot serve it (unlogged, foreign).
    Relation,
    /// A comment at its start asks for the primary, where such hints are switched on.
    Hint,
    /// Session state: SET, SHOW, RESET, PREPARE, DECLARE, LISTEN, temporary objects,
    /// `current_user` and its like, `PRAGMA x = …`.
    SessionState,
    /// Opens a transaction (`BEGIN`, `START TRANSACTION`; on SQLite also `SAVEPOINT`, which opens
    /// one unless it stands inside another).
    TransactionBegin,
    /// Ends a transaction (`COMMIT`, `END`, `ROLLBACK`, `ABORT`, `PREPARE TRANSACTION`).
    TransactionEnd,
    /// Any other statement that stays inside a transaction: `SAVEPOINT`, `RELEASE`, `ROLLBACK TO`,
    /// and `COMMIT AND CHAIN`, which opens the next one at once.
    TransactionControl,
    /// DDL, maintenance and everything else the server calls a utility statement.
    Utility,
    /// More than one statement in one string.
    MultipleStatements,
    /// The empty statement, or only comments.
    Empty,
    /// Not understood well enough to be called a read.
    NotUnderstood,
}

impl Cause {
    /// The cause as it appears in logs and, serialised, in a [`Route`](crate::Route).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Write => "write",
            Self::Lock => "lock",
            Self::Function => "function",
            Self::UnknownFunction => "unknown_function",
            Self::Relation => "relation",
            Self::Hint => "hint",
            Self::SessionState => "session_state",
            Self::TransactionBegin => "transaction_begin",
            Self::TransactionEnd => "transaction_end",
            Self::TransactionControl => "transaction_control",
            Self::Utility => "utility",
            Self::MultipleStatements => "multiple_statements",
            Self::Empty => "empty",
            Self::NotUnderstood => "not_understood",
        }
    }
}
