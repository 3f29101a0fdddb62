//! One process: its probers, its pools, the statements of its sessions, and what these may rely on.
//!
//! Does what the monitor, an adapter and `attempt.rs` do, one step at a time and in any order. The judge
//! stands in `finish`: what a read saw against what its session knew when it began.

use super::judge::{Step, judge, remember};
use super::protocol::{Answered, Claims, Conn, Import, Protocol};
use super::system::Scope;
use super::world::{Prefix, World};
use crate::clock::Moment;
use crate::identity::Identity;

/// Questions under way at once.
pub(super) const FLIGHTS: usize = 3;
/// Idle connections that a pool keeps.
const POOLED: usize = 2;

#[derive(Clone, Debug)]
pub(super) struct Process<P: Protocol> {
    pub(super) protocol: P,
    pub(super) probers: Vec<Option<Conn<P::Mark>>>,
    pub(super) pools: Vec<Vec<Conn<P::Mark>>>,
    pub(super) flights: [Option<Flight<P>>; FLIGHTS],
    /// One for each lane; a session has several if it sends statements at the same time.
    pub(super) statements: Vec<Option<Statement<P::Mark>>>,
    pub(super) sessions: Vec<Known>,
    /// The histories that the primary's address has shown, each from an instant on.
    pub(super) observed: Vec<(Moment, Rank)>,
    pub(super) bound: Option<u64>,
    pub(super) counts: Counts,
}

/// A history, in the order of their timelines.
pub(super) type Rank = (u32, usize);

/// What was done, so that nobody takes silence for safety.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    pub(super) reads: u64,
    pub(super) on_replicas: u64,
    pub(super) refused_tokens: u64,
    pub(super) taken_tokens: u64,
}

/// What a session has written and read.
#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) own: Vec<Prefix>,
    /// What tokens have told it of.
    pub(super) told: Vec<Prefix>,
    pub(super) import: Option<(Token, Moment)>,
}

/// A token, and what it promises.
#[derive(Clone, Debug)]
pub(super) struct Token {
    pub(super) claims: Claims,
    pub(super) tells_of: Vec<Prefix>,
}

#[derive(Clone, Debug)]
pub(super) struct Statement<M> {
    pub(super) writes: bool,
    pub(super) node: usize,
    pub(super) started_at: Moment,
    pub(super) knows: Known,
    /// What the staleness bound promised when it was looked at last.
    pub(super) within_bound: u64,
    pub(super) stage: Stage<M>,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Stage<M> {
    Routed,
    Opening,
    Ready(Conn<M>, Moment),
    Executed(Conn<M>, Moment, Prefix),
}

#[derive(Clone, Debug)]
pub(super) struct Flight<P: Protocol> {
    pub(super) node: usize,
    pub(super) server: usize,
    pub(super) run: u32,
    /// Of the connection, unless this is its first question.
    pub(super) mark: Option<P::Mark>,
    /// The lane whose statement waits for the connection; `None` if it is the prober's.
    pub(super) of: Option<usize>,
    pub(super) sent_at: Moment,
    pub(super) asked: Option<P::Asked>,
    pub(super) answer: Option<(Identity, usize)>,
}

impl<P: Protocol> Process<P> {
    pub(super) fn new(protocol: P, scope: Scope) -> Self {
        let (nodes, sessions) = (scope.standbys + 1, scope.sessions);
        Self {
            protocol,
            probers: vec![None; nodes],
            pools: vec![Vec::new(); nodes],
            flights: [const { None }; FLIGHTS],
            statements: vec![None; sessions * scope.lanes],
            sessions: vec![Known::default(); sessions],
            observed: Vec::new(),
            bound: scope.bound,
            counts: Counts::default(),
        }
    }

    /// Forgets what was counted, which makes two ways into one state differ.
    pub(super) fn uncount(&mut self) {
        self.counts = Counts::default();
    }

    fn session_of(&self, lane: usize) -> usize {
        lane % self.sessions.len()
    }

    fn observed_at(&self, instant: Moment) -> usize {
        let until = self.observed.iter().filter(|(at, _)| *at <= instant);
        until.map(|(_, rank)| *rank).max().map_or(0, |rank| rank.1)
    }

    /// Every history that was taken for the primary's at some time from an instant on. What was seen in
    /// that instant may have been seen before or after.
    fn observed_since(&self, instant: Moment) -> Vec<usize> {
        let (before, since): (Vec<_>, Vec<_>) =
            self.observed.iter().partition(|(at, _)| *at < instant);
        let before = before.into_iter().map(|(_, rank)| rank).max();
        let since = since.into_iter().map(|(_, rank)| rank.1);
        since.chain([before.map_or(0, |rank| rank.1)]).collect()
    }

    fn is_alive(world: &World, conn: &Conn<P::Mark>) -> bool {
        world.servers[conn.server].run == conn.run
    }

    /// A statement is routed. Writes go to the primary; a read goes to a replica that is admitted, or,
    /// as any read may, to the primary.
    pub(super) fn start(&mut self, lane: usize, node: usize, writes: bool, now: Moment) -> bool {
        let admitted =
            node == 0 || !writes && self.protocol.admits(node, self.session_of(lane), now);
        if self.statements[lane].is_some() || !admitted {
            return false;
        }
        self.statements[lane] = Some(Statement {
            writes,
            node,
            started_at: now,
            knows: self.sessions[self.session_of(lane)].clone(),
            within_bound: 0,
            stage: Stage::Routed,
        });
        true
    }

    /// It takes an idle connection, or opens one.
    pub(super) fn checkout(
        &mut self,
        world: &World,
        lane: usize,
        pooled: Option<usize>,
        now: Moment,
    ) -> bool {
        let Some(statement) = &mut self.statements[lane] else {
            return false;
        };
        let Stage::Routed = statement.stage else {
            return false;
        };
        let node = statement.node;
        if let Some(index) = pooled {
            if index >= self.pools[node].len() {
                return false;
            }
            let conn = self.pools[node].remove(index);
            if let Some(mark) = self.protocol.checkout(node, &conn) {
                self.ready(world, lane, Conn { mark, ..conn }, now);
            }
            return true;
        }
        if let Some(mark) = self.protocol.trusted(node) {
            let server = world.addresses[node];
            let run = world.servers[server].run;
            let conn = Conn {
                server,
                run,
                opened_at: now,
                mark,
            };
            self.ready(world, lane, conn, now);
            return true;
        }
        statement.stage = Stage::Opening;
        let sent = self.connect(world, node, Some(lane), now);
        if !sent {
            self.statements[lane] = None;
        }
        sent
    }

    /// A connection is there: one more look, and the statement is sent.
    pub(super) fn ready(&mut self, world: &World, lane: usize, conn: Conn<P::Mark>, now: Moment) {
        let Some(statement) = &self.statements[lane] else {
            return;
        };
        let node = statement.node;
        if node > 0
            && !self
                .protocol
                .still_serves(node, &conn, self.session_of(lane), now)
        {
            self.pools[node].push(conn);
            self.pools[node].truncate(POOLED);
            self.statements[lane] = None;
            return;
        }
        let promised = self.bound.filter(|_| node > 0).map_or(0, |bound| {
            let instant = Moment(now.0.saturating_sub(bound));
            world.committed_before(instant, self.observed_at(instant))
        });
        if let Some(statement) = &mut self.statements[lane] {
            statement.within_bound = promised;
            statement.stage = Stage::Ready(conn, now);
        }
    }

    /// The server executes it, unless the connection has died.
    pub(super) fn execute(&mut self, world: &mut World, lane: usize, now: Moment) -> bool {
        let Some(statement) = &mut self.statements[lane] else {
            return false;
        };
        let Stage::Ready(conn, sent_at) = statement.stage else {
            return false;
        };
        let saw = match statement.writes {
            _ if !Self::is_alive(world, &conn) => None,
            true => world.commit(conn.server, now),
            false => Some(world.servers[conn.server].holds),
        };
        match saw {
            Some(saw) => statement.stage = Stage::Executed(conn, sent_at, saw),
            None => self.statements[lane] = None,
        }
        true
    }

    /// Its outcome arrives: the session knows of it, and a read is judged.
    pub(super) fn finish(&mut self, world: &World, lane: usize, now: Moment) -> Step {
        let Some(statement) = self.statements[lane].take() else {
            return Ok(false);
        };
        let Stage::Executed(conn, sent_at, saw) = statement.stage else {
            self.statements[lane] = Some(statement);
            return Ok(false);
        };
        let (session, node) = (self.session_of(lane), statement.node);
        self.pools[node].push(conn);
        self.pools[node].truncate(POOLED);
        if statement.writes {
            self.protocol
                .wrote(session, statement.started_at, now, true);
        } else {
            self.counts.reads += 1;
            self.counts.on_replicas += u64::from(node > 0);
            let read = Answered {
                node,
                mark: conn.mark,
                sent_at,
                answered_at: now,
            };
            self.protocol.read(session, read);
            let observed = self.observed_since(statement.started_at);
            judge(world, &statement, &observed, saw)?;
        }
        remember(&mut self.sessions[session].own, saw);
        Ok(true)
    }

    /// Nobody learns its outcome: a time-out, a future that is dropped.
    pub(super) fn give_up(&mut self, lane: usize, now: Moment) -> bool {
        let Some(statement) = self.statements[lane].take() else {
            return false;
        };
        for flight in &mut self.flights {
            // the connection that it was opening is closed
            if flight
                .as_ref()
                .is_some_and(|flight| flight.of == Some(lane))
            {
                *flight = None;
            }
        }
        if !statement.writes {
            return true;
        }
        let session = self.session_of(lane);
        self.protocol
            .wrote(session, statement.started_at, now, false);
        if let Stage::Executed(_, _, commit) = statement.stage {
            remember(&mut self.sessions[session].own, commit);
        }
        true
    }

    /// Another session begins in its place.
    pub(super) fn forget(&mut self, session: usize) -> bool {
        let of_it =
            |lane: usize| self.session_of(lane) == session && self.statements[lane].is_some();
        if (0..self.statements.len()).any(of_it) {
            return false;
        }
        self.sessions[session] = Known::default();
        self.protocol.forget(session);
        true
    }

    // tokens

    pub(super) fn export(&self, world: &World, session: usize, now: Moment) -> Option<Token> {
        let claims = self.protocol.export(session, now)?;
        let history = World::all_of(self.observed_at(now));
        let known = &self.sessions[session];
        // a token tells of what stands on the history that its maker has seen
        let told = known.own.iter().chain(&known.told).map(|known| Prefix {
            length: world.common(*known, history),
            ..history
        });
        Some(Token {
            claims,
            tells_of: told.collect(),
        })
    }

    pub(super) fn begin_import(&mut self, session: usize, token: &Token, now: Moment) -> bool {
        let import = &mut self.sessions[session].import;
        let begins = import.is_none();
        if begins {
            *import = Some((token.clone(), now));
        }
        begins
    }

    pub(super) fn end_import(&mut self, session: usize) -> bool {
        let Some((token, started)) = self.sessions[session].import.take() else {
            return false;
        };
        match self.protocol.import(token.claims, started) {
            Import::NotYet => {
                self.sessions[session].import = Some((token, started));
                return false;
            }
            Import::Refused => self.counts.refused_tokens += 1,
            Import::Floor(floor) => {
                self.counts.taken_tokens += 1;
                self.protocol.resume(session, floor);
                for told in token.tells_of {
                    remember(&mut self.sessions[session].told, told);
                }
            }
        }
        true
    }
}
