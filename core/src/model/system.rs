//! A world and its processes, moved by one action at a time.

use super::judge::{Step, Violation};
use super::mood::Trouble;
use super::process::{FLIGHTS, Process, Token};
use super::protocol::Protocol;
use super::world::World;
use crate::clock::Moment;

/// How much of everything there is.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    pub(super) standbys: usize,
    pub(super) processes: usize,
    pub(super) sessions: usize,
    /// Statements that a session sends at the same time.
    pub(super) lanes: usize,
    /// The only troubles that random traces have; by default they differ from trace to trace.
    pub(super) troubles: Option<&'static [Trouble]>,
    /// Staleness bound in ticks.
    pub(super) bound: Option<u64>,
    /// Whether each promotion takes a timeline that no other has, as it does while the promoted server
    /// sees the timeline histories of the others.
    pub(super) unique_timelines: bool,
}

/// What may happen next. Where it cannot, nothing happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Somebody else commits on a server.
    Commit(usize),
    Flush(usize),
    Replay(usize),
    Crash {
        server: usize,
        back: u64,
        entirely: bool,
    },
    Promote(usize),
    Follow {
        server: usize,
        upstream: usize,
    },
    Rejoin {
        server: usize,
        upstream: usize,
        back: u64,
    },
    LearnTimeline(usize),
    Repoint {
        node: usize,
        server: usize,
    },
    Probe {
        process: usize,
        node: usize,
    },
    Ask {
        process: usize,
        node: usize,
    },
    Answer {
        process: usize,
        slot: usize,
    },
    Deliver {
        process: usize,
        slot: usize,
    },
    Lose {
        process: usize,
        slot: usize,
    },
    Read {
        process: usize,
        lane: usize,
        node: usize,
    },
    Write {
        process: usize,
        lane: usize,
    },
    Checkout {
        process: usize,
        lane: usize,
        pooled: Option<usize>,
    },
    Execute {
        process: usize,
        lane: usize,
    },
    Finish {
        process: usize,
        lane: usize,
    },
    GiveUp {
        process: usize,
        lane: usize,
    },
    Forget {
        process: usize,
        session: usize,
    },
    Export {
        process: usize,
        session: usize,
    },
    BeginImport {
        process: usize,
        session: usize,
    },
    EndImport {
        process: usize,
        session: usize,
    },
}

#[derive(Clone, Debug)]
pub(super) struct System<P: Protocol> {
    now: Moment,
    world: World,
    pub(super) processes: Vec<Process<P>>,
    token: Option<Token>,
    unique_timelines: bool,
}

impl<P: Protocol> System<P> {
    pub(super) fn new(scope: Scope, protocol: &P) -> Self {
        let process = Process::new(protocol.clone(), scope);
        Self {
            now: Moment(1),
            world: World::new(scope),
            processes: vec![process; scope.processes],
            token: None,
            unique_timelines: scope.unique_timelines,
        }
    }

    /// Does it; whether anything has happened. `ties` leaves the clock where it is.
    pub(super) fn step(&mut self, action: Action, ties: bool) -> Step {
        let before = self.now;
        if !ties {
            self.now = Moment(self.now.0 + 1);
        }
        let happened = self.happens(action);
        if happened == Ok(false) {
            self.now = before;
        }
        happened
    }

    fn happens(&mut self, action: Action) -> Step {
        let (now, world) = (self.now, &mut self.world);
        Ok(match action {
            Action::Commit(server) => world.commit(server, now).is_some(),
            Action::Flush(server) => world.flush(server),
            Action::Replay(server) => world.replay(server),
            Action::Crash {
                server,
                back,
                entirely,
            } => {
                world.crash(server, back, entirely);
                true
            }
            Action::Promote(server) => world.promote(server, self.unique_timelines),
            Action::Follow { server, upstream } => world.follow(server, upstream),
            Action::Rejoin {
                server,
                upstream,
                back,
            } => world.rejoin(server, upstream, back),
            Action::LearnTimeline(server) => world.tell(server),
            Action::Repoint { node, server } => world.point(node, server),
            Action::Probe { process, node } => self.processes[process].probe(world, node, now),
            Action::Ask { process, node } => self.processes[process].ask(node, now),
            Action::Answer { process, slot } => self.processes[process].answer(world, slot),
            Action::Deliver { process, slot } => self.processes[process].deliver(world, slot, now),
            Action::Lose { process, slot } => self.processes[process].lose(slot),
            Action::Read {
                process,
                lane,
                node,
            } => self.processes[process].start(lane, node, false, now),
            Action::Write { process, lane } => self.processes[process].start(lane, 0, true, now),
            Action::Checkout {
                process,
                lane,
                pooled,
            } => self.processes[process].checkout(world, lane, pooled, now),
            Action::Execute { process, lane } => self.processes[process].execute(world, lane, now),
            Action::Finish { process, lane } => {
                return self.processes[process].finish(world, lane, now);
            }
            Action::GiveUp { process, lane } => self.processes[process].give_up(lane, now),
            Action::Forget { process, session } => self.processes[process].forget(session),
            Action::Export { process, session } => {
                let token = self.processes[process].export(world, session, now);
                let made = token.is_some();
                self.token = token.or(self.token.take());
                made
            }
            Action::BeginImport { process, session } => match &self.token {
                Some(token) => self.processes[process].begin_import(session, token, now),
                None => false,
            },
            Action::EndImport { process, session } => self.processes[process].end_import(session),
        })
    }

    /// What happens before a trace begins: all nodes are known, and each pool holds a connection.
    pub(super) fn settle(&mut self) -> Result<(), Violation> {
        let lane = 0;
        for process in 0..self.processes.len() {
            for node in 0..self.world.addresses.len() {
                self.step(Action::Probe { process, node }, false)?;
                self.arrive(process)?;
                self.step(
                    Action::Read {
                        process,
                        lane,
                        node,
                    },
                    false,
                )?;
                let pooled = None;
                self.step(
                    Action::Checkout {
                        process,
                        lane,
                        pooled,
                    },
                    false,
                )?;
                self.arrive(process)?;
                self.step(Action::Execute { process, lane }, false)?;
                self.step(Action::Finish { process, lane }, false)?;
                self.step(
                    Action::Forget {
                        process,
                        session: 0,
                    },
                    false,
                )?;
            }
        }
        Ok(())
    }

    fn arrive(&mut self, process: usize) -> Result<(), Violation> {
        for slot in 0..FLIGHTS {
            self.step(Action::Answer { process, slot }, false)?;
            self.step(Action::Deliver { process, slot }, false)?;
        }
        Ok(())
    }
}
