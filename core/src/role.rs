//! The two parts a node can play.

use serde::Serialize;

/// What a node was configured to be.
///
/// What it *is* now is observed: a replica that is not in recovery is refused with
/// [`Refusal::NotInRecovery`](crate::Refusal::NotInRecovery).
///
/// ```
/// use orm_split_core::{Role, Status};
///
/// fn replicas(status: &Status) -> usize {
///     status.nodes.iter().filter(|node| node.role == Role::Replica).count()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[allow(
    clippy::exhaustive_enums,
    reason = "every node either takes writes or follows one that does"
)]
pub enum Role {
    /// Takes writes.
    Primary,
    /// Follows the primary.
    Replica,
}

impl Role {
    /// The role as it appears in `status()`, logs and metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "primary",
            Self::Replica => "replica",
        }
    }
}
