//! Watching a group: one connection to each of its members, opened through an address that leads to any.
//!
//! Decides when to open a connection in search of a member, and when one is gone. Never how fresh a member
//! is, nor who is one. Every few seconds a connection is opened; if it leads to a member that nobody watches,
//! it stays, as the companion of that member, until it breaks. Members that only the pools have found are
//! looked for a few times in a row. One member that hangs delays no other.

use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use tokio::sync::Notify;
use tokio::time::{Instant, timeout, timeout_at};

use crate::backend::{ProbeConnection, ProbeError};
use crate::fault::Fault;
use crate::freshness::{MOST_MEMBERS, Verdict};
use crate::monitor::Task;
use crate::opening::Opening;

/// Connections that are opened in a row in search of members which nobody watches.
const SEARCHES: u32 = 8;

/// A member that answers nobody for so long is no member any more.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(60);

/// An open connection, and the generation of the member that it leads to.
type Found = (Box<dyn ProbeConnection>, u64);

/// The connections to the members of one node.
struct Companions<'a> {
    task: &'a Task,
    running: FuturesUnordered<BoxFuture<'a, ()>>,
    /// Generations of the members that are watched.
    watched: Arc<Mutex<Vec<u64>>>,
    /// Makes all of them ask now.
    wanted: Arc<Notify>,
}

/// Watches the node for as long as it is a group, which is for ever.
pub(crate) async fn watch(task: &Task) {
    let mut companions = Companions {
        task,
        running: FuturesUnordered::new(),
        watched: Arc::default(),
        wanted: Arc::default(),
    };
    let watched = Arc::clone(&companions.watched);
    let wanted = Arc::clone(&companions.wanted);
    let mut searches = 0;
    loop {
        let found = companions.beside(search(task, &watched)).await;
        // where somebody was found there may be more
        let may_be_more = found.is_some() && task.node.group.len() < MOST_MEMBERS;
        if let Some(found) = found {
            companions.add(found);
        }
        task.forget_silent_members(FORGOTTEN_AFTER);
        let is_complete = task.node.group.are_all_in(&watched.lock());
        searches = if is_complete { 0 } else { searches + 1 };
        let is_tired = searches >= SEARCHES;
        let pause = if may_be_more || !is_complete && !is_tired {
            task.shared.options.sample_fast
        } else if task.node.group.len() == 0 {
            // as any node that is down
            task.shared.options.sample_slow
        } else {
            task.shared.options.probe_reconnect
        };
        let until = Instant::now() + pause;
        companions
            .beside(rest(task, until, |()| {
                wanted.notify_waiters();
                !is_tired && !task.node.group.are_all_in(&watched.lock())
            }))
            .await;
        if is_tired {
            searches = 0;
        }
    }
}

/// Waits until the next search. Who asks for a probe meanwhile wants to hear of those that are watched;
/// the search begins early only if one of them is gone.
async fn rest(task: &Task, until: Instant, mut begins: impl FnMut(()) -> bool) {
    let fast = Instant::now() + task.shared.options.sample_fast;
    tokio::time::sleep_until(until.min(fast)).await;
    while let Ok(asked) = timeout_at(until, task.node.probe_wanted.notified()).await {
        if begins(asked) {
            return;
        }
    }
}

/// Opens a connection; yields it if it leads to a member that nobody watches.
async fn search(task: &Task, watched: &Mutex<Vec<u64>>) -> Option<Found> {
    let (connection, verdict) = match open(task).await {
        Ok(opened) => opened,
        Err(error) => {
            // others answer as long as they are watched
            if watched.lock().is_empty() {
                task.shared.probe_failed(&task.node, error);
            }
            return None;
        }
    };
    match verdict {
        Verdict::Accepted { generation } if !watched.lock().contains(&generation) => {
            return Some((connection, generation));
        }
        Verdict::Accepted { .. } | Verdict::Ambiguous | Verdict::Refused(_) => {}
    }
    close(task, connection).await;
    None
}

async fn open(task: &Task) -> Result<(Box<dyn ProbeConnection>, Verdict), ProbeError> {
    let mut connection = task.bounded(task.prober.open()).await?;
    let opening = Opening::of(&task.shared, &task.node);
    let identity = task.answer(connection.identify()).await?;
    let verdict = opening.answered(&identity);
    task.shared.probe_succeeded(&task.node);
    Ok((connection, verdict))
}

async fn close(task: &Task, connection: Box<dyn ProbeConnection>) {
    drop(timeout(task.shared.options.probe_deadline, connection.close()).await);
}

impl<'a> Companions<'a> {
    fn add(&mut self, (connection, generation): Found) {
        self.watched.lock().push(generation);
        let companion = Companion {
            task: self.task,
            watched: Arc::clone(&self.watched),
            wanted: Arc::clone(&self.wanted),
            generation,
        };
        self.running.push(Box::pin(companion.run(connection)));
    }

    /// Does something else while the members are watched.
    async fn beside<T>(&mut self, work: impl Future<Output = T>) -> T {
        let mut work = std::pin::pin!(work);
        loop {
            tokio::select! {
                biased;
                output = &mut work => return output,
                Some(()) = self.running.next() => {}
            }
        }
    }
}

/// Watches one member.
struct Companion<'a> {
    task: &'a Task,
    watched: Arc<Mutex<Vec<u64>>>,
    wanted: Arc<Notify>,
    generation: u64,
}

/// What has to be asked next.
enum Next {
    Position,
    Identity,
    Nothing,
}

impl Companion<'_> {
    async fn run(mut self, mut connection: Box<dyn ProbeConnection>) {
        let mut next = Next::Position;
        loop {
            match next {
                // it was interrupted: nothing is known of the member until it has said who it is
                Next::Identity => tokio::time::sleep(self.task.shared.options.sample_fast).await,
                Next::Position | Next::Nothing => self.pause().await,
            }
            let asked = match next {
                Next::Position => self.ask(connection.as_mut()).await,
                Next::Identity => self.identify(connection.as_mut()).await,
                Next::Nothing => return close(self.task, connection).await,
            };
            next = match asked {
                Ok(next) => next,
                Err(error) => return self.is_gone(error),
            };
        }
    }

    async fn pause(&self) {
        let fast = self.task.shared.options.sample_fast;
        let pause = self.task.pace();
        tokio::time::sleep(fast.min(pause)).await;
        let rest = pause.saturating_sub(fast);
        if !rest.is_zero() {
            drop(timeout(rest, self.wanted.notified()).await);
        }
    }

    async fn ask(&self, connection: &mut dyn ProbeConnection) -> Result<Next, ProbeError> {
        let (shared, node) = (&self.task.shared, &self.task.node);
        let sent_at = shared.clock.now();
        let Some(index) = node.id.replica_index() else {
            return Ok(Next::Nothing);
        };
        let generation = self.generation;
        let asked = shared.freshness(|f| f.ask(index, Some(generation), sent_at));
        let reading = self.patiently(connection.read_position()).await?;
        shared.probe_succeeded(node);
        let now = shared.clock.now();
        let verdict = asked.map(|asked| {
            shared.learn(|freshness| freshness.replica_showed(index, asked, reading, now))
        });
        Ok(match verdict {
            Some(Verdict::Accepted {
                generation: current,
            }) if current == generation => Next::Position,
            // another reply overtook this one; that says nothing about this connection
            Some(Verdict::Ambiguous)
                if shared.freshness(|f| f.is_identified(index, generation)) =>
            {
                Next::Position
            }
            Some(Verdict::Accepted { .. } | Verdict::Ambiguous) => Next::Identity,
            Some(Verdict::Refused(_)) | None => Next::Nothing,
        })
    }

    /// What was known of the member is void; its server still answers.
    async fn identify(&mut self, connection: &mut dyn ProbeConnection) -> Result<Next, ProbeError> {
        let opening = Opening::of(&self.task.shared, &self.task.node);
        let identity = self.patiently(connection.identify()).await?;
        Ok(match opening.answered(&identity) {
            Verdict::Accepted { generation } => self.watches(generation),
            Verdict::Ambiguous => Next::Identity,
            Verdict::Refused(_) => Next::Nothing,
        })
    }

    /// The member is of this generation now, unless somebody else watches it already.
    fn watches(&mut self, generation: u64) -> Next {
        let mut watched = self.watched.lock();
        if generation == self.generation {
            return Next::Position;
        }
        if watched.contains(&generation) {
            return Next::Nothing;
        }
        watched.retain(|other| *other != self.generation);
        watched.push(generation);
        self.generation = generation;
        Next::Position
    }

    /// One lost packet is no outage: it may take two probes' time. The answer to an earlier question
    /// would be taken for that to the next one, so there is no asking twice.
    async fn patiently<T>(
        &self,
        question: impl Future<Output = Result<T, ProbeError>>,
    ) -> Result<T, ProbeError> {
        let deadline = self.task.shared.options.probe_deadline * 2;
        self.task.count_question();
        timeout(deadline, question).await.unwrap_or_else(|_| {
            let message = format!("no answer to a probe within {deadline:?}");
            Err(ProbeError::new(Fault::Timeout, message))
        })
    }

    fn is_gone(&self, error: ProbeError) {
        let (shared, node) = (&self.task.shared, &self.task.node);
        tracing::warn!(node = %node.name, %error, "a member of the group does not answer");
        shared.forget_member(node, self.generation);
        if error.fault == Fault::Timeout {
            node.group.fell_silent(self.generation);
        }
        if node.group.len() == 0 {
            shared.probe_failed(node, error);
        }
        node.probe_wanted.notify_one();
    }
}

impl Drop for Companion<'_> {
    fn drop(&mut self) {
        self.watched
            .lock()
            .retain(|other| *other != self.generation);
    }
}
