//! The pools of all nodes and the splitter that decides between them.

use std::sync::Arc;
use std::time::Duration;

use orm_split_core::{
    Asks, Connected, Fault, Node, PerNode, PoolGauge, PoolUse, SplitError, Splitter,
};
use sea_orm::{DatabaseConnection, DbErr, Statement};

use crate::births::{Births, Span};
use crate::error::{checkout_error, host_error};
use crate::leased::{Leased, on_connection};
use crate::node_pool::NodePool;
use crate::query::{Callback, Kind, Routed};

/// What a node's connections come from.
#[derive(Debug)]
pub(crate) struct Pooled {
    pub(crate) pool: NodePool,
    /// A replica as SeaORM sees it, to be closed together with the primary. That is closed by its owner.
    pub(crate) replica: Option<DatabaseConnection>,
}

/// Shared by all clones of a connection that has replicas.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) splitter: Arc<Splitter>,
    pub(crate) pools: PerNode<Pooled>,
    /// Whether spans show the text of statements.
    pub(crate) records_statements: bool,
}

impl Split {
    /// Routes and runs a statement.
    pub(crate) async fn run<K: Kind>(
        &self,
        kind: K,
        statement: &Statement,
        asks: impl Into<Asks>,
        metric: Option<&Callback>,
    ) -> Result<K::Output, DbErr> {
        let routed = Routed {
            split: self,
            statement,
            kind,
            metric,
        };
        self.splitter.run(&statement.sql, asks, &routed).await
    }

    /// A replica as SeaORM sees it; `None` for the primary.
    pub(crate) fn replica(&self, node: &Node) -> Result<Option<DatabaseConnection>, DbErr> {
        Ok(self.of(node)?.replica.clone())
    }

    /// A connection to `node`, identified if it had to be opened.
    pub(crate) async fn checkout(&self, node: &Arc<Node>) -> Result<(Leased, Connected), DbErr> {
        self.of(node)?.pool.checkout(&self.splitter, node).await
    }

    /// Opens the connections that the primary should hold at least.
    pub(crate) async fn fill_primary(&self) -> Result<(), DbErr> {
        let node = self.splitter.primary();
        self.of(node)?.pool.fill(&self.splitter, node).await
    }

    /// As [`fill_primary`](Self::fill_primary), on replicas, which may be away.
    pub(crate) fn fill_replicas(&self) {
        for (node, of) in self.pools.all() {
            if !node.is_primary() {
                of.pool.fill_in_background(&self.splitter, &node);
            }
        }
    }

    /// Whether the primary answers, over a connection that was asked who it leads to.
    pub(crate) async fn ping_primary(&self) -> Result<(), DbErr> {
        let (mut leased, _) = self.checkout(self.splitter.primary()).await?;
        let answered = on_connection!(leased, c => sqlx::Connection::ping(&mut **c).await);
        leased.finished(&answered);
        answered.map_err(checkout_error)
    }

    /// After a checkout that SeaORM did: whether it is worth trying again.
    pub(crate) async fn renews_after(&self, node: &Node, error: &DbErr) -> bool {
        match self.of(node) {
            Ok(of) => Box::pin(of.pool.renews_after(error)).await,
            Err(_) => false,
        }
    }

    /// What tells idle connections to `node` apart.
    pub(crate) fn births(&self, node: &Node) -> Option<Arc<Births>> {
        self.of(node).ok()?.pool.births().cloned()
    }

    /// As [`NodePool::was_opened`], by a checkout that SeaORM did.
    pub(crate) fn was_opened(&self, node: &Node, born: Vec<Span>, connected: Option<Connected>) {
        if let (false, Ok(of)) = (born.is_empty(), self.of(node)) {
            of.pool.was_opened(born, connected);
        }
    }

    pub(crate) fn checkout_timed_out(&self, node: &Node) -> Fault {
        match self.of(node) {
            Ok(of) if of.pool.is_saturated() => Fault::Saturated,
            _ => Fault::Timeout,
        }
    }

    /// Whether connections to the primary are asked who they lead to when they are opened.
    pub(crate) fn identifies_primary(&self) -> bool {
        let primary = self.of(self.splitter.primary());
        primary.is_ok_and(|of| of.pool.is_hooked() && !of.pool.is_embedded())
    }

    /// Whether the nodes are views of one file.
    pub(crate) fn creates_its_file(&self) -> bool {
        let primary = self.of(self.splitter.primary());
        primary.is_ok_and(|of| of.pool.is_embedded())
    }

    /// sqlx retries a refused connection until its time is up and then says only that; the prober
    /// knows why.
    pub(crate) fn with_first_cause(&self, node: &Node, error: DbErr) -> DbErr {
        match (&error, self.splitter.last_failure(node)) {
            (DbErr::ConnectionAcquire(_), Some(failure)) => {
                host_error(SplitError::Exhausted(vec![failure]))
            }
            _ => error,
        }
    }

    /// An error if the node was removed.
    fn of(&self, node: &Node) -> Result<Arc<Pooled>, DbErr> {
        let closed = || checkout_error(sqlx::Error::PoolClosed);
        self.pools.get(node).ok_or_else(closed)
    }

    /// Closes the replicas' pools and joins the monitor's tasks. A replica that does not let go of its
    /// connections within 5 s is left behind, closed.
    pub(crate) async fn close(&self) {
        self.splitter.shut_down().await;
        let all = self.pools.all();
        let replicas = all.iter().filter_map(|(_, of)| of.replica.as_ref());
        let closing = replicas.map(DatabaseConnection::close_by_ref);
        let closing = futures_util::future::join_all(closing);
        drop(tokio::time::timeout(CLOSE_WITHIN, closing).await);
    }
}

impl PoolGauge for Split {
    fn pool_use(&self, node: &Node) -> Option<PoolUse> {
        Some(self.of(node).ok()?.pool.used())
    }
}

/// How long closing waits for replicas.
const CLOSE_WITHIN: Duration = Duration::from_secs(5);
