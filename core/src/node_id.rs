//! Which node of a topology is meant.

/// Index of a node in its topology.
///
/// ```
/// use orm_split_core::Topology;
///
/// fn pool_index(topology: &Topology) -> usize {
///     topology.primary().id().index()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize)]
#[serde(transparent)]
pub struct NodeId(pub(crate) usize);

impl NodeId {
    /// Position of the node in the order in which nodes were given, the primary first.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0
    }

    /// Position among the replicas; `None` for the primary, which stands before them.
    pub(crate) const fn replica_index(self) -> Option<usize> {
        self.0.checked_sub(1)
    }
}
