//! One statement of a user, as core runs it.
//!
//! Decides nothing: core calls checkout and execute in the order that it sees fit.

use std::sync::Arc;

use diesel::QueryResult;
use futures_util::future::BoxFuture;
use orm_split_core::{
    Connected, Fault, Hold, Mark, Node, Role, SplitError, Statement, TransactionRead,
};

use crate::connection::SplitConnection;
use crate::error::{HostError, describe, fault_of};
use crate::lease::Lease;
use crate::leased::Leased;
use crate::node_connection::NodeConnection;

/// How a statement is sent and what it yields.
pub(crate) trait Kind<'conn, C: NodeConnection>: Send + Sync {
    type Output: Send + 'conn;

    /// Runs it on `leased`; `keeps` is dropped when its last row has arrived.
    fn send(
        &self,
        leased: Leased<'conn, C>,
        keeps: Keeps,
    ) -> BoxFuture<'conn, QueryResult<Self::Output>>;
}

/// What lasts as long as a statement does.
#[derive(Debug)]
pub(crate) enum Keeps {
    Hold(Hold),
    /// Inside a transaction: the marks, if its text ends the transaction, and what it reads.
    Marks {
        _marks: Vec<Mark>,
        _read: Option<TransactionRead>,
    },
}

impl Keeps {
    /// Whether the rows of a RETURNING must not be handed out before the statement's end.
    pub(crate) fn may_write(&self) -> bool {
        match self {
            Self::Hold(hold) => hold.may_write(),
            // its effects are visible at COMMIT only
            Self::Marks { .. } => false,
        }
    }
}

/// A statement together with the handle that it runs through.
pub(crate) struct Routed<'conn, C: NodeConnection, K> {
    pub(crate) handle: &'conn SplitConnection<C>,
    pub(crate) kind: K,
}

impl<'conn, C, K> Statement for Routed<'conn, C, K>
where
    C: NodeConnection,
    K: Kind<'conn, C>,
{
    type Connection = Lease<C>;
    type Output = K::Output;
    type Error = HostError;

    async fn checkout(&self, node: &Arc<Node>) -> Result<(Lease<C>, Connected), HostError> {
        self.handle.checkout(node).await
    }

    fn release(&self, lease: Lease<C>) {
        drop(lease);
    }

    async fn execute(&self, lease: Lease<C>, hold: Hold) -> Result<K::Output, HostError> {
        let stays = lease.node.role() == Role::Primary && self.handle.is_held();
        self.handle
            .slots
            .lock()
            .runs_on(lease.node.role(), hold.may_write());
        let leased = Leased::new(lease, self.handle, stays);
        let output = self.kind.send(leased, Keeps::Hold(hold)).await;
        output.map_err(HostError::Diesel)
    }

    fn fault(&self, error: &HostError) -> Fault {
        fault_of(error)
    }

    fn checkout_timed_out(&self, node: &Node) -> Fault {
        self.handle.split.checkout_timed_out(node)
    }

    fn describe(&self, error: &HostError) -> String {
        describe(error)
    }

    fn fail(&self, error: SplitError) -> HostError {
        HostError::Ours(error)
    }
}
