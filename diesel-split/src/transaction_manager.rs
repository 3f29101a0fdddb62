//! Transactions: one connection from BEGIN to COMMIT, savepoints included.
//!
//! Delegates to the connection's own manager, so that a transaction whose future is dropped still marks
//! that connection as broken. Decides when a commit marks its sessions: after the outcome of COMMIT
//! arrived, or when that can no longer be learned; never before.

use std::sync::Arc;

use diesel::QueryResult;
use diesel::connection::TransactionManagerStatus;
use diesel_async::TransactionManager;
use orm_split_core::{Role, SessionKey};
use tracing::Instrument as _;

use crate::connection::SplitConnection;
use crate::leased::Leased;
use crate::node_connection::NodeConnection;
use crate::slots::Begun;

/// The transaction manager of a [`SplitConnection`].
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # mod example {
/// use diesel::QueryResult;
/// use diesel_async::{AsyncPgConnection, TransactionManager};
/// use diesel_split::{SplitConnection, SplitTransactionManager as Manager};
///
/// async fn nothing(conn: &mut SplitConnection<AsyncPgConnection>) -> QueryResult<()> {
///     Manager::begin_transaction(conn).await?;
///     Manager::commit_transaction(conn).await
/// }
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct SplitTransactionManager;

impl<C: NodeConnection> TransactionManager<SplitConnection<C>> for SplitTransactionManager {
    type TransactionStateData = TransactionManagerStatus;

    async fn begin_transaction(conn: &mut SplitConnection<C>) -> QueryResult<()> {
        conn.enter();
        let splitter = &conn.split.splitter;
        if let Some(mut leased) = conn.in_transaction() {
            let node = Arc::clone(&leased.lease().node);
            let span = splitter.runs_in_transaction(&node, "SAVEPOINT");
            let begun = C::TransactionManager::begin_transaction(leased.connection());
            let begun = begun.instrument(span);
            let outcome = conn.unless_lost(&node, begun).await;
            leased.finished(&outcome);
            return outcome;
        }
        let mut leased = conn.lease_primary().await?;
        splitter.count_transaction();
        let span = splitter.runs_in_transaction(&leased.lease().node, "BEGIN");
        let begin = C::TransactionManager::begin_transaction(leased.connection());
        let outcome = begin.instrument(span).await;
        conn.begun(leased, outcome, false)
    }

    async fn rollback_transaction(conn: &mut SplitConnection<C>) -> QueryResult<()> {
        conn.enter();
        let Some(mut leased) = conn.in_transaction() else {
            return Err(diesel::result::Error::NotInTransaction);
        };
        let text = conn.says(&mut leased, "ROLLBACK", "ROLLBACK TO SAVEPOINT");
        let node = Arc::clone(&leased.lease().node);
        let span = conn.split.splitter.runs_in_transaction(&node, text);
        conn.may_leave(&mut leased);
        let ended = C::TransactionManager::rollback_transaction(leased.connection());
        let ended = ended.instrument(span);
        let outcome = conn.unless_lost(&node, ended).await;
        leased.finished(&outcome);
        drop(leased);
        conn.transaction_may_be_over();
        outcome
    }

    async fn commit_transaction(conn: &mut SplitConnection<C>) -> QueryResult<()> {
        conn.enter();
        let Some(mut leased) = conn.in_transaction() else {
            return Err(diesel::result::Error::NotInTransaction);
        };
        let text = conn.says(&mut leased, "COMMIT", "RELEASE SAVEPOINT");
        let node = Arc::clone(&leased.lease().node);
        let span = conn.split.splitter.runs_in_transaction(&node, text);
        conn.may_leave(&mut leased);
        let (by, writes) = {
            let slots = conn.slots.lock();
            let begun = slots.begun.as_ref();
            (
                begun.map(|begun| begun.by),
                begun.is_none_or(|begun| !begun.is_read_only),
            )
        };
        let marks = (text == "COMMIT" && writes).then(|| conn.marks(by));
        let ended = C::TransactionManager::commit_transaction(leased.connection());
        let ended = ended.instrument(span);
        let outcome = conn.unless_lost(&node, ended).await;
        leased.finished(&outcome);
        drop(leased);
        drop(marks);
        conn.transaction_may_be_over();
        outcome
    }

    fn transaction_manager_status_mut(
        conn: &mut SplitConnection<C>,
    ) -> &mut TransactionManagerStatus {
        let slots = conn.slots.get_mut();
        let role = slots.in_transaction().unwrap_or(Role::Primary);
        match slots.get(role) {
            Some(lease) => {
                C::TransactionManager::transaction_manager_status_mut(lease.connection())
            }
            None => &mut conn.idle,
        }
    }
}

impl<C: NodeConnection> SplitConnection<C> {
    /// What came of a BEGIN.
    pub(crate) fn begun(
        &self,
        mut leased: Leased<'_, C>,
        outcome: QueryResult<()>,
        is_read_only: bool,
    ) -> QueryResult<()> {
        leased.finished(&outcome);
        drop(leased);
        self.slots.lock().begun = outcome.is_ok().then(|| Begun {
            by: SessionKey::current(),
            is_read_only,
            has_settings: false,
            on_replica: None,
        });
        outcome
    }

    /// What the connection's manager is about to send, for people.
    fn says(
        &self,
        leased: &mut Leased<'_, C>,
        outermost: &'static str,
        nested: &'static str,
    ) -> &'static str {
        let connection = leased.connection();
        let status = C::TransactionManager::transaction_manager_status_mut(connection);
        match status.transaction_depth() {
            Ok(Some(depth)) if depth.get() > 1 => nested,
            _ => outermost,
        }
    }

    /// The outermost end of a transaction ends it even if its connection is lost meanwhile: the handle goes
    /// on over another one, unless that would lack its settings.
    fn may_leave(&self, leased: &mut Leased<'_, C>) {
        let status = C::TransactionManager::transaction_manager_status_mut(leased.connection());
        // a manager that lost track may be further in
        let is_outermost =
            matches!(status.transaction_depth(), Ok(Some(depth)) if depth.get() == 1);
        if is_outermost && !self.is_held() {
            leased.leaves();
        }
    }

    fn transaction_may_be_over(&self) {
        let mut slots = self.slots.lock();
        if slots.in_transaction().is_some() {
            return;
        }
        slots.begun = None;
        drop(slots);
        self.release_primary();
    }
}
