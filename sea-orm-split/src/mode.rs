//! How many reads leave the primary: what an operator changes while the application runs, and handles that
//! ask for replicas.
//!
//! Decides nothing: the table of [`Mode`] is core's.

use orm_split_core::{ConfigError, Hint, Mode};

use crate::connection::SplitConnection;

impl SplitConnection {
    /// A handle whose reads go to replicas, also those that [`Mode::OptIn`] or the share of reads would keep on
    /// the primary. In [`Mode::Automatic`] with all reads it means nothing more.
    ///
    /// Never at the expense of a promise: where no replica is fresh enough for the session the primary serves
    /// the read. Nor does it make a read of anything: writes, locks and transactions through this handle run
    /// where they always do. Who wants an error instead begins a transaction that is declared read-only: a
    /// write in it changes nothing and says so.
    ///
    /// ```
    /// # use sea_orm::{DbBackend, MockDatabase};
    /// # use sea_orm_split::SplitConnection;
    /// # let db = SplitConnection::from(MockDatabase::new(DbBackend::Postgres).into_connection());
    /// let for_the_catalogue = db.replica();
    /// # drop(for_the_catalogue);
    /// ```
    #[must_use]
    pub fn replica(&self) -> Self {
        let mut handle = self.clone();
        handle.asks.hint = Hint::Replica;
        handle
    }

    /// Which reads leave the primary now. Without replicas none can, and it is always [`Mode::Automatic`].
    #[must_use]
    pub fn mode(&self) -> Mode {
        let split = self.split.as_ref();
        split.map(|split| split.splitter.mode()).unwrap_or_default()
    }

    /// Changes which reads leave the primary, for all clones, from their next statement on. What is under way
    /// ends where it is, a read-only transaction on a replica included. [`Mode::Shadow`] is the switch that
    /// takes every read off the replicas.
    ///
    /// ```
    /// # use sea_orm::{DbBackend, MockDatabase};
    /// use sea_orm_split::{Mode, SplitConnection};
    ///
    /// # let db = SplitConnection::from(MockDatabase::new(DbBackend::Postgres).into_connection());
    /// /// Behind a switch that only operators reach.
    /// fn switch(db: &SplitConnection, is_on: bool) {
    ///     db.set_mode(if is_on { Mode::Automatic } else { Mode::Shadow });
    /// }
    /// # switch(&db, true);
    /// ```
    pub fn set_mode(&self, mode: Mode) {
        if let Some(split) = &self.split {
            split.splitter.set_mode(mode);
        }
    }

    /// How many sessions in a hundred read from replicas without asking for it now; see
    /// [`SplitBuilder::read_share`](crate::SplitBuilder::read_share). Without replicas it is always 100.
    #[must_use]
    pub fn read_share(&self) -> u8 {
        let split = self.split.as_ref();
        split.map_or(100, |split| split.splitter.read_share())
    }

    /// Changes how many sessions in a hundred read from replicas without asking for it, 0 to 100, for all
    /// clones, from their next statement on.
    ///
    /// # Errors
    /// It is more than 100; nothing is changed then. Without replicas nothing is looked at.
    pub fn set_read_share(&self, percent: u8) -> Result<(), ConfigError> {
        match &self.split {
            Some(split) => split.splitter.set_read_share(percent),
            None => Ok(()),
        }
    }
}
