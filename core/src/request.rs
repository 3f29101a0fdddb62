//! What is known of a statement before it is routed, and what its sessions learn of it.
//!
//! Decides how fresh a read has to be: consistency, bound and floor of whoever asks. Routing itself is
//! pure and stands in `route.rs`.

use crate::classify::{CommentHint, Dialect, comment_hint};
use crate::clock::Moment;
use crate::config::Consistency;
use crate::intent::{Cause, Intent};
use crate::mode::Hint;
use crate::node_id::NodeId;
use crate::reason::Reason;
use crate::route::{self, Asks, Decision, Request};
use crate::session::{Floor, Pin, Read, Reads, SessionKey};
use crate::session_state;
use crate::shared::Shared;

impl Shared {
    /// Everything about a statement that is known before it is routed.
    pub(crate) fn request(&self, sql: &str, asks: Asks) -> Request {
        let intent = asks.declared.unwrap_or_else(|| self.intent(sql));
        let misrouted = intent == Intent::Read
            && asks.declared.is_none()
            && self
                .misroutes
                .contains(|| crate::fingerprint(self.dialect, sql));
        let concern = asks.concern.here();
        let hint = asks.hint.max(concern.hint.unwrap_or_default());
        let (consistency, max_staleness) = concern.settled(&self.options);
        let now = self.clock.now();
        let floor = self.floor(consistency, asks.session, now);
        let read_last = floor.reads.iter().flatten().map(Reads::node);
        let prefers = asks.prefers.into_iter().chain(read_last);
        Request {
            intent,
            hint,
            session: asks.session,
            consistency,
            max_staleness,
            prefers: prefers.map(route::bit_of).fold(0, |all, bit| all | bit),
            floor,
            now,
            tried: 0,
            fell_behind: 0,
            misrouted,
            kept: self.rollout.keeps(
                || hint.max(self.hint_in(sql)),
                || SessionKey::that_draws(asks.session).draw(),
            ),
            would_leave: false,
        }
    }

    /// What a comment asks for: where such hints are switched on it opts in as a handle does. One for the
    /// primary has made a statement for the primary of it already.
    fn hint_in(&self, sql: &str) -> Hint {
        match self.options.comment_hints.then(|| comment_hint(sql)) {
            Some(Some(CommentHint::Replica)) => Hint::Replica,
            Some(Some(CommentHint::Primary) | None) | None => Hint::None,
        }
    }

    fn floor(&self, consistency: Consistency, handle: Option<SessionKey>, now: Moment) -> Floor {
        match consistency {
            Consistency::Session | Consistency::Strong => self.sessions.floor(handle, now),
            Consistency::Process => self.sessions.floor_of_all(handle, now),
            // which connection holds a transaction or some state is no matter of freshness
            Consistency::Eventual => Floor {
                pin: (self.sessions.floor(handle, now).pin).filter(|pin| *pin != Pin::RawHandle),
                ..Floor::default()
            },
        }
    }

    /// The current session and the handle's, those of them that never read backwards; `None` if neither is one.
    pub(crate) fn monotonic(&self, handle: Option<SessionKey>) -> Option<[Option<SessionKey>; 2]> {
        let keys = [Some(SessionKey::current()), handle];
        let keys = keys.map(|key| key.filter(|key| key.reads_monotonically()));
        keys.iter().any(Option::is_some).then_some(keys)
    }

    /// A read of these sessions was answered by a node.
    pub(crate) fn has_read(
        &self,
        keys: [Option<SessionKey>; 2],
        on: NodeId,
        generation: u64,
        started_at: Moment,
    ) {
        let read = Read {
            on,
            generation,
            started_at,
            answered_at: self.clock.now(),
        };
        for key in keys.into_iter().flatten() {
            self.sessions.read(key, read);
        }
    }

    /// What a session read on the primary for want of a replica it must not miss next time. Nodes are asked for it
    /// now: the samples that this read itself asked for were taken before its answer.
    pub(crate) fn next_read_wants(&self, reason: Reason) {
        if matches!(reason, Reason::FloorNotMet | Reason::Shadow) {
            let (read_at, topology) = (self.clock.now(), self.topology());
            self.demand
                .raise(read_at, read_at, &topology, &self.options);
        }
    }

    /// A read of these sessions was answered by the primary, but only for shadow mode: no later one may be older,
    /// yet what would have become of it is judged as if a replica had served this one.
    pub(crate) fn was_kept(&self, keys: [Option<SessionKey>; 2]) {
        let now = self.clock.now();
        for key in keys.into_iter().flatten() {
            self.sessions.was_kept(key, now);
        }
    }

    /// What the text says where that did not decide the route: on MySQL everything is on the primary.
    pub(crate) fn by_text(&self, request: &Request, sql: &str) -> Intent {
        match self.dialect {
            Dialect::MySql => crate::classify(self.dialect, sql),
            Dialect::Postgres | Dialect::Sqlite => request.intent,
        }
    }

    /// Whether a statement changes its connection in a way that the handle's next ones may rely on.
    pub(crate) fn note_state(&self, intent: Intent, sql: &str, handle: SessionKey) {
        let changes = match intent {
            Intent::Primary(Cause::SessionState) => !session_state::is_local(sql),
            Intent::Primary(Cause::MultipleStatements) => true,
            Intent::Primary(Cause::Function) => session_state::calls_for_session(sql),
            Intent::Primary(_) | Intent::Read => false,
        };
        if changes {
            self.sessions.has_state(handle);
        }
    }

    /// Routes once, and asks for faster sampling if a floor kept the read off the replicas.
    pub(crate) fn route(&self, request: &Request) -> Decision {
        let now = request.now;
        let (policy, topology) = (self.policy.as_ref(), self.topology());
        let decision = self
            .dice
            .roll(|rng| route::route(&topology, request, &self.options, policy, now, rng));
        if let Some(floor) = self.floor_in_want(request, decision.reason) {
            self.demand.raise(floor, now, &topology, &self.options);
        }
        decision
    }

    /// What a replica has to pass so that it may serve a read for which none was fresh enough; `None` if
    /// sampling faster would not help.
    pub(crate) fn floor_in_want(&self, request: &Request, reason: Reason) -> Option<Moment> {
        match (reason, request.max_staleness) {
            (Reason::FloorNotMet, _) => Some(request.floor.highest()),
            // a bound that the slow pace cannot keep
            (Reason::TooStale, Some(bound))
                if request.max_staleness != self.options.max_staleness =>
            {
                Some(request.now.before(bound))
            }
            _ => None,
        }
    }
}
