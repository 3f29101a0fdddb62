//! A statement of the fake back end.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use orm_split_core::{Connected, Fault, Hold, Identified, Node, SplitError, Statement};

use super::World;
use super::servers::{FakeNode, Pooled, identity_of, wait};

/// The host's error of this back end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FakeError {
    Driver(Fault),
    Ours(SplitError),
}

/// A statement that does what the server says which it runs on.
pub struct FakeStatement<'a> {
    world: &'a World,
}

impl<'a> FakeStatement<'a> {
    pub fn of(world: &'a World) -> Self {
        Self { world }
    }
}

impl Statement for FakeStatement<'_> {
    type Connection = (FakeNode, String, Pooled);
    type Output = (String, u64);
    type Error = FakeError;

    async fn checkout(&self, node: &Arc<Node>) -> Result<(Self::Connection, Connected), FakeError> {
        let fake = self.world.by_name[node.name()].clone();
        let name = node.name().to_owned();
        fake.asked.checkouts.fetch_add(1, Ordering::Relaxed);
        let splitter = &self.world.splitter;
        while let Some(pooled) = fake.idle() {
            if splitter.is_current(node, pooled.connected) {
                let connected = pooled.connected;
                return Ok(((fake, name, pooled), connected));
            }
        }
        let server = fake.leads_to();
        let run = server.lock().run;
        let answer = server.lock().checkouts;
        // opened before it is asked: a crash in between kills it
        let opened = async {
            let question = splitter.identify(node);
            wait(answer).await.map_err(FakeError::Driver)?;
            if server.lock().run != run {
                return Err(FakeError::Driver(Fault::Unreachable));
            }
            match question.answered(&identity_of(&server)) {
                Identified::Usable(connected) => Ok(connected),
                Identified::AskAgain | Identified::Refused(_) => {
                    Err(FakeError::Driver(Fault::Conflict))
                }
            }
        };
        let connected = opened.await?;
        let position = server.lock().position_after_checkout.take();
        if let Some(position) = position {
            // another connection finds the server further back
            server.lock().position = position;
            let other = splitter.identify(node);
            let _voided = other.answered(&identity_of(&server));
        }
        let pooled = Pooled {
            server,
            run,
            connected,
        };
        Ok(((fake, name, pooled), connected))
    }

    fn release(&self, (fake, _, pooled): Self::Connection) {
        fake.give_back(pooled);
    }

    async fn execute(
        &self,
        connection: Self::Connection,
        hold: Hold,
    ) -> Result<(String, u64), FakeError> {
        let (fake, name, pooled) = connection;
        fake.asked.statements.fetch_add(1, Ordering::Relaxed);
        // its snapshot is of its beginning
        let (answer, position) = {
            let fake = pooled.server.lock();
            (fake.statements, fake.position)
        };
        let answered = wait(answer).await;
        drop(hold);
        answered.map_err(FakeError::Driver)?;
        let run = pooled.server.lock().run;
        match run == pooled.run {
            true => {
                fake.give_back(pooled);
                Ok((name, position))
            }
            false => Err(FakeError::Driver(Fault::Unreachable)),
        }
    }

    fn fault(&self, error: &FakeError) -> Fault {
        match error {
            FakeError::Driver(fault) => *fault,
            FakeError::Ours(_) => Fault::Query,
        }
    }

    fn checkout_timed_out(&self, node: &Node) -> Fault {
        match self.world.by_name[node.name()].fake.lock().is_full {
            true => Fault::Saturated,
            false => Fault::Timeout,
        }
    }

    fn describe(&self, error: &FakeError) -> String {
        format!("{error:?}")
    }

    fn fail(&self, error: SplitError) -> FakeError {
        FakeError::Ours(error)
    }
}
