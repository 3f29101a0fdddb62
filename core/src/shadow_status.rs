//! What shadow mode counts, and how it is shown.
//!
//! Decides which place in the code is told about again. A fixed number of counters; remembers no more places
//! than [`TOLD`], as fingerprints.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde::Serialize;

use crate::clock::Moment;
use crate::node::Node;
use crate::reason::Reason;
use crate::route::{self, Decision, Survey};
use crate::topology::Topology;

/// What shadow mode has seen, from the start of the process; it stands still in other modes. Whoever wants
/// what happened lately takes the difference of two looks, as with all counters here: nothing resets them.
///
/// Judged are statements that are routed, with the share of reads at 100 %: those inside of transactions are
/// not, and a transaction declared read-only is one.
///
/// ```
/// use orm_split_core::ShadowStatus;
///
/// /// Whether the application may rely on replicas as it is.
/// fn is_ready(shadow: &ShadowStatus) -> bool {
///     shadow.statements > 100_000 && shadow.on_replicas() * 2 > shadow.statements
/// }
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ShadowStatus {
    /// Statements that were judged.
    pub statements: u64,
    /// The same by the reason for which they would have run where they would have run. `floor_not_met` and
    /// `too_stale` are the reads for which no replica was fresh enough.
    pub reasons: BTreeMap<&'static str, u64>,
    /// All nodes, the primary first.
    pub nodes: Vec<ShadowNode>,
    /// Reads for which no replica was fresh enough, but one would have been waited for, up to `read_wait`. Some of
    /// them would have been served by it: of that nobody can know.
    pub would_wait: u64,
    /// Reads that followed a write of their session within `hazard_window`.
    pub reads_after_write: u64,
    /// Those of them which a naive splitter, one that sends every read to any replica that is up, would have
    /// sent to a replica of which it was not proven that it holds that write. Each place in the code is told
    /// about by an event of `tracing`, target `orm_split::hazard`, once a minute.
    pub hazards: u64,
}

/// One node of a [`ShadowStatus`].
///
/// ```
/// use orm_split_core::ShadowNode;
///
/// /// How often the replica was not fresh enough, whether or not another one was.
/// fn missed(node: &ShadowNode) -> u64 {
///     node.below_floor + node.too_stale
/// }
/// ```
#[derive(Clone, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct ShadowNode {
    /// The node's name.
    pub name: String,
    /// Statements that would have run on it.
    pub would_serve: u64,
    /// Reads for which it was up, but did not provably have what their session had written or read.
    pub below_floor: u64,
    /// Reads for which it was up, but staler than the bound, or nobody knew.
    pub too_stale: u64,
}

impl ShadowStatus {
    /// Statements that would have run on replicas.
    #[must_use]
    pub fn on_replicas(&self) -> u64 {
        let replicas = self.nodes.iter().skip(1);
        replicas.map(|node| node.would_serve).sum()
    }
}

/// The counters.
#[derive(Debug)]
pub(crate) struct Shadow {
    reasons: [AtomicU64; Reason::COUNT],
    /// By the index of the node.
    nodes: Vec<NodeCounters>,
    pub(crate) would_wait: AtomicU64,
    pub(crate) reads_after_write: AtomicU64,
    pub(crate) hazards: AtomicU64,
    told: Mutex<HashMap<u64, Moment>>,
}

#[derive(Debug, Default)]
struct NodeCounters {
    would_serve: AtomicU64,
    below_floor: AtomicU64,
    too_stale: AtomicU64,
}

/// So many places in the code are told about within [`SILENCE`].
const TOLD: usize = 256;
/// One place is told about no more often.
const SILENCE: Duration = Duration::from_secs(60);

impl Shadow {
    pub(crate) fn over(topology: &Topology) -> Self {
        let nodes = topology.nodes().iter();
        Self {
            reasons: [const { AtomicU64::new(0) }; Reason::COUNT],
            nodes: nodes.map(|_| NodeCounters::default()).collect(),
            would_wait: AtomicU64::new(0),
            reads_after_write: AtomicU64::new(0),
            hazards: AtomicU64::new(0),
            told: Mutex::default(),
        }
    }

    pub(crate) fn would_run(&self, decision: &Decision) {
        add_to(self.reasons.get(decision.reason.index()));
        let node = self.nodes.get(decision.node.id().index());
        add_to(node.map(|node| &node.would_serve));
    }

    /// The replicas that were not fresh enough for a read.
    pub(crate) fn were_behind(&self, replicas: &[Arc<Node>], survey: &Survey) {
        for node in replicas {
            let (bit, counters) = (route::bit_of(node.id()), self.nodes.get(node.id().index()));
            add_to(
                counters
                    .map(|node| &node.below_floor)
                    .filter(|_| survey.below_floor & bit != 0),
            );
            add_to(
                counters
                    .map(|node| &node.too_stale)
                    .filter(|_| survey.stale & bit != 0),
            );
        }
    }

    /// Whether this place in the code should be told about now.
    pub(crate) fn should_tell(&self, fingerprint: u64, now: Moment) -> bool {
        let mut told = self.told.lock();
        let is_silenced = |at: Moment| now.since(at) < SILENCE;
        if told.get(&fingerprint).copied().is_some_and(is_silenced) {
            return false;
        }
        if told.len() >= TOLD {
            told.retain(|_, at| is_silenced(*at));
        }
        let has_room = told.len() < TOLD;
        if has_room {
            told.insert(fingerprint, now);
        }
        has_room
    }

    pub(crate) fn status(&self, topology: &Topology) -> ShadowStatus {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let reasons = self.reasons.iter().enumerate();
        let nodes = topology.nodes().iter().zip(&self.nodes);
        ShadowStatus {
            statements: self.reasons.iter().map(read).sum(),
            reasons: reasons
                .map(|(index, count)| (Reason::name(index), read(count)))
                .collect(),
            nodes: nodes
                .map(|(node, counters)| ShadowNode {
                    name: node.name().to_owned(),
                    would_serve: read(&counters.would_serve),
                    below_floor: read(&counters.below_floor),
                    too_stale: read(&counters.too_stale),
                })
                .collect(),
            would_wait: read(&self.would_wait),
            reads_after_write: read(&self.reads_after_write),
            hazards: read(&self.hazards),
        }
    }
}

pub(crate) fn add_to(counter: Option<&AtomicU64>) {
    if let Some(counter) = counter {
        counter.fetch_add(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_told_about_once_a_minute_and_so_many_places_at_most() {
        let topology = Topology::new("primary".into(), &[], None).expect("a primary");
        let shadow = Shadow::over(&topology);
        let now = Moment::NEVER.after(SILENCE);
        assert!(shadow.should_tell(0, now));
        assert!(!shadow.should_tell(0, now.after(SILENCE / 2)));
        assert!(shadow.should_tell(0, now.after(SILENCE)));
        let told = (1..10_000).filter(|place| shadow.should_tell(*place, now.after(SILENCE)));
        assert_eq!(told.count(), TOLD - 1);
        assert_eq!(shadow.told.lock().len(), TOLD);
        assert!(shadow.should_tell(20_000, now.after(SILENCE * 2)));
    }
}
