//! Whether somebody waits for a replica to pass a floor, so that sampling should be fast.
//!
//! Decides the pace of the monitor. One value for all waiters: ten thousand waiting reads cost as
//! many samples as one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::topology::Topology;

/// The highest floor that kept a read off the replicas, and when that last happened.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    floor: AtomicU64,
    raised_at: AtomicU64,
}

/// A waiter that has not come back for this long is gone; a replica that is stuck must not be
/// sampled fast for ever.
const PATIENCE: Duration = Duration::from_secs(2);

impl Demand {
    /// A read asked for `floor` and no replica had passed it.
    pub(crate) fn raise(&self, floor: Moment, now: Moment, topology: &Topology) {
        let was_pressing = self.is_pressing(now, topology);
        self.floor.fetch_max(floor.0, Ordering::AcqRel);
        self.raised_at.fetch_max(now.0, Ordering::AcqRel);
        if !was_pressing {
            for node in topology.nodes() {
                node.probe_wanted.notify_one();
            }
        }
    }

    /// Whether nodes should be sampled fast now.
    pub(crate) fn is_pressing(&self, now: Moment, topology: &Topology) -> bool {
        let raised_at = Moment(self.raised_at.load(Ordering::Acquire));
        if raised_at == Moment::NEVER || now.since(raised_at) > PATIENCE {
            return false;
        }
        let floor = Moment(self.floor.load(Ordering::Acquire));
        let mut up = topology
            .replicas()
            .iter()
            .filter(|node| node.is_selectable());
        up.any(|node| node.fresh_as_of(now) <= floor)
    }
}
