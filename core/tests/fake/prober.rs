//! How the fake nodes answer the monitor.

use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use orm_split_core::{Fault, Identity, ProbeConnection, ProbeError, Prober, Reading};

use super::{FakeNode, lsn, wait};

impl FakeNode {
    async fn probe(&self) -> Result<(), ProbeError> {
        self.asked.probes.fetch_add(1, Ordering::Relaxed);
        let probing = self.asked.probing.fetch_add(1, Ordering::Relaxed) + 1;
        self.asked
            .most_probing
            .fetch_max(probing, Ordering::Relaxed);
        let _until_answered = Until(&self.asked.probing);
        let answer = self.fake.lock().probes;
        let answered = wait(answer).await;
        answered.map_err(|fault| ProbeError::new(fault, "the test said so"))
    }
}

/// Counts down when it is dropped: also if nobody waits for the answer any more.
struct Until<'a>(&'a AtomicU64);

impl Drop for Until<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Prober for FakeNode {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        self.probe().await?;
        Ok(Box::new(FakeConnection {
            node: self.clone(),
            run: self.run(),
        }))
    }
}

/// A prober's connection.
struct FakeConnection {
    node: FakeNode,
    run: u64,
}

impl FakeConnection {
    async fn ask(&self) -> Result<(), ProbeError> {
        self.node.probe().await?;
        match self.node.run() == self.run {
            true => Ok(()),
            false => Err(ProbeError::new(Fault::Unreachable, "the server crashed")),
        }
    }
}

#[async_trait]
impl ProbeConnection for FakeConnection {
    async fn identify(&mut self) -> Result<Identity, ProbeError> {
        self.ask().await?;
        Ok(self.node.identity())
    }

    async fn read_position(&mut self) -> Result<Reading, ProbeError> {
        self.ask().await?;
        Ok(Reading::Position(lsn(self.node.fake.lock().position)))
    }

    async fn close(self: Box<Self>) {}
}
