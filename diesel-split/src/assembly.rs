//! Putting a pool together from checked settings.
//!
//! Decides what is an error at start and what is a warning. A mistake that would serve wrong data
//! (another cluster, one server under two names) is an error; a node that is down, or in a state
//! that passes, is not: the process starts with any replica down, and with all of them down.

use std::sync::Arc;

use orm_split_core::{
    ConfigError, Dialect, Node, Options, PerNode, Placement, Prober, Refusal, Select, SplitError,
    Splitter, address,
};

use crate::lease;
use crate::node_connection::NodeConnection;
use crate::opener::{Opener, Setup};
use crate::pool::SplitPool;
use crate::pool_of_node::{self, ExistingPool, PoolKind, PoolOfNode, PoolOptions};
use crate::prober::PoolProber;
use crate::split::Split;

/// How a node was given.
pub(crate) enum Given<C> {
    Url(String),
    Pool(ExistingPool<C>),
}

/// Settings that can be used.
pub(crate) struct Checked<C: NodeConnection> {
    pub(crate) primary: Given<C>,
    pub(crate) replicas: Vec<(Given<C>, Placement)>,
    pub(crate) primary_options: PoolOptions,
    pub(crate) replica_options: PoolOptions,
    pub(crate) kind: PoolKind,
    pub(crate) setup: Setup<C>,
    pub(crate) is_lazy: bool,
}

/// Checks what is given as URLs, alone and against each other.
pub(crate) fn check_urls<C: NodeConnection>(
    primary: &Given<C>,
    replicas: &[(Given<C>, Placement)],
) -> Result<(), ConfigError> {
    let mut addresses = Vec::new();
    let given = replicas.iter().map(|(given, _)| given);
    for (index, given) in std::iter::once(primary).chain(given).enumerate() {
        if let Given::Url(url) = given {
            addresses.push(C::address(&name_of(index), url)?);
        }
    }
    address::check(&addresses, !replicas.is_empty())
}

fn name_of(index: usize) -> String {
    match index {
        0 => "primary".to_owned(),
        number => format!("replica-{number}"),
    }
}

/// Makes the pools, starts the monitor, and looks at what the nodes turned out to be.
pub(crate) async fn assemble<C: NodeConnection>(
    mut checked: Checked<C>,
    options: Options,
    policy: Arc<dyn Select>,
) -> Result<SplitPool<C>, SplitError> {
    if C::DIALECT == Dialect::MySql && !checked.replicas.is_empty() {
        tracing::warn!("replicas of MySQL are not followed yet: everything runs on the primary");
        checked.replicas.clear();
    }
    let replicas = std::mem::take(&mut checked.replicas);
    let (replicas, placements): (Vec<_>, Vec<_>) = replicas.into_iter().unzip();
    let placed = (1..).zip(placements);
    let placed: Vec<(Arc<str>, _)> = placed
        .map(|(index, placement)| (Arc::from(name_of(index)), placement))
        .collect();
    let splitter = Splitter::over(C::DIALECT, options, policy, "primary", &placed)?;
    let splitter = Arc::new(splitter);
    let given = std::iter::once(checked.primary_given()).chain(replicas);
    let pools = PerNode::default();
    let mut probers = Vec::new();
    for (node, given) in splitter.topology().nodes().iter().zip(given) {
        let (pool, prober) = make(&splitter, node, given, &checked)?;
        if node.is_primary() {
            splitter.primary_holds(pool.state().max_size);
        }
        pools.set(node, pool);
        probers.push(prober);
    }
    let split = Split::new(Arc::clone(&splitter), pools);
    if !placed.is_empty() {
        start(&split, probers, checked.is_lazy).await?;
    }
    Ok(SplitPool::new(split))
}

impl<C: NodeConnection> Checked<C> {
    fn primary_given(&mut self) -> Given<C> {
        std::mem::replace(&mut self.primary, Given::Url(String::new()))
    }
}

type Made<C> = (Arc<dyn PoolOfNode<C>>, Arc<dyn Prober>);

fn make<C: NodeConnection>(
    splitter: &Arc<Splitter>,
    node: &Arc<Node>,
    given: Given<C>,
    checked: &Checked<C>,
) -> Result<Made<C>, SplitError> {
    let (pool, url) = match given {
        Given::Pool(ExistingPool(pool)) => {
            splitter.remark(
                node,
                "its pool was handed in: its connections are not identified",
            );
            (pool, String::new())
        }
        Given::Url(url) => {
            let options = if node.is_primary() {
                &checked.primary_options
            } else {
                &checked.replica_options
            };
            let within = options.create.unwrap_or(std::time::Duration::MAX);
            let setup = Arc::clone(&checked.setup);
            let opener = Opener::new(splitter, node, url.clone(), setup, within);
            (
                pool_of_node::make(checked.kind, &Arc::new(opener), options)?,
                url,
            )
        }
    };
    let prober = Arc::new(PoolProber {
        node: Arc::clone(node),
        pool: Arc::clone(&pool),
        url,
    });
    Ok((pool, prober))
}

async fn start<C: NodeConnection>(
    split: &Split<C>,
    probers: Vec<Arc<dyn Prober>>,
    is_lazy: bool,
) -> Result<(), SplitError> {
    let splitter = &split.splitter;
    let primary = splitter.primary();
    if C::DIALECT == Dialect::Sqlite && !is_lazy {
        // the replicas are views of a file that the primary's first connection may have to create
        drop(split.checkout(primary, &lease::Setup::default()).await?);
    }
    splitter.start(probers).await;
    if let Some(failure) = splitter.last_failure(primary).filter(|_| !is_lazy) {
        return Err(SplitError::Exhausted(vec![failure]));
    }
    for refused in splitter.refusals() {
        if let SplitError::Refused { node, refusal } = &refused
            && (matches!(refusal, Refusal::ForeignCluster | Refusal::SameServer)
                || node == primary.name() && !is_lazy)
        {
            return Err(refused);
        }
    }
    Ok(())
}
