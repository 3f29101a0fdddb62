//! Handles that are sessions of their own, and how fresh their reads have to be.
//!
//! Decides nothing: what a session has written and read is core's.

use std::sync::{Arc, Weak};
use std::time::Duration;

use orm_split_core::{ReadConcern, SessionKey, SessionToken, Splitter, TokenError};

use crate::connection::SplitConnection;

/// The session of a handle: over with its last clone.
#[derive(Debug)]
pub(crate) struct OwnSession {
    key: SessionKey,
    splitter: Weak<Splitter>,
}

impl Drop for OwnSession {
    fn drop(&mut self) {
        if let Some(splitter) = self.splitter.upgrade() {
            splitter.end_session(self.key);
        }
    }
}

impl SplitConnection {
    /// A handle that is a session of its own, on top of the current one: whatever task uses it or a clone of
    /// it reads what was written through it, and never older data than was read through it before.
    ///
    /// For work that moves between tasks. Everything that is awaited in one place is a session more simply:
    /// see [`Session::scope`](crate::Session::scope).
    ///
    /// ```
    /// # use sea_orm::{DbBackend, MockDatabase};
    /// # use sea_orm_split::SplitConnection;
    /// # let db = SplitConnection::from(MockDatabase::new(DbBackend::Postgres).into_connection());
    /// let of_this_job = db.session();
    /// # drop(of_this_job);
    /// ```
    #[must_use]
    pub fn session(&self) -> Self {
        let mut handle = self.clone();
        let key = SessionKey::made();
        handle.asks.session = Some(key);
        handle.own = handle.split.as_ref().map(|split| {
            let splitter = Arc::downgrade(&split.splitter);
            Arc::new(OwnSession { key, splitter })
        });
        // its raw handle tells that session
        handle.watch_raw_handle();
        handle
    }

    /// A handle whose reads are as fresh as `concern` says, or run where it says: a
    /// [`Consistency`](crate::Consistency), a bound, a [`Hint`](crate::Hint), or several. Where a [`Session::scope`](crate::Session::scope) around it asks for more, that counts, unless
    /// the concern was made inside it.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sea_orm_split::{Consistency, ReadConcern, SplitConnection};
    ///
    /// # use sea_orm::{DbBackend, MockDatabase};
    /// # let db = SplitConnection::from(MockDatabase::new(DbBackend::Postgres).into_connection());
    /// let for_balances = db.with(Consistency::Strong);
    /// let for_a_dashboard = db.with(ReadConcern::new().max_staleness(Duration::from_secs(2)));
    /// # drop((for_balances, for_a_dashboard));
    /// ```
    #[must_use]
    pub fn with(&self, concern: impl Into<ReadConcern>) -> Self {
        let mut handle = self.clone();
        handle.asks.concern = concern.into();
        handle
    }

    /// Reads of this handle's session, or of the surrounding [`Session::scope`](crate::Session::scope), stay for
    /// so long where the latest one ran, the primary included: pages of a listing come from one node. They go
    /// elsewhere only if it must not serve them any more: it is down, too stale, or lacks what the session
    /// wrote meanwhile. Without either of the two it does nothing.
    pub fn stay(&self, for_so_long: Duration) {
        if let Some(split) = &self.split {
            for key in self.sessions() {
                split.splitter.stays(key, for_so_long);
            }
        }
    }

    /// What the current session, and the handle's if it has one, have written and read, as text for another
    /// process or a later request: see [`resume`](Self::resume). To be asked for when the writes are done.
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
        let split = self.split.as_ref().ok_or(TokenError::NoPosition)?;
        split.splitter.token(self.sessions()).await
    }

    /// From now on the handle's session, or if it has none the current one, has written what `token` tells
    /// of: its reads do not miss it. A token that is refused changes nothing.
    ///
    /// ```no_run
    /// use sea_orm_split::{Session, SplitConnection};
    ///
    /// /// Does a job whose payload came with the token of whoever queued it.
    /// async fn run(db: &SplitConnection, token: &str) {
    ///     let job = async {
    ///         if let Err(refusal) = db.resume(token).await {
    ///             eprintln!("the job may miss what was written before it was queued: {refusal}");
    ///         }
    ///         // …
    ///     };
    ///     Session::new().scope(job).await;
    /// }
    /// ```
    ///
    /// # Errors
    /// No keys are configured, or why the token is refused. Without replicas none is: nobody lags.
    ///
    /// # Cancel safety
    /// The session is as before if the future is dropped.
    pub async fn resume(&self, token: &str) -> Result<(), TokenError> {
        let Some(split) = &self.split else {
            return Ok(());
        };
        let session = self.asks.session.unwrap_or_else(SessionKey::current);
        split.splitter.resume(session, token).await
    }

    /// Whose writes the handle's are: the current session's, and its own if it has one.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionKey> + use<> {
        [Some(SessionKey::current()), self.asks.session]
            .into_iter()
            .flatten()
    }
}

#[cfg(feature = "tower")]
impl orm_split_core::tower::KeepsSessions for SplitConnection {
    fn splitter(&self) -> Option<Arc<Splitter>> {
        let split = self.split.as_ref()?;
        Some(Arc::clone(&split.splitter))
    }
}
