//! Raw connections: `primary()` and `replica()`, for functions that still name the concrete type.
//!
//! What runs through one is not seen. While the primary's is out its sessions stay on the primary; as soon
//! as the handle is used again, the borrow is over, and whatever was written counts as written by then. A
//! connection that was out is looked at before it serves anybody else.

use diesel::QueryResult;
use diesel::result::Error;
use futures_util::future::BoxFuture;
use orm_split_core::{Hint, Intent, Role, SessionKey, SplitError, Splitter};

use crate::connection::SplitConnection;
use crate::error::diesel_error;
use crate::kinds::finish;
use crate::lease::Lease;
use crate::leased::Leased;
use crate::node_connection::NodeConnection;
use crate::routed::{Keeps, Kind};

/// Whether the primary's connection was handed out.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// By whom, while it is out.
    out_to: Option<SessionKey>,
    was_taken: bool,
}

impl Raw {
    pub(crate) fn take(&mut self, splitter: &Splitter, handle: SessionKey) {
        let task = SessionKey::current();
        splitter.raw_handle_taken_by(task);
        splitter.raw_handle_taken_by(handle);
        self.out_to = Some(task);
        self.was_taken = true;
    }

    pub(crate) fn settle(&mut self, splitter: &Splitter, handle: SessionKey) {
        if let Some(task) = self.out_to.take() {
            splitter.wrote(task);
            splitter.wrote(handle);
        }
    }

    /// Whether its connection may have state that nobody knows of.
    pub(crate) fn was_taken(&self) -> bool {
        self.was_taken
    }
}

impl<C: NodeConnection> SplitConnection<C> {
    /// The connection to the primary, raw: for functions that still name the concrete type.
    ///
    /// What runs on it is not seen, so the reads of this handle and of the current task stay on the
    /// primary for the next `raw_pin` (default 5 s). Inside a transaction it is that one's connection. What
    /// is `SET` through it no replica has: set it through the handle, which then keeps its connection.
    ///
    /// # Errors
    /// No connection could be had, or a read-only transaction is open on a replica.
    ///
    /// # Cancel safety
    /// Safe.
    ///
    /// ```no_run
    /// # #[cfg(feature = "postgres")]
    /// # mod example {
    /// use diesel::QueryResult;
    /// use diesel_async::{AsyncPgConnection, SimpleAsyncConnection};
    /// use diesel_split::SplitConnection;
    ///
    /// async fn not_moved_yet(conn: &mut AsyncPgConnection) -> QueryResult<()> {
    ///     conn.batch_execute("CLUSTER").await
    /// }
    ///
    /// async fn moved(conn: &mut SplitConnection<AsyncPgConnection>) -> QueryResult<()> {
    ///     not_moved_yet(conn.primary().await?).await
    /// }
    /// # }
    /// ```
    pub async fn primary(&mut self) -> QueryResult<&mut C> {
        self.enter();
        let in_transaction = self.slots.get_mut().in_transaction();
        if in_transaction == Some(Role::Replica) {
            return Err(Error::AlreadyInTransaction);
        }
        if in_transaction.is_none() {
            let mut leased = self.lease_primary().await?;
            leased.finished(&Ok(()));
        }
        self.hand_out(Role::Primary)
    }

    /// A connection to a replica that is fresh enough for this handle, raw, read-only where the server
    /// can be told so. If there is none, or none is used ([`Mode::Shadow`](crate::Mode::Shadow)), it is the
    /// primary's, as from [`primary`](Self::primary); inside a transaction it is that one's connection.
    ///
    /// # Errors
    /// No connection could be had.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn replica(&mut self) -> QueryResult<&mut C> {
        self.enter();
        let role = match self.slots.get_mut().in_transaction() {
            Some(role) => role,
            None => {
                let mut asks = self.asks();
                asks.declared = Some(Intent::Read);
                asks.hint = asks.hint.max(Hint::Replica);
                self.run(Take, "", asks).await?
            }
        };
        self.hand_out(role)
    }

    fn hand_out(&mut self, role: Role) -> QueryResult<&mut C> {
        if role == Role::Primary {
            self.raw.take(&self.split.splitter, self.session);
        }
        let lease = self.slots.get_mut().get(role);
        // it was put there a moment ago
        let lost = || diesel_error(&SplitError::Closed);
        lease.map(Lease::hand_out).ok_or_else(lost)
    }
}

/// Takes a connection and leaves it with the handle.
pub(crate) struct Take;

impl<'conn, C: NodeConnection> Kind<'conn, C> for Take {
    type Output = Role;

    fn send(
        &self,
        mut leased: Leased<'conn, C>,
        keeps: Keeps,
    ) -> BoxFuture<'conn, QueryResult<Role>> {
        let role = leased.lease().node.role();
        let outcome = finish(leased, keeps, Ok(role));
        Box::pin(std::future::ready(outcome))
    }
}
