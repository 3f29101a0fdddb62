//! Statements that are not routed: those of a transaction, and those of a handle that has to stay on its
//! connection.
//!
//! Decides, by their text, what they change: the session, the transaction, the connection. Where they run
//! is settled already, so a hint has no say; only whether a read-only transaction may stay on its replica
//! also depends on what is known of the server's functions.

use std::sync::Arc;

use crate::clock::Moment;
use crate::connected::Connected;
use crate::intent::{Cause, Intent};
use crate::node::Node;
use crate::node_id::NodeId;
use crate::observe;
use crate::reason::Reason;
use crate::session::{Pin, SessionKey};
use crate::session_state;
use crate::shared::{Shared, WriteMark};
use crate::splitter::Splitter;

/// The generation of no connection.
const NO_CONNECTION: u64 = u64::MAX;

impl Splitter {
    /// Why `sql` must not run in a read-only transaction that is on a replica.
    #[must_use]
    pub fn leaves_read_only_replica(&self, sql: &str) -> Option<Cause> {
        self.shared.intent(sql).leaves_read_only_replica()
    }

    /// What the text of a statement says, for a statement that runs in a transaction or on a connection
    /// that is held: there it is not routed, so neither the catalogue nor a hint has a say.
    #[must_use]
    pub fn by_text(&self, sql: &str) -> Intent {
        crate::classify(self.shared.dialect, sql)
    }

    /// Whether a statement, [`by_text`](Self::by_text) of `intent`, may make a transaction write that was
    /// declared read-only.
    #[must_use]
    pub fn may_change_transaction(&self, intent: Intent, sql: &str) -> bool {
        session_state::may_lift_read_only(intent, sql)
    }

    /// Whether a statement, [`by_text`](Self::by_text) of `intent`, may change its session's settings, if
    /// only until its transaction ends.
    #[must_use]
    pub fn may_change_settings(&self, intent: Intent) -> bool {
        session_state::may_change_settings(intent)
    }

    /// Whether `sql` asks what its connection did before, as `lastval()` does: another connection has
    /// another answer.
    #[must_use]
    pub fn asks_for_session(&self, sql: &str) -> bool {
        session_state::asks_for_session(sql)
    }

    /// Counts a transaction on the primary.
    pub fn count_transaction(&self) {
        self.shared.count(&self.shared.primary, Reason::Transaction);
    }

    /// Shows a statement of a transaction: it runs on the transaction's `node` without being routed. Yields the
    /// span in which it is to be sent.
    pub fn runs_in_transaction(&self, node: &Node, sql: &str) -> tracing::Span {
        let span = observe::span_of(self.shared.dialect, sql);
        observe::ran(&span, node, Reason::Transaction);
        span.in_scope(|| observe::runs(node, Reason::Transaction, sql));
        span
    }

    /// To be kept while a statement of a transaction on `node` runs, or the whole transaction, by a handle
    /// whose own session is `handle`. `connected` is what its connection leads to: the node's address may
    /// lead elsewhere by now. Without it no other connection will count as leading there. `None` if no session
    /// is involved that reads monotonically.
    #[must_use]
    pub fn reads_in_transaction(
        &self,
        node: &Node,
        connected: Option<Connected>,
        handle: Option<SessionKey>,
    ) -> Option<TransactionRead> {
        Some(TransactionRead {
            keys: self.shared.monotonic(handle)?,
            shared: Arc::clone(&self.shared),
            node: node.id(),
            generation: connected.map_or(NO_CONNECTION, |connected| connected.generation),
            started_at: self.shared.clock.now(),
        })
    }

    /// Marks the session `key` when the returned value is dropped. For a COMMIT: armed before it is
    /// sent, dropped when its outcome arrived or its future was dropped.
    #[must_use]
    pub fn mark_on_drop(&self, key: SessionKey) -> Mark {
        self.shared.intents.commits();
        Mark {
            _on_drop: self.shared.write_mark(key),
        }
    }

    /// A statement, [`by_text`](Self::by_text) of `intent`, is about to run outside of [`run`](Self::run)
    /// on the connection of the handle `key`: from then on the handle stays there if others lack what it
    /// changes.
    pub fn note_state(&self, intent: Intent, sql: &str, key: SessionKey) {
        self.shared.note_state(intent, sql, key);
    }

    /// Whether the handle `key` must stay on its connection to the primary, and that connection must
    /// serve nobody else while a transaction is open on it.
    #[must_use]
    pub fn held(&self, key: SessionKey) -> Option<Held> {
        match self.shared.sessions.held(key)? {
            Pin::RawTransaction => Some(Held::RawTransaction),
            Pin::SessionState | Pin::RawHandle => Some(Held::SessionState),
        }
    }

    /// For a statement, [`by_text`](Self::by_text) of `intent`, that is about to run inside a transaction:
    /// `Some` if its text ends the transaction, to be dropped when the outcome is there, as with
    /// [`mark_on_drop`](Self::mark_on_drop).
    #[must_use]
    pub fn mark_if_it_commits(&self, intent: Intent, key: SessionKey) -> Option<Mark> {
        self.shared.intents.ran_inside(intent);
        let ends = matches!(
            intent,
            Intent::Primary(
                Cause::TransactionEnd | Cause::TransactionControl | Cause::MultipleStatements
            )
        );
        ends.then(|| self.mark_on_drop(key))
    }
}

/// What a transaction reads: no later read of its session may be older. See
/// [`Splitter::reads_in_transaction`].
///
/// ```
/// use orm_split_core::{Node, Splitter, TransactionRead};
///
/// async fn load<T>(splitter: &Splitter, node: &Node, send: impl Future<Output = T>) -> T {
///     let read: Option<TransactionRead> = splitter.reads_in_transaction(node, None, None);
///     let rows = send.await;
///     drop(read); // the rows are there
///     rows
/// }
/// ```
#[derive(Debug)]
pub struct TransactionRead {
    shared: Arc<Shared>,
    keys: [Option<SessionKey>; 2],
    node: NodeId,
    generation: u64,
    started_at: Moment,
}

impl Drop for TransactionRead {
    fn drop(&mut self) {
        let (shared, started_at) = (&self.shared, self.started_at);
        shared.has_read(self.keys, self.node, self.generation, started_at);
    }
}

/// What holds a handle on its connection, see [`Splitter::held`].
///
/// ```
/// use orm_split_core::{Held, SessionKey, Splitter};
///
/// /// Whether a handle's connection may serve others once the handle is gone.
/// fn may_serve_others(splitter: &Splitter, handle: SessionKey) -> bool {
///     splitter.held(handle) != Some(Held::RawTransaction)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Held {
    /// A transaction that was opened by a raw `BEGIN`.
    RawTransaction,
    /// Settings, temporary tables or cursors that other connections lack.
    SessionState,
}

/// Marks a session when dropped, see [`Splitter::mark_on_drop`].
///
/// ```
/// use orm_split_core::{Mark, SessionKey, Splitter};
///
/// /// A commit marks its session when its outcome is there, or can no longer be learned.
/// async fn commit(splitter: &Splitter, send: impl Future<Output = ()>) {
///     let mark: Mark = splitter.mark_on_drop(SessionKey::current());
///     send.await;
///     drop(mark);
/// }
/// ```
#[derive(Debug)]
pub struct Mark {
    _on_drop: WriteMark,
}
