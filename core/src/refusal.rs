//! Why a node that answers must not be used.

use serde::Serialize;

/// Why a node is kept out although it answers.
///
/// ```
/// use orm_split_core::Refusal;
///
/// assert!(Refusal::ForeignCluster.to_string().contains("another cluster"));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refusal {
    /// It belongs to another cluster (other system identifier).
    ForeignCluster,
    /// Configured as a replica, but it takes writes: a promoted standby, or the wrong address.
    NotInRecovery,
    /// Configured as the primary, but it follows another server.
    InRecovery,
    /// It is the same running server as another node.
    SameServer,
    /// It follows another timeline than the primary writes.
    OtherTimeline,
    /// It has replayed more than the primary has written: another history.
    AheadOfPrimary,
}
