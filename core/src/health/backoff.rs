//! How long a node stays away, longer each time it leaves again soon.

use std::time::Duration;

use super::Seen;
use crate::clock::Moment;

const SHORTEST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(30);
/// After so long a time without trouble a node that leaves stays away for half as long, and so on.
const HEALTHY: Duration = Duration::from_secs(60);
/// Part of the pause that is left to chance, either way.
const JITTER: f64 = 0.2;

#[derive(Debug, Default)]
pub(super) struct Backoff {
    /// How often it doubled.
    doublings: u32,
    until: Moment,
    /// Since when the node is up.
    well_since: Option<Moment>,
}

impl Backoff {
    pub(super) fn until(&self) -> Moment {
        self.until
    }

    /// The node is up.
    pub(super) fn well(&mut self, now: Moment) {
        self.well_since = Some(now);
    }

    /// The node leaves, or did not come back.
    pub(super) fn longer(&mut self, seen: &Seen) {
        if let Some(since) = self.well_since.take() {
            let healthy = seen.now.since(since).as_secs() / HEALTHY.as_secs();
            let halved = u32::try_from(healthy).unwrap_or(u32::MAX);
            self.doublings = self.doublings.saturating_sub(halved);
        }
        let pause = (SHORTEST * (1 << self.doublings.min(5))).min(LONGEST);
        self.pause(pause, seen);
        self.doublings = (self.doublings + 1).min(5);
    }

    pub(super) fn shortest(&mut self, seen: &Seen) {
        self.pause(SHORTEST, seen);
    }

    fn pause(&mut self, pause: Duration, seen: &Seen) {
        self.until = seen.now.after(pause.mul_f64(1.0 + JITTER * seen.jitter));
    }
}
