//! A back end without servers: nodes whose answers a test sets, driven by the real router and monitor.

#![allow(dead_code, unreachable_pub, reason = "each test program uses a part")]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that sets up nonsense fails"
)]

mod prober;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use orm_split_core::{
    Asks, Connected, Dialect, Fault, Hint, Hold, Identified, Identity, LeastInFlight, Lsn, Node,
    Options, Prober, Reading, Server, SessionKey, SplitError, Splitter, Statement,
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

#[derive(Clone, Debug)]
pub struct FakeNode {
    pub fake: Arc<Mutex<Fake>>,
    pub asked: Arc<Asked>,
    /// A connection that stays open between statements, and the run of the server that it is to.
    pooled: Arc<Mutex<Option<(u64, Connected)>>>,
}

impl FakeNode {
    fn new(index: usize) -> Self {
        let fake = Fake {
            in_recovery: index > 0,
            server: Server::new(1, index as i64 + 1, 1, 5432 + index as u32),
            position: 100,
            probes: AT_ONCE,
            checkouts: AT_ONCE,
            statements: AT_ONCE,
            position_after_checkout: None,
            run: 0,
            pools: false,
        };
        Self {
            fake: Arc::new(Mutex::new(fake)),
            asked: Arc::default(),
            pooled: Arc::default(),
        }
    }

    /// As another process sees it: it has connections of its own.
    fn seen_anew(&self) -> Self {
        Self {
            fake: Arc::clone(&self.fake),
            asked: Arc::default(),
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

    fn identity(&self) -> Identity {
        let fake = self.fake.lock();
        Identity::new(
            fake.server,
            fake.in_recovery,
            Reading::Position(lsn(fake.position)),
        )
    }

    /// The server restarts at `position`, under the same start time; every connection is killed.
    pub fn crash(&self, position: u64) {
        self.set(|fake| {
            fake.position = position;
            fake.run += 1;
        });
        self.lose_connection();
    }

    /// The pooled connection is lost; the server stays as it is.
    pub fn lose_connection(&self) {
        *self.pooled.lock() = None;
    }

    fn run(&self) -> u64 {
        self.fake.lock().run
    }
}

pub fn lsn(position: u64) -> Lsn {
    format!("0/{position:X}").parse().expect("a position")
}

async fn wait(answer: Answer) -> Result<(), Fault> {
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

/// What is asked in a session that was made.
pub fn asks(session: SessionKey) -> Asks {
    let mut asks = Asks::from(Hint::None);
    asks.session = Some(session);
    asks
}

/// A primary and its replicas.
pub struct World {
    pub splitter: Arc<Splitter>,
    pub nodes: Vec<FakeNode>,
    by_name: HashMap<String, FakeNode>,
}

impl World {
    /// Starts the monitor and waits until every node was probed.
    pub async fn start(replicas: usize, options: Options) -> Self {
        Self::over((0..=replicas).map(FakeNode::new).collect(), options).await
    }

    /// The same, after all nodes were changed.
    pub async fn changed(replicas: usize, options: Options, change: impl Fn(&mut Fake)) -> Self {
        let nodes: Vec<_> = (0..=replicas).map(FakeNode::new).collect();
        for node in &nodes {
            node.set(&change);
        }
        Self::over(nodes, options).await
    }

    /// Another process over the same nodes.
    pub async fn beside(&self, options: Options) -> Self {
        let nodes = self.nodes.iter();
        Self::over(nodes.map(FakeNode::seen_anew).collect(), options).await
    }

    async fn over(nodes: Vec<FakeNode>, options: Options) -> Self {
        let replicas = nodes.len() - 1;
        let names: Vec<Arc<str>> = (1..=replicas)
            .map(|number| Arc::from(format!("replica-{number}")))
            .collect();
        let splitter = Splitter::new(
            Dialect::Postgres,
            options,
            Arc::new(LeastInFlight),
            "primary",
            &names,
        );
        let splitter = Arc::new(splitter.expect("valid options"));
        let topology = splitter.topology().nodes().iter();
        let by_name = topology
            .map(|node| node.name().to_owned())
            .zip(nodes.clone())
            .collect();
        let world = Self {
            splitter,
            nodes,
            by_name,
        };
        let probers = world
            .nodes
            .iter()
            .map(|node| Arc::new(node.clone()) as Arc<dyn Prober>);
        world.splitter.start(probers.collect()).await;
        world
    }

    pub fn primary(&self) -> &FakeNode {
        &self.nodes[0]
    }

    pub fn replica(&self, number: usize) -> &FakeNode {
        &self.nodes[number]
    }

    pub async fn run(&self, sql: &str) -> Result<String, FakeError> {
        self.run_as(sql, Asks::from(Hint::None)).await
    }

    pub async fn run_as(&self, sql: &str, asks: Asks) -> Result<String, FakeError> {
        let (name, _) = self.see(sql, asks).await?;
        Ok(name)
    }

    /// The node that answered, and the position of what it saw.
    pub async fn see(&self, sql: &str, asks: Asks) -> Result<(String, u64), FakeError> {
        let statement = FakeStatement { world: self };
        self.splitter.run(sql, asks, &statement).await
    }

    /// The node that a transaction declared read-only begins on.
    pub async fn begin_read_only(&self, asks: impl Into<Asks>) -> Result<String, FakeError> {
        let statement = FakeStatement { world: self };
        let (name, _) = self.splitter.begin_read_only(asks, &statement).await?;
        Ok(name)
    }

    /// From now on statements leave their connections open.
    pub fn pool_connections(&self) {
        for node in &self.nodes {
            node.set(|fake| fake.pools = true);
        }
    }

    pub async fn read(&self) -> Result<String, FakeError> {
        self.run("SELECT 1").await
    }

    pub async fn write(&self) -> Result<String, FakeError> {
        self.run("UPDATE t SET a = 1").await
    }

    pub fn in_flight(&self) -> u32 {
        let nodes = self.splitter.topology().nodes().iter();
        nodes.map(|node| node.in_flight()).sum()
    }

    pub fn count(&self, reason: &str) -> u64 {
        self.splitter.status().statements[reason]
    }
}

/// The host's error of this back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FakeError {
    Driver(Fault),
    Ours(SplitError),
}

struct FakeStatement<'a> {
    world: &'a World,
}

impl Statement for FakeStatement<'_> {
    type Connection = (FakeNode, String, u64);
    type Output = (String, u64);
    type Error = FakeError;

    async fn checkout(&self, node: &Node) -> Result<(Self::Connection, Connected), FakeError> {
        let fake = self.world.by_name[node.name()].clone();
        fake.asked.checkouts.fetch_add(1, Ordering::Relaxed);
        let pooled = *fake.pooled.lock();
        let is_current =
            |(_, connected): &(u64, Connected)| self.world.splitter.is_current(node, *connected);
        if let Some((run, connected)) = pooled.filter(is_current) {
            return Ok(((fake, node.name().to_owned(), run), connected));
        }
        let run = fake.run();
        let question = self.world.splitter.identify(node);
        let answer = fake.fake.lock().checkouts;
        wait(answer).await.map_err(FakeError::Driver)?;
        let connected = match question.answered(&fake.identity()) {
            Identified::Usable(connected) => connected,
            Identified::AskAgain => return Err(FakeError::Driver(Fault::Conflict)),
            Identified::Refused(_) => return Err(FakeError::Driver(Fault::Conflict)),
        };
        let position = fake.fake.lock().position_after_checkout.take();
        if let Some(position) = position {
            // another connection finds the server further back
            fake.set(|fake| fake.position = position);
            let other = self.world.splitter.identify(node);
            let _voided = other.answered(&fake.identity());
        }
        *fake.pooled.lock() = fake.fake.lock().pools.then_some((run, connected));
        Ok(((fake, node.name().to_owned(), run), connected))
    }

    fn release(&self, _: Self::Connection) {}

    async fn execute(
        &self,
        connection: Self::Connection,
        hold: Hold,
    ) -> Result<(String, u64), FakeError> {
        let (fake, name, run) = connection;
        fake.asked.statements.fetch_add(1, Ordering::Relaxed);
        // its snapshot is of its beginning
        let (answer, position) = {
            let fake = fake.fake.lock();
            (fake.statements, fake.position)
        };
        let answered = wait(answer).await;
        drop(hold);
        answered.map_err(FakeError::Driver)?;
        match fake.run() == run {
            true => Ok((name, position)),
            false => Err(FakeError::Driver(Fault::Unreachable)),
        }
    }

    fn fault(&self, error: &FakeError) -> Fault {
        match error {
            FakeError::Driver(fault) => *fault,
            FakeError::Ours(_) => Fault::Query,
        }
    }

    fn checkout_timed_out(&self, _: &Node) -> Fault {
        Fault::Timeout
    }

    fn describe(&self, error: &FakeError) -> String {
        format!("{error:?}")
    }

    fn fail(&self, error: SplitError) -> FakeError {
        FakeError::Ours(error)
    }
}
