//! What a session has read, so that it never reads older data afterwards.
//!
//! Decides which node may serve its next read. The server that it read last may, although nothing proves
//! how fresh it is: a running server does not go back. That holds over a connection that was open before
//! the session's first read there (a crash, which does take a standby back, closes every connection), and
//! only if the server has passed what the session read elsewhere in between.

use crate::clock::Moment;
use crate::connected::Connected;
use crate::node_id::NodeId;

/// One read that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Read {
    pub(crate) on: NodeId,
    pub(crate) generation: u64,
    /// When it was sent.
    pub(crate) started_at: Moment,
    /// When its first reply was there.
    pub(crate) answered_at: Moment,
}

/// The reads of one session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Reads {
    on: NodeId,
    generation: u64,
    /// When the first read of those that it made there in a row was sent.
    first_at: Moment,
    /// When the latest of them was answered.
    at: Moment,
    /// When the latest read on any other server was answered.
    elsewhere_at: Moment,
}

impl Reads {
    pub(crate) fn first(read: Read) -> Self {
        Self {
            on: read.on,
            generation: read.generation,
            first_at: read.started_at,
            at: read.answered_at,
            elsewhere_at: Moment::NEVER,
        }
    }

    pub(crate) fn add(&mut self, read: Read) {
        if (self.on, self.generation) == (read.on, read.generation) {
            self.first_at = self.first_at.min(read.started_at);
            self.at = self.at.max(read.answered_at);
            return;
        }
        // also if the read began before the others and only ended now: its server must catch up with them
        let elsewhere_at = self.elsewhere_at.max(self.at);
        *self = Self {
            elsewhere_at,
            ..Self::first(read)
        };
    }

    /// The node that was read last.
    pub(crate) fn node(&self) -> NodeId {
        self.on
    }

    /// What any node that is newer than this may serve.
    pub(crate) fn floor(&self) -> Moment {
        self.at.max(self.elsewhere_at)
    }

    /// Whether a node that is `fresh_as_of` may serve the next read.
    pub(crate) fn admits(&self, node: NodeId, generation: u64, fresh_as_of: Moment) -> bool {
        let is_same = (self.on, self.generation) == (node, generation);
        let passed_others = self.elsewhere_at == Moment::NEVER || fresh_as_of > self.elsewhere_at;
        fresh_as_of > self.floor() || is_same && passed_others
    }

    /// The same over a connection.
    pub(crate) fn admits_over(
        &self,
        connected: &Connected,
        node: NodeId,
        fresh_as_of: Moment,
    ) -> bool {
        fresh_as_of > self.floor()
            || connected.opened_at <= self.first_at
                && self.admits(node, connected.generation, fresh_as_of)
    }
}
