//! The code that is shipped, behind the same trait as the model.
//!
//! [`Freshness`] judges answers; what it publishes through a [`Node`] is what [`route`] looks at, with a
//! [`Floor`] of the same kind as a session's; tokens go through `carry.rs`.

use std::sync::Arc;
use std::time::Duration;

use super::protocol::{Answered, Claims, Conn, Import, Judged, Protocol};
use super::system::Scope;
use crate::carry::{self, Known};
use crate::clock::Moment;
use crate::config::Consistency;
use crate::connected::Connected;
use crate::freshness::{Asked, Evidence, Freshness, Verdict};
use crate::health::{HealthEvent, Seen};
use crate::identity::Identity;
use crate::intent::Intent;
use crate::mode::Hint;
use crate::node::Node;
use crate::node_id::NodeId;
use crate::position::Lsn;
use crate::reason::Reason;
use crate::role::Role;
use crate::route::{self, Request, Survey};
use crate::session::{Floor, Read, Reads};
use crate::token;

#[derive(Clone, Debug)]
pub(super) struct Real {
    freshness: Freshness,
    bound: Option<Duration>,
    sessions: Vec<Session>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Session {
    wrote_at: Moment,
    reads: Option<Reads>,
}

fn judged(verdict: Verdict) -> Judged<u64> {
    match verdict {
        Verdict::Accepted { generation } => Judged::Usable(generation),
        Verdict::Ambiguous => Judged::AskAgain,
        Verdict::Refused(_) => Judged::Refused,
    }
}

impl Real {
    pub(super) fn new(scope: Scope) -> Self {
        Self {
            freshness: Freshness::new(scope.standbys),
            bound: scope.bound.map(Duration::from_nanos),
            sessions: vec![Session::default(); scope.sessions],
        }
    }

    pub(super) fn dropping_samples(self) -> Self {
        Self {
            freshness: self.freshness.keeping_samples(4),
            ..self
        }
    }

    fn evidence(&self, node: usize) -> Option<Evidence> {
        match node {
            0 => Some(self.freshness.primary_evidence()),
            _ => self.freshness.evidence(node - 1),
        }
    }

    /// The node as the router sees it.
    fn node(&self, node: usize) -> Node {
        let role = if node == 0 {
            Role::Primary
        } else {
            Role::Replica
        };
        let published = Node::new(NodeId(node), Arc::from("node"), role);
        let seen = Seen {
            now: Moment::NEVER,
            successes: 0,
            may_eject: false,
            jitter: 0.0,
        };
        let _changed = published.observe(HealthEvent::ProbeSucceeded, None, &seen, None);
        if let Some(evidence) = self.evidence(node) {
            let _changed = published.publish(&evidence);
        }
        let index = published.id.replica_index();
        let members = index.and_then(|index| self.freshness.group(index));
        let _is_news = published.group.publish(members);
        published
    }

    fn request(&self, session: usize, now: Moment) -> Request {
        let session = &self.sessions[session];
        Request {
            intent: Intent::Read,
            hint: Hint::None,
            session: None,
            consistency: Consistency::Session,
            max_staleness: self.bound,
            prefers: 0,
            floor: Floor {
                at: session.wrote_at,
                reads: [session.reads, None],
                ..Floor::default()
            },
            now,
            tried: 0,
            fell_behind: 0,
            misrouted: false,
            kept: None,
            would_leave: false,
        }
    }
}

impl Protocol for Real {
    type Mark = u64;
    type Asked = Asked;

    fn primary_opened(&mut self, asked_at: Moment, said: &Identity, now: Moment) -> Judged<u64> {
        judged(self.freshness.primary_opened(asked_at, said, now))
    }

    fn sampled(&mut self, mark: u64, asked_at: Moment, said: &Identity, now: Moment) {
        self.freshness.sampled(mark, asked_at, said.reading, now);
    }

    fn ask(&self, replica: usize, mark: Option<u64>, now: Moment) -> Asked {
        let asked = self.freshness.ask(replica - 1, mark, now);
        asked.expect("replicas are numbered below their count")
    }

    fn replica_opened(
        &mut self,
        replica: usize,
        asked: Asked,
        said: &Identity,
        now: Moment,
    ) -> Judged<u64> {
        judged(self.freshness.replica_opened(replica - 1, asked, said, now))
    }

    fn replica_showed(
        &mut self,
        replica: usize,
        asked: Asked,
        said: &Identity,
        now: Moment,
    ) -> Judged<u64> {
        let reading = said.reading;
        judged(
            self.freshness
                .replica_showed(replica - 1, asked, reading, now),
        )
    }

    fn checkout(&self, node: usize, conn: &Conn<u64>) -> Option<u64> {
        self.node(node).is_current(conn.mark).then_some(conn.mark)
    }

    fn admits(&self, node: usize, session: usize, now: Moment) -> bool {
        let candidate = Arc::new(self.node(node));
        let request = self.request(session, now);
        Survey::of(&[candidate], &request, now).eligible != 0
    }

    fn still_serves(&self, node: usize, conn: &Conn<u64>, session: usize, now: Moment) -> bool {
        let connected = Connected {
            generation: conn.mark,
            opened_at: conn.opened_at,
        };
        let request = self.request(session, now);
        route::still_serves(&self.node(node), &connected, Reason::Read, &request, now)
    }

    fn wrote(&mut self, session: usize, _sent_at: Moment, now: Moment, _is_known: bool) {
        self.resume(session, now);
    }

    fn read(&mut self, session: usize, read: Answered<u64>) {
        let read = Read {
            on: NodeId(read.node),
            generation: read.mark,
            started_at: read.sent_at,
            answered_at: read.answered_at,
        };
        match &mut self.sessions[session].reads {
            Some(reads) => reads.add(read),
            none => *none = Some(Reads::first(read)),
        }
    }

    fn forget(&mut self, session: usize) {
        self.sessions[session] = Session::default();
    }

    fn export(&self, session: usize, now: Moment) -> Option<Claims> {
        let session = &self.sessions[session];
        let read = session.reads.as_ref().map(Reads::floor);
        let floor = session.wrote_at.max(read.unwrap_or_default());
        let claims = carry::claims_after(&self.freshness, floor.min(now))?;
        Some(Claims {
            timeline: claims.timeline,
            position: (claims.position != Lsn::default()).then_some(claims.position),
        })
    }

    fn import(&self, claims: Claims, started: Moment) -> Import {
        let claims = token::Claims {
            system: 1,
            timeline: claims.timeline,
            position: claims.position.unwrap_or_default(),
        };
        match carry::judge(&self.freshness, claims, started) {
            Known::Yes(Ok(floor)) => Import::Floor(floor),
            Known::Yes(Err(_)) => Import::Refused,
            Known::NotYet => Import::NotYet,
        }
    }

    fn resume(&mut self, session: usize, floor: Moment) {
        let wrote_at = &mut self.sessions[session].wrote_at;
        *wrote_at = (*wrote_at).max(floor);
    }
}
