//! A read-only transaction on a replica: what it may do there, and when it goes on elsewhere.
//!
//! Decides, statement by statement, whether the replica may answer. Must never run there what needs
//! the primary: a standby *grants* an advisory lock that the primary grants to somebody else.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use orm_split_core::{Cause, Connected, Hold, Node, SplitError};
use sea_orm::{DatabaseTransaction, DbErr, TransactionOptions};
use tokio::sync::OnceCell;

use crate::begin::takes_snapshot_per_statement;
use crate::connection::SplitConnection;
use crate::error::host_error;
use crate::split::Split;

/// How long a node must have been down before a statement that cannot run elsewhere gives up on it. A
/// node can be down for a moment because one of its connections broke.
const LOST_AFTER: Duration = Duration::from_secs(3);

/// What a read-only transaction on a replica keeps besides its connection.
#[derive(Debug)]
pub(crate) struct OnReplica {
    node: Arc<Node>,
    /// What its connection leads to.
    connected: Connected,
    /// The transaction is in flight on the replica as long as it lasts.
    hold: Hold,
    options: TransactionOptions,
    db: SplitConnection,
    has_read: AtomicBool,
    /// What ran through the raw handle nobody has seen.
    was_raw: AtomicBool,
    /// The transaction on the primary, once a statement needed it.
    moved: OnceCell<DatabaseTransaction>,
}

impl OnReplica {
    pub(crate) fn new(
        (node, connected): (Arc<Node>, Connected),
        hold: Hold,
        db: &SplitConnection,
        options: TransactionOptions,
    ) -> Self {
        Self {
            node,
            connected,
            hold,
            options,
            db: db.clone(),
            has_read: AtomicBool::new(false),
            was_raw: AtomicBool::new(false),
            moved: OnceCell::new(),
        }
    }

    /// The replica, and what its connection leads to.
    pub(crate) fn leads_to(&self) -> (&Arc<Node>, Connected) {
        (&self.node, self.connected)
    }

    /// The transaction on the primary, if it has moved there.
    pub(crate) fn moved(&self) -> Option<&DatabaseTransaction> {
        self.moved.get()
    }

    /// From now on it stays here: what was set through the raw handle is set nowhere else.
    pub(crate) fn raw_handle_taken(&self) {
        self.was_raw.store(true, Ordering::Release);
    }

    pub(crate) fn into_parts(self) -> (Option<DatabaseTransaction>, Hold) {
        (self.moved.into_inner(), self.hold)
    }

    /// Sees to it that `sql` may run in [`moved`](Self::moved), or else on the replica. With one
    /// snapshot per statement nobody can tell that the later ones come from the primary; with one for
    /// all of them it has to be the first statement.
    pub(crate) async fn make_way_for(&self, split: &Split, sql: &str) -> Result<(), DbErr> {
        if self.moved.get().is_some() {
            return Ok(());
        }
        let Some(cause) = split.splitter.leaves_read_only_replica(sql) else {
            self.has_read.store(true, Ordering::Release);
            return Ok(());
        };
        let has_snapshot =
            self.has_read.load(Ordering::Acquire) && !takes_snapshot_per_statement(self.options);
        if has_snapshot || self.was_raw.load(Ordering::Acquire) {
            return Err(needs_primary(&self.node, cause));
        }
        let primary = split.splitter.primary();
        let begin = async || {
            split
                .splitter
                .runs_in_transaction(primary, "BEGIN READ ONLY");
            let begun = self.db.begin_on(split, primary, self.options).await;
            begun.map(|begun| begun.transaction)
        };
        self.moved.get_or_try_init(begin).await.map(drop)
    }
}

/// The statement cannot run where its transaction is.
pub(crate) fn needs_primary(node: &Node, cause: Cause) -> DbErr {
    host_error(SplitError::NeedsPrimary {
        node: node.name().to_owned(),
        cause,
    })
}

/// Waits for an answer, but not for that of a `replica` that is lost: it was the library that chose it.
pub(crate) async fn unless_lost<T>(
    split: Option<&Split>,
    replica: Option<&Node>,
    answer: impl Future<Output = Result<T, DbErr>>,
) -> Result<T, DbErr> {
    let (Some(split), Some(node)) = (split, replica) else {
        return answer.await;
    };
    tokio::select! {
        biased;
        answer = answer => answer,
        () = node.stayed_down(LOST_AFTER) => Err(host_error(split.splitter.lost(node))),
    }
}
