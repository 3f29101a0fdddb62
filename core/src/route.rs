//! Routing: from what a statement needs and what is known of the nodes to one node and one reason.
//!
//! A pure function of its arguments. It never waits, never allocates, and never sends a read to a
//! replica that has not proved to be fresh enough for whoever asks.

use std::sync::Arc;
use std::time::Duration;

use rand::Rng;
use serde::Serialize;

use crate::admitted::Standing;
use crate::classify::Dialect;
use crate::clock::Moment;
use crate::config::{Consistency, Options, PrimaryLoss};
use crate::connected::Connected;
use crate::group::View;
use crate::intent::{Cause, Intent};
use crate::mode::Hint;
use crate::node::Node;
use crate::node_id::NodeId;
use crate::reason::Reason;
use crate::role::Role;
use crate::select::{Candidates, Select};
use crate::session::{Floor, Pin, ReadConcern, SessionKey};
use crate::topology::Topology;

/// What a caller asks for beside the text of a statement. A [`Hint`] alone is one, too.
///
/// ```
/// use orm_split_core::{Asks, Hint, SessionKey, Splitter};
///
/// /// Where a connection that has written would read.
/// fn would_read_from(splitter: &Splitter, connection: SessionKey) -> String {
///     let mut asks = Asks::from(Hint::None);
///     asks.session = Some(connection);
///     splitter.explain("SELECT 1", asks).node.to_string()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Asks {
    /// A wish that the text does not show.
    pub hint: Hint,
    /// The handle's own session, on top of the current one. Default none.
    pub session: Option<SessionKey>,
    /// The handle stands for one connection: what a statement changes of its connection keeps the handle
    /// there. Default `false`.
    pub is_one_connection: bool,
    /// How fresh reads have to be and where they run, where the handle says so. Default: as the scope says, or
    /// as configured.
    pub concern: ReadConcern,
    /// The node that is taken if it is still a candidate, because a connection to it is at hand.
    /// Default none.
    pub prefers: Option<NodeId>,
    /// What the statement needs by declaration, whatever its text says. Default: the text decides.
    pub declared: Option<Intent>,
}

impl From<Hint> for Asks {
    fn from(hint: Hint) -> Self {
        Self {
            hint,
            ..Self::default()
        }
    }
}

/// A routing decision, for people and logs.
///
/// ```no_run
/// # fn explain(route: orm_split_core::Route) {
/// println!("{} because of {}", route.node, route.reason.as_str());
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Route {
    /// The node's name.
    pub node: Arc<str>,
    /// Whether it is the primary or a replica.
    pub role: Role,
    /// Why.
    pub reason: Reason,
    /// What the statement needs.
    pub intent: Intent,
    /// In [`Mode::Shadow`](crate::Mode::Shadow): where it would go otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub would: Option<Would>,
}

/// Where a statement would go in [`Mode::Automatic`](crate::Mode::Automatic), with all reads.
///
/// ```
/// use orm_split_core::{Role, Route, Would};
///
/// fn would_leave_the_primary(route: &Route) -> bool {
///     route.would.as_ref().is_some_and(|would: &Would| would.role == Role::Replica)
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Would {
    /// The node's name.
    pub node: Arc<str>,
    /// Whether it is the primary or a replica.
    pub role: Role,
    /// Why.
    pub reason: Reason,
}

impl Would {
    pub(crate) fn go(decision: Decision) -> Self {
        Self {
            node: Arc::clone(&decision.node.name),
            role: decision.node.role,
            reason: decision.reason,
        }
    }
}

impl Route {
    /// The route of a statement where there is one node only.
    #[must_use]
    pub fn without_replicas(dialect: Dialect, sql: &str) -> Self {
        let intent = crate::classify(dialect, sql);
        Self {
            node: Arc::from("primary"),
            role: Role::Primary,
            reason: match intent {
                Intent::Read => Reason::NoReplica,
                Intent::Primary(cause) => Reason::Statement(cause),
            },
            intent,
            would: None,
        }
    }
}

/// What is to be routed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Request {
    pub(crate) intent: Intent,
    pub(crate) hint: Hint,
    pub(crate) session: Option<SessionKey>,
    pub(crate) consistency: Consistency,
    pub(crate) max_staleness: Option<Duration>,
    /// The bit of the replica that a connection is at hand to.
    pub(crate) prefers: u64,
    pub(crate) floor: Floor,
    /// When the floor was looked up, or the last attempt failed.
    pub(crate) now: Moment,
    /// Replicas that have failed this statement already, as bits by index among the replicas.
    pub(crate) tried: u64,
    /// Replicas that were no longer fresh enough once a connection was there.
    pub(crate) fell_behind: u64,
    /// A replica once refused the statement as a write.
    pub(crate) misrouted: bool,
    /// Why a read is kept on the primary though replicas may be fresh enough.
    pub(crate) kept: Option<Reason>,
    /// In shadow mode: a replica would have served it, or would have been waited for.
    pub(crate) would_leave: bool,
}

impl Request {
    /// Whether what the statement returns was read from the database as it was.
    pub(crate) fn remembers_reads(&self) -> bool {
        self.intent == Intent::Read && self.consistency != Consistency::Eventual
    }

    /// Whether the statement may have changed something. A read on the primary has not.
    pub(crate) fn marks(&self, reason: Reason) -> bool {
        match (self.intent, reason) {
            (_, Reason::Refused | Reason::Misrouted) => true,
            (Intent::Primary(Cause::Empty | Cause::TransactionBegin), _) | (Intent::Read, _) => {
                false
            }
            (Intent::Primary(_), _) => true,
        }
    }
}

/// The outcome: a node and why.
#[derive(Clone, Debug)]
pub(crate) struct Decision {
    pub(crate) node: Arc<Node>,
    pub(crate) reason: Reason,
}

/// Decides where a statement runs.
pub(crate) fn route(
    topology: &Topology,
    request: &Request,
    options: &Options,
    policy: &dyn Select,
    now: Moment,
    rng: &mut dyn Rng,
) -> Decision {
    let primary = |reason| Decision {
        node: Arc::clone(topology.primary()),
        reason,
    };
    if let Some(reason) = needs_primary(topology, request) {
        return primary(reason);
    }
    let survey = Survey::of(topology.replicas(), request, now);
    let mut select = |mask: u64, reason| {
        let replicas = topology.replicas();
        let mask = match survey.standing.without_reluctant(mask & request.prefers) {
            0 => topology.nearest(survey.standing.admit(mask, replicas, now, rng)),
            preferred => preferred,
        };
        let candidates = Candidates::new(replicas, mask, now)?;
        let node = Arc::clone(policy.select(candidates, rng).node());
        Some(Decision { node, reason })
    };
    let (mask, reason) = if survey.eligible == 0 && serves_stale(topology, options) {
        (survey.stale, Reason::PrimaryLost)
    } else {
        (survey.eligible, Reason::Read)
    };
    select(mask, reason).unwrap_or_else(|| primary(survey.why_none()))
}

/// Whether the bound gives way because the primary is down, or its address leads to none.
fn serves_stale(topology: &Topology, options: &Options) -> bool {
    options.primary_loss == PrimaryLoss::Serve && !topology.primary().is_selectable()
}

fn needs_primary(topology: &Topology, request: &Request) -> Option<Reason> {
    match request.intent {
        Intent::Primary(cause) => return Some(Reason::Statement(cause)),
        Intent::Read => {}
    }
    match request.hint {
        Hint::Primary => return Some(Reason::Hint),
        Hint::Replica | Hint::None => {}
    }
    match request.floor.pin {
        Some(Pin::RawTransaction) => return Some(Reason::RawTransaction),
        Some(Pin::RawHandle) => return Some(Reason::RawHandle),
        Some(Pin::SessionState) => return Some(Reason::SessionState),
        None => {}
    }
    match request.consistency {
        Consistency::Strong => return Some(Reason::Strong),
        Consistency::Eventual | Consistency::Session | Consistency::Process => {}
    }
    if request.floor.stays_on == Some(topology.primary().id()) {
        return Some(Reason::Stays);
    }
    if request.misrouted {
        return Some(Reason::Misrouted);
    }
    if topology.replicas().is_empty() {
        return Some(Reason::NoReplica);
    }
    // last, so that it stands for those reads only which would otherwise be routed
    request.kept
}

/// Which replicas may serve a read, and what keeps the others out.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    pub(crate) eligible: u64,
    standing: Standing,
    /// Would be eligible but for the staleness bound.
    pub(crate) stale: u64,
    /// Lacks what the session asks for.
    pub(crate) below_floor: u64,
    any_up: bool,
}

impl Survey {
    pub(crate) fn of(replicas: &[Arc<Node>], request: &Request, now: Moment) -> Self {
        let mut survey = Self::default();
        for (index, node) in replicas.iter().enumerate() {
            let bit = 1_u64 << index;
            if request.tried & bit != 0 || !survey.standing.note(bit, node.admission()) {
                continue;
            }
            survey.any_up = true;
            let fits = match request.fell_behind & bit {
                0 => node.best(now, |view| Fits::of(node.id, view, request)),
                _ => None,
            };
            match fits {
                None | Some(Fits::BelowFloor) => survey.below_floor |= bit,
                Some(Fits::TooStale) => survey.stale |= bit,
                Some(Fits::Well) => survey.eligible |= bit,
            }
        }
        survey
    }

    fn why_none(&self) -> Reason {
        match (self.any_up, self.below_floor != 0) {
            (false, _) => Reason::NoReplicaUp,
            (true, true) => Reason::FloorNotMet,
            (true, false) => Reason::TooStale,
        }
    }
}

/// Whether a replica may serve the read now.
pub(crate) fn some_replica_serves(topology: &Topology, request: &Request, now: Moment) -> bool {
    Survey::of(topology.replicas(), request, now).eligible != 0
}

/// Replicas that neither failed this statement nor turned out to be older than was known of them.
pub(crate) fn untried<'a>(
    replicas: impl Iterator<Item = &'a Arc<Node>>,
    request: &Request,
) -> impl Iterator<Item = &'a Arc<Node>> {
    let given_up = request.tried | request.fell_behind;
    replicas.filter(move |node| given_up & bit_of(node.id) == 0)
}

/// How a server fits a request, the best last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Fits {
    BelowFloor,
    TooStale,
    Well,
}

impl Fits {
    fn of(node: NodeId, view: View, request: &Request) -> Self {
        let floor = &request.floor;
        let mut reads = floor.reads.iter().flatten();
        let meets_floor = has_passed(view.fresh_as_of, floor.at)
            && reads.all(|reads| reads.admits(node, view.generation, view.fresh_as_of));
        if !meets_floor {
            Self::BelowFloor
        } else if meets_bound(view, request.max_staleness) {
            Self::Well
        } else {
            Self::TooStale
        }
    }
}

/// Strictly greater, since instants can tie. A floor of nobody's is met by everyone.
pub(crate) fn has_passed(fresh_as_of: Moment, floor: Moment) -> bool {
    floor == Moment::NEVER || fresh_as_of > floor
}

fn meets_bound(view: View, max_staleness: Option<Duration>) -> bool {
    let Some(bound) = max_staleness else {
        return true;
    };
    view.staleness.is_some_and(|staleness| staleness <= bound)
}

/// Whether a replica that was routed to may still serve: looked at again after checkout, over the
/// connection that was checked out. Of a group it is the server that this connection leads to which counts.
pub(crate) fn still_serves(
    node: &Node,
    connected: &Connected,
    decision: Reason,
    request: &Request,
    now: Moment,
) -> bool {
    let Some(view) = node.view_over(connected.generation, now) else {
        return false;
    };
    let floor = &request.floor;
    let mut reads = floor.reads.iter().flatten();
    has_passed(view.fresh_as_of, floor.at)
        && reads.all(|reads| reads.admits_over(connected, node.id, view.fresh_as_of))
        && (decision == Reason::PrimaryLost || meets_bound(view, request.max_staleness))
}

/// The bit of a replica in [`Request::tried`]; 0 for the primary.
pub(crate) fn bit_of(id: NodeId) -> u64 {
    id.replica_index().map_or(0, |index| 1 << index)
}
