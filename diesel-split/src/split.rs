//! The pools of all nodes and the splitter that decides between them.

use std::fmt;
use std::sync::Arc;

use orm_split_core::{Connected, Fault, Node, PerNode, PoolGauge, PoolUse, SplitError, Splitter};

use crate::lease::{Lease, Setup};
use crate::node_connection::NodeConnection;
use crate::pool_of_node::{NoConnection, PoolOfNode, PoolState, failure};

/// Shared by a pool and all connections that came from it.
pub(crate) struct Split<C: NodeConnection> {
    pub(crate) splitter: Arc<Splitter>,
    /// None once closed.
    pools: PerNode<dyn PoolOfNode<C>>,
    pub(crate) types: Arc<C::Types>,
}

impl<C: NodeConnection> Split<C> {
    pub(crate) fn new(splitter: Arc<Splitter>, pools: PerNode<dyn PoolOfNode<C>>) -> Self {
        Self {
            splitter,
            pools,
            types: Arc::default(),
        }
    }

    fn pool(&self, node: &Node) -> Result<Arc<dyn PoolOfNode<C>>, SplitError> {
        self.pools.get(node).ok_or(SplitError::Closed)
    }

    /// A connection out of the pool of `node`.
    pub(crate) async fn checkout(
        &self,
        node: &Arc<Node>,
        setup: &Setup,
    ) -> Result<(Lease<C>, Connected), SplitError> {
        // the pool looks at the connection before it hands it out; if the evidence about the node is
        // voided in between, the pool is asked once more
        for _ in 0..CHECKOUTS {
            let pooled = self.pool(node)?.checkout().await;
            let pooled = pooled.map_err(|reason| explained(node, reason))?;
            let trusted = || self.splitter.trusted_connection(node);
            let connected = pooled.connected().unwrap_or_else(trusted);
            let mut lease = Lease::new(node, pooled, connected, setup);
            match self.connected(&lease) {
                Some(connected) => return Ok((lease, connected)),
                None => lease.taint(),
            }
        }
        let node = node.name().to_owned();
        Err(SplitError::Unstable { node })
    }

    /// The proof that a connection may be used; `None` if it belongs to an earlier generation.
    pub(crate) fn connected(&self, lease: &Lease<C>) -> Option<Connected> {
        let is_current = self.splitter.is_current(&lease.node, lease.connected);
        is_current.then_some(lease.connected)
    }

    pub(crate) fn checkout_timed_out(&self, node: &Node) -> Fault {
        match self.pool(node) {
            Ok(pool) if pool.state().is_saturated() => Fault::Saturated,
            _ => Fault::Timeout,
        }
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.pools.get(self.splitter.primary()).is_none()
    }

    /// Names and states of the pools, the primary's first; none once closed.
    pub(crate) fn states(&self) -> Vec<(Arc<str>, PoolState)> {
        let pools = self.pools.all();
        pools
            .iter()
            .map(|(node, pool)| (Arc::from(node.name()), pool.state()))
            .collect()
    }

    /// Stops the monitor and lets go of the pools: idle connections are closed, those in use when
    /// they are given back.
    pub(crate) async fn close(&self) {
        self.splitter.shut_down().await;
        for (_, pool) in self.pools.clear() {
            pool.close();
        }
    }
}

impl<C: NodeConnection> PoolGauge for Split<C> {
    fn pool_use(&self, node: &Node) -> Option<PoolUse> {
        let state = self.pool(node).ok()?.state();
        Some(PoolUse::new(state.connections, state.idle, state.max_size))
    }
}

/// How often a node's pool is asked if its evidence is voided meanwhile.
const CHECKOUTS: usize = 2;

fn explained(node: &Node, reason: NoConnection) -> SplitError {
    match reason.describe("no connection became free in time") {
        Ok(error) => failure(node, error),
        Err(error) => error,
    }
}

impl<C: NodeConnection> fmt::Debug for Split<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Split")
            .field("splitter", &self.splitter)
            .finish_non_exhaustive()
    }
}
