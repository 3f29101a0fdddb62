//! How long a statement takes on its node, and whether it succeeds: what selection and health learn.
//!
//! Decides what counts. A failure must never count as a latency: it may be quick.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::clock::Moment;
use crate::fault::Fault;
use crate::meters::Stopwatch;
use crate::node::Node;
use crate::role::Role;
use crate::shared::Shared;

/// What a statement's time is taken for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Measures {
    Statement,
    /// A transaction, whose time is its user's.
    Nothing,
}

/// Runs from the sending of a statement until its result is there. Of a statement that yields a stream
/// that is the first row: the pace of the others is that of whoever reads them. Dropping it without an
/// end means that the statement was given up.
#[derive(Debug)]
pub(crate) struct Timing<'a> {
    shared: &'a Arc<Shared>,
    node: &'a Node,
    sent_at: Moment,
    metered: Option<Stopwatch>,
    /// Whether there is anything left to learn from an end.
    is_running: bool,
}

impl<'a> Timing<'a> {
    pub(crate) fn start(shared: &'a Arc<Shared>, node: &'a Node, measures: Measures) -> Self {
        // nobody chooses among primaries
        let is_running = measures == Measures::Statement && node.role == Role::Replica;
        let sent_at = match is_running {
            true => shared.clock.now(),
            false => Moment::NEVER,
        };
        Self {
            shared,
            node,
            sent_at,
            metered: (measures == Measures::Statement).then(|| Stopwatch::start(&shared.clock)),
            is_running,
        }
    }

    pub(crate) fn succeeded(mut self) {
        self.node.successes.fetch_add(1, Ordering::Relaxed);
        if let Some(since) = self.metered {
            let (node, clock) = (self.node, &self.shared.clock);
            node.meters.answered(node.name(), node.role(), since, clock);
        }
        if let Some((elapsed, now)) = self.ends() {
            self.node.slowness.record(elapsed, now);
        }
    }

    pub(crate) fn failed(mut self, fault: Fault) {
        match fault {
            Fault::Timeout | Fault::Expired => self.given_up(),
            Fault::Query | Fault::ReadOnly | Fault::SchemaLag => {
                // the node is healthy
                self.node.successes.fetch_add(1, Ordering::Relaxed);
                self.is_running = false;
            }
            Fault::Conflict | Fault::Saturated | Fault::Unreachable | Fault::ShuttingDown => {
                self.is_running = false;
            }
        }
    }

    fn given_up(&mut self) {
        if let Some((elapsed, now)) = self.ends() {
            self.node.slowness.record_at_least(elapsed, now);
        }
    }

    fn ends(&mut self) -> Option<(Duration, Moment)> {
        if !std::mem::take(&mut self.is_running) {
            return None;
        }
        let now = self.shared.clock.now();
        Some((now.since(self.sent_at), now))
    }
}

impl Drop for Timing<'_> {
    fn drop(&mut self) {
        self.given_up();
    }
}
