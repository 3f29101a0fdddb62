//! The nodes, as one immutable value.
//!
//! Decides nothing. The first node is the primary.

use std::sync::Arc;

use crate::config::ConfigError;
use crate::node::Node;
use crate::node_id::NodeId;
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
}

/// Candidate sets are one machine word.
const MOST_REPLICAS: usize = 63;

impl Topology {
    /// A primary and its replicas, named.
    pub(crate) fn new(primary: Arc<str>, replicas: &[Arc<str>]) -> Result<Self, ConfigError> {
        if replicas.len() > MOST_REPLICAS {
            return Err(ConfigError::new(
                "replica",
                format!("{} replicas", replicas.len()),
                format!("at most {MOST_REPLICAS}"),
            ));
        }
        let mut nodes = vec![Arc::new(Node::new(NodeId(0), primary, Role::Primary))];
        nodes.extend(replicas.iter().enumerate().map(|(index, name)| {
            let id = NodeId(index + 1);
            Arc::new(Node::new(id, Arc::clone(name), Role::Replica))
        }));
        Ok(Self {
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

    /// The node in a form that can be kept.
    #[must_use]
    pub fn shared(&self, node: &Node) -> &Arc<Node> {
        self.nodes.get(node.id.0).unwrap_or_else(|| self.primary())
    }

    /// The nodes that follow it.
    #[must_use]
    pub fn replicas(&self) -> &[Arc<Node>] {
        self.nodes.get(1..).unwrap_or_default()
    }
}
