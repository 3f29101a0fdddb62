//! What is healthy.
//!
//! Pure but for the look at the clock that the answers carry.

use std::time::Duration;

use jiff::{Timestamp, Unit};

use super::Shown;
use crate::health::HealthState;
use crate::role::Role;
use crate::status::{NodeStatus, Status};

/// A status, judged.
pub(super) struct Judged {
    pub(super) status: Status,
    /// Whether the primary takes statements.
    pub(super) writes: bool,
    lag_limit: Duration,
    pub(super) timestamp: String,
}

impl Judged {
    pub(super) async fn now(shown: &Shown) -> Self {
        let status = shown.source.status().await;
        Self::of(status, shown.lag_limit, Timestamp::now())
    }

    fn of(status: Status, lag_limit: Duration, now: Timestamp) -> Self {
        let mut primaries = status
            .nodes
            .iter()
            .filter(|node| node.role == Role::Primary);
        // of two nodes that claim to be it, the first is
        let writes = primaries.next().is_some_and(is_used);
        let now = now.round(Unit::Millisecond).unwrap_or(now);
        Self {
            status,
            writes,
            lag_limit,
            timestamp: now.to_string(),
        }
    }

    pub(super) fn primary(&self) -> Option<&NodeStatus> {
        self.status
            .nodes
            .iter()
            .find(|node| node.role == Role::Primary)
    }

    pub(super) fn replicas(&self) -> impl Iterator<Item = &NodeStatus> {
        self.status
            .nodes
            .iter()
            .filter(|node| node.role == Role::Replica)
    }

    /// Replicas that take reads, if no reader asks for less staleness.
    pub(super) fn replicas_in_use(&self) -> impl Iterator<Item = &NodeStatus> {
        self.replicas().filter(|node| is_used(node))
    }

    /// Without replicas nothing is wrong with them.
    pub(super) fn has_healthy_replica(&self) -> bool {
        self.replicas().next().is_none() || self.replicas().any(|node| self.is_healthy(node))
    }

    /// It takes statements, and is known to be behind by no more than the limit.
    pub(super) fn is_healthy(&self, node: &NodeStatus) -> bool {
        let is_near = node
            .staleness
            .is_some_and(|staleness| staleness <= self.lag_limit);
        is_used(node) && is_near
    }

    /// One word for whoever wants to know more than that.
    pub(super) fn state(&self, node: &NodeStatus) -> &'static str {
        match (node.health, node.refusal) {
            (_, Some(_)) => "refused",
            (HealthState::Down, None) => "down",
            (HealthState::Ejected, None) => "ejected",
            (HealthState::Probation, None) => "probation",
            (HealthState::Unknown, None) => "unknown",
            (HealthState::Up | HealthState::Suspect | HealthState::Ramping, None) => {
                match node.staleness {
                    None => "lag_unknown",
                    Some(staleness) if staleness > self.lag_limit => "lagging",
                    Some(_) if node.health == HealthState::Suspect => "suspect",
                    Some(_) if node.health == HealthState::Ramping => "ramping",
                    Some(_) => "up",
                }
            }
        }
    }

    /// `healthy` or `unhealthy`: what the endpoints call a status.
    pub(super) fn word(&self, node: &NodeStatus) -> &'static str {
        match self.is_healthy(node) {
            true => "healthy",
            false => "unhealthy",
        }
    }
}

/// Whether the node takes statements.
pub(super) fn is_used(node: &NodeStatus) -> bool {
    let takes = matches!(
        node.health,
        HealthState::Up | HealthState::Suspect | HealthState::Ramping
    );
    takes && node.refusal.is_none()
}

/// Seconds, to the millisecond.
pub(super) fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1_000.0).round() / 1_000.0
}
