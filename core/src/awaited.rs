//! Waiting for what becomes of a node.
//!
//! Decides nothing. Whoever waits is told by the node itself, and asks nobody.

use std::time::Duration;

use crate::health::HealthState;
use crate::node::Node;

impl Node {
    /// Resolves when the node is down; at once if it is.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn went_down(&self) {
        let mut health = self.health.subscribe();
        // the sender lives in this node, so waiting cannot fail
        if health
            .wait_for(|state| *state == HealthState::Down)
            .await
            .is_err()
        {
            std::future::pending::<()>().await;
        }
    }

    /// Resolves when the node is down, or the member of a group that connections of `generation` lead to
    /// does not answer.
    pub(crate) async fn went_silent(&self, generation: u64) {
        if !self.group.is_one() {
            return self.went_down().await;
        }
        tokio::select! {
            () = self.went_down() => {}
            () = self.group.is_silent(generation) => {}
        }
    }

    /// Resolves when the node has been down for `grace` without a break.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn stayed_down(&self, grace: Duration) {
        loop {
            self.went_down().await;
            let mut health = self.health.subscribe();
            let recovered = health.wait_for(|state| *state != HealthState::Down);
            if tokio::time::timeout(grace, recovered).await.is_err() {
                return;
            }
        }
    }

    /// Resolves when the node has been probed once, whatever came of it.
    pub(crate) async fn was_probed(&self) {
        let mut health = self.health.subscribe();
        let probed = health
            .wait_for(|state| *state != HealthState::Unknown)
            .await;
        drop(probed);
    }
}
