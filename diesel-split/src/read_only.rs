//! A read-only transaction on a replica: what it may do there, and when it goes on elsewhere.
//!
//! Decides, statement by statement, whether the replica may answer. Must never run there what needs the
//! primary: a standby *grants* an advisory lock that the primary grants to somebody else.

use std::sync::Arc;

use diesel::QueryResult;
use diesel_async::TransactionManager;
use orm_split_core::{Cause, Role, SplitError};

use crate::connection::SplitConnection;
use crate::leased::Leased;
use crate::node_connection::NodeConnection;

impl<C: NodeConnection> SplitConnection<C> {
    /// The connection on which `sql` of a transaction that is on a replica runs.
    pub(crate) async fn stay_or_move<'conn>(
        &'conn self,
        mut leased: Leased<'conn, C>,
        sql: &str,
    ) -> QueryResult<Leased<'conn, C>> {
        let Some(cause) = self.split.splitter.leaves_read_only_replica(sql) else {
            if let Some(on_replica) = self.slots.lock().on_replica() {
                on_replica.has_read = true;
            }
            return Ok(leased);
        };
        match self.may_move(&mut leased) {
            Some(begin) => self.go_to_primary(leased, &begin).await,
            None => Err(self.cannot_leave(leased, cause)),
        }
    }

    /// How the transaction begins anew, if nobody can tell that it does: it has read nothing, or each of
    /// its statements sees what is committed by then.
    fn may_move(&self, leased: &mut Leased<'_, C>) -> Option<String> {
        let connection = leased.connection();
        let status = C::TransactionManager::transaction_manager_status_mut(connection);
        let is_outermost =
            matches!(status.transaction_depth(), Ok(Some(depth)) if depth.get() == 1);
        let mut slots = self.slots.lock();
        let on_replica = slots.on_replica()?;
        let shows = on_replica.has_read && on_replica.has_one_snapshot;
        (is_outermost && !shows).then(|| on_replica.sql.clone())
    }

    async fn go_to_primary<'conn>(
        &'conn self,
        mut leased: Leased<'conn, C>,
        begin: &str,
    ) -> QueryResult<Leased<'conn, C>> {
        let mut there = self.lease_primary().await?;
        let begun = there.connection().begin_as(begin).await;
        there.finished(&begun);
        drop(there);
        if begun.is_err() {
            // it is still open where it was
            leased.finished(&Ok(()));
            begun?;
        }
        // given up half-way, it must not come back: the transaction is on the primary from here on
        leased.leaves();
        self.slots.lock().has_moved();
        let node = Arc::clone(&leased.lease().node);
        let rolled_back = C::TransactionManager::rollback_transaction(leased.connection());
        let rolled_back = self.unless_lost(&node, rolled_back).await;
        leased.finished(&rolled_back);
        drop(leased);
        if rolled_back.is_err() {
            self.slots.lock().release(Role::Replica);
        }
        let closed = || self.host_error(SplitError::Closed.into());
        self.in_transaction().ok_or_else(closed)
    }

    fn cannot_leave(&self, mut leased: Leased<'_, C>, cause: Cause) -> diesel::result::Error {
        let node = leased.lease().node.name().to_owned();
        leased.finished(&Ok(()));
        self.host_error(SplitError::NeedsPrimary { node, cause }.into())
    }
}
