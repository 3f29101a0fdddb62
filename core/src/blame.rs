//! Who is to blame for a failure: a node, or one of the servers that its address leads to.
//!
//! Decides that a group is not taken for down as long as another of its members answers.

use crate::clock::Moment;
use crate::fault::Fault;
use crate::node::Node;
use crate::shared::Shared;

impl Shared {
    /// A statement failed over a connection that was opened at `since`, in `generation`; before there was one,
    /// its checkout began then.
    pub(crate) fn blame(
        &self,
        node: &Node,
        (since, generation): (Moment, Option<u64>),
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
        if !self.goes_on(node) {
            self.statement_failed(node, fault, since, message);
        }
    }

    /// A connection to the node could not be opened.
    pub(crate) fn blame_opening(&self, node: &Node, fault: Fault, message: String) {
        if fault.blames_node() && !self.goes_on(node) {
            self.opening_failed(node, fault, message);
        }
    }

    /// A balancer may lead to a member that is gone until it has noticed; the others go on. It is looked at
    /// who is still there.
    fn goes_on(&self, node: &Node) -> bool {
        let goes_on = node.group.len() > 0;
        if goes_on {
            node.probe_wanted.notify_one();
        }
        goes_on
    }

    /// A member does not answer: connections that lead to it are closed at their next checkout.
    pub(crate) fn forget_member(&self, node: &Node, generation: u64) {
        if let Some(index) = node.id.replica_index().filter(|_| node.group.is_one()) {
            self.learn(|freshness| freshness.forget(index, generation));
        }
    }
}
