//! How many statements a node was selected for and has not finished.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::node::Node;

/// Counts one statement on a node from selection to its end, however it ends: a dropped future
/// gives its place back too.
#[derive(Debug)]
pub(crate) struct InFlight(Arc<Node>);

impl InFlight {
    pub(crate) fn on(node: &Arc<Node>) -> Self {
        node.in_flight.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(node))
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}
