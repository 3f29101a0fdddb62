//! A back end without servers: nodes whose answers a test sets, driven by the real router and monitor.
//!
//! [`servers`] has the nodes, what they lead to, and their probers.

#![allow(
    dead_code,
    unreachable_pub,
    unused_imports,
    reason = "each test program uses a part"
)]
#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test that sets up nonsense fails"
)]

mod servers;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use orm_split_core::{
    Asks, Connected, Dialect, Fault, Hint, Hold, Identified, LeastInFlight, Node, Options, Prober,
    ReadConcern, SessionKey, SplitError, Splitter, Statement,
};

pub use servers::{AT_ONCE, Answer, Fake, FakeNode, FakeServer, lsn};
use servers::{Pooled, identity_of, wait};

/// What is asked in a session that was made.
pub fn asks(session: SessionKey) -> Asks {
    let mut asks = Asks::from(Hint::None);
    asks.session = Some(session);
    asks
}

/// What is asked where freshness, or the node, is a wish of the caller's.
pub fn concerned(concern: impl Into<ReadConcern>) -> Asks {
    let mut asks = Asks::from(Hint::None);
    asks.concern = concern.into();
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
    type Connection = (FakeNode, String, Pooled);
    type Output = (String, u64);
    type Error = FakeError;

    async fn checkout(&self, node: &Node) -> Result<(Self::Connection, Connected), FakeError> {
        let fake = self.world.by_name[node.name()].clone();
        let name = node.name().to_owned();
        fake.asked.checkouts.fetch_add(1, Ordering::Relaxed);
        let splitter = &self.world.splitter;
        while let Some(pooled) = fake.idle() {
            if splitter.is_current(node, pooled.connected) {
                let connected = pooled.connected;
                return Ok(((fake, name, pooled), connected));
            }
        }
        let server = fake.leads_to();
        let run = server.lock().run;
        let answer = server.lock().checkouts;
        // opened before it is asked: a crash in between kills it
        let opened = async {
            let question = splitter.identify(node);
            wait(answer).await.map_err(FakeError::Driver)?;
            if server.lock().run != run {
                return Err(FakeError::Driver(Fault::Unreachable));
            }
            match question.answered(&identity_of(&server)) {
                Identified::Usable(connected) => Ok(connected),
                Identified::AskAgain | Identified::Refused(_) => {
                    Err(FakeError::Driver(Fault::Conflict))
                }
            }
        };
        let connected = opened.await?;
        let position = server.lock().position_after_checkout.take();
        if let Some(position) = position {
            // another connection finds the server further back
            server.lock().position = position;
            let other = splitter.identify(node);
            let _voided = other.answered(&identity_of(&server));
        }
        let pooled = Pooled {
            server,
            run,
            connected,
        };
        Ok(((fake, name, pooled), connected))
    }

    fn release(&self, (fake, _, pooled): Self::Connection) {
        fake.give_back(pooled);
    }

    async fn execute(
        &self,
        connection: Self::Connection,
        hold: Hold,
    ) -> Result<(String, u64), FakeError> {
        let (fake, name, pooled) = connection;
        fake.asked.statements.fetch_add(1, Ordering::Relaxed);
        // its snapshot is of its beginning
        let (answer, position) = {
            let fake = pooled.server.lock();
            (fake.statements, fake.position)
        };
        let answered = wait(answer).await;
        drop(hold);
        answered.map_err(FakeError::Driver)?;
        let run = pooled.server.lock().run;
        match run == pooled.run {
            true => {
                fake.give_back(pooled);
                Ok((name, position))
            }
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
