//! Who is to blame for a failure: a node, or one of the servers that its address leads to.
//!
//! Decides that a group is not taken for down as long as another of its members answers.

use crate::fault::Fault;
use crate::health::HealthEvent;
use crate::node::Node;
use crate::shared::Shared;

impl Shared {
    /// A statement or a connection failed. `generation` is that of the connection, if there was one.
    pub(crate) fn blame(
        &self,
        node: &Node,
        generation: Option<u64>,
        fault: Fault,
        message: Option<String>,
    ) {
        if !fault.blames_node() {
            return;
        }
        let is_gone = matches!(fault, Fault::Unreachable | Fault::ShuttingDown);
        if let (true, Some(generation)) = (is_gone, generation) {
            self.forget_member(node, generation);
        }
        // a balancer may lead to a member that is gone until it has noticed; the others go on
        if node.group.len() == 0 {
            node.observe(HealthEvent::StatementFailed(fault), message);
        }
        node.probe_wanted.notify_one();
    }

    /// A member does not answer: connections that lead to it are closed at their next checkout.
    pub(crate) fn forget_member(&self, node: &Node, generation: u64) {
        if let Some(index) = node.id.replica_index().filter(|_| node.group.is_one()) {
            self.learn(|freshness| freshness.forget(index, generation));
        }
    }
}
