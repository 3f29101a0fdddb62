//! A database of one test.

use super::cluster::Cluster;
use super::node::Node;

/// A database that one test has to itself, and where to find it.
///
/// The URLs name the roles of the cluster's start; after a promotion ask
/// [`Node::url`] with [`name`](Self::name).
#[derive(Debug, Clone)]
pub struct Database {
    name: String,
    primary: String,
    replicas: Vec<String>,
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
        }
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

    /// The application's URLs on the replicas, in the order of [`Cluster::replicas`].
    #[must_use]
    pub fn replica_urls(&self) -> &[String] {
        &self.replicas
    }
}
