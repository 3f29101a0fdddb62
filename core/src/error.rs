//! The errors that are ours; everything else is the host's own error, passed on untouched.
//!
//! Never loses the first cause, and never holds a URL or a password.

use std::fmt;

use serde::Serialize;

use crate::config::ConfigError;
use crate::fault::Fault;
use crate::intent::Cause;
use crate::refusal::Refusal;

/// What an attempt was doing when it failed.
///
/// ```
/// use orm_split_core::Phase;
///
/// assert_eq!(format!("{:?}", Phase::Checkout), "Checkout");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Phase {
    /// Taking a connection from the node's pool, opening one if need be.
    Checkout,
    /// Running the statement.
    Execute,
}

/// One failed attempt.
///
/// ```
/// use orm_split_core::SplitError;
///
/// fn first_cause(error: &SplitError) -> Option<String> {
///     match error {
///         SplitError::Exhausted(attempts) => attempts.first().map(|first| first.cause.clone()),
///         _ => None,
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct AttemptFailure {
    /// The node's name.
    pub node: String,
    /// What the attempt was doing.
    pub phase: Phase,
    /// Whose fault it is.
    pub fault: Fault,
    /// Whether the statement may have changed something before it failed.
    pub may_have_written: bool,
    /// The driver's message.
    pub cause: String,
}

impl AttemptFailure {
    /// An attempt on `node` failed while doing `phase`.
    pub fn new(
        node: impl Into<String>,
        phase: Phase,
        fault: Fault,
        cause: impl Into<String>,
    ) -> Self {
        Self {
            node: node.into(),
            phase,
            fault,
            may_have_written: false,
            cause: cause.into(),
        }
    }

    /// The statement may have changed something before it failed.
    pub(crate) const fn of_write(mut self) -> Self {
        self.may_have_written = true;
        self
    }

    fn is_retryable(&self) -> bool {
        let may_have_happened = self.phase == Phase::Execute && self.may_have_written;
        !may_have_happened && !self.fault.blames_statement()
    }
}

/// An error of the library itself.
///
/// Adapters hand it out as the source of the host's error type.
///
/// ```
/// use orm_split_core::{ConfigError, SplitError};
///
/// let error = SplitError::from(ConfigError::new("replica", "x", "a URL"));
/// assert_eq!(error.to_string(), "replica: x is not accepted; use a URL");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SplitError {
    /// Every node that was allowed to serve the statement failed. Never empty; the first entry is
    /// the first cause.
    Exhausted(Vec<AttemptFailure>),
    /// No replica could take the read, and as many reads as [`Fallback`](crate::Fallback) allows run on the primary. Try
    /// again later: the primary is kept for writes meanwhile.
    Shed {
        /// How many reads may run there at once.
        cap: u32,
        /// What failed before, the first cause first; else what the replicas were last found down for.
        causes: Vec<AttemptFailure>,
    },
    /// The node answers but must not be used.
    Refused {
        /// The node's name.
        node: String,
        /// Why.
        refusal: Refusal,
    },
    /// The node's connections lead to servers that keep changing while they are being identified.
    Unstable {
        /// The node's name.
        node: String,
    },
    /// A statement of a read-only transaction needs the primary, and the transaction has read from
    /// a replica in a way that cannot be continued there (one snapshot for the whole transaction, or
    /// a savepoint). Begin it on the primary, through the handle's `primary()`.
    NeedsPrimary {
        /// The name of the node that the transaction is on.
        node: String,
        /// Why the statement needs the primary.
        cause: Cause,
    },
    /// A statement asks what its connection did before (`lastval()`), but that connection went back to
    /// its pool when the transaction on it ended. Ask inside the transaction, or use `RETURNING`.
    GivenBack,
    /// A setting cannot be used.
    Config(ConfigError),
    /// The pools were closed.
    Closed,
}

impl std::error::Error for SplitError {}

impl SplitError {
    /// What failed, the first cause first; empty where no attempt did.
    #[must_use]
    pub fn attempts(&self) -> &[AttemptFailure] {
        match self {
            Self::Exhausted(attempts)
            | Self::Shed {
                causes: attempts, ..
            } => attempts,
            Self::Refused { .. }
            | Self::Unstable { .. }
            | Self::NeedsPrimary { .. }
            | Self::GivenBack
            | Self::Config(_)
            | Self::Closed => &[],
        }
    }

    /// Whether the same call may succeed later, and nothing can have happened yet that it would repeat: what
    /// failed was a read, or never sent.
    #[must_use]
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Exhausted(attempts) => attempts.iter().all(AttemptFailure::is_retryable),
            Self::Shed { .. } | Self::Refused { .. } | Self::Unstable { .. } => true,
            Self::NeedsPrimary { .. } | Self::GivenBack | Self::Config(_) | Self::Closed => false,
        }
    }

    /// Whether it ended because something took too long, be it a connection or an answer.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        let mut attempts = self.attempts().iter();
        attempts.any(|attempt| {
            matches!(
                attempt.fault,
                Fault::Timeout | Fault::Saturated | Fault::Expired
            )
        })
    }
}

impl From<ConfigError> for SplitError {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

impl fmt::Display for SplitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exhausted(attempts) => {
                write!(f, "all {} attempts failed", attempts.len())?;
                list(f, attempts)
            }
            Self::Shed { cap, causes } => {
                write!(
                    f,
                    "no replica could take the read, and the primary takes {cap} such reads at once"
                )?;
                list(f, causes)
            }
            Self::Refused { node, refusal } => write!(f, "node {node} is not used: {refusal}"),
            Self::Unstable { node } => {
                write!(f, "node {node} changed while its connection was identified")
            }
            Self::NeedsPrimary { node, cause } => write!(
                f,
                "the read-only transaction is on {node}, but a statement of it needs the primary ({}): \
                 begin it there, through primary()",
                cause.as_str()
            ),
            Self::GivenBack => f.write_str(
                "the connection that the statement asks about went back to its pool when its \
                 transaction ended: ask inside the transaction, or use RETURNING",
            ),
            Self::Config(error) => error.fmt(f),
            Self::Closed => f.write_str("the pools are closed"),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, failures: &[AttemptFailure]) -> fmt::Result {
    for (index, failure) in failures.iter().enumerate() {
        let lead = if index == 0 { ":" } else { ";" };
        write!(f, "{lead} {failure}")?;
    }
    Ok(())
}

impl fmt::Display for AttemptFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let phase = match self.phase {
            Phase::Checkout => "checkout",
            Phase::Execute => "execution",
        };
        write!(f, "{phase} on {} failed: {}", self.node, self.cause)
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ForeignCluster => "it belongs to another cluster (other system identifier)",
            Self::NotInRecovery => "it is configured as a replica but is not in recovery",
            Self::InRecovery => "it is configured as the primary but is in recovery",
            Self::SameServer => "it is the same server as another node",
            Self::OtherTimeline => "it is on another timeline than the primary",
            Self::AheadOfPrimary => "it is ahead of the primary, so on another history",
        })
    }
}
