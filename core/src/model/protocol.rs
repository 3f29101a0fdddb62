//! What a process needs of the protocol, so that one world drives the model and the real thing.

use std::fmt::Debug;

use crate::clock::Moment;
use crate::identity::Identity;
use crate::position::Lsn;

/// What a connection is marked with when it is accepted.
pub(super) trait Marked: Copy + Debug + PartialEq {}
impl<T: Copy + Debug + PartialEq> Marked for T {}

/// What came of the first question on a connection, or of a later one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged<M> {
    Usable(M),
    AskAgain,
    Refused,
}

/// An open connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Conn<M> {
    pub(super) server: usize,
    pub(super) run: u32,
    pub(super) opened_at: Moment,
    pub(super) mark: M,
}

/// What a token says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Claims {
    pub(super) timeline: u32,
    /// `None` asks for nothing.
    pub(super) position: Option<Lsn>,
}

/// What came of a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Import {
    Floor(Moment),
    Refused,
    NotYet,
}

/// One read that was answered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Answered<M> {
    pub(super) node: usize,
    pub(super) mark: M,
    pub(super) sent_at: Moment,
    pub(super) answered_at: Moment,
}

/// The protocol of one process. Node 0 is the primary; sessions are numbered.
pub(super) trait Protocol: Clone + Debug {
    type Mark: Marked;
    type Asked: Copy + Debug;

    fn primary_opened(
        &mut self,
        asked_at: Moment,
        said: &Identity,
        now: Moment,
    ) -> Judged<Self::Mark>;
    fn sampled(&mut self, mark: Self::Mark, asked_at: Moment, said: &Identity, now: Moment);

    /// Right before a question is sent to a replica.
    fn ask(&self, replica: usize, mark: Option<Self::Mark>, now: Moment) -> Self::Asked;
    fn replica_opened(
        &mut self,
        replica: usize,
        asked: Self::Asked,
        said: &Identity,
        now: Moment,
    ) -> Judged<Self::Mark>;
    fn replica_showed(
        &mut self,
        replica: usize,
        asked: Self::Asked,
        said: &Identity,
        now: Moment,
    ) -> Judged<Self::Mark>;

    /// The mark of a new connection that nobody asks; `None` where all are asked.
    fn trusted(&self, _node: usize) -> Option<Self::Mark> {
        None
    }

    /// The mark that an idle connection has when it is taken; `None` if it has to be closed.
    fn checkout(&self, node: usize, conn: &Conn<Self::Mark>) -> Option<Self::Mark>;

    /// Whether a replica may serve a session's read, as routing sees it.
    fn admits(&self, node: usize, session: usize, now: Moment) -> bool;

    /// The same after checkout.
    fn still_serves(
        &self,
        node: usize,
        conn: &Conn<Self::Mark>,
        session: usize,
        now: Moment,
    ) -> bool;

    /// A write was sent at `sent_at`; its outcome arrived, or became unknown, at `now`.
    fn wrote(&mut self, session: usize, sent_at: Moment, now: Moment, is_known: bool);
    fn read(&mut self, session: usize, read: Answered<Self::Mark>);
    fn forget(&mut self, session: usize);

    fn export(&self, session: usize, now: Moment) -> Option<Claims>;
    fn import(&self, claims: Claims, started: Moment) -> Import;
    fn resume(&mut self, session: usize, floor: Moment);

    /// Decisions in which the real protocol was stricter and looser than the model, where both run.
    fn differences(&self) -> (u64, u64) {
        (0, 0)
    }
}
