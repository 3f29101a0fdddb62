//! Putting a connection together from checked settings.
//!
//! Decides what is an error at start and what is a warning. A mistake that would serve wrong data
//! (another cluster, one server under two names) is an error; a node that is down, or in a state
//! that passes, is not: the process starts with any replica down, and with all of them down.

use std::sync::Arc;

use orm_split_core::address::NodeUrl;
use orm_split_core::{ConfigError, Dialect, Node, PerNode, Prober, Refusal, SplitError, Splitter};
use sea_orm::{ConnectOptions, DatabaseConnection, DbBackend, DbErr};

use crate::after_connect::{AfterConnect, Readmission};
use crate::builder::Primary;
use crate::connection::SplitConnection;
use crate::error::host_error;
use crate::node_pool::NodePool;
use crate::node_url::backend_of;
use crate::prepare::Hooks;
use crate::split::{Pooled, Split};

/// One node: its connection as SeaORM sees it, our view of its pool, how to probe it, and a hook that
/// has to run before it takes reads.
pub(crate) struct Assembled {
    pub(crate) connection: DatabaseConnection,
    pub(crate) pool: NodePool,
    pub(crate) prober: Arc<dyn Prober>,
    pub(crate) after_connect: Option<AfterConnect>,
}

/// What is given with each node.
pub(crate) struct Given<'a> {
    pub(crate) splitter: &'a Arc<Splitter>,
    pub(crate) node: &'a Arc<Node>,
    pub(crate) extras: &'a Extras,
}

/// What the builder takes beside the nodes' own options.
#[derive(Clone, Default)]
pub(crate) struct Extras {
    pub(crate) hooks: Hooks,
    #[cfg(feature = "postgres")]
    pub(crate) postgres_options: Option<crate::node_options::Provider>,
}

impl Extras {
    /// The methods that were called, with the back end that each is for.
    pub(crate) fn given(&self) -> Vec<(&'static str, Dialect)> {
        let given = self.hooks.given().into_iter();
        #[cfg(feature = "postgres")]
        let given = given.chain(
            self.postgres_options
                .as_ref()
                .map(|_| ("postgres_options", Dialect::Postgres)),
        );
        given.collect()
    }
}

/// Makes the pools, starts the monitor, connects to the primary, and looks at what the nodes turned
/// out to be.
pub(crate) async fn assemble(
    splitter: Arc<Splitter>,
    primary: Primary,
    replicas: Vec<ConnectOptions>,
    extras: &Extras,
) -> Result<SplitConnection, DbErr> {
    let topology = splitter.topology();
    let records_statements = match &primary {
        Primary::ToConnect(options) => options.get_record_stmt_in_spans(),
        Primary::Connected(_) => true,
    };
    let given = |node| Given {
        splitter: &splitter,
        node,
        extras,
    };
    let (primary, is_lazy) = assemble_primary(&given(topology.primary()), primary).await?;
    let mut nodes = vec![primary];
    for (node, options) in topology.replicas().iter().zip(replicas) {
        nodes.push(guarded(&given(node), &options).await?);
    }
    let (mut primary_connection, mut probers) = (None, Vec::new());
    let pools = PerNode::default();
    if let Some(primary) = nodes.first() {
        splitter.primary_holds(primary.pool.max_connections());
    }
    for (assembled, node) in nodes.into_iter().zip(topology.nodes()) {
        probers.push(readmission(
            &splitter,
            node,
            &assembled.pool,
            assembled.prober,
            assembled.after_connect,
        ));
        let (pool, mut replica) = (assembled.pool, Some(assembled.connection));
        if node.is_primary() {
            primary_connection = replica.take();
        }
        pools.set(node, Arc::new(Pooled { pool, replica }));
    }
    let connection = primary_connection.ok_or_else(|| no_pool(splitter.primary()))?;
    let split = Arc::new(Split {
        splitter: Arc::clone(&splitter),
        pools,
        records_statements,
    });
    let gauge = Arc::downgrade(&split);
    splitter.pools_are_told_by(gauge);
    if !is_lazy && split.creates_its_file() {
        // the replicas are views of a file that the primary's first connection may have to create
        let (leased, _) = split.checkout(splitter.primary()).await?;
        leased.release();
    }
    if !topology.replicas().is_empty() {
        splitter.start(probers).await;
        split.fill_replicas();
    }
    let connection = SplitConnection::new(connection, Some(Arc::clone(&split)));
    if let Err(error) = check_start(&split, is_lazy).await {
        drop(connection.close().await);
        return Err(error);
    }
    Ok(connection)
}

/// The monitor's view of a node.
fn readmission(
    splitter: &Arc<Splitter>,
    node: &Arc<Node>,
    pool: &NodePool,
    prober: Arc<dyn Prober>,
    after_connect: Option<AfterConnect>,
) -> Arc<dyn Prober> {
    Arc::new(Readmission {
        prober,
        after_connect: tokio::sync::Mutex::new(after_connect),
        pool: pool.clone(),
        splitter: Arc::downgrade(splitter),
        node: Arc::clone(node),
    })
}

/// The primary, and whether it may be down at start.
async fn assemble_primary(given: &Given<'_>, primary: Primary) -> Result<(Assembled, bool), DbErr> {
    match primary {
        Primary::ToConnect(options) => {
            let is_lazy = options.get_connect_lazy();
            Ok((guarded(given, &options).await?, is_lazy))
        }
        Primary::Connected(connection) => {
            if let Some((field, _)) = given.extras.given().first() {
                let accepted = "a primary given by its options, whose connections can be prepared";
                return Err(refused(field, "a pool that was handed in", accepted));
            }
            let remark = "its pool was handed in: connections that it opens are not identified";
            given.splitter.remark(given.node, remark);
            Ok((handed_in(given, connection)?, false))
        }
    }
}

/// A node with a pool of our making, which opens nothing yet.
async fn guarded(given: &Given<'_>, options: &ConnectOptions) -> Result<Assembled, DbErr> {
    let node = given.node;
    let url = NodeUrl::parse(node.name(), options.get_url()).map_err(host_error)?;
    match url.dialect() {
        #[cfg(feature = "postgres")]
        Dialect::Postgres => crate::postgres_pool::guarded(given, options).await,
        #[cfg(feature = "sqlite")]
        Dialect::Sqlite => crate::sqlite_pool::guarded(given, options).await,
        #[cfg(feature = "mysql")]
        Dialect::MySql => crate::mysql::connected(node, options).await,
        _ => Err(no_pool(node)),
    }
}

/// A node whose pool was made elsewhere.
fn handed_in(given: &Given<'_>, connection: DatabaseConnection) -> Result<Assembled, DbErr> {
    let node = given.node;
    match backend_of(&connection) {
        #[cfg(feature = "postgres")]
        Some(DbBackend::Postgres) => {
            Ok(crate::postgres::handed_in(given.splitter, node, connection))
        }
        #[cfg(feature = "sqlite")]
        Some(DbBackend::Sqlite) => Ok(crate::sqlite::handed_in(connection)),
        #[cfg(feature = "mysql")]
        Some(DbBackend::MySql) => Ok(crate::mysql::of(connection, node)),
        _ => Err(no_pool(node)),
    }
}

fn no_pool(node: &Node) -> DbErr {
    let accepted = "a pool of a back end whose feature is switched on";
    refused(node.name(), "a connection without a pool", accepted)
}

fn refused(field: &str, value: &str, accepted: &str) -> DbErr {
    host_error(ConfigError::new(field, value, accepted))
}

/// The user's own function for a node's pool put a hook in the place of ours.
pub(crate) fn hook_was_replaced(node: &Node, function: &str, instead: &str) -> DbErr {
    refused(
        node.name(),
        &format!("a `before_acquire` hook set in `{function}`"),
        &format!("the hook given to `SplitBuilder::{instead}`, which runs it beside our own"),
    )
}

/// Removes the hook that SeaORM would run, and wait for, when it makes the pool.
pub(crate) fn without_after_connect(options: &mut ConnectOptions) {
    options.after_connect(|_| Box::pin(async { Ok(()) }));
}

async fn check_start(split: &Split, is_lazy: bool) -> Result<(), DbErr> {
    let primary = split.splitter.primary();
    if !is_lazy {
        let checkout = split.checkout(primary).await;
        let (leased, _) = checkout.map_err(|error| split.with_first_cause(primary, error))?;
        leased.release();
        split.fill_primary().await?;
    }
    for refused in split.splitter.refusals() {
        if let SplitError::Refused {
            refusal: Refusal::ForeignCluster | Refusal::SameServer,
            ..
        } = refused
        {
            return Err(host_error(refused));
        }
    }
    Ok(())
}
