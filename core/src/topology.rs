//! The nodes, as one immutable value.
//!
//! Decides nothing. The first node is the primary.

use std::sync::Arc;

use crate::config::ConfigError;
use crate::node::Node;
use crate::node_id::NodeId;
use crate::placement::Placement;
use crate::role::Role;

/// All nodes of one [`Splitter`](crate::Splitter).
///
/// ```
/// use orm_split_core::Topology;
///
/// fn names(topology: &Topology) -> Vec<&str> {
///     topology.nodes().iter().map(|node| node.name()).collect()
/// }
/// ```
#[derive(Clone, Debug)]
pub struct Topology {
    nodes: Arc<[Arc<Node>]>,
    /// The replicas that stand where this process runs, as bits by index.
    local: u64,
}

/// Candidate sets are one machine word.
const MOST_REPLICAS: usize = 63;

impl Topology {
    /// A primary and its replicas, named, as seen from a process in the zone `from`.
    pub(crate) fn new(
        primary: Arc<str>,
        replicas: &[(Arc<str>, Placement)],
        from: Option<&str>,
    ) -> Result<Self, ConfigError> {
        if replicas.len() > MOST_REPLICAS {
            return Err(ConfigError::new(
                "replica",
                format!("{} replicas", replicas.len()),
                format!("at most {MOST_REPLICAS}"),
            ));
        }
        for (name, placement) in replicas {
            placement.validate(name)?;
        }
        let mut nodes = vec![Arc::new(Node::new(NodeId(0), primary, Role::Primary))];
        let placed = replicas
            .iter()
            .enumerate()
            .map(|(index, (name, placement))| {
                let (id, name) = (NodeId(index + 1), Arc::clone(name));
                Arc::new(Node::placed(id, name, placement))
            });
        nodes.extend(placed);
        let is_local = |placement: &Placement| from.is_some() && placement.zone.as_deref() == from;
        let local = replicas.iter().enumerate();
        let local = local.filter(|(_, (_, placement))| is_local(placement));
        Ok(Self {
            local: local.fold(0, |all, (index, _)| all | 1 << index),
            nodes: nodes.into(),
        })
    }

    /// All nodes, the primary first.
    #[must_use]
    pub fn nodes(&self) -> &[Arc<Node>] {
        &self.nodes
    }

    /// The node that takes writes.
    #[must_use]
    #[expect(
        clippy::indexing_slicing,
        reason = "the constructor puts the primary at index 0"
    )]
    pub fn primary(&self) -> &Arc<Node> {
        &self.nodes[0]
    }

    /// Those of some replicas that stand where this process runs, or all of them if none does.
    pub(crate) fn nearest(&self, replicas: u64) -> u64 {
        match replicas & self.local {
            0 => replicas,
            near => near,
        }
    }

    /// The lowest average of latencies among the replicas in use.
    pub(crate) fn best(&self) -> Option<f32> {
        let in_use = self.replicas().iter().filter(|node| node.is_selectable());
        in_use
            .filter_map(|node| node.slowness.average())
            .min_by(f32::total_cmp)
    }

    /// The nodes that follow it.
    #[must_use]
    pub fn replicas(&self) -> &[Arc<Node>] {
        self.nodes.get(1..).unwrap_or_default()
    }
}
