//! Starts a cluster: unpack, configure, start the primary, then all replicas
//! at once, and wait until they stream.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use parking_lot::Mutex;
use tokio::task::JoinSet;

use super::cluster::Cluster;
use super::conf;
use super::node::{Node, Standing};
use super::server::Server;
use super::template::{self, Tools};
use crate::kit::guard::Guard;
use crate::kit::ports::Port;

/// Programs that are no kits may take a port between our look and the start.
const TRIES: usize = 3;

/// What a [`Cluster`] should be like.
#[derive(Debug, Clone, Default)]
#[must_use = "nothing starts before `start`"]
pub struct Builder {
    replicas: usize,
    delay: Duration,
    settings: Vec<(String, String)>,
    own_identifier: bool,
    binaries: Option<PathBuf>,
}

impl Builder {
    /// How many replicas stream from the primary. Default: none.
    pub const fn replicas(mut self, count: usize) -> Self {
        self.replicas = count;
        self
    }

    /// How long after the primary's commit every replica replays it. Default: at once.
    pub const fn apply_delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// A line for `postgresql.conf` of all nodes; overrides what the kit sets.
    pub fn setting(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.settings.push((name.into(), value.into()));
        self
    }

    /// Gives the cluster a system identifier of its own, for most of a second
    /// more. Default: all clusters of a machine share one.
    pub const fn own_identifier(mut self) -> Self {
        self.own_identifier = true;
        self
    }

    /// The folder that holds the server's programs. Default: what [`postgres_bin`](crate::kit::locate::postgres_bin) finds.
    pub fn binaries(mut self, folder: impl Into<PathBuf>) -> Self {
        self.binaries = Some(folder.into());
        self
    }

    /// Starts all nodes and waits until every replica streams.
    ///
    /// # Errors
    /// When there is no server to start, or one does not get ready within
    /// thirty seconds; the error ends with its log.
    ///
    /// # Cancel safety
    /// Dropped half way, all that was started is stopped again.
    pub async fn start(self) -> Result<Cluster> {
        crate::record::start();
        let mut tries = 1;
        loop {
            let cluster = self.prepare().await?;
            match self.launch(&cluster).await {
                Ok(()) => return Ok(cluster),
                Err(error) if tries < TRIES && port_was_taken(&cluster) => drop(error),
                Err(error) => return Err(error),
            }
            tries += 1;
        }
    }

    async fn prepare(&self) -> Result<Cluster> {
        let tools = match &self.binaries {
            Some(folder) => Tools::of(folder.clone())?,
            None => Tools::find()?,
        };
        let guard = Guard::new()?;
        let archive = template::archive(&tools, &guard, self.own_identifier).await?;
        let mut unpacking = JoinSet::new();
        let mut nodes = Vec::new();
        for number in 0..=self.replicas {
            let node = self.node(&tools, guard.folder(), number)?;
            let (tools, archive) = (tools.clone(), archive.clone());
            let folder: PathBuf = node.server.folder().to_owned();
            unpacking.spawn(async move { template::unpack(&tools, &archive, &folder).await });
            nodes.push(node);
        }
        while let Some(unpacked) = unpacking.join_next().await {
            unpacked.context("unpacking was cut short")??;
        }
        let primary = nodes.remove(0);
        self.configure(&tools, &primary, None)?;
        for replica in &nodes {
            self.configure(&tools, replica, Some(primary.port()))?;
        }
        Ok(Cluster::new(guard, primary, nodes))
    }

    fn node(&self, tools: &Tools, folder: &Path, number: usize) -> Result<Node> {
        let name = match number {
            0 => "primary".to_owned(),
            _ => format!("replica_{number}"),
        };
        Ok(Node {
            server: Server::new(tools.clone(), folder.join(&name)),
            name,
            port: Port::pick()?,
            standing: Mutex::new(Standing {
                upstream: None,
                delay: Duration::ZERO,
            }),
        })
    }

    fn configure(&self, tools: &Tools, node: &Node, upstream: Option<u16>) -> Result<()> {
        let folder = node.server.folder();
        let mut text = conf::server(node.port(), &self.settings);
        if let Some(port) = upstream {
            text += &conf::replica(port, &node.name, self.delay);
            tools.account.write(&folder.join("standby.signal"), "")?;
            *node.standing.lock() = Standing {
                upstream,
                delay: self.delay,
            };
        }
        tools.account.write(&folder.join("postgresql.conf"), &text)
    }

    async fn launch(&self, cluster: &Cluster) -> Result<()> {
        // The primary first: a replica that does not find it waits before it asks again.
        cluster.primary().start().await?;
        cluster
            .replicas()
            .iter()
            .try_for_each(|node| node.server.spawn())?;
        for replica in cluster.replicas() {
            replica.wait_ready().await?;
        }
        for replica in cluster.replicas() {
            replica.wait_streaming().await?;
        }
        Ok(())
    }
}

fn port_was_taken(cluster: &Cluster) -> bool {
    let mut logs = cluster.nodes().filter_map(|node| node.log().ok());
    logs.any(|log| log.contains("Address already in use"))
}
