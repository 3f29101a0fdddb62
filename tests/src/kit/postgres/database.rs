//! A database of one test.

use std::sync::Arc;

use anyhow::{Context, Result};

use super::cluster::Cluster;
use super::node::Node;
use crate::kit::balancer::Balancer;

/// A database that one test has to itself, and where to find it.
///
/// The URLs name the roles of the cluster's start; after a promotion ask
/// [`Node::url`] with [`name`](Self::name).
#[derive(Debug, Clone)]
pub struct Database {
    name: String,
    primary: String,
    replicas: Vec<String>,
    balancer: Option<Arc<Balancer>>,
}

impl Database {
    pub(super) fn new(name: String, cluster: &Cluster) -> Self {
        let url = |node: &Node| node.url(&name);
        let primary = url(cluster.primary());
        let replicas = cluster.replicas().iter().map(url).collect();
        Self {
            name,
            primary,
            replicas,
            balancer: None,
        }
    }

    /// The same, with all of its replicas behind one address that leads each connection to the next of
    /// them, for as long as the database is in use.
    ///
    /// # Errors
    /// There is no replica, or no free port.
    pub async fn balanced(self, cluster: &Cluster) -> Result<Self> {
        let ports: Vec<u16> = cluster.replicas().iter().map(Node::port).collect();
        let balancer = Balancer::start(&ports).await?;
        let first = self.replicas.first().context("no replica")?;
        let url = balancer.url(first)?;
        Ok(Self {
            replicas: vec![url],
            balancer: Some(Arc::new(balancer)),
            ..self
        })
    }

    /// What stands in front of the replicas, if they are [`balanced`](Self::balanced).
    #[must_use]
    pub fn balancer(&self) -> Option<&Balancer> {
        self.balancer.as_deref()
    }

    /// The database's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The application's URL on the primary, password included.
    #[must_use]
    pub fn primary_url(&self) -> &str {
        &self.primary
    }

    /// The application's URLs on the replicas, in the order of [`Cluster::replicas`]; one if they are
    /// [`balanced`](Self::balanced).
    #[must_use]
    pub fn replica_urls(&self) -> &[String] {
        &self.replicas
    }
}
