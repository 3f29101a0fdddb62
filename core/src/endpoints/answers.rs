//! The JSON of the endpoints.
//!
//! Decides nothing but names. Fields may be added; none may be removed or renamed, since programs of others read
//! them. Where something is unknown the field is there, and `null`.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::StalenessLately;
use super::judged::{Judged, is_used, seconds};
use crate::refusal::Refusal;
use crate::role::Role;
use crate::status::{NodeStatus, Status};

/// `/health/database`
#[derive(Serialize)]
pub(super) struct Health<'a> {
    write: bool,
    read: bool,
    replication: Replication,
    timestamp: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Replication {
    healthy: bool,
    /// The greatest of the replicas in use.
    lag_seconds: Option<f64>,
    lag_limit_seconds: f64,
}

impl<'a> Health<'a> {
    pub(super) fn of(judged: &'a Judged, limit: Duration) -> Self {
        let in_use = || judged.replicas_in_use();
        let known: Option<Vec<Duration>> = in_use().map(|node| node.staleness).collect();
        // of one that is unknown nobody can say that it is not the greatest
        let lag = known.and_then(|all| all.into_iter().max());
        let is_unsplit = judged.replicas().next().is_none();
        Self {
            write: judged.writes,
            read: judged.writes || in_use().next().is_some(),
            replication: Replication {
                healthy: is_unsplit || lag.is_some_and(|lag| lag <= limit),
                lag_seconds: lag.map(seconds),
                lag_limit_seconds: seconds(limit),
            },
            timestamp: &judged.timestamp,
        }
    }

    pub(super) fn is_healthy(&self) -> bool {
        self.write && self.read && self.replication.healthy
    }
}

/// `/database/info`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Info<'a> {
    primary_connected: bool,
    replicas_enabled: bool,
    replica_count: usize,
    has_read_replicas: bool,
    mode: &'static str,
    read_share: u8,
    timestamp: &'a str,
}

impl<'a> Info<'a> {
    pub(super) fn of(judged: &'a Judged) -> Self {
        let replica_count = judged.replicas().count();
        Self {
            primary_connected: judged.writes,
            replicas_enabled: replica_count > 0,
            replica_count,
            has_read_replicas: replica_count > 0,
            mode: judged.status.mode.as_str(),
            read_share: judged.status.read_share,
            timestamp: &judged.timestamp,
        }
    }
}

/// `/database/replica/health`
#[derive(Serialize)]
pub(super) struct ReplicaHealth<'a> {
    healthy: bool,
    /// Some are not healthy.
    degraded: bool,
    replicas: Vec<OneHealth<'a>>,
    timestamp: &'a str,
}

#[derive(Serialize)]
struct OneHealth<'a> {
    name: &'a str,
    healthy: bool,
    state: &'static str,
    refusal: Option<Refusal>,
    zone: Option<&'a str>,
}

impl<'a> ReplicaHealth<'a> {
    pub(super) fn of(judged: &'a Judged) -> Self {
        let one = |node: &'a NodeStatus| OneHealth {
            name: &node.name,
            healthy: judged.is_healthy(node),
            state: judged.state(node),
            refusal: node.refusal,
            zone: node.zone.as_deref(),
        };
        Self {
            healthy: judged.has_healthy_replica(),
            degraded: judged.replicas().any(|node| !judged.is_healthy(node)),
            replicas: judged.replicas().map(one).collect(),
            timestamp: &judged.timestamp,
        }
    }
}

/// `/database/replica/lag`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaLag<'a> {
    replicas: Vec<OneLag<'a>>,
    /// Over those of which it is known.
    max_lag: Option<f64>,
    avg_lag: Option<f64>,
    /// How many they are not over.
    unknown: usize,
    timestamp: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneLag<'a> {
    name: &'a str,
    lag_seconds: Option<f64>,
    /// How far it is behind lies between this and `lagSeconds`.
    lag_at_least_seconds: Option<f64>,
    lag_bytes: Option<u64>,
    status: &'static str,
    state: &'static str,
}

impl<'a> ReplicaLag<'a> {
    pub(super) fn of(judged: &'a Judged) -> Self {
        let known: Vec<Duration> = judged
            .replicas()
            .filter_map(|node| node.staleness)
            .collect();
        let one = |node: &'a NodeStatus| OneLag {
            name: &node.name,
            lag_seconds: node.staleness.map(seconds),
            lag_at_least_seconds: node.lag_at_least.map(seconds),
            lag_bytes: node.lag_bytes,
            status: judged.word(node),
            state: judged.state(node),
        };
        let sum: Duration = known.iter().sum();
        let count = u32::try_from(known.len()).ok();
        let average = count.and_then(|count| sum.checked_div(count));
        Self {
            replicas: judged.replicas().map(one).collect(),
            max_lag: known.iter().max().copied().map(seconds),
            avg_lag: average.map(seconds),
            unknown: judged.replicas().count() - known.len(),
            timestamp: &judged.timestamp,
        }
    }
}

/// `/database/replica/stats`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ReplicaStats<'a> {
    replica_count: usize,
    /// The index of the replica in use that has the fewest statements in flight.
    current_replica_index: Option<usize>,
    replicas: BTreeMap<&'a str, OneStats>,
    /// Statements by the reason for which they ran where they ran.
    reasons: &'a BTreeMap<&'static str, u64>,
    timestamp: &'a str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct OneStats {
    index: usize,
    status: &'static str,
    connection_count: Option<u32>,
    in_flight: u32,
    served: u64,
}

impl<'a> ReplicaStats<'a> {
    pub(super) fn of(judged: &'a Judged) -> Self {
        let in_use = judged
            .replicas()
            .enumerate()
            .filter(|(_, node)| is_used(node));
        let one = |(index, node): (usize, &'a NodeStatus)| {
            let stats = OneStats {
                index,
                status: judged.word(node),
                connection_count: node.pool.map(|pool| pool.total),
                in_flight: node.in_flight,
                served: node.served,
            };
            (node.name.as_str(), stats)
        };
        Self {
            replica_count: judged.replicas().count(),
            current_replica_index: in_use
                .min_by_key(|(_, node)| node.in_flight)
                .map(|(index, _)| index),
            replicas: judged.replicas().enumerate().map(one).collect(),
            reasons: &judged.status.statements,
            timestamp: &judged.timestamp,
        }
    }
}

/// `/database/replica/pool-stats`
#[derive(Serialize)]
pub(super) struct PoolStats<'a> {
    primary: Pool,
    replicas: BTreeMap<&'a str, Pool>,
    timestamp: &'a str,
}

#[derive(Default, Serialize)]
struct Pool {
    total_connections: Option<u32>,
    active_connections: Option<u32>,
    idle_connections: Option<u32>,
    max_connections: Option<u32>,
}

impl Pool {
    fn of(node: &NodeStatus) -> Self {
        let pool = node.pool;
        Self {
            total_connections: pool.map(|pool| pool.total),
            active_connections: pool.map(|pool| pool.active()),
            idle_connections: pool.map(|pool| pool.idle),
            max_connections: pool.map(|pool| pool.max),
        }
    }
}

impl<'a> PoolStats<'a> {
    pub(super) fn of(judged: &'a Judged) -> Self {
        let replicas = judged.replicas();
        Self {
            primary: judged.primary().map(Pool::of).unwrap_or_default(),
            replicas: replicas
                .map(|node| (node.name.as_str(), Pool::of(node)))
                .collect(),
            timestamp: &judged.timestamp,
        }
    }
}

/// `/database/status.json`
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Everything<'a> {
    timestamp: &'a str,
    healthy: bool,
    mode: &'static str,
    read_share: u8,
    nodes: Vec<One<'a>>,
    reasons: &'a BTreeMap<&'static str, u64>,
    epoch: u64,
    sessions: usize,
    reads_that_waited: u64,
    reads_that_waited_in_vain: u64,
    fallback_in_use: Option<u32>,
    fallback_places: Option<u32>,
    reads_shed: u64,
    misroutes: usize,
    recent: Recent<'a>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct One<'a> {
    name: &'a str,
    role: Role,
    healthy: bool,
    state: &'static str,
    refusal: Option<Refusal>,
    staleness_seconds: Option<f64>,
    lag_at_least_seconds: Option<f64>,
    lag_bytes: Option<u64>,
    in_flight: u32,
    served: u64,
    zone: Option<&'a str>,
    pool: Pool,
    /// Servers behind the node's address, if they are several.
    members: usize,
    /// Only if messages are shown.
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    remark: Option<&'a str>,
}

/// The staleness of replicas over the last minutes: one value for each of `ago`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Recent<'a> {
    ago_seconds: Vec<f64>,
    staleness_seconds: &'a BTreeMap<Arc<str>, Vec<Option<f32>>>,
}

impl<'a> Everything<'a> {
    pub(super) fn of(judged: &'a Judged, recent: &'a StalenessLately, has_messages: bool) -> Self {
        let status: &Status = &judged.status;
        Self {
            timestamp: &judged.timestamp,
            healthy: judged.writes && judged.has_healthy_replica(),
            mode: status.mode.as_str(),
            read_share: status.read_share,
            nodes: status
                .nodes
                .iter()
                .map(|node| One::of(judged, node, has_messages))
                .collect(),
            reasons: &status.statements,
            epoch: status.epoch,
            sessions: status.sessions,
            reads_that_waited: status.reads_that_waited,
            reads_that_waited_in_vain: status.reads_that_waited_in_vain,
            fallback_in_use: status.fallback_in_use,
            fallback_places: status.fallback_places,
            reads_shed: status.reads_shed,
            misroutes: status.misroutes,
            recent: Recent {
                ago_seconds: recent.ago.iter().copied().map(seconds).collect(),
                staleness_seconds: &recent.seconds,
            },
        }
    }
}

impl<'a> One<'a> {
    fn of(judged: &Judged, node: &'a NodeStatus, has_messages: bool) -> Self {
        let if_shown = |message: &'a Option<String>| message.as_deref().filter(|_| has_messages);
        Self {
            name: &node.name,
            role: node.role,
            healthy: judged.is_healthy(node),
            state: judged.state(node),
            refusal: node.refusal,
            staleness_seconds: node.staleness.map(seconds),
            lag_at_least_seconds: node.lag_at_least.map(seconds),
            lag_bytes: node.lag_bytes,
            in_flight: node.in_flight,
            served: node.served,
            zone: node.zone.as_deref(),
            pool: Pool::of(node),
            members: node.members.len(),
            last_error: if_shown(&node.last_error),
            remark: if_shown(&node.remark),
        }
    }
}
