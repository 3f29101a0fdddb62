//! The monitor's connections: opened as the node's pool opens its own, outside of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orm_split_core::{
    Catalogue, Identity, Lsn, Node, ProbeConnection, ProbeError, Prober, Reading,
};

use crate::node_connection::NodeConnection;
use crate::pool_of_node::PoolOfNode;

/// Opens connections of one node's pool, but for nobody else.
pub(crate) struct PoolProber<C: NodeConnection> {
    pub(crate) node: Arc<Node>,
    pub(crate) pool: Arc<dyn PoolOfNode<C>>,
    /// Empty where the pool was handed in.
    pub(crate) url: String,
}

#[async_trait]
impl<C: NodeConnection> Prober for PoolProber<C> {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        Ok(Box::new(Probe {
            connection: self.pool.dedicated().await?,
            witness: C::witness(&self.url, self.node.is_primary()),
        }))
    }
}

struct Probe<C: NodeConnection> {
    connection: C,
    witness: C::Witness,
}

#[async_trait]
impl<C: NodeConnection> ProbeConnection for Probe<C> {
    async fn identify(&mut self) -> Result<Identity, ProbeError> {
        self.connection.identify(&self.witness).await
    }

    async fn read_position(&mut self) -> Result<Reading, ProbeError> {
        self.connection.read_position(&self.witness).await
    }

    async fn wait_for(&mut self, position: Lsn, limit: Duration) -> Result<bool, ProbeError> {
        let waited = self.connection.wait_for(&self.witness, position, limit);
        waited.await
    }

    async fn read_catalogue(&mut self) -> Result<Option<Catalogue>, ProbeError> {
        self.connection.read_catalogue().await
    }

    async fn close(self: Box<Self>) {}
}

impl<C: NodeConnection> fmt::Debug for PoolProber<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolProber")
            .field("node", &self.node.name())
            .finish_non_exhaustive()
    }
}
