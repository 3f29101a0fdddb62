//! Handles that are sessions of their own, and how fresh their reads have to be.
//!
//! Decides nothing: what a session has written and read is core's.

use std::time::Duration;

use orm_split_core::{ReadConcern, SessionKey};

use crate::connection::SplitConnection;

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
        handle.asks.session = Some(SessionKey::made());
        // its raw handle tells that session
        handle.watch_raw_handle();
        handle
    }

    /// A handle whose reads are as fresh as `concern` says: a [`Consistency`](crate::Consistency), a bound, or
    /// both. Where a [`Session::scope`](crate::Session::scope) around it asks for more, that counts, unless
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

    /// Whose writes the handle's are: the current session's, and its own if it has one.
    pub(crate) fn sessions(&self) -> impl Iterator<Item = SessionKey> + use<> {
        [Some(SessionKey::current()), self.asks.session]
            .into_iter()
            .flatten()
    }
}
