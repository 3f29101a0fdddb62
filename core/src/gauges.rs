//! What is true of the nodes now, as gauges of the `metrics` facade.
//!
//! Decides nothing but names and labels. Unknown is NaN, never 0, and so is whatever is said of a node that is no
//! member any more: an alert must not go on about it, nor be content with it.

use std::sync::Arc;

use metrics::{Counter, Gauge, Unit, gauge};

use crate::health::HealthState;
use crate::node::Node;
use crate::role::Role;
use crate::shared::Shared;

const STATES: [(HealthState, &str); 7] = [
    (HealthState::Unknown, "unknown"),
    (HealthState::Up, "up"),
    (HealthState::Suspect, "suspect"),
    (HealthState::Down, "down"),
    (HealthState::Ejected, "ejected"),
    (HealthState::Probation, "probation"),
    (HealthState::Ramping, "ramping"),
];
const ROLES: [Role; 2] = [Role::Primary, Role::Replica];

/// All gauges of one splitter, looked up in the recorder once.
#[derive(Debug)]
pub(crate) struct Gauges {
    nodes: Vec<OfNode>,
    primary_up: Gauge,
    fallback_in_use: Gauge,
    fallback_places: Gauge,
    shed: Counter,
    sessions: Gauge,
    epoch: Gauge,
}

#[derive(Debug)]
struct OfNode {
    node: Arc<Node>,
    health: [Gauge; STATES.len()],
    role: [Gauge; ROLES.len()],
    usable: Gauge,
    staleness: Gauge,
    lag_bytes: Gauge,
    in_flight: Gauge,
    active: Gauge,
    idle: Gauge,
    most: Gauge,
}

impl Default for Gauges {
    fn default() -> Self {
        describe();
        Self {
            nodes: Vec::new(),
            primary_up: gauge!("orm_split_primary_up"),
            fallback_in_use: gauge!("orm_split_fallback_in_use"),
            fallback_places: gauge!("orm_split_fallback_places"),
            shed: metrics::counter!("orm_split_reads_shed_total"),
            sessions: gauge!("orm_split_sessions"),
            epoch: gauge!("orm_split_epoch"),
        }
    }
}

impl Gauges {
    /// Publishes what is true now.
    pub(crate) fn publish(&mut self, shared: &Shared) {
        let topology = shared.topology();
        let is_there = |node: &Arc<Node>| topology.nodes().iter().any(|n| Arc::ptr_eq(n, node));
        self.nodes.retain(|known| {
            let is_there = is_there(&known.node);
            if !is_there {
                known.is_gone();
            }
            is_there
        });
        for node in topology.nodes() {
            if !self
                .nodes
                .iter()
                .any(|known| Arc::ptr_eq(&known.node, node))
            {
                self.nodes.push(OfNode::of(node));
            }
        }
        for known in &self.nodes {
            known.publish(shared);
        }
        let primary = topology.primary();
        self.primary_up.set(number(is_usable(primary)));
        let fallback = shared.fallback.use_now();
        // no limit is no number of places
        let (in_use, places) = fallback.map_or((f64::NAN, f64::NAN), |(in_use, places)| {
            (f64::from(in_use), f64::from(places))
        });
        self.fallback_in_use.set(in_use);
        self.fallback_places.set(places);
        self.shed.absolute(shared.fallback.shed_so_far());
        self.sessions.set(approximate(shared.sessions.len() as u64));
        self.epoch.set(approximate(shared.freshness(|f| f.epoch())));
    }
}

impl OfNode {
    fn of(node: &Arc<Node>) -> Self {
        let name = || node.name().to_owned();
        let pool = |state: &'static str| gauge!("orm_split_pool_connections", "node" => name(), "state" => state);
        Self {
            health: STATES.map(
                |(_, state)| gauge!("orm_split_node_health", "node" => name(), "state" => state),
            ),
            role: ROLES.map(
                |role| gauge!("orm_split_node_role", "node" => name(), "role" => role.as_str()),
            ),
            usable: gauge!("orm_split_node_usable", "node" => name()),
            staleness: gauge!("orm_split_node_staleness_seconds", "node" => name()),
            lag_bytes: gauge!("orm_split_node_lag_bytes", "node" => name()),
            in_flight: gauge!("orm_split_node_in_flight", "node" => name()),
            active: pool("active"),
            idle: pool("idle"),
            most: gauge!("orm_split_pool_connections_max", "node" => name()),
            node: Arc::clone(node),
        }
    }

    fn publish(&self, shared: &Shared) {
        let node = &self.node;
        let health = node.health();
        for (gauge, (state, _)) in self.health.iter().zip(STATES) {
            gauge.set(number(state == health));
        }
        for (gauge, role) in self.role.iter().zip(ROLES) {
            gauge.set(number(role == node.role()));
        }
        self.usable.set(number(is_usable(node)));
        let (staleness, lag_bytes) = shared.lag_of(node);
        self.staleness
            .set(staleness.map_or(f64::NAN, |staleness| staleness.as_secs_f64()));
        self.lag_bytes.set(lag_bytes.map_or(f64::NAN, approximate));
        self.in_flight.set(f64::from(node.in_flight()));
        let pool = shared.pools.used(node);
        let of_pool = |count: Option<u32>| count.map_or(f64::NAN, f64::from);
        self.active.set(of_pool(pool.map(|pool| pool.active())));
        self.idle.set(of_pool(pool.map(|pool| pool.idle)));
        self.most.set(of_pool(pool.map(|pool| pool.max)));
    }

    fn is_gone(&self) {
        let all = self.health.iter().chain(&self.role);
        let others = [
            &self.usable,
            &self.staleness,
            &self.lag_bytes,
            &self.in_flight,
            &self.active,
            &self.idle,
            &self.most,
        ];
        for gauge in all.chain(others) {
            gauge.set(f64::NAN);
        }
    }
}

/// Whether the node takes statements.
fn is_usable(node: &Node) -> bool {
    node.is_selectable()
}

fn number(is_so: bool) -> f64 {
    f64::from(u8::from(is_so))
}

#[expect(clippy::cast_precision_loss, reason = "a gauge is read by people")]
fn approximate(count: u64) -> f64 {
    count as f64
}

fn describe() {
    let (seconds, bytes) = (Unit::Seconds, Unit::Bytes);
    metrics::describe_gauge!(
        "orm_split_primary_up",
        "1 if there is a primary that answers"
    );
    metrics::describe_gauge!(
        "orm_split_fallback_in_use",
        "Reads on the primary for want of a replica"
    );
    metrics::describe_gauge!(
        "orm_split_fallback_places",
        "How many of them there may be at once"
    );
    metrics::describe_counter!(
        "orm_split_reads_shed_total",
        "Reads that failed as there was no place"
    );
    metrics::describe_gauge!("orm_split_sessions", "Sessions whose writes are remembered");
    metrics::describe_gauge!("orm_split_epoch", "Which primary on which history, counted");
    metrics::describe_gauge!(
        "orm_split_node_health",
        "1 for the state in which the node is"
    );
    metrics::describe_gauge!("orm_split_node_role", "1 for the role that the node has");
    metrics::describe_gauge!("orm_split_node_usable", "1 if the node takes statements");
    metrics::describe_gauge!(
        "orm_split_node_staleness_seconds",
        seconds,
        "Every older commit is visible"
    );
    metrics::describe_gauge!(
        "orm_split_node_lag_bytes",
        bytes,
        "Log that is not replayed yet"
    );
    metrics::describe_gauge!(
        "orm_split_node_in_flight",
        "Statements that are not finished"
    );
    metrics::describe_gauge!(
        "orm_split_pool_connections",
        "Open connections of the node's pool"
    );
    metrics::describe_gauge!("orm_split_pool_connections_max", "How many there may be");
}
