//! Connections that are opened in the background: because whoever asked stopped waiting, or because the
//! user wants a pool to hold some (`min_connections`).
//!
//! Decides when that is done and when it is given up. sqlx would open connections ahead of use where
//! nobody asks who they lead to; so it is done when the process starts, and whenever the monitor opens
//! a connection of its own to the node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use orm_split_core::{Node, Splitter};
use sea_orm::DbErr;
use tracing::Instrument;

use crate::error::checkout_error;
use crate::node_pool::{NodePool, Taken};

impl NodePool {
    /// Opening a connection may take longer than whoever asked for it waits: on a busy machine, over a
    /// slow network. If it were given up with its waiter, a pool under load would never fill; so it
    /// goes on for a while and serves the next one.
    #[expect(
        clippy::disallowed_methods,
        reason = "at most one task for each connection that the pool may still open; each ends soon \
                  after its waiter left, and at once when the pool closes"
    )]
    pub(crate) async fn open_in_background(
        &self,
        opener: Opener,
        splitter: &Arc<Splitter>,
        node: &Arc<Node>,
    ) -> Result<Taken, DbErr> {
        let (pool, splitter, node) = (self.clone(), Arc::clone(splitter), Arc::clone(node));
        let (mut opened, waits) = tokio::sync::oneshot::channel();
        let opening = async move {
            let mut closed = pool.closed();
            let outcome = tokio::select! {
                outcome = pool.open(&splitter, &node) => outcome,
                () = &mut closed => Err(checkout_error(sqlx::Error::PoolClosed)),
                () = abandoned(&mut opened, &splitter, &node) => return,
            };
            drop(opener);
            if let Err(Ok(unused)) = opened.send(outcome) {
                unused.leased.release();
            }
        };
        tokio::spawn(opening.in_current_span());
        // no answer: the runtime is shutting down
        waits
            .await
            .unwrap_or(Err(checkout_error(sqlx::Error::PoolClosed)))
    }

    /// A place for a connection to be opened in the background: no idle one, but room for another.
    pub(crate) fn opener(&self) -> Option<Opener> {
        let room = self.room();
        if room == 0 {
            return None;
        }
        let openers = self.openers.fetch_add(1, Ordering::AcqRel);
        let opener = Opener(Arc::clone(&self.openers));
        (openers < room).then_some(opener)
    }

    /// Opens connections until the pool holds as many as the user wants at least.
    pub(crate) async fn fill(
        &self,
        splitter: &Arc<Splitter>,
        node: &Arc<Node>,
    ) -> Result<(), DbErr> {
        let mut held = Vec::new();
        let mut filled = Ok(());
        // idle ones come first, so they have to be held until those are opened that are missing
        while filled.is_ok() && self.is_short() {
            filled = self
                .take(splitter, node)
                .await
                .map(|taken| held.push(taken.leased));
        }
        for leased in held {
            leased.release();
        }
        filled
    }

    /// As [`fill`](Self::fill), in the background; a failure is tried again by whoever calls next.
    #[expect(
        clippy::disallowed_methods,
        reason = "at most one task for each node; it ends when the pool is filled, cannot be, or closes"
    )]
    pub(crate) fn fill_in_background(&self, splitter: &Arc<Splitter>, node: &Arc<Node>) {
        let Some(ours) = &self.ours else { return };
        if !self.is_short() || ours.is_filling.swap(true, Ordering::AcqRel) {
            return;
        }
        let filling = Filling(Arc::clone(&ours.is_filling));
        let (pool, splitter, node) = (self.clone(), Arc::clone(splitter), Arc::clone(node));
        tokio::spawn(async move {
            let mut closed = pool.closed();
            tokio::select! {
                filled = pool.fill(&splitter, &node) => if let Err(error) = filled {
                    tracing::debug!(node = node.name(), %error, "min_connections are not reached");
                },
                () = &mut closed => {}
            }
            drop(filling);
        });
    }
}

/// One connection that is being opened in the background.
pub(crate) struct Opener(Arc<AtomicU32>);

impl Drop for Opener {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

/// Nobody waits for the connection any longer, and it had its time.
async fn abandoned<T>(
    opened: &mut tokio::sync::oneshot::Sender<T>,
    splitter: &Splitter,
    node: &Node,
) {
    opened.closed().await;
    let grace = splitter.options().checkout_deadline * 5;
    tokio::select! {
        () = tokio::time::sleep(grace) => {}
        () = node.went_down() => {}
    }
}

/// A pool is being filled.
struct Filling(Arc<AtomicBool>);

impl Drop for Filling {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}
