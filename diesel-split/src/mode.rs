//! How many reads leave the primary: what an operator changes while the application runs.
//!
//! Decides nothing: the table of [`Mode`] is core's.

use orm_split_core::{ConfigError, Mode};

use crate::node_connection::NodeConnection;
use crate::pool::SplitPool;

impl<C: NodeConnection> SplitPool<C> {
    /// Which reads leave the primary now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.split.splitter.mode()
    }

    /// Changes which reads leave the primary, for all clones and connections, from their next statement on.
    /// What is under way ends where it is, a read-only transaction on a replica included; a connection to a
    /// replica that a handle holds stays with it, unused. [`Mode::Shadow`] is the switch that takes every read
    /// off the replicas.
    ///
    /// ```
    /// use diesel_split::{Mode, NodeConnection, SplitPool};
    ///
    /// /// Behind a switch that only operators reach.
    /// fn switch<C: NodeConnection>(pool: &SplitPool<C>, is_on: bool) {
    ///     pool.set_mode(if is_on { Mode::Automatic } else { Mode::Shadow });
    /// }
    /// ```
    pub fn set_mode(&self, mode: Mode) {
        self.split.splitter.set_mode(mode);
    }

    /// How many sessions in a hundred read from replicas without asking for it now; see
    /// [`SplitBuilder::read_share`](crate::SplitBuilder::read_share).
    #[must_use]
    pub fn read_share(&self) -> u8 {
        self.split.splitter.read_share()
    }

    /// Changes how many sessions in a hundred read from replicas without asking for it, 0 to 100, for all
    /// clones and connections, from their next statement on.
    ///
    /// # Errors
    /// It is more than 100; nothing is changed then.
    pub fn set_read_share(&self, percent: u8) -> Result<(), ConfigError> {
        self.split.splitter.set_read_share(percent)
    }
}
