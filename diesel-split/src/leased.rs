//! The guard around a connection while a statement runs on it.
//!
//! Decides what becomes of a connection whose statement did not finish: it is closed, unless the handle
//! is in a transaction or relies on its state. Then it stays with the handle, as it would without us, and
//! is closed with it.

use crate::connection::SplitConnection;
use crate::error::leaves_connection_usable;
use crate::lease::Lease;
use crate::node_connection::NodeConnection;
use diesel::QueryResult;

/// A connection on which a statement runs.
pub(crate) struct Leased<'conn, C: NodeConnection> {
    lease: Option<Lease<C>>,
    handle: &'conn SplitConnection<C>,
    stays: bool,
    is_finished: bool,
}

impl<'conn, C: NodeConnection> Leased<'conn, C> {
    /// `stays`: the handle must not go on over another connection.
    pub(crate) fn new(lease: Lease<C>, handle: &'conn SplitConnection<C>, stays: bool) -> Self {
        Self {
            lease: Some(lease),
            handle,
            stays,
            is_finished: false,
        }
    }

    #[expect(
        clippy::expect_used,
        reason = "only dropping the guard takes its lease"
    )]
    pub(crate) fn lease(&mut self) -> &mut Lease<C> {
        self.lease.as_mut().expect("the guard is not dropped")
    }

    pub(crate) fn connection(&mut self) -> &mut C {
        self.lease().connection()
    }

    /// The handle does not need this connection any more.
    pub(crate) fn leaves(&mut self) {
        self.stays = false;
    }

    /// The statement came to an end, with this result.
    pub(crate) fn finished<T>(&mut self, result: &QueryResult<T>) {
        self.is_finished = result.as_ref().err().is_none_or(leaves_connection_usable);
    }
}

impl<C: NodeConnection> Drop for Leased<'_, C> {
    fn drop(&mut self) {
        let Some(mut lease) = self.lease.take() else {
            return;
        };
        if !self.is_finished {
            lease.taint();
        }
        if self.is_finished || self.stays {
            self.handle.slots.lock().put(lease);
        }
    }
}
