//! What happens on nodes, as their health learns of it.
//!
//! Decides whether a node may be ejected: not if it is the last one. Must never let one outage count twice.

use rand::RngExt;

use crate::backend::ProbeError;
use crate::clock::Moment;
use crate::fault::Fault;
use crate::health::{HealthEvent, Seen};
use crate::node::Node;
use crate::shared::Shared;

impl Shared {
    pub(crate) fn probe_succeeded(&self, node: &Node) {
        self.observe(node, HealthEvent::ProbeSucceeded, None, false);
    }

    pub(crate) fn probe_failed(&self, node: &Node, error: ProbeError) {
        let event = HealthEvent::ProbeFailed(error.fault);
        self.observe(node, event, Some(error.message), false);
    }

    /// A statement failed over a connection that was opened at `since`, or whose checkout began then.
    pub(crate) fn statement_failed(
        &self,
        node: &Node,
        fault: Fault,
        since: Moment,
        message: Option<String>,
    ) {
        if !fault.blames_node() {
            return;
        }
        let event = HealthEvent::StatementFailed { fault, since };
        let changed = {
            // one after the other, or the last two would both be ejected
            let _one_at_a_time = self.ejecting.lock();
            let topology = self.topology();
            let replicas = topology.replicas().iter();
            let mut others = replicas.filter(|other| other.id != node.id);
            let may_eject = others.any(|other| other.is_selectable());
            let seen = self.seen(node, may_eject);
            node.observe(event, message, &seen, None)
        };
        if let Some(changed) = changed {
            node.tell_health(&changed);
        }
        node.check_wanted.notify_one();
    }

    /// A connection could not be opened.
    pub(crate) fn opening_failed(&self, node: &Node, fault: Fault, message: String) {
        if fault.blames_node() {
            let event = HealthEvent::OpeningFailed(fault);
            self.observe(node, event, Some(message), false);
            node.check_wanted.notify_one();
        }
    }

    fn observe(&self, node: &Node, event: HealthEvent, message: Option<String>, may_eject: bool) {
        let seen = self.seen(node, may_eject);
        if let Some(changed) = node.observe(event, message, &seen, self.topology().best()) {
            node.tell_health(&changed);
        }
    }

    fn seen(&self, node: &Node, may_eject: bool) -> Seen {
        Seen {
            now: self.clock.now(),
            successes: node.successes.load(std::sync::atomic::Ordering::Relaxed),
            may_eject,
            jitter: self.dice.roll(|rng| rng.random_range(-1.0..=1.0)),
        }
    }
}
