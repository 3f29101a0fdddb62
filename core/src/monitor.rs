//! The monitor: one task per node that samples, probes and identifies over a connection of its own.
//!
//! Decides when to ask, never what an answer means. The only file of core that spawns tasks. One node that
//! hangs delays nobody else; every question has a time limit; requests for a probe are coalesced.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

use crate::backend::{ProbeConnection, ProbeError, Prober};
use crate::clock::Moment;
use crate::companions;
use crate::fault::Fault;
use crate::freshness::Verdict;
use crate::node::Node;
use crate::opening::Opening;
use crate::role::Role;
use crate::shared::Shared;

/// A catalogue takes longer to read than a position; so many probe deadlines it may take.
const CATALOGUE_DEADLINES: u32 = 10;

/// The running tasks; dropping it stops them.
#[derive(Debug)]
pub(crate) struct Monitor {
    stop: watch::Sender<bool>,
    tasks: Vec<JoinHandle<()>>,
}

impl Monitor {
    /// Starts a task for each node. Must be called inside a tokio runtime.
    #[expect(clippy::disallowed_methods, reason = "this is the monitor")]
    pub(crate) fn start(shared: &Arc<Shared>, probers: Vec<Arc<dyn Prober>>) -> Self {
        let stop = watch::Sender::new(false);
        let topology = shared.topology();
        let nodes = topology.nodes().iter();
        let watches = nodes.zip(probers).map(|(node, prober)| {
            let task = Task {
                shared: Arc::clone(shared),
                node: Arc::clone(node),
                prober,
                catalogue_due: Mutex::new(Instant::now()),
                led_to: Mutex::default(),
                asked_at: Mutex::new(Instant::now()),
            };
            let mut stopped = stop.subscribe();
            tokio::spawn(async move {
                tokio::select! {
                    () = task.watch() => {}
                    // an error means that the monitor is gone, which is the same
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            })
        });
        #[cfg_attr(
            not(any(feature = "axum", feature = "metrics")),
            expect(unused_mut, reason = "nothing ticks")
        )]
        let mut tasks: Vec<_> = watches.collect();
        #[cfg(any(feature = "axum", feature = "metrics"))]
        {
            let (ticks, mut stopped) = (crate::ticker::tick(Arc::clone(shared)), stop.subscribe());
            tasks.push(tokio::spawn(async move {
                tokio::select! {
                    () = ticks => {}
                    _ = stopped.wait_for(|stop| *stop) => {}
                }
            }));
        }
        Self { tasks, stop }
    }

    /// Stops and joins every task.
    pub(crate) async fn shut_down(self) {
        self.stop.send_replace(true);
        for task in self.tasks {
            if task.await.is_err() {
                tracing::error!("a monitor task panicked");
            }
        }
    }
}

/// Watches one node.
pub(crate) struct Task {
    pub(crate) shared: Arc<Shared>,
    pub(crate) node: Arc<Node>,
    pub(crate) prober: Arc<dyn Prober>,
    /// When the catalogue has to be read again. It outlives a connection.
    catalogue_due: Mutex<Instant>,
    led_to: Mutex<LedTo>,
    /// When the node was last asked something.
    pub(crate) asked_at: Mutex<Instant>,
}

/// Where the node's address led before, and how often that is looked at again soon.
#[derive(Debug, Default)]
struct LedTo {
    generation: Option<u64>,
    looks: u32,
}

/// How often, and how soon, an address is followed again that led to another server: it may lead to both.
const LOOKS: u32 = 6;
const LOOK_AFTER: Duration = Duration::from_millis(50);

impl Task {
    async fn watch(self) {
        if self.node.role == Role::Replica {
            // a replica is judged by the primary it should follow; a primary that stays silent is
            // given up after one probe
            self.shared.primary.was_probed().await;
        }
        loop {
            if self.node.group.is_one() {
                companions::watch(&self).await;
            }
            if let Err(error) = self.watch_one_connection().await {
                self.shared.probe_failed(&self.node, error);
                self.pause(self.shared.options.sample_slow).await;
            }
        }
    }

    /// Opens a connection, identifies the server, and asks over it until it is due for replacement,
    /// breaks, or turns out to belong to an older generation.
    async fn watch_one_connection(&self) -> Result<(), ProbeError> {
        *self.asked_at.lock() = Instant::now();
        let mut connection = self.bounded(self.prober.open()).await?;
        let outcome = self.watch_over(connection.as_mut()).await;
        drop(timeout(self.shared.options.probe_deadline, connection.close()).await);
        outcome
    }

    async fn watch_over(&self, connection: &mut dyn ProbeConnection) -> Result<(), ProbeError> {
        let Some(generation) = self.identify(connection).await? else {
            return Ok(());
        };
        let until = Instant::now() + self.keep_for(generation);
        let mut waited_for = None;
        while Instant::now() < until && !self.node.group.is_one() {
            self.await_next_question(connection, &mut waited_for)
                .await?;
            if !self.ask(connection, generation).await? {
                return Ok(());
            }
            self.forget_sessions();
            if !self.read_catalogue(connection).await {
                return Ok(());
            }
        }
        Ok(())
    }

    /// How long a connection is kept that leads to the server of this generation.
    fn keep_for(&self, generation: u64) -> Duration {
        let regular = self.shared.options.probe_reconnect;
        let mut led_to = self.led_to.lock();
        let led_elsewhere = led_to.generation.is_some_and(|before| before != generation);
        led_to.generation = Some(generation);
        if led_elsewhere && led_to.looks == 0 {
            led_to.looks = LOOKS;
        }
        match led_to.looks.checked_sub(1) {
            Some(left) if self.node.role == Role::Replica => {
                led_to.looks = left;
                LOOK_AFTER.min(regular)
            }
            _ => regular,
        }
    }

    /// Reads the primary's catalogue if that is due; `false` if the connection has to be opened
    /// again, since its answer is still to come. A server that cannot answer is not taken for down.
    async fn read_catalogue(&self, connection: &mut dyn ProbeConnection) -> bool {
        if self.node.role == Role::Replica || !self.is_catalogue_due() {
            return true;
        }
        let (shared, options) = (&self.shared, &self.shared.options);
        self.count_question();
        let limit = options.probe_deadline * CATALOGUE_DEADLINES;
        match timeout(limit, connection.read_catalogue()).await {
            Ok(Ok(Some(catalogue))) => {
                let catalogue = match options.sessions_are_prepared {
                    true => catalogue.with_prepared_sessions(),
                    false => catalogue,
                };
                shared
                    .intents
                    .learn(catalogue.settled(options.user_functions));
                true
            }
            Ok(Ok(None)) => true,
            Ok(Err(error)) => {
                tracing::warn!(node = %self.node.name, %error, "the catalogue could not be read");
                true
            }
            Err(_) => {
                tracing::warn!(node = %self.node.name, ?limit, "the catalogue was not read in time");
                false
            }
        }
    }

    /// The generation of the connection, or `None` if it has to be opened again.
    async fn identify(
        &self,
        connection: &mut dyn ProbeConnection,
    ) -> Result<Option<u64>, ProbeError> {
        let opening = Opening::of(&self.shared, &self.node);
        let identity = self.answer(connection.identify()).await?;
        let verdict = opening.answered(&identity);
        // only now: whoever waits for the first probe wants to see what came of it
        self.shared.probe_succeeded(&self.node);
        match verdict {
            Verdict::Accepted { generation } => Ok(Some(generation)),
            Verdict::Ambiguous => Ok(None),
            Verdict::Refused(_) => {
                self.pause(self.shared.options.sample_slow).await;
                Ok(None)
            }
        }
    }

    /// Asks for the position; `false` if the connection has to be opened again.
    async fn ask(
        &self,
        connection: &mut dyn ProbeConnection,
        generation: u64,
    ) -> Result<bool, ProbeError> {
        let shared = &self.shared;
        let sent_at = shared.clock.now();
        let index = self.node.id.replica_index();
        let asked = index.and_then(|i| shared.freshness(|f| f.ask(i, Some(generation), sent_at)));
        let reading = self.answer(connection.read_position()).await?;
        self.shared.probe_succeeded(&self.node);
        let now = shared.clock.now();
        let (Some(index), Some(asked)) = (index, asked) else {
            shared.learn(|f| f.sampled(generation, sent_at, reading, now));
            return Ok(self.node.generation() == generation);
        };
        let verdict = shared.learn(|f| f.replica_showed(index, asked, reading, now));
        Ok(match verdict {
            Verdict::Accepted {
                generation: current,
            } => current == generation,
            // another reply overtook this one; that says nothing about this connection
            Verdict::Ambiguous => shared.freshness(|f| f.is_identified(index, generation)),
            Verdict::Refused(_) => false,
        })
    }

    /// Whether the catalogue has to be read now; if so, when it has to be read again begins anew.
    fn is_catalogue_due(&self) -> bool {
        let now = Instant::now();
        let mut due = self.catalogue_due.lock();
        // asked in any case: what has changed until now is read now
        let changed = self.shared.intents.take_changed();
        let is_due = changed || now >= *due;
        if is_due {
            *due = now + self.shared.options.catalogue_refresh;
        }
        is_due
    }

    /// Sessions whose writes every replica in use has replayed need not be remembered.
    fn forget_sessions(&self) {
        if self.node.role == Role::Replica {
            return;
        }
        let now = self.shared.clock.now();
        let topology = self.shared.topology();
        let replicas = topology.replicas().iter();
        let in_use = replicas.filter(|node| node.is_selectable());
        let passed = in_use.map(|node| node.passed_as_of(now)).min();
        self.shared
            .sessions
            .forget(passed.unwrap_or(Moment::NEVER), now);
    }

    pub(crate) fn count_question(&self) {
        *self.asked_at.lock() = Instant::now();
        // whoever wanted a probe before it is sent is content with this one
        let _: Option<()> = self.node.check_wanted.notified().now_or_never();
        self.node.questions.count(self.shared.clock.now());
    }

    pub(crate) async fn answer<T>(
        &self,
        question: impl Future<Output = Result<T, ProbeError>>,
    ) -> Result<T, ProbeError> {
        self.count_question();
        self.bounded(question).await
    }

    /// Whoever has not answered for so long, and for several searches, is no member any more.
    pub(crate) fn forget_silent_members(&self, after: Duration) {
        let Some(index) = self.node.id.replica_index() else {
            return;
        };
        let after = after.max(self.shared.options.probe_reconnect * 4);
        let since = self.shared.clock.ago(after);
        self.shared.learn(|f| f.forget_silent(index, since));
    }

    pub(crate) async fn bounded<T>(
        &self,
        question: impl Future<Output = Result<T, ProbeError>>,
    ) -> Result<T, ProbeError> {
        let deadline = self.shared.options.probe_deadline;
        timeout(deadline, question).await.unwrap_or_else(|_| {
            let message = format!("no answer to a probe within {deadline:?}");
            Err(ProbeError::new(Fault::Timeout, message))
        })
    }
}
