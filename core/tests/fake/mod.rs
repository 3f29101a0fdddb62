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
mod statement;

use std::collections::HashMap;
use std::sync::Arc;

use orm_split_core::{
    Adaptive, Asks, Dialect, Hint, Options, Prober, ReadConcern, SessionKey, Splitter,
};

pub use servers::{AT_ONCE, Answer, Fake, FakeNode, FakeServer, Pooled, lsn};
pub use statement::{FakeError, FakeStatement};

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

/// A primary and so many replicas.
pub fn fakes(replicas: usize) -> Vec<FakeNode> {
    (0..=replicas).map(FakeNode::new).collect()
}

/// Those of the replicas.
pub fn names(replicas: usize) -> Vec<Arc<str>> {
    let numbers = 1..=replicas;
    numbers
        .map(|number| Arc::from(format!("replica-{number}")))
        .collect()
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
        Self::over(fakes(replicas), options).await
    }

    /// The same, after all nodes were changed.
    pub async fn changed(replicas: usize, options: Options, change: impl Fn(&mut Fake)) -> Self {
        let nodes = fakes(replicas);
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
        let (dialect, names) = (Dialect::Postgres, names(nodes.len() - 1));
        let splitter = Splitter::new(dialect, options, Arc::new(Adaptive), "primary", &names);
        Self::around(splitter.expect("valid options"), nodes).await
    }

    /// As the first, where chance is the same each time.
    pub async fn seeded(nodes: Vec<FakeNode>, options: Options, seed: u64) -> Self {
        let (dialect, names) = (Dialect::Postgres, names(nodes.len() - 1));
        let splitter = Splitter::new(dialect, options, Arc::new(Adaptive), "primary", &names);
        let splitter = splitter.expect("valid options");
        splitter.seed(seed);
        Self::around(splitter, nodes).await
    }

    /// Over a splitter that was made elsewhere, of which nothing runs yet.
    pub async fn around(splitter: Splitter, nodes: Vec<FakeNode>) -> Self {
        let splitter = Arc::new(splitter);
        let topology = splitter.topology();
        let by_name = topology
            .nodes()
            .iter()
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
        let statement = FakeStatement::of(self);
        self.splitter.run(sql, asks, &statement).await
    }

    /// The node that a transaction declared read-only begins on.
    pub async fn begin_read_only(&self, asks: impl Into<Asks>) -> Result<String, FakeError> {
        let statement = FakeStatement::of(self);
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
        let topology = self.splitter.topology();
        let nodes = topology.nodes().iter();
        nodes.map(|node| node.in_flight()).sum()
    }

    pub fn count(&self, reason: &str) -> u64 {
        self.splitter.status().statements[reason]
    }
}
