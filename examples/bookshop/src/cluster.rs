//! A PostgreSQL cluster on this machine, whose replicas are behind.

use std::time::Duration;

use anyhow::Result;
use orm_split_tests::kit::postgres::Cluster;

use crate::program::Nodes;

/// How long after the primary's commit the replicas replay it.
const DELAY: Duration = Duration::from_millis(300);

/// A cluster with an empty database; stopped and deleted when it is dropped.
pub(crate) async fn start() -> Result<(Cluster, Nodes)> {
    let cluster = Cluster::builder().replicas(2).apply_delay(DELAY);
    let cluster = cluster.start().await?;
    let database = cluster.create_database().await?;
    let nodes = Nodes {
        primary: database.primary_url().to_owned(),
        replicas: database.replica_urls().to_vec(),
    };
    Ok((cluster, nodes))
}
