//! Waiting, for a short while, until a replica has what a read needs.
//!
//! Decides whether that is worth it, and when it is over: as soon as some replica may serve the read, at
//! the latest after `read_wait`. Asks nobody: the monitor samples while somebody waits, once for all who do.
//! A read that waits holds no connection and is in flight nowhere.

use std::pin::pin;
use std::sync::atomic::Ordering;

use crate::reason::Reason;
use crate::route::{self, Request};
use crate::shared::Shared;

impl Shared {
    /// Waits if that can keep a read that was routed to the primary on the replicas. Whether it did is seen
    /// by routing again; `false` if it did not wait.
    pub(crate) async fn wait_for_replica(&self, request: &Request, reason: Reason) -> bool {
        if !self.would_wait(request, reason) {
            return false;
        }
        let in_time = tokio::time::timeout(self.options.read_wait, self.replica_serves(request));
        let counter = match in_time.await {
            Ok(()) => &self.waits.served,
            Err(_) => &self.waits.in_vain,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        true
    }

    /// Not if every replica is known to lag so much that it will not have caught up by then.
    pub(crate) fn would_wait(&self, request: &Request, reason: Reason) -> bool {
        if self.options.read_wait.is_zero() {
            return false;
        }
        let Some(floor) = self.floor_in_want(request, reason) else {
            return false;
        };
        let until = request.now.after(self.options.read_wait);
        let topology = self.topology();
        let replicas = route::untried(topology.replicas().iter(), request);
        let mut up = replicas.filter(|node| node.is_selectable());
        up.any(|node| floor.after(node.lag_at_least()) < until)
    }

    async fn replica_serves(&self, request: &Request) {
        loop {
            let mut learned = pin!(self.learned.notified());
            // before looking, or what is learned in between would wake nobody
            learned.as_mut().enable();
            if route::some_replica_serves(&self.topology(), request, self.clock.now()) {
                return;
            }
            learned.await;
        }
    }
}
