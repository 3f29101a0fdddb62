//! Nodes whose answers a test sets, and the servers that their addresses lead to.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use orm_split_core::{
    Connected, Fault, Identity, Lsn, ProbeConnection, ProbeError, Prober, Reading, Server,
};
use parking_lot::Mutex;

/// What a node does when it is asked something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Answer {
    /// It answers after this long.
    After(Duration),
    /// It fails at once.
    Fails(Fault),
    /// It never answers.
    Never,
}

pub const AT_ONCE: Answer = Answer::After(Duration::ZERO);

/// One fake server.
#[derive(Debug)]
pub struct Fake {
    pub in_recovery: bool,
    pub server: Server,
    pub position: u64,
    pub probes: Answer,
    pub checkouts: Answer,
    /// Whether a checkout that takes too long does so because all connections are in use.
    pub is_full: bool,
    pub statements: Answer,
    /// Changes the position as soon as a connection is checked out.
    pub position_after_checkout: Option<u64>,
    /// How often it has crashed; connections of an earlier run are dead.
    pub run: u64,
    /// Whether statements leave their connection open.
    pub pools: bool,
}

/// Counts of what a node was asked.
#[derive(Debug, Default)]
pub struct Asked {
    pub probes: AtomicU64,
    /// Of them, how many are being answered, and how many were at once at most.
    pub probing: AtomicU64,
    pub most_probing: AtomicU64,
    pub checkouts: AtomicU64,
    pub statements: AtomicU64,
}

pub type FakeServer = Arc<Mutex<Fake>>;

#[derive(Clone, Debug)]
pub struct FakeNode {
    /// The server that it leads to, or the first of them.
    pub fake: FakeServer,
    pub asked: Arc<Asked>,
    /// Whoever its address leads to, in turn.
    behind: Arc<Mutex<Vec<FakeServer>>>,
    turn: Arc<AtomicU64>,
    /// Connections that stay open between statements.
    pooled: Arc<Mutex<VecDeque<Pooled>>>,
}

/// An open connection.
#[derive(Clone, Debug)]
pub struct Pooled {
    pub server: FakeServer,
    /// The run of the server that it is to.
    pub run: u64,
    pub connected: Connected,
}

/// As many a node's pool keeps.
const POOLED: usize = 8;

impl FakeNode {
    pub fn new(index: usize) -> Self {
        let fake = Fake {
            in_recovery: index > 0,
            server: Server::new(1, index as i64 + 1, 1, 5432 + index as u32),
            position: 100,
            probes: AT_ONCE,
            checkouts: AT_ONCE,
            is_full: false,
            statements: AT_ONCE,
            position_after_checkout: None,
            run: 0,
            pools: false,
        };
        let fake = Arc::new(Mutex::new(fake));
        Self {
            behind: Arc::new(Mutex::new(vec![Arc::clone(&fake)])),
            turn: Arc::default(),
            fake,
            asked: Arc::default(),
            pooled: Arc::default(),
        }
    }

    /// As another process sees it: it has connections of its own.
    pub fn seen_anew(&self) -> Self {
        Self {
            fake: Arc::clone(&self.fake),
            asked: Arc::default(),
            behind: Arc::clone(&self.behind),
            turn: Arc::default(),
            pooled: Arc::default(),
        }
    }

    pub fn set(&self, change: impl FnOnce(&mut Fake)) {
        change(&mut self.fake.lock());
    }

    pub fn probes(&self) -> u64 {
        self.asked.probes.load(Ordering::Relaxed)
    }

    pub fn most_probes_at_once(&self) -> u64 {
        self.asked.most_probing.load(Ordering::Relaxed)
    }

    pub fn statements(&self) -> u64 {
        self.asked.statements.load(Ordering::Relaxed)
    }

    /// Another server of the same cluster, at the position of the first, that the address leads to as well.
    pub fn join(&self) -> FakeServer {
        static STARTED: AtomicI64 = AtomicI64::new(1_000);
        let first = self.fake.lock();
        let server = Server::new(1, STARTED.fetch_add(1, Ordering::Relaxed), 1, 5432);
        let joined = Arc::new(Mutex::new(Fake {
            in_recovery: true,
            server,
            probes: AT_ONCE,
            checkouts: AT_ONCE,
            is_full: false,
            statements: AT_ONCE,
            position_after_checkout: None,
            run: 0,
            ..*first
        }));
        drop(first);
        self.behind.lock().push(Arc::clone(&joined));
        joined
    }

    /// The address leads to that server as well.
    pub fn lead_to(&self, server: &FakeServer) {
        self.behind.lock().push(Arc::clone(server));
    }

    /// How many connections were opened to wherever the address leads.
    pub fn opened(&self) -> u64 {
        self.turn.load(Ordering::Relaxed)
    }

    /// The address does not lead there any more; what is open stays open.
    pub fn part(&self, server: &FakeServer) {
        self.behind.lock().retain(|one| !Arc::ptr_eq(one, server));
    }

    /// Whoever the address leads to now.
    pub fn leads_to(&self) -> FakeServer {
        let behind = self.behind.lock();
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) as usize;
        Arc::clone(&behind[turn % behind.len()])
    }

    pub fn members(&self) -> Vec<FakeServer> {
        self.behind.lock().clone()
    }

    /// An idle connection.
    pub fn idle(&self) -> Option<Pooled> {
        self.pooled.lock().pop_front()
    }

    /// Statements leave their connections open, if that is how the server's are.
    pub fn give_back(&self, pooled: Pooled) {
        let mut all = self.pooled.lock();
        if pooled.server.lock().pools && all.len() < POOLED {
            all.push_back(pooled);
        }
    }

    /// The server restarts at `position`, under the same start time; every connection is killed.
    pub fn crash(&self, position: u64) {
        self.crash_one(&self.fake, position);
    }

    /// The same of one that the address leads to.
    pub fn crash_one(&self, server: &FakeServer, position: u64) {
        {
            let mut fake = server.lock();
            fake.position = position;
            fake.run += 1;
        }
        let to_it = |pooled: &Pooled| Arc::ptr_eq(&pooled.server, server);
        self.pooled.lock().retain(|pooled| !to_it(pooled));
    }

    /// The pooled connections are lost; the servers stay as they are.
    pub fn lose_connection(&self) {
        self.pooled.lock().clear();
    }

    async fn probe(&self, server: &FakeServer) -> Result<(), ProbeError> {
        self.asked.probes.fetch_add(1, Ordering::Relaxed);
        let probing = self.asked.probing.fetch_add(1, Ordering::Relaxed) + 1;
        self.asked
            .most_probing
            .fetch_max(probing, Ordering::Relaxed);
        let _until_answered = Until(&self.asked.probing);
        let answer = server.lock().probes;
        let answered = wait(answer).await;
        answered.map_err(|fault| ProbeError::new(fault, "the test said so"))
    }
}

/// Counts down when it is dropped: also if nobody waits for the answer any more.
struct Until<'a>(&'a AtomicU64);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub fn identity_of(server: &FakeServer) -> Identity {
    let fake = server.lock();
    Identity::new(
        fake.server,
        fake.in_recovery,
        Reading::Position(lsn(fake.position)),
    )
}

pub fn lsn(position: u64) -> Lsn {
    format!("0/{position:X}").parse().expect("a position")
}

pub async fn wait(answer: Answer) -> Result<(), Fault> {
    match answer {
        Answer::After(Duration::ZERO) => {
            tokio::task::yield_now().await;
            Ok(())
        }
        Answer::After(time) => {
            tokio::time::sleep(time).await;
            Ok(())
        }
        Answer::Fails(fault) => Err(fault),
        Answer::Never => std::future::pending().await,
    }
}

#[async_trait]
impl Prober for FakeNode {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        let server = self.leads_to();
        self.probe(&server).await?;
        let run = server.lock().run;
        Ok(Box::new(FakeConnection {
            node: self.clone(),
            server,
            run,
        }))
    }
}

/// A prober's connection.
struct FakeConnection {
    node: FakeNode,
    server: FakeServer,
    run: u64,
}

impl FakeConnection {
    async fn ask(&self) -> Result<(), ProbeError> {
        self.node.probe(&self.server).await?;
        match self.server.lock().run == self.run {
            true => Ok(()),
            false => Err(ProbeError::new(Fault::Unreachable, "the server crashed")),
        }
    }
}

#[async_trait]
impl ProbeConnection for FakeConnection {
    async fn identify(&mut self) -> Result<Identity, ProbeError> {
        self.ask().await?;
        Ok(identity_of(&self.server))
    }

    async fn read_position(&mut self) -> Result<Reading, ProbeError> {
        self.ask().await?;
        Ok(Reading::Position(lsn(self.server.lock().position)))
    }

    async fn close(self: Box<Self>) {}
}
