//! One database server that a pool is held for: what the hot path reads of it.
//!
//! Decides nothing. [`Freshness`](crate::freshness::Freshness) and
//! [`Health`](crate::health::Health) decide; their outcome is published here as atomics, so that
//! routing a statement takes no lock.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::clock::{Moment, nanos};
use crate::error::{AttemptFailure, Phase};
use crate::fault::Fault;
use crate::freshness::Evidence;
use crate::group::{Group, View};
use crate::health::{Admission, Health, HealthEvent, HealthState, NextProbe, Seen};
use crate::meters::NodeMeters;
use crate::node_id::NodeId;
use crate::placement::Placement;
use crate::position::Lsn;
use crate::rate::Rate;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::slowness::Slowness;

/// A node as the router sees it.
///
/// ```
/// use orm_split_core::Node;
///
/// fn label(node: &Node) -> String {
///     format!("{} ({:?}), {} in flight", node.name(), node.role(), node.in_flight())
/// }
/// ```
#[derive(Debug)]
pub struct Node {
    pub(crate) id: NodeId,
    pub(crate) name: Arc<str>,
    pub(crate) role: Role,
    pub(crate) in_flight: AtomicU32,
    pub(crate) served: AtomicU64,
    /// Questions that the monitor asked it.
    pub(crate) questions: Rate,
    /// Statements that the node answered, if only to say that they are wrong.
    pub(crate) successes: AtomicU64,
    pub(crate) slowness: Slowness,
    pub(crate) meters: NodeMeters,
    pub(crate) weight: f32,
    pub(crate) zone: Option<Arc<str>>,
    /// Asks the prober for a probe now; requests made meanwhile are one request.
    pub(crate) probe_wanted: Notify,
    /// The servers that its address leads to, once it is known to lead to several.
    pub(crate) group: Group,
    /// The same because something failed: less urgent, and however many ask.
    pub(crate) check_wanted: Notify,
    fresh_as_of: AtomicU64,
    stale_as_of: AtomicU64,
    lag: AtomicU64,
    generation: AtomicU64,
    since: AtomicU64,
    shared: AtomicBool,
    /// An [`Admission`], see [`Node::admission`].
    admission: AtomicU64,
    observed: Mutex<Observed>,
    pub(crate) health: watch::Sender<HealthState>,
}

/// What only `status()` and state changes look at.
#[derive(Debug)]
struct Observed {
    health: Health,
    refusal: Option<Refusal>,
    position: Option<Lsn>,
    last_error: Option<String>,
    remark: Option<String>,
}

/// Since when connections to a refused node may be used.
const REFUSED: u64 = u64::MAX;

/// Admissions as numbers; any other is the instant since when the node ramps.
const NO: u64 = 0;
const RELUCTANTLY: u64 = 1;
const YES: u64 = 2;

impl Node {
    pub(crate) fn new(id: NodeId, name: Arc<str>, role: Role) -> Self {
        Self {
            id,
            name,
            role,
            in_flight: AtomicU32::new(0),
            served: AtomicU64::new(0),
            questions: Rate::default(),
            successes: AtomicU64::new(0),
            slowness: Slowness::default(),
            meters: NodeMeters::default(),
            weight: 1.0,
            zone: None,
            probe_wanted: Notify::new(),
            group: Group::default(),
            check_wanted: Notify::new(),
            fresh_as_of: AtomicU64::new(0),
            stale_as_of: AtomicU64::new(0),
            lag: AtomicU64::new(0),
            generation: AtomicU64::new(0),
            since: AtomicU64::new(0),
            shared: AtomicBool::new(false),
            admission: AtomicU64::new(NO),
            observed: Mutex::new(Observed {
                health: Health::of(role),
                refusal: None,
                position: None,
                last_error: None,
                remark: None,
            }),
            health: watch::Sender::new(HealthState::Unknown),
        }
    }

    /// A replica.
    pub(crate) fn placed(id: NodeId, name: Arc<str>, placement: &Placement) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "0.01 to 100")]
        let weight = placement.weight as f32;
        Self {
            weight,
            zone: placement.zone.clone(),
            ..Self::new(id, name, Role::Replica)
        }
    }

    /// The node's index.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// The node's name: never a URL.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the node was configured to be.
    #[must_use]
    pub fn role(&self) -> Role {
        self.role
    }

    /// Statements selected for this node and not finished.
    #[must_use]
    pub fn in_flight(&self) -> u32 {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Not refused, and in a state in which it takes reads.
    pub(crate) fn is_selectable(&self) -> bool {
        self.admission.load(Ordering::Acquire) != NO
    }

    pub(crate) fn admission(&self) -> Admission {
        match self.admission.load(Ordering::Acquire) {
            NO => Admission::No,
            RELUCTANTLY => Admission::Reluctantly,
            YES => Admission::Yes,
            since => Admission::Ramping(Moment(since)),
        }
    }

    /// What floors compare with; of a group the best that any member offers.
    pub(crate) fn fresh_as_of(&self, now: Moment) -> Moment {
        if self.shared.load(Ordering::Acquire) {
            return now;
        }
        Moment(self.fresh_as_of.load(Ordering::Acquire))
    }

    /// Whether it reads what the primary writes.
    pub(crate) fn shares_storage(&self) -> bool {
        self.shared.load(Ordering::Acquire)
    }

    /// What whoever is served by this node has passed, whichever server it leads to.
    pub(crate) fn passed_as_of(&self, now: Moment) -> Moment {
        match self.group.oldest(now) {
            Some(view) if self.group.is_one() => view.fresh_as_of,
            _ => self.fresh_as_of(now),
        }
    }

    /// What the server is worth to whoever judges; of a group the best of them. `None` if there is none.
    pub(crate) fn best<T: Ord>(&self, now: Moment, judge: impl Fn(View) -> T) -> Option<T> {
        if self.group.is_one() {
            return self.group.best(now, judge);
        }
        Some(judge(self.view(now, self.generation())))
    }

    /// What is known of the server that a connection of `generation` leads to; `None` if that is void.
    pub(crate) fn view_over(&self, generation: u64, now: Moment) -> Option<View> {
        if self.group.is_one() {
            return self.group.view(generation, now);
        }
        let view = self.view(now, generation);
        // the generation last, see `publish`; that of a group is no connection's
        (self.generation() == generation).then_some(view)
    }

    fn view(&self, now: Moment, generation: u64) -> View {
        View {
            fresh_as_of: self.fresh_as_of(now),
            staleness: self.staleness(now),
            generation,
        }
    }

    /// How far behind the node may be; `None` if that is unknown. Of a group the least.
    pub(crate) fn staleness(&self, now: Moment) -> Option<Duration> {
        if self.shared.load(Ordering::Acquire) {
            return Some(Duration::ZERO);
        }
        let as_of = Moment(self.stale_as_of.load(Ordering::Acquire));
        (as_of != Moment::NEVER).then(|| now.since(as_of))
    }

    /// How far the node is known to have lagged, at least, when it was asked last. Zero if it had caught up,
    /// and as long as nothing is known.
    pub(crate) fn lag_at_least(&self) -> Duration {
        Duration::from_nanos(self.lag.load(Ordering::Relaxed))
    }

    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Whether a connection of `generation` may be used.
    pub(crate) fn is_current(&self, generation: u64) -> bool {
        if self.group.is_one() {
            return self.group.view(generation, Moment::NEVER).is_some();
        }
        self.since.load(Ordering::Acquire) != REFUSED && self.generation() == generation
    }

    /// The generation of an idle connection that was opened at `opened_at`; `None` if it belongs to
    /// an earlier one and has to be closed, or to a member of which its age tells nothing.
    pub(crate) fn generation_of(&self, opened_at: Moment) -> Option<u64> {
        if self.group.is_one() {
            return None;
        }
        let generation = self.generation();
        let since = Moment(self.since.load(Ordering::Acquire));
        (opened_at >= since).then_some(generation)
    }

    /// Makes what the freshness protocol decided visible to the router. `Some` if that changed whether
    /// the node is refused, which the caller has to tell.
    pub(crate) fn publish(&self, evidence: &Evidence) -> Option<Option<Refusal>> {
        let of = |moment: Option<Moment>| moment.unwrap_or(Moment::NEVER).0;
        let mut observed = self.observed.lock();
        // no connection of a refused node is old enough, or young enough, to be used
        let since = evidence.refusal.map_or(evidence.since.0, |_| REFUSED);
        self.since.store(since, Ordering::Release);
        if self.generation() != evidence.generation {
            // nobody may see evidence of the new generation together with the old number: readers
            // load the evidence first and the generation last
            self.fresh_as_of.store(0, Ordering::Release);
            self.stale_as_of.store(0, Ordering::Release);
            self.shared.store(false, Ordering::Release);
            self.generation
                .store(evidence.generation, Ordering::Release);
        }
        self.fresh_as_of
            .store(of(evidence.fresh_as_of), Ordering::Release);
        self.stale_as_of
            .store(of(evidence.stale_as_of), Ordering::Release);
        self.shared.store(evidence.shared, Ordering::Release);
        self.lag.store(nanos(evidence.lag), Ordering::Relaxed);
        observed.position = evidence.position;
        let changed = observed.refusal != evidence.refusal;
        observed.refusal = evidence.refusal;
        self.update_admission(&observed);
        changed.then_some(evidence.refusal)
    }

    /// To be called without any lock.
    pub(crate) fn tell_refusal(&self, refusal: Option<Refusal>) {
        match refusal {
            Some(refusal) => tracing::warn!(node = %self.name, %refusal, "node is refused"),
            None => tracing::info!(node = %self.name, "node is no longer refused"),
        }
    }

    pub(crate) fn refusal(&self) -> Option<Refusal> {
        self.observed.lock().refusal
    }

    pub(crate) fn health(&self) -> HealthState {
        *self.health.borrow()
    }

    pub(crate) fn position(&self) -> Option<Lsn> {
        self.observed.lock().position
    }

    pub(crate) fn last_error(&self) -> Option<String> {
        self.observed.lock().last_error.clone()
    }

    /// What it was last found down for.
    pub(crate) fn last_failure(&self) -> Option<AttemptFailure> {
        // while it takes reads, a probe that went unanswered is no failure yet
        let cause = self.last_error().filter(|_| !self.is_selectable())?;
        let (phase, fault) = (Phase::Checkout, Fault::Unreachable);
        Some(AttemptFailure::new(self.name(), phase, fault, cause))
    }

    pub(crate) fn remark(&self) -> Option<String> {
        self.observed.lock().remark.clone()
    }

    /// Something that `status()` should say of the node, such as a safeguard that is off.
    pub(crate) fn set_remark(&self, remark: String) {
        let known = &mut self.observed.lock().remark;
        *known = Some(match known.take() {
            Some(known) if known.contains(&remark) => known,
            Some(known) => format!("{known}; {remark}"),
            None => remark,
        });
    }

    /// Feeds the health state machine; `error` is what the driver said, and `best` the fleet's average of
    /// latencies. What it yields has to be told.
    pub(crate) fn observe(
        &self,
        event: HealthEvent,
        error: Option<String>,
        seen: &Seen,
        best: Option<f32>,
    ) -> Option<Changed> {
        let mut observed = self.observed.lock();
        let before = self.health();
        let after = observed.health.step(event, seen);
        if matches!(after, HealthState::Up | HealthState::Ramping) {
            observed.last_error = None;
        } else if error.is_some() {
            observed.last_error = error;
        }
        let cause = observed.last_error.clone();
        if (before, after) == (HealthState::Probation, HealthState::Ramping) {
            // what it was like before it left says nothing
            self.slowness.reset(best, seen.now);
        }
        if before != after {
            self.health.send_replace(after);
        }
        self.update_admission(&observed);
        (before != after).then_some(Changed { after, cause })
    }

    /// To be called without any lock: a subscriber may ask for the status.
    pub(crate) fn tell_health(&self, changed: &Changed) {
        let cause = changed.cause.as_deref().unwrap_or("");
        match changed.after {
            HealthState::Down => tracing::warn!(node = %self.name, cause, "node is down"),
            HealthState::Ejected => {
                tracing::warn!(node = %self.name, cause, "node is ejected: its statements fail");
            }
            HealthState::Suspect => tracing::info!(node = %self.name, cause, "node is suspect"),
            HealthState::Probation => tracing::info!(node = %self.name, "node answers again"),
            HealthState::Ramping => tracing::info!(node = %self.name, "node takes reads again"),
            HealthState::Up | HealthState::Unknown => {
                tracing::info!(node = %self.name, "node is up");
            }
        }
    }

    /// When the monitor should probe it.
    pub(crate) fn next_probe(&self) -> NextProbe {
        self.observed.lock().health.next_probe()
    }

    fn update_admission(&self, observed: &Observed) {
        let admission = match observed.health.admission() {
            _ if observed.refusal.is_some() => NO,
            Admission::No => NO,
            Admission::Reluctantly => RELUCTANTLY,
            Admission::Yes => YES,
            Admission::Ramping(since) => since.0.max(YES + 1),
        };
        self.admission.store(admission, Ordering::Release);
    }
}

/// A change of health.
#[derive(Debug)]
pub(crate) struct Changed {
    after: HealthState,
    cause: Option<String>,
}
