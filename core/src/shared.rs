//! The state that routing, attempts and the monitor share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arc_swap::{ArcSwap, Guard};
use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::classify::Dialect;
use crate::clock::{Clock, Moment};
use crate::config::Options;
use crate::demand::{Demand, Waits};
use crate::dice::Dice;
use crate::error::AttemptFailure;
use crate::fallback::{FallbackBudget, Full, Place, RetryBudget};
use crate::freshness::Freshness;
use crate::intent::Intent;
use crate::intents::Intents;
use crate::meters::Meters;
use crate::misroutes::Misroutes;
use crate::mode::{Mode, Rollout};
use crate::node::Node;
use crate::pools::Pools;
use crate::reason::Reason;
use crate::select::Select;
use crate::session::{self, SessionKey, Sessions};
use crate::shadow_status::Shadow;
use crate::topology::Topology;

/// One splitter's state. Shared by its handles and its monitor tasks.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) clock: Clock,
    pub(crate) dialect: Dialect,
    pub(crate) options: Options,
    pub(crate) policy: Arc<dyn Select>,
    pub(crate) rollout: Rollout,
    pub(crate) shadow: Shadow,
    /// Takes writes; the first node of every topology.
    pub(crate) primary: Arc<Node>,
    topology: ArcSwap<Topology>,
    pub(crate) sessions: Arc<Sessions>,
    pub(crate) misroutes: Misroutes,
    pub(crate) intents: Intents,
    pub(crate) demand: Demand,
    pub(crate) dice: Dice,
    pub(crate) counters: [AtomicU64; Reason::COUNT],
    pub(crate) waits: Waits,
    pub(crate) fallback: FallbackBudget,
    pub(crate) retries: RetryBudget,
    pub(crate) meters: Meters,
    pub(crate) pools: Pools,
    #[cfg(feature = "axum")]
    pub(crate) recent: crate::recent::Recent,
    freshness: Mutex<Freshness>,
    /// Held while it is decided whether a node is ejected.
    pub(crate) ejecting: Mutex<()>,
    /// Wakes whoever waits for a reply of some node.
    pub(crate) learned: Notify,
}

impl Shared {
    pub(crate) fn new(
        dialect: Dialect,
        options: Options,
        policy: Arc<dyn Select>,
        topology: Topology,
    ) -> Self {
        let freshness = Freshness::new(topology.replicas().len());
        let fallback = FallbackBudget::new(&options);
        let remembers_writes = !topology.replicas().is_empty();
        let clock = Clock::start();
        let sessions = Sessions::new(remembers_writes);
        session::joined(&sessions, clock);
        Self {
            clock,
            dialect,
            rollout: Rollout::new(options.mode, options.read_share),
            shadow: Shadow::over(&topology),
            options,
            policy,
            primary: Arc::clone(topology.primary()),
            topology: ArcSwap::from_pointee(topology),
            sessions,
            misroutes: Misroutes::default(),
            intents: Intents::default(),
            demand: Demand::default(),
            dice: Dice::default(),
            counters: [const { AtomicU64::new(0) }; Reason::COUNT],
            waits: Waits::default(),
            fallback,
            retries: RetryBudget::default(),
            meters: Meters::default(),
            pools: Pools::default(),
            #[cfg(feature = "axum")]
            recent: crate::recent::Recent::default(),
            freshness: Mutex::new(freshness),
            ejecting: Mutex::new(()),
            learned: Notify::new(),
        }
    }

    /// The nodes of this moment.
    pub(crate) fn topology(&self) -> Guard<Arc<Topology>> {
        self.topology.load()
    }

    /// What a statement needs.
    pub(crate) fn intent(&self, sql: &str) -> Intent {
        self.intents.of(self.dialect, &self.options, sql)
    }

    pub(crate) fn count(&self, node: &Node, reason: Reason) {
        node.served.fetch_add(1, Ordering::Relaxed);
        node.meters.runs(node.name(), node.role(), reason);
        if let Some(counter) = self.counters.get(reason.index()) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A place on the primary for a read that no replica could take.
    pub(crate) async fn fallback_place(&self) -> Result<Place, Full> {
        let is_up = (self.topology().replicas().iter()).any(|node| node.is_selectable());
        self.fallback.place(is_up).await
    }

    /// Why no replica could: what failed, else what they were last found down for.
    pub(crate) fn causes_of_outage(&self, failed: Vec<AttemptFailure>) -> Vec<AttemptFailure> {
        if !failed.is_empty() {
            return failed;
        }
        let topology = self.topology();
        let replicas = topology.replicas().iter();
        replicas.filter_map(|node| node.last_failure()).collect()
    }

    /// Whether a read that failed may be tried elsewhere, although its node is none the worse for it.
    pub(crate) fn may_retry(&self) -> bool {
        let topology = self.topology();
        let replicas = topology.replicas().iter();
        let reads = replicas
            .map(|node| node.served.load(Ordering::Relaxed))
            .sum();
        self.retries.take(reads, self.clock.now())
    }

    /// Marks the session `key` when it is dropped.
    pub(crate) fn write_mark(self: &Arc<Self>, key: SessionKey) -> WriteMark {
        WriteMark {
            shared: Arc::clone(self),
            key,
        }
    }

    /// The session's write was acknowledged, or its outcome became unknown, at `at`.
    pub(crate) fn wrote(&self, key: SessionKey, at: Moment) {
        self.sessions.wrote(key, at);
        self.shadow_awaits(at);
    }

    /// In shadow mode replicas are looked at closely as soon as something is written: whether the next read
    /// would have missed it can only be told by what they had shown by then.
    pub(crate) fn shadow_awaits(&self, written_at: Moment) {
        if self.rollout.mode() == Mode::Shadow {
            self.demand
                .raise(written_at, written_at, &self.topology(), &self.options);
        }
    }

    /// Reads the protocol's state.
    pub(crate) fn freshness<R>(&self, read: impl FnOnce(&Freshness) -> R) -> R {
        read(&self.freshness.lock())
    }

    /// Changes the protocol's state and publishes the outcome to the router.
    pub(crate) fn learn<R>(&self, change: impl FnOnce(&mut Freshness) -> R) -> R {
        let mut freshness = self.freshness.lock();
        let epoch = freshness.epoch();
        let result = change(&mut freshness);
        let mut changes = Vec::new();
        let mut groups = Vec::new();
        let topology = self.topology();
        for node in topology.nodes() {
            let (evidence, members) = match node.id.replica_index() {
                None => (Some(freshness.primary_evidence()), None),
                Some(index) => (freshness.evidence(index), freshness.group(index)),
            };
            // first: the node's own generation is that of no connection from then on
            let change = evidence.and_then(|evidence| node.publish(&evidence));
            if node.group.publish(members) {
                groups.push(node);
            }
            changes.extend(change.map(|refusal| (node, refusal)));
        }
        let began = (freshness.epoch() != epoch).then(|| (freshness.epoch(), freshness.primary()));
        // a subscriber may ask for the status: nothing is locked while it is told
        drop(freshness);
        self.learned.notify_waiters();
        if let Some((epoch, primary)) = began {
            self.epoch_began(epoch, primary.map(|server| server.timeline));
        }
        for (node, refusal) in changes {
            node.tell_refusal(refusal);
        }
        for node in groups {
            tracing::info!(node = %node.name, "the node's address leads to several servers");
            node.probe_wanted.notify_one();
        }
        result
    }

    fn epoch_began(&self, epoch: u64, timeline: Option<u32>) {
        tracing::info!(epoch, timeline, "a primary was identified");
        for node in self.topology().replicas() {
            node.probe_wanted.notify_one();
        }
    }
}

/// Marks the session when dropped: after the outcome of a write arrived, and just as much when its
/// future is dropped or its outcome is unknown.
#[derive(Debug)]
pub(crate) struct WriteMark {
    shared: Arc<Shared>,
    key: SessionKey,
}

impl Drop for WriteMark {
    fn drop(&mut self) {
        self.shared.wrote(self.key, self.shared.clock.now());
    }
}
