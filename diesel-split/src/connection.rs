//! [`SplitConnection`]: what an application holds in place of a pooled connection.
//!
//! Decides nothing about nodes. Must never dereference to a concrete connection: what is sent there is
//! not seen.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use diesel::QueryResult;
use diesel::connection::TransactionManagerStatus;
use orm_split_core::{
    Asks, Cause, Connected, Held, Hint, Intent, Mark, Node, ReadConcern, Role, Route, SessionKey,
    SessionToken, SplitError, TokenError,
};
use parking_lot::Mutex;
use tracing::Instrument as _;

use crate::error::{HostError, diesel_error};
use crate::instrumentation::Shared;
use crate::lease::Lease;
use crate::leased::Leased;
use crate::node_connection::NodeConnection;
use crate::raw::{Raw, Take};
use crate::routed::{Keeps, Kind, Routed};
use crate::slots::Slots;
use crate::split::Split;

/// A connection to one primary and any number of replicas.
///
/// Takes the place of a pooled connection: `RunQueryDsl` of diesel-async works on it unchanged. It holds
/// no server connection until its first statement; from then on at most one to a replica and one to the
/// primary, until it is dropped. It is a session of its own, on top of the current task's: whatever is
/// written through it, or by its task, its reads see.
///
/// A statement that changes its connection's state (`SET`, temporary tables, cursors, a raw `BEGIN`)
/// keeps the handle on its connection to the primary until it is dropped, or that transaction ends.
///
/// ```no_run
/// # #[cfg(feature = "postgres")]
/// # mod example {
/// use diesel::prelude::*;
/// use diesel_async::{AsyncPgConnection, RunQueryDsl};
/// use diesel_split::SplitConnection;
///
/// diesel::table! { users { id -> Integer, name -> Text, } }
///
/// async fn rename(conn: &mut SplitConnection<AsyncPgConnection>) -> QueryResult<Vec<String>> {
///     diesel::update(users::table.find(1)) // on the primary
///         .set(users::name.eq("Ada"))
///         .execute(conn)
///         .await?;
///     users::table.select(users::name).load(conn).await // where that write is visible
/// }
/// # }
/// ```
pub struct SplitConnection<C: NodeConnection> {
    pub(crate) split: Arc<Split<C>>,
    pub(crate) session: SessionKey,
    pub(crate) slots: Mutex<Slots<C>>,
    /// The pool's table; one of its own while its connection's state may differ from others': the search
    /// path decides what a type's name means.
    pub(crate) types: Arc<C::Types>,
    pub(crate) hint: Hint,
    pub(crate) concern: ReadConcern,
    pub(crate) raw: Raw,
    pub(crate) instrumentation: Option<Shared>,
    /// Shown while no connection is held.
    pub(crate) idle: TransactionManagerStatus,
    last_error: Mutex<Option<SplitError>>,
}

impl<C: NodeConnection> SplitConnection<C> {
    pub(crate) fn new(split: Arc<Split<C>>) -> Self {
        Self {
            types: Arc::clone(&split.types),
            split,
            session: SessionKey::made(),
            slots: Mutex::default(),
            hint: Hint::None,
            concern: ReadConcern::default(),
            raw: Raw::default(),
            instrumentation: None,
            idle: TransactionManagerStatus::default(),
            last_error: Mutex::new(None),
        }
    }

    /// Sends reads to the primary too ([`Hint::Primary`]), or to replicas also where the
    /// [`Mode`](crate::Mode) or the share of reads would keep them on the primary ([`Hint::Replica`]), or
    /// wherever they are served ([`Hint::None`], the default), until it is called again.
    ///
    /// None of them makes a read of anything: writes, locks and transactions run where they always do. Who
    /// wants an error instead begins a transaction that is declared read-only, or takes the raw
    /// [`replica`](Self::replica): a write there changes nothing and says so.
    pub fn set_hint(&mut self, hint: Hint) {
        self.hint = hint;
    }

    /// How fresh reads have to be from now on, and where they run: a [`Consistency`](crate::Consistency), a
    /// bound, a [`Hint`], or several. Where
    /// a [`Session::scope`](crate::Session::scope) around the handle asks for more, that counts.
    pub fn set_read_concern(&mut self, concern: impl Into<ReadConcern>) {
        self.concern = concern.into();
    }

    /// Reads stay for so long where the latest one ran, the primary included: pages of a listing come from
    /// one node. They go elsewhere only if it must not serve them any more: it is down, too stale, or lacks
    /// what this session wrote meanwhile.
    pub fn stay(&self, for_so_long: Duration) {
        self.split.splitter.stays(self.session, for_so_long);
    }

    /// What this connection and the current session have written and read, as text for another process or a
    /// later request: see [`resume`](Self::resume). To be asked for when the writes are done.
    ///
    /// Mostly at once; else it takes one sample of the primary, of 5 ms and a round trip, which all who wait
    /// share.
    ///
    /// # Errors
    /// The builder was given no [`token_keys`](crate::SplitBuilder::token_keys), or the primary's position is not
    /// known: there are no replicas, or it does not answer.
    ///
    /// # Cancel safety
    /// Safe.
    pub async fn token(&self) -> Result<SessionToken, TokenError> {
        let sessions = [SessionKey::current(), self.session];
        self.split.splitter.token(sessions).await
    }

    /// From now on this connection has written what `token` tells of: its reads do not miss it. A token that
    /// is refused changes nothing.
    ///
    /// # Errors
    /// No keys are configured, or why the token is refused. Without replicas none is: nobody lags.
    ///
    /// # Cancel safety
    /// The session is as before if the future is dropped.
    pub async fn resume(&self, token: &str) -> Result<(), TokenError> {
        self.split.splitter.resume(self.session, token).await
    }

    /// Where `sql` would go now, and why, without sending it. In [`Mode::Shadow`](crate::Mode::Shadow) also
    /// where it would go otherwise.
    #[must_use]
    pub fn explain(&self, sql: &str) -> Route {
        self.split.splitter.explain(sql, self.asks())
    }

    /// The session wrote something that the library could not see: its reads, and those of the current
    /// task, wait for the replicas to have it. [`Session::wrote`](crate::Session::wrote) says so of every
    /// database.
    pub fn wrote(&self) {
        self.split.splitter.wrote(SessionKey::current());
        self.split.splitter.wrote(self.session);
    }

    /// Why the library itself failed the latest statement that it failed: every attempt with its node,
    /// phase and cause. Diesel's error says the same as text.
    #[must_use]
    pub fn last_split_error(&self) -> Option<SplitError> {
        self.last_error.lock().clone()
    }

    pub(crate) fn asks(&self) -> Asks {
        let mut asks = Asks::from(self.hint);
        asks.session = Some(self.session);
        asks.is_one_connection = true;
        asks.concern = self.concern;
        asks.prefers = self.slots.lock().replica();
        asks
    }

    /// Whether the handle must stay on its connection to the primary.
    pub(crate) fn is_held(&self) -> bool {
        self.split.splitter.held(self.session).is_some()
    }

    /// To be called first by whatever the user calls: what went through a raw handle is over.
    pub(crate) fn enter(&mut self) {
        self.raw.settle(&self.split.splitter, self.session);
        let differs = self.differs();
        if differs == Arc::ptr_eq(&self.types, &self.split.types) {
            self.types = match differs {
                true => Arc::default(),
                false => Arc::clone(&self.split.types),
            };
        }
    }

    /// Whether its connection's state may differ from others'.
    fn differs(&mut self) -> bool {
        let begun = &self.slots.get_mut().begun;
        let in_transaction = begun.as_ref().is_some_and(|begun| begun.has_settings);
        in_transaction || self.raw.was_taken() || self.is_held()
    }

    /// Runs a statement where it belongs.
    pub(crate) async fn run<'conn, K: Kind<'conn, C>>(
        &'conn self,
        kind: K,
        sql: &str,
        asks: Asks,
    ) -> QueryResult<K::Output> {
        if let Some(leased) = self.in_transaction() {
            return self.run_inside(kind, sql, leased).await;
        }
        if self.slots.lock().gave_back && self.split.splitter.asks_for_session(sql) {
            return Err(self.host_error(SplitError::GivenBack.into()));
        }
        let routed = Routed { handle: self, kind };
        let outcome = self.split.splitter.run(sql, asks, &routed).await;
        outcome.map_err(|error| self.host_error(error))
    }

    /// Runs a statement in the transaction that is open, whatever it is.
    async fn run_inside<'conn, K: Kind<'conn, C>>(
        &'conn self,
        kind: K,
        sql: &str,
        mut leased: Leased<'conn, C>,
    ) -> QueryResult<K::Output> {
        let splitter = &self.split.splitter;
        if leased.lease().node.role() == Role::Replica {
            // boxed: it is rare and large, and what it takes is part of every statement's future
            leased = Box::pin(self.stay_or_move(leased, sql)).await?;
        }
        let node = Arc::clone(&leased.lease().node);
        let span = splitter.runs_in_transaction(&node, sql);
        let intent = splitter.by_text(sql);
        splitter.note_state(intent, sql, self.session);
        if splitter.may_change_settings(intent)
            && let Some(begun) = &mut self.slots.lock().begun
        {
            begun.has_settings = true;
        }
        let keys = [SessionKey::current(), self.session];
        let marks = keys.map(|key| splitter.mark_if_it_commits(intent, key));
        let connected = Some(leased.lease().connected);
        let keeps = Keeps::Marks {
            _marks: marks.into_iter().flatten().collect(),
            _read: splitter.reads_in_transaction(&node, connected, Some(self.session)),
        };
        let sent = kind.send(leased, keeps).instrument(span);
        self.unless_lost(&node, sent).await
    }

    /// What must run on `node` and nowhere else, unless that is a replica that is down.
    pub(crate) async fn unless_lost<T>(
        &self,
        node: &Node,
        sent: impl Future<Output = QueryResult<T>>,
    ) -> QueryResult<T> {
        if node.is_primary() {
            return sent.await;
        }
        tokio::select! {
            biased;
            outcome = sent => outcome,
            () = node.stayed_down(LOST_AFTER) => {
                Err(self.host_error(self.split.splitter.lost(node).into()))
            }
        }
    }

    /// The connection of the open transaction, if there is one.
    pub(crate) fn in_transaction(&self) -> Option<Leased<'_, C>> {
        let mut slots = self.slots.lock();
        let role = slots.in_transaction()?;
        let node = slots.get(role)?.node.id();
        let lease = slots.take(node)?;
        drop(slots);
        Some(Leased::new(lease, self, true))
    }

    /// The connection to `node` that the handle holds, or one of its pool.
    pub(crate) async fn checkout(
        &self,
        node: &Arc<Node>,
    ) -> Result<(Lease<C>, Connected), HostError> {
        let (held, setup) = {
            let mut slots = self.slots.lock();
            (slots.take(node.id()), slots.setup.clone())
        };
        // one of a node that is gone must not pass for one of the node that has its place now
        let (held, other) = match held {
            Some(lease) if !Arc::ptr_eq(&lease.node, node) => (None, Some(lease)),
            held => (held, None),
        };
        drop(other);
        if let Some(mut lease) = held {
            let is_broken = lease.connection().is_broken();
            if node.is_primary() && self.is_held() {
                if is_broken {
                    // perhaps in a transaction that nobody will commit; its state is nowhere else
                    self.slots.lock().put(lease);
                    return Err(diesel::result::Error::BrokenTransactionManager.into());
                }
                let connected = lease.connected;
                return Ok((lease, connected));
            }
            match self.split.connected(&lease).filter(|_| !is_broken) {
                Some(connected) => return Ok((lease, connected)),
                None => lease.taint(),
            }
        }
        Ok(self.split.checkout(node, &setup).await?)
    }

    /// A connection to the primary, for what is not routed.
    pub(crate) async fn lease_primary(&self) -> QueryResult<Leased<'_, C>> {
        let primary = self.split.splitter.primary();
        let checkout = self.checkout(primary).await;
        let (lease, _) = checkout.map_err(|error| self.host_error(error))?;
        Ok(Leased::new(lease, self, self.is_held()))
    }

    /// A connection to the primary for a write that no text tells of, and the marks to be dropped after
    /// it.
    pub(crate) async fn lease_to_write(
        &self,
        shown: &str,
    ) -> QueryResult<(Leased<'_, C>, Vec<Mark>)> {
        if let Some(mut leased) = self.in_transaction() {
            let node = &leased.lease().node;
            self.split.splitter.runs_in_transaction(node, shown);
            return Ok((leased, Vec::new()));
        }
        let mut asks = self.asks();
        asks.declared = Some(Intent::Primary(Cause::Write));
        self.run(Take, shown, asks).await?;
        Ok((self.lease_primary().await?, self.marks(None)))
    }

    /// Marks the sessions that a transaction belongs to when dropped.
    pub(crate) fn marks(&self, begun_by: Option<SessionKey>) -> Vec<Mark> {
        let mut keys = vec![self.session, SessionKey::current()];
        keys.extend(begun_by.filter(|key| !keys.contains(key)));
        let marks = keys.into_iter();
        marks
            .map(|key| self.split.splitter.mark_on_drop(key))
            .collect()
    }

    pub(crate) fn host_error(&self, error: HostError) -> diesel::result::Error {
        match error {
            HostError::Diesel(error) => error,
            HostError::Ours(error) => {
                let host = diesel_error(&error);
                *self.last_error.lock() = Some(error);
                host
            }
        }
    }

    /// Gives the primary's connection back once nothing needs it: others wait for one.
    pub(crate) fn release_primary(&self) {
        if self.split.splitter.topology().replicas().is_empty() {
            return; // one connection for the handle, as from a plain pool
        }
        let mut slots = self.slots.lock();
        let reads_there = slots.read_on == Some(Role::Primary);
        if !reads_there && !self.raw.was_taken() && !self.is_held() {
            slots.release(Role::Primary);
            slots.gave_back = true;
        }
    }
}

/// How long a node must have been down before a statement that cannot run elsewhere gives up on it. A
/// node can be down for a moment because one of its connections broke.
const LOST_AFTER: Duration = Duration::from_secs(3);

impl<C: NodeConnection> Drop for SplitConnection<C> {
    fn drop(&mut self) {
        self.raw.settle(&self.split.splitter, self.session);
        let splitter = &self.split.splitter;
        if splitter.held(self.session) == Some(Held::RawTransaction) {
            let lease = self.slots.get_mut().get(Role::Primary);
            if let Some(lease) = lease {
                lease.taint();
            }
        }
        splitter.end_session(self.session);
    }
}

impl<C: NodeConnection> fmt::Debug for SplitConnection<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SplitConnection")
            .field("slots", &self.slots)
            .finish_non_exhaustive()
    }
}
