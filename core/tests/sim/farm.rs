//! Servers with a limited number of workers and a queue before them, in virtual time of nanoseconds.
//!
//! tokio's timers tick in milliseconds, which is what a statement takes here: so the farm keeps an agenda of
//! its own, and the driver moves tokio's clock from one entry to the next.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use orm_split_core::Fault;
use parking_lot::Mutex;
use tokio::sync::oneshot;

/// What happens at an instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Event {
    /// A statement is due to be sent.
    Arrival,
    /// A server's worker is done with one.
    Done(usize),
    /// Something changes, by its number.
    Change(usize),
}

/// How a server treats statements.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answers {
    /// It serves them.
    Serves,
    /// Each fails at once.
    Fails(Fault),
    /// None is ever answered.
    Never,
}

#[derive(Debug)]
struct Job {
    work: u64,
    done: oneshot::Sender<()>,
}

#[derive(Debug)]
pub struct Server {
    pub answers: Answers,
    /// Statements take so many times as long.
    pub slow: f64,
    /// Statements that it was asked to run.
    pub asked: u64,
    pub most_in_flight: usize,
    workers: usize,
    running: VecDeque<(u64, oneshot::Sender<()>)>,
    waiting: VecDeque<Job>,
    ignored: Vec<oneshot::Sender<()>>,
}

#[derive(Debug, Default)]
struct Agenda {
    now: u64,
    number: u64,
    entries: BinaryHeap<Reverse<(u64, u64, Event)>>,
}

impl Agenda {
    /// Those of one instant happen in the order in which they were entered.
    fn enter(&mut self, at: u64, event: Event) -> u64 {
        self.number += 1;
        self.entries.push(Reverse((at, self.number, event)));
        self.number
    }
}

/// All servers, the primary first.
#[derive(Debug)]
pub struct Farm {
    servers: Mutex<Vec<Server>>,
    agenda: Mutex<Agenda>,
}

impl Farm {
    pub fn new(nodes: usize, workers: usize) -> Self {
        let server = || Server {
            answers: Answers::Serves,
            slow: 1.0,
            asked: 0,
            most_in_flight: 0,
            workers,
            running: VecDeque::new(),
            waiting: VecDeque::new(),
            ignored: Vec::new(),
        };
        Self {
            servers: Mutex::new((0..nodes).map(|_| server()).collect()),
            agenda: Mutex::default(),
        }
    }

    pub fn now(&self) -> u64 {
        self.agenda.lock().now
    }

    pub fn enter(&self, at: u64, event: Event) {
        self.agenda.lock().enter(at, event);
    }

    /// The next entry; it is now as late as it says.
    pub fn next(&self) -> Option<(u64, Event)> {
        let mut agenda = self.agenda.lock();
        let Reverse((at, _, event)) = agenda.entries.pop()?;
        agenda.now = at;
        Some((at, event))
    }

    pub fn change(&self, server: usize, change: impl FnOnce(&mut Server)) {
        change(&mut self.servers.lock()[server]);
    }

    pub fn see<T>(&self, server: usize, see: impl FnOnce(&Server) -> T) -> T {
        see(&self.servers.lock()[server])
    }

    /// Runs a statement that takes so many nanoseconds of a worker.
    pub async fn run(&self, server: usize, work: u64) -> Result<(), Fault> {
        let answer = self.ask(server, work)?;
        answer.await.map_err(|_| Fault::Unreachable)
    }

    fn ask(&self, index: usize, work: u64) -> Result<oneshot::Receiver<()>, Fault> {
        let (done, answer) = oneshot::channel();
        let mut servers = self.servers.lock();
        let server = &mut servers[index];
        server.asked += 1;
        match server.answers {
            Answers::Serves => server.waiting.push_back(Job { work, done }),
            Answers::Fails(fault) => return Err(fault),
            Answers::Never => server.ignored.push(done),
        }
        self.start(index, server);
        let in_flight = server.running.len() + server.waiting.len();
        server.most_in_flight = server.most_in_flight.max(in_flight);
        Ok(answer)
    }

    /// A worker of `server` is done with what was to be done by now.
    pub fn done(&self, server: usize) {
        let mut servers = self.servers.lock();
        let server_at = &mut servers[server];
        let now = self.now();
        let due = server_at.running.iter().position(|(at, _)| *at == now);
        if let Some((_, done)) = due.and_then(|index| server_at.running.remove(index)) {
            // whoever asked may have gone
            let _gone = done.send(());
        }
        self.start(server, server_at);
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "times of seconds in nanoseconds"
    )]
    fn start(&self, index: usize, server: &mut Server) {
        while server.running.len() < server.workers {
            let Some(job) = server.waiting.pop_front() else {
                return;
            };
            let mut agenda = self.agenda.lock();
            let at = agenda.now + ((job.work as f64 * server.slow) as u64).max(1);
            agenda.enter(at, Event::Done(index));
            server.running.push_back((at, job.done));
        }
    }
}
