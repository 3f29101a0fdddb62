//! What is noted down at a regular pace: staleness for the status page, gauges for the `metrics` facade.
//!
//! Decides nothing, and asks no server anything. There is one only with one of those features.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};

use crate::shared::Shared;

/// How often.
pub(crate) const EVERY: Duration = Duration::from_secs(2);

/// Notes until it is dropped.
pub(crate) async fn tick(shared: Arc<Shared>) {
    let mut ticks = interval(EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    #[cfg(feature = "metrics")]
    let mut gauges = crate::gauges::Gauges::default();
    loop {
        ticks.tick().await;
        #[cfg(feature = "axum")]
        note(&shared);
        #[cfg(feature = "metrics")]
        gauges.publish(&shared);
    }
}

#[cfg(feature = "axum")]
fn note(shared: &Shared) {
    let now = shared.clock.now();
    let topology = shared.topology();
    let replicas = topology.replicas().iter();
    let staleness = replicas.map(|node| {
        let staleness = node.staleness(now).map(|staleness| staleness.as_secs_f32());
        (Arc::clone(&node.name), staleness)
    });
    shared.recent.note(now, staleness.collect());
}
