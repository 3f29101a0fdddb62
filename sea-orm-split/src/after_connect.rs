//! A replica's `after_connect` hook, and what else happens when the monitor opens a connection.
//!
//! SeaORM runs that hook once for each pool and waits for it: half a minute on a node that is down. So on
//! a replica it runs when the monitor has reached the node for the first time, and the node takes no
//! read before it has ended. What it writes, a replica refuses; that is no reason to go without.

use std::fmt;
use std::sync::{Arc, Weak};

use async_trait::async_trait;
use futures_util::future::BoxFuture;
use orm_split_core::{Fault, Node, ProbeConnection, ProbeError, Prober, Splitter};
use sea_orm::DbErr;
use tokio::sync::Mutex;

use crate::error::fault_of;
use crate::node_pool::NodePool;

type Run = BoxFuture<'static, Result<(), DbErr>>;

/// A hook that has to run once.
pub(crate) struct AfterConnect {
    start: Box<dyn Fn() -> Run + Send + Sync>,
    /// Outlives the probe that started it: a hook may take longer than a probe.
    running: Option<Run>,
}

impl AfterConnect {
    pub(crate) fn new(start: impl Fn() -> Run + Send + Sync + 'static) -> Self {
        Self {
            start: Box::new(start),
            running: None,
        }
    }

    async fn run(&mut self) -> Result<(), DbErr> {
        let running = self.running.get_or_insert_with(&self.start);
        let outcome = running.as_mut().await;
        self.running = None;
        outcome
    }
}

/// A prober of a node whose pool is ours.
pub(crate) struct Readmission {
    pub(crate) prober: Arc<dyn Prober>,
    pub(crate) after_connect: Mutex<Option<AfterConnect>>,
    pub(crate) pool: NodePool,
    pub(crate) splitter: Weak<Splitter>,
    pub(crate) node: Arc<Node>,
}

impl fmt::Debug for Readmission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Readmission").field(&self.prober).finish()
    }
}

#[async_trait]
impl Prober for Readmission {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        let connection = self.prober.open().await?;
        self.run_hook().await?;
        if let Some(splitter) = self.splitter.upgrade() {
            self.pool.fill_in_background(&splitter, &self.node);
        }
        Ok(connection)
    }
}

impl Readmission {
    async fn run_hook(&self) -> Result<(), ProbeError> {
        let mut hook = self.after_connect.lock().await;
        let Some(due) = hook.as_mut() else {
            return Ok(());
        };
        match due.run().await {
            Ok(()) => {}
            Err(error) if fault_of(&error) == Fault::ReadOnly => {
                if let Some(splitter) = self.splitter.upgrade() {
                    splitter.remark(&self.node, "its `after_connect` wrote, which it refused");
                }
            }
            Err(error) => {
                let message = format!("its `after_connect` failed: {error}");
                return Err(ProbeError::new(Fault::Query, message));
            }
        }
        *hook = None;
        Ok(())
    }
}
