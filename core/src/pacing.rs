//! When the monitor asks a node again.
//!
//! Decides the pause before each question: for health where that is in doubt, else for freshness, fast while
//! somebody waits for what the answer may show and about once a second otherwise. Never closer than
//! `sample_fast`.

use std::sync::Arc;
use std::time::Duration;

use rand::RngExt;
use tokio::time::Instant;

use crate::backend::{ProbeConnection, ProbeError};
use crate::clock::Moment;
use crate::demand;
use crate::fault::Fault;
use crate::health::NextProbe;
use crate::monitor::Task;
use crate::position::Lsn;
use crate::role::Role;

/// Two probes of health are never closer than this, but for one that is sent at once after a refusal.
const PROBE_GAP: Duration = Duration::from_millis(250);

impl Task {
    /// Waits until it is time for the next question. Where the server can wait for a position itself, it is
    /// time as soon as the replica has what somebody waits for.
    pub(crate) async fn await_next_question(
        &self,
        connection: &mut dyn ProbeConnection,
        waited_for: &mut Option<Lsn>,
    ) -> Result<(), ProbeError> {
        self.pause(self.pace()).await;
        let position = self
            .position_in_want()
            .filter(|_| self.node.role == Role::Replica);
        // only once for each: what a server says of a position on another history repeats itself
        if position.is_some() && position > *waited_for {
            *waited_for = position;
            let limit = self.shared.options.probe_deadline / 2;
            let wait = connection.wait_for(position.unwrap_or_default(), limit);
            match self.bounded(wait).await {
                Ok(true) => self.count_question(),
                Ok(false) => {}
                // a setting of the role's forbids it, say; the node itself is none the worse for it
                Err(error) if error.fault == Fault::Query => {
                    tracing::info!(node = %self.node.name, %error, "the server does not wait");
                    *waited_for = Some(Lsn::LAST);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// The position that this replica lacks of what somebody waits for, if a sample tells it.
    fn position_in_want(&self) -> Option<Lsn> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let floor = shared.demand.pressing(now)?;
        if !demand::lacks(&self.node, floor, now) {
            return None;
        }
        shared.freshness(|f| f.position_after(floor))
    }

    pub(crate) fn pace(&self) -> Duration {
        let options = &self.shared.options;
        self.pace_of_waiters().unwrap_or_else(|| {
            // many processes must not ask in step
            options
                .sample_slow
                .mul_f64(self.shared.dice.roll(|rng| rng.random_range(0.9..1.1)))
        })
    }

    /// How often to ask for those who wait for a replica; `None` if nothing that this node may answer is
    /// waited for.
    fn pace_of_waiters(&self) -> Option<Duration> {
        let shared = &self.shared;
        let now = shared.clock.now();
        let floor = shared.demand.pressing(now)?;
        let topology = shared.topology();
        let replicas = topology.replicas().iter();
        let mut lacking = replicas
            .filter(|node| demand::lacks(node, floor, now))
            .peekable();
        match self.node.role {
            Role::Replica => lacking
                .any(|node| Arc::ptr_eq(node, &self.node))
                .then(|| demand::pace([&self.node], &shared.options)),
            Role::Primary => {
                lacking.peek()?;
                let is_sampled = shared.freshness(|f| f.is_sampled_after(floor));
                (!is_sampled).then(|| demand::pace(lacking, &shared.options))
            }
        }
    }

    /// Waits until the next probe is due: for health where that is in doubt, else for sampling, which should
    /// come after `pause`.
    pub(crate) async fn pause(&self, pause: Duration) {
        let soon = *self.asked_at.lock() + PROBE_GAP;
        let until = |at: Moment| at.since(self.shared.clock.now());
        match self.node.next_probe() {
            NextProbe::Now => {}
            NextProbe::Soon => tokio::time::sleep_until(soon).await,
            NextProbe::NotBefore(at) => tokio::time::sleep(until(at)).await,
            NextProbe::Sampling => self.pause_sampling(pause, soon).await,
            NextProbe::SamplingUntil(at) => {
                let pause = pause.min(until(at).max(PROBE_GAP));
                self.pause_sampling(pause, soon).await;
            }
        }
    }

    /// No longer than until somebody asks for a sample, or after `soon` for a probe. Two samples are never
    /// closer than the fast pace.
    async fn pause_sampling(&self, pause: Duration, soon: Instant) {
        let fast = self.shared.options.sample_fast;
        tokio::time::sleep(fast.min(pause)).await;
        let rest = pause.saturating_sub(fast);
        if rest.is_zero() {
            return;
        }
        let checked = async {
            tokio::time::sleep_until(soon).await;
            self.node.check_wanted.notified().await;
        };
        tokio::select! {
            () = tokio::time::sleep(rest) => {}
            () = self.node.probe_wanted.notified() => {}
            () = checked => {}
        }
    }
}
