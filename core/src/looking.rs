//! Looking for a connection of a group that leads to a member which is fresh enough.
//!
//! Decides how long that goes on. A pool hands out whatever connection it likes, mostly the same one again
//! if that is given back first; so those that may not serve are held until the search is over. It is over
//! after a few connections, when the pool has none to spare, or soon after one was opened in vain: it must
//! not open connections without end.

use std::time::Duration;

use crate::backend::Statement;
use crate::clock::Moment;
use crate::connected::Connected;
use crate::fault::Fault;
use crate::node::Node;

/// Connections that one attempt may look at.
const MOST: usize = 4;

/// How long all of the looking may take.
const WITHIN: Duration = Duration::from_millis(100);

/// For so long nobody looks any further after a connection was opened that led to the wrong member.
const PAUSE: Duration = Duration::from_millis(50);

/// Connections of one node that were taken and may not serve. They are given back together.
pub(crate) struct Looking<'a, S: Statement> {
    statement: &'a S,
    node: &'a Node,
    passed_over: Vec<S::Connection>,
    began_at: Moment,
    is_last: bool,
}

impl<'a, S: Statement> Looking<'a, S> {
    pub(crate) fn on(statement: &'a S, node: &'a Node, now: Moment) -> Self {
        Self {
            statement,
            node,
            passed_over: Vec::with_capacity(MOST),
            began_at: now,
            is_last: false,
        }
    }

    /// `connection` may not serve; it was there at `now`, and looked for since `asked_at`, unless it is
    /// the first.
    pub(crate) fn passes_over(
        &mut self,
        (connection, connected): (S::Connection, Connected),
        asked_at: Option<Moment>,
        now: Moment,
    ) {
        self.passed_over.push(connection);
        let was_opened_for_it = asked_at.is_some_and(|asked_at| connected.opened_at >= asked_at);
        if was_opened_for_it {
            self.node.group.looked_in_vain(now, PAUSE);
            self.is_last = true;
        }
    }

    /// How long the next look may take; `None` if there is none.
    pub(crate) fn goes_on(&self, now: Moment) -> Option<Duration> {
        let goes_on = !self.is_last
            && self.passed_over.len() < MOST
            && self.node.group.may_look(now)
            && self.statement.checkout_timed_out(self.node) != Fault::Saturated;
        let left = WITHIN.saturating_sub(now.since(self.began_at));
        (goes_on && !left.is_zero()).then_some(left)
    }
}

impl<S: Statement> Drop for Looking<'_, S> {
    fn drop(&mut self) {
        for connection in self.passed_over.drain(..) {
            self.statement.release(connection);
        }
    }
}
