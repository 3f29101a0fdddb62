//! Transactions: one node from BEGIN to COMMIT, savepoints included.
//!
//! Decides when a commit marks its session: after the outcome of COMMIT arrived, or when that can no
//! longer be learned; never before.

use std::fmt::Debug;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use orm_split_core::{Connected, Hold, Mark, Node, SessionKey, TransactionRead};
use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::{
    DatabaseTransaction, DbErr, TransactionOptions, TransactionSession, TransactionTrait,
};
use tracing::{Instrument as _, Span};

use crate::read_only::{OnReplica, needs_primary, unless_lost};
use crate::split::Split;
use crate::watch::Watch;

/// A transaction: on the primary, or on one replica if it was begun with
/// [`AccessMode::ReadOnly`](sea_orm::AccessMode::ReadOnly) and a replica met the session's floor then.
///
/// Takes the place of [`DatabaseTransaction`], to which it dereferences. Dropping it rolls back.
///
/// A read-only transaction on a replica goes on in one on the primary when a statement needs it (a
/// lock, a function that is not known to be a read, `SET`). Where that would show (REPEATABLE READ and
/// rows were read already, or inside a nested transaction) the statement ends with
/// [`SplitError::NeedsPrimary`](crate::SplitError::NeedsPrimary) instead. SERIALIZABLE ones are on
/// the primary, as all are on SQLite and MySQL.
///
/// ```no_run
/// use sea_orm::{ConnectionTrait, DbErr, TransactionTrait};
/// use sea_orm_split::{SplitConnection, SplitTransaction};
///
/// async fn eat(db: &SplitConnection) -> Result<(), DbErr> {
///     let transaction: SplitTransaction = db.begin().await?;
///     transaction.execute_unprepared("DELETE FROM cake").await?;
///     transaction.commit().await
/// }
/// ```
#[derive(Debug)]
pub struct SplitTransaction {
    inner: DatabaseTransaction,
    /// `None` without replicas.
    split: Option<Arc<Split>>,
    /// `None` where nothing has to be marked: without replicas, or inside another transaction.
    root: Option<Root>,
    /// The session of the handle that began it.
    handle: Option<SessionKey>,
    /// What it reads, whenever its last stream is read. In a box: a transaction is part of many futures.
    reads: Option<Box<TransactionRead>>,
    place: Place,
}

/// What lasts as long as a statement of a transaction does.
#[derive(Debug)]
pub(crate) struct Running {
    /// If its text ends the transaction.
    _marks: [Option<Mark>; 2],
    _read: Option<TransactionRead>,
    span: Span,
}

/// Where a transaction is.
#[derive(Debug)]
pub(crate) enum Place {
    Primary,
    Replica(Box<OnReplica>),
    /// A savepoint of a transaction on a replica.
    NestedOnReplica(Box<(Arc<Node>, Connected)>),
}

#[derive(Debug)]
pub(crate) struct Root {
    pub(crate) begun_by: SessionKey,
    pub(crate) is_read_only: bool,
    /// It was declared read-only, but a statement may have changed that.
    pub(crate) may_write: AtomicBool,
    /// For when it is handed over.
    pub(crate) watch: Arc<Watch>,
}

impl SplitTransaction {
    /// Without replicas.
    pub(crate) fn unsplit(inner: DatabaseTransaction) -> Self {
        Self {
            inner,
            split: None,
            root: None,
            handle: None,
            reads: None,
            place: Place::Primary,
        }
    }

    pub(crate) fn begun(
        inner: DatabaseTransaction,
        split: &Arc<Split>,
        root: Root,
        handle: Option<SessionKey>,
        place: Place,
    ) -> Self {
        let mut begun = Self {
            inner,
            split: Some(Arc::clone(split)),
            root: Some(root),
            handle,
            reads: None,
            place,
        };
        begun.reads = begun.reads().map(Box::new);
        begun
    }

    /// What it reads from now on, until that is dropped.
    fn reads(&self) -> Option<TransactionRead> {
        let split = self.split.as_ref()?;
        let (node, connected) = match self.on_replica() {
            Some((node, connected)) => (node, Some(connected)),
            None => (split.splitter.primary(), None),
        };
        split
            .splitter
            .reads_in_transaction(node, connected, self.handle)
    }

    /// A savepoint, where this transaction is now.
    pub(crate) async fn begin_nested(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        let span = self.shows("SAVEPOINT");
        let place = self.on_replica().map(|(node, connected)| {
            Place::NestedOnReplica(Box::new((Arc::clone(node), connected)))
        });
        let begin = self.current().begin_with_options(options).instrument(span);
        Ok(Self {
            inner: self.unless_lost(begin).await?,
            split: self.split.clone(),
            root: None,
            handle: self.handle,
            reads: None,
            place: place.unwrap_or(Place::Primary),
        })
    }

    /// Commits. The session reads its effects from then on, wherever it reads.
    ///
    /// # Errors
    /// The server refused, or the outcome is unknown because the connection broke.
    ///
    /// # Cancel safety
    /// Once sent, the commit may take effect although the future is dropped; the session is marked
    /// as if it had.
    pub async fn commit(self) -> Result<(), DbErr> {
        let span = self.shows(self.sends("COMMIT", "RELEASE SAVEPOINT"));
        let root = self.split.as_ref().zip(self.root.as_ref());
        let marks = root.map(|(split, root)| root.marks(split, self.handle));
        let (split, replica) = (self.split.clone(), self.replica().cloned());
        let (inner, moved, _hold) = self.into_parts();
        // where it has moved, the replica has nothing to say: dropped, its transaction is rolled back
        let ended = moved.unwrap_or(inner).commit().instrument(span);
        let outcome = unless_lost(split.as_deref(), replica.as_deref(), ended).await;
        drop(marks);
        outcome
    }

    /// Rolls back.
    ///
    /// # Errors
    /// The connection broke; the server rolls back then too.
    ///
    /// # Cancel safety
    /// The transaction is rolled back either way.
    pub async fn rollback(self) -> Result<(), DbErr> {
        let span = self.shows(self.sends("ROLLBACK", "ROLLBACK TO SAVEPOINT"));
        let (split, replica) = (self.split.clone(), self.replica().cloned());
        let (inner, moved, _hold) = self.into_parts();
        let ended = moved.unwrap_or(inner).rollback().instrument(span);
        unless_lost(split.as_deref(), replica.as_deref(), ended).await
    }

    /// The transaction as SeaORM's own, whose end nobody will see.
    pub(crate) fn hand_over(self) -> DatabaseTransaction {
        if let Some(split) = &self.split {
            split.splitter.raw_handle_taken();
            if let Some(handle) = self.handle {
                split.splitter.raw_handle_taken_by(handle);
            }
        }
        if let Some(root) = &self.root {
            root.watch.handed_over();
        }
        let (inner, moved, _hold) = self.into_parts();
        moved.unwrap_or(inner)
    }

    /// Where its statements run now.
    pub(crate) fn current(&self) -> &DatabaseTransaction {
        match &self.place {
            Place::Replica(on) => on.moved().unwrap_or(&self.inner),
            Place::Primary | Place::NestedOnReplica(_) => &self.inner,
        }
    }

    /// The replica that it is on now, and what its connection leads to.
    fn on_replica(&self) -> Option<(&Arc<Node>, Connected)> {
        match &self.place {
            Place::Primary => None,
            Place::Replica(on) => on.moved().is_none().then(|| on.leads_to()),
            Place::NestedOnReplica(on) => Some((&on.0, on.1)),
        }
    }

    fn replica(&self) -> Option<&Arc<Node>> {
        self.on_replica().map(|(node, _)| node)
    }

    /// Shows a statement before it is sent.
    fn shows(&self, sql: &str) -> Span {
        let Some(split) = &self.split else {
            return Span::none();
        };
        let primary = || split.splitter.primary();
        let node = self.replica().unwrap_or_else(primary);
        split.splitter.runs_in_transaction(node, sql)
    }

    /// Where a statement of the user's runs, and what to drop when its outcome is there.
    pub(crate) async fn runs(
        &self,
        sql: &str,
    ) -> Result<(&DatabaseTransaction, Option<Running>), DbErr> {
        let Some(split) = &self.split else {
            return Ok((&self.inner, None));
        };
        match &self.place {
            Place::Primary => {}
            // rare and large: it must not be part of every statement's future
            Place::Replica(on) => Box::pin(on.make_way_for(split, sql)).await?,
            Place::NestedOnReplica(on) => {
                if let Some(cause) = split.splitter.leaves_read_only_replica(sql) {
                    return Err(needs_primary(&on.0, cause));
                }
            }
        }
        let span = self.shows(sql);
        let splitter = &split.splitter;
        let intent = splitter.by_text(sql);
        if let Some(root) = &self.root
            && root.is_read_only
            && splitter.may_change_transaction(intent, sql)
        {
            root.may_write.store(true, Ordering::Release);
        }
        let marks = |key: Option<SessionKey>| splitter.mark_if_it_commits(intent, key?);
        let keys = [Some(SessionKey::current()), self.handle];
        let running = Running {
            _marks: match self.replica() {
                None => keys.map(marks),
                Some(_) => [None, None],
            },
            _read: self.reads(),
            span,
        };
        Ok((self.current(), Some(running)))
    }

    /// As [`unless_lost`](Self::unless_lost), for a statement that is [`Running`].
    pub(crate) async fn answer<T>(
        &self,
        running: Option<&Running>,
        answer: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let span = running.map_or_else(Span::none, |running| running.span.clone());
        self.unless_lost(answer.instrument(span)).await
    }

    /// Waits for an answer, but not for a replica that is lost.
    pub(crate) async fn unless_lost<T>(
        &self,
        answer: impl Future<Output = Result<T, DbErr>>,
    ) -> Result<T, DbErr> {
        let replica = self.replica().map(Arc::as_ref);
        unless_lost(self.split.as_deref(), replica, answer).await
    }

    /// The transaction that was begun, the one it has moved to, and what lasts until both have ended.
    fn into_parts(
        self,
    ) -> (
        DatabaseTransaction,
        Option<DatabaseTransaction>,
        Option<Hold>,
    ) {
        match self.place {
            Place::Replica(on) => {
                let (moved, hold) = on.into_parts();
                (self.inner, moved, Some(hold))
            }
            Place::Primary | Place::NestedOnReplica(_) => (self.inner, None, None),
        }
    }

    /// What SeaORM sends by itself for a transaction and for one inside another.
    const fn sends<'a>(&self, outermost: &'a str, nested: &'a str) -> &'a str {
        match &self.root {
            Some(_) => outermost,
            None => nested,
        }
    }
}

impl Root {
    /// Marks for whoever began the transaction and for whoever commits it, mostly the same.
    fn marks(&self, split: &Split, handle: Option<SessionKey>) -> Vec<Mark> {
        if self.is_read_only && !self.may_write.load(Ordering::Acquire) {
            return Vec::new();
        }
        let mut keys = vec![self.begun_by, SessionKey::current()];
        keys.dedup();
        keys.extend(handle);
        let marks = keys.into_iter().map(|key| split.splitter.mark_on_drop(key));
        marks.collect()
    }
}

impl Deref for SplitTransaction {
    type Target = DatabaseTransaction;

    fn deref(&self) -> &DatabaseTransaction {
        if let Place::Replica(on) = &self.place {
            on.raw_handle_taken();
        }
        self.current()
    }
}

#[async_trait]
impl TransactionSession for SplitTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        Self::commit(self).await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        Self::rollback(self).await
    }
}
