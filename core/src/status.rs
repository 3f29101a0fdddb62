//! `status()`: everything an operator may want to know, as one serialisable value.
//!
//! Shows names, never URLs, users or passwords. Unknown staleness is `null`, never 0.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde::Serialize;

use crate::group::View;
use crate::health::HealthState;
use crate::mode::Mode;
use crate::node::Node;
use crate::pools::PoolUse;
use crate::position::Lsn;
use crate::reason::Reason;
use crate::refusal::Refusal;
use crate::role::Role;
use crate::shadow_status::ShadowStatus;
use crate::shared::Shared;

/// A snapshot of a splitter. Counters count from its start.
///
/// ```
/// use orm_split_core::Status;
///
/// fn offloaded(status: &Status) -> f64 {
///     let (replicas, primary) = (status.served_by_replicas(), status.served_by_primary());
///     replicas as f64 / (replicas + primary).max(1) as f64
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct Status {
    /// All nodes, the primary first.
    pub nodes: Vec<NodeStatus>,
    /// Statements by the reason for which they ran where they ran.
    pub statements: BTreeMap<&'static str, u64>,
    /// Which reads leave the primary.
    pub mode: Mode,
    /// How many sessions in a hundred read from replicas without asking for it, in [`Mode::Automatic`].
    pub read_share: u8,
    /// What [`Mode::Shadow`] has seen.
    pub shadow: ShadowStatus,
    /// Which primary on which history this is, counted from the start of the process.
    pub epoch: u64,
    /// Sessions whose writes are remembered.
    pub sessions: usize,
    /// Reads that waited until a replica was fresh enough, see `read_wait`.
    pub reads_that_waited: u64,
    /// Reads that waited so for nothing, and then ran on the primary.
    pub reads_that_waited_in_vain: u64,
    /// Reads on the primary because no replica is up, now; `None` if [`Fallback`](crate::Fallback) sets no
    /// limit.
    pub fallback_in_use: Option<u32>,
    /// How many there may be at once; `None` if it sets no limit.
    pub fallback_places: Option<u32>,
    /// Reads that failed because those places were taken.
    pub reads_shed: u64,
    /// Statements that a replica refused as writes and that now go to the primary: the newest 1,024,
    /// each whatever its values.
    pub misroutes: usize,
    /// Functions of the user's that are known from the primary's catalogue; `None` before it was
    /// read, and where the back end has none to read.
    pub user_functions: Option<usize>,
    /// Views, tables and domains of which the catalogue shows that they are no plain reads.
    pub avoided_names: Option<usize>,
}

/// One node of a [`Status`].
///
/// ```
/// use std::time::Duration;
/// use orm_split_core::NodeStatus;
///
/// fn lags(node: &NodeStatus) -> bool {
///     node.staleness.is_none_or(|staleness| staleness > Duration::from_secs(10))
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct NodeStatus {
    /// The node's name.
    pub name: String,
    /// What it was configured to be.
    pub role: Role,
    /// Whether it answers.
    pub health: HealthState,
    /// Why it is not used although it answers.
    pub refusal: Option<Refusal>,
    /// Every commit older than this is visible on it; `None` if unknown. Zero for the primary.
    pub staleness: Option<Duration>,
    /// How far it lagged at least when it was asked last; `None` if unknown. Between this and
    /// `staleness`, which also counts the time since it was asked, lies how far it lags now.
    pub lag_at_least: Option<Duration>,
    /// Bytes of log that it has not replayed; `None` if unknown.
    pub lag_bytes: Option<u64>,
    /// How often evidence about it was voided: another server, or one that went backwards.
    pub generation: u64,
    /// Statements selected for it and not finished.
    pub in_flight: u32,
    /// Statements that ran on it.
    pub served: u64,
    /// How its pool is used; `None` if it has none, or was closed.
    pub pool: Option<PoolUse>,
    /// Where it stands, as configured.
    pub zone: Option<String>,
    /// Questions that the monitor asked it: about one a second, and more while somebody waits for a replica,
    /// but never more than one in each `sample_fast`.
    pub questions: u64,
    /// The same for each of the last ten seconds, as a mean.
    pub questions_per_second: f64,
    /// The driver's message when it was last found down; cleared when it is up.
    pub last_error: Option<String>,
    /// What else there is to know, such as a safeguard that is off.
    pub remark: Option<String>,
    /// The servers that its address leads to, if it leads to several; what the node shows is then the best
    /// of theirs. Empty if it leads to one.
    pub members: Vec<MemberStatus>,
}

/// One of the servers that a node's address leads to: behind a balancer, a service name, a reader endpoint.
///
/// ```
/// use orm_split_core::{MemberStatus, NodeStatus};
///
/// /// How many of them nobody may read.
/// fn refused(node: &NodeStatus) -> usize {
///     let is_refused = |member: &&MemberStatus| member.refusal.is_some();
///     node.members.iter().filter(is_refused).count()
/// }
/// ```
#[derive(Clone, Debug, Serialize)]
#[non_exhaustive]
pub struct MemberStatus {
    /// Why it is not used although it answers.
    pub refusal: Option<Refusal>,
    /// Every commit older than this is visible on it; `None` if unknown.
    pub staleness: Option<Duration>,
    /// Bytes of log that it has not replayed; `None` if unknown.
    pub lag_bytes: Option<u64>,
}

impl Status {
    /// The status where there is one node only, which nobody watches: its health is unknown.
    #[must_use]
    pub fn without_replicas() -> Self {
        let primary = NodeStatus {
            name: "primary".to_owned(),
            role: Role::Primary,
            health: HealthState::Unknown,
            refusal: None,
            staleness: Some(Duration::ZERO),
            lag_at_least: Some(Duration::ZERO),
            lag_bytes: Some(0),
            generation: 0,
            in_flight: 0,
            served: 0,
            pool: None,
            zone: None,
            questions: 0,
            questions_per_second: 0.0,
            last_error: None,
            remark: Some("without replicas nothing is watched".to_owned()),
            members: Vec::new(),
        };
        Self {
            nodes: vec![primary],
            statements: BTreeMap::new(),
            mode: Mode::default(),
            read_share: 100,
            shadow: ShadowStatus::default(),
            epoch: 0,
            sessions: 0,
            reads_that_waited: 0,
            reads_that_waited_in_vain: 0,
            fallback_in_use: None,
            fallback_places: None,
            reads_shed: 0,
            misroutes: 0,
            user_functions: None,
            avoided_names: None,
        }
    }

    /// Statements that ran on replicas.
    #[must_use]
    pub fn served_by_replicas(&self) -> u64 {
        self.served_by(Role::Replica)
    }

    /// Statements that ran on the primary.
    #[must_use]
    pub fn served_by_primary(&self) -> u64 {
        self.served_by(Role::Primary)
    }

    fn served_by(&self, role: Role) -> u64 {
        let nodes = self.nodes.iter().filter(|node| node.role == role);
        nodes.map(|node| node.served).sum()
    }
}

impl Shared {
    pub(crate) fn status(&self) -> Status {
        let (epoch, newest) = self.freshness(|f| (f.epoch(), f.newest_position()));
        let topology = self.topology();
        let nodes = topology.nodes().iter();
        let counters = self.counters.iter().enumerate();
        let known = self.intents.known();
        let fallback = self.fallback.use_now();
        Status {
            nodes: nodes.map(|node| self.node_status(node, newest)).collect(),
            statements: counters
                .map(|(index, count)| (Reason::name(index), count.load(Ordering::Relaxed)))
                .collect(),
            mode: self.rollout.mode(),
            read_share: self.rollout.share(),
            shadow: self.shadow.status(&topology),
            epoch,
            sessions: self.sessions.len(),
            reads_that_waited: self.waits.served.load(Ordering::Relaxed),
            fallback_in_use: fallback.map(|(in_use, _)| in_use),
            fallback_places: fallback.map(|(_, places)| places),
            reads_shed: self.fallback.shed_so_far(),
            reads_that_waited_in_vain: self.waits.in_vain.load(Ordering::Relaxed),
            misroutes: self.misroutes.len(),
            user_functions: known.map(|(functions, _)| functions),
            avoided_names: known.map(|(_, avoided)| avoided),
        }
    }

    /// How far a node is behind, in time and in bytes of log.
    #[cfg(feature = "metrics")]
    pub(crate) fn lag_of(&self, node: &Node) -> (Option<Duration>, Option<u64>) {
        self.lag_behind(node, self.freshness(|f| f.newest_position()))
    }

    fn lag_behind(&self, node: &Node, newest: Option<Lsn>) -> (Option<Duration>, Option<u64>) {
        match node.role {
            Role::Primary => (Some(Duration::ZERO), Some(0)),
            Role::Replica => (
                node.staleness(self.clock.now()),
                node.position()
                    .zip(newest)
                    .map(|(replayed, newest)| newest.bytes_since(replayed)),
            ),
        }
    }

    fn node_status(&self, node: &Node, newest: Option<Lsn>) -> NodeStatus {
        let (staleness, lag_bytes) = self.lag_behind(node, newest);
        NodeStatus {
            name: node.name.to_string(),
            role: node.role,
            health: node.health(),
            refusal: node.refusal(),
            staleness,
            lag_at_least: staleness.map(|_| node.lag_at_least()),
            lag_bytes,
            generation: node.generation(),
            in_flight: node.in_flight(),
            served: node.served.load(Ordering::Relaxed),
            pool: self.pools.used(node),
            zone: node.zone.as_deref().map(str::to_owned),
            questions: node.questions.total(),
            questions_per_second: node.questions.per_second(self.clock.now()),
            last_error: node.last_error(),
            remark: node.remark(),
            members: self.members(node, newest),
        }
    }

    fn members(&self, node: &Node, newest: Option<Lsn>) -> Vec<MemberStatus> {
        let index = node.id.replica_index();
        let members = index.and_then(|index| self.freshness(|f| f.group(index)));
        let now = self.clock.now();
        let members = members.into_iter().flatten();
        let status = members.map(|member| MemberStatus {
            refusal: member.refusal,
            staleness: View::of(&member, now).staleness,
            lag_bytes: member
                .position
                .zip(newest)
                .map(|(replayed, newest)| newest.bytes_since(replayed)),
        });
        status.collect()
    }
}
