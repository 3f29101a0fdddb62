//! A read on one of the farm's servers, over the fake back end's connections.

use std::sync::Arc;

use orm_split_core::{Connected, Fault, Hold, Node, SplitError, Statement};

use super::fake::{FakeError, FakeNode, FakeStatement, Pooled, World};
use super::farm::Farm;

pub struct SimStatement<'a> {
    inner: FakeStatement<'a>,
    farm: &'a Farm,
    work: u64,
}

impl<'a> SimStatement<'a> {
    /// That keeps a worker for so many nanoseconds.
    pub fn of(world: &'a World, farm: &'a Farm, work: u64) -> Self {
        Self {
            inner: FakeStatement::of(world),
            farm,
            work,
        }
    }
}

impl Statement for SimStatement<'_> {
    type Connection = (usize, FakeNode, Pooled);
    type Output = usize;
    type Error = FakeError;

    async fn checkout(&self, node: &Arc<Node>) -> Result<(Self::Connection, Connected), FakeError> {
        let ((fake, _, pooled), connected) = self.inner.checkout(node).await?;
        Ok(((node.id().index(), fake, pooled), connected))
    }

    fn release(&self, (_, fake, pooled): Self::Connection) {
        fake.give_back(pooled);
    }

    async fn execute(
        &self,
        (server, fake, pooled): Self::Connection,
        hold: Hold,
    ) -> Result<usize, FakeError> {
        let answer = self.farm.run(server, self.work).await;
        drop(hold);
        // a connection whose statement did not finish is closed
        if answer.is_ok() {
            fake.give_back(pooled);
        }
        answer.map(|()| server).map_err(FakeError::Driver)
    }

    fn fault(&self, error: &FakeError) -> Fault {
        self.inner.fault(error)
    }

    fn checkout_timed_out(&self, node: &Node) -> Fault {
        self.inner.checkout_timed_out(node)
    }

    fn describe(&self, error: &FakeError) -> String {
        self.inner.describe(error)
    }

    fn fail(&self, error: SplitError) -> FakeError {
        self.inner.fail(error)
    }
}
