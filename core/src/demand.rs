//! Whether somebody waits for a replica to pass a floor, so that sampling should be fast.
//!
//! Decides which nodes are asked fast, and how fast. One value for all waiters: ten thousand waiting reads
//! cost as many samples as one. The primary is sampled once for each floor, a replica until it has passed it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;
use crate::config::Options;
use crate::node::Node;
use crate::topology::Topology;

/// The highest floor that kept a read off the replicas, and when that last happened.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    floor: AtomicU64,
    raised_at: AtomicU64,
}

/// Reads that waited, since the start.
#[derive(Debug, Default)]
pub(crate) struct Waits {
    /// A replica was fresh enough in time.
    pub(crate) served: AtomicU64,
    /// None was.
    pub(crate) in_vain: AtomicU64,
}

/// A waiter that has not come back for this long is gone; a replica that is stuck must not be
/// sampled fast for ever.
const PATIENCE: Duration = Duration::from_secs(2);

/// Nobody waits for a replica that lags by seconds: it need not be asked every few milliseconds, only so
/// often that its catching up is noticed within a fraction of what it took.
const QUESTIONS_PER_LAG: u32 = 16;

impl Demand {
    /// A read asked for `floor` and no replica had passed it.
    pub(crate) fn raise(&self, floor: Moment, now: Moment, topology: &Topology, options: &Options) {
        let pressed = self.pressing(now);
        let highest = Moment(self.floor.fetch_max(floor.0, Ordering::AcqRel));
        self.raised_at.fetch_max(now.0, Ordering::AcqRel);
        if pressed.is_some() && floor <= highest {
            return;
        }
        topology.primary().probe_wanted.notify_one();
        for node in topology.replicas() {
            let is_asked = pressed.is_some_and(|floor| lacks(node, floor, now));
            if !is_asked || pace([node], options) == options.sample_fast {
                node.probe_wanted.notify_one();
            }
        }
    }

    /// The floor that somebody waits for.
    pub(crate) fn pressing(&self, now: Moment) -> Option<Moment> {
        let raised_at = Moment(self.raised_at.load(Ordering::Acquire));
        let is_recent = raised_at != Moment::NEVER && now.since(raised_at) <= PATIENCE;
        is_recent.then(|| Moment(self.floor.load(Ordering::Acquire)))
    }
}

/// Whether a replica that takes reads has yet to pass `floor`.
pub(crate) fn lacks(replica: &Node, floor: Moment, now: Moment) -> bool {
    replica.is_selectable() && replica.fresh_as_of(now) <= floor
}

/// How often to ask while somebody waits for one of these replicas: by how far the best of them lags.
pub(crate) fn pace<'a>(
    replicas: impl IntoIterator<Item = &'a Arc<Node>>,
    options: &Options,
) -> Duration {
    let lag = replicas.into_iter().map(|node| node.lag_at_least()).min();
    let finest = lag.unwrap_or_default() / QUESTIONS_PER_LAG;
    finest.clamp(options.sample_fast, options.sample_slow)
}
