//! The façade of core: what an adapter holds.
//!
//! Decides nothing itself; it is the one file that knows all others.

use std::sync::{Arc, Weak};
use std::time::Duration;

use arc_swap::Guard;
use parking_lot::Mutex;

use crate::attempt;
use crate::backend::{Prober, Statement};
use crate::classify::Dialect;
use crate::config::{ConfigError, Options};
use crate::connected::Connected;
use crate::error::{AttemptFailure, Phase, SplitError};
use crate::fault::Fault;
use crate::intent::{Cause, Intent};
use crate::monitor::Monitor;
use crate::node::Node;
use crate::opening::Identifying;
use crate::placement::Placement;
use crate::pools::PoolGauge;
use crate::role::Role;
use crate::route::{Asks, Route, Would};
use crate::select::Select;
use crate::session::SessionKey;
use crate::shared::Shared;
use crate::status::Status;
use crate::topology::Topology;

/// Decides where statements run and runs them through an adapter's [`Statement`].
///
/// Its monitor tasks stop when it is dropped, so a prober must not hold it; [`shut_down`](Self::shut_down)
/// also joins them.
///
/// ```
/// use std::sync::Arc;
/// use orm_split_core::{Adaptive, Dialect, Hint, Options, Reason, Splitter};
///
/// let replicas = [Arc::from("replica-1")];
/// let policy = Arc::new(Adaptive);
/// let splitter = Splitter::new(Dialect::Postgres, Options::default(), policy, "primary", &replicas)?;
/// // nothing was probed yet, so nothing is known of the replica
/// let route = splitter.explain("SELECT 1", Hint::None);
/// assert_eq!(route.reason, Reason::NoReplicaUp);
/// # Ok::<(), orm_split_core::ConfigError>(())
/// ```
#[derive(Debug)]
pub struct Splitter {
    pub(crate) shared: Arc<Shared>,
    monitor: Mutex<Option<Monitor>>,
}

impl Splitter {
    /// A splitter over a topology; nothing runs until [`start`](Self::start).
    ///
    /// # Errors
    /// An option or the number of replicas is out of range.
    pub fn new(
        dialect: Dialect,
        options: Options,
        policy: Arc<dyn Select>,
        primary: impl Into<Arc<str>>,
        replicas: &[Arc<str>],
    ) -> Result<Self, ConfigError> {
        let replicas = replicas.iter().cloned();
        let replicas: Vec<_> = replicas.map(|name| (name, Placement::default())).collect();
        Self::over(dialect, options, policy, primary, &replicas)
    }

    /// As [`new`](Self::new), with weights and zones.
    ///
    /// # Errors
    /// As [`new`](Self::new), or a weight or zone is not accepted.
    pub fn over(
        dialect: Dialect,
        options: Options,
        policy: Arc<dyn Select>,
        primary: impl Into<Arc<str>>,
        replicas: &[(Arc<str>, Placement)],
    ) -> Result<Self, ConfigError> {
        options.validate()?;
        let topology = Topology::new(primary.into(), replicas, options.zone.as_deref())?;
        Ok(Self {
            shared: Arc::new(Shared::new(dialect, options, policy, topology)),
            monitor: Mutex::new(None),
        })
    }

    /// Starts the monitor with one prober per node, the primary's first, and waits until each node
    /// has been probed once, but no longer than twice the probe deadline.
    ///
    /// # Cancel safety
    /// The monitor runs on if the future is dropped.
    pub async fn start(&self, probers: Vec<Arc<dyn Prober>>) {
        *self.monitor.lock() = Some(Monitor::start(&self.shared, probers));
        let limit = self.shared.options.probe_deadline * 2;
        let topology = self.topology();
        let all = topology.nodes().iter();
        let probed = futures_util::future::join_all(all.map(|node| node.was_probed()));
        drop(tokio::time::timeout(limit, probed).await);
    }

    /// The primary's pool holds at most so many connections: half of them are for reads that fall back. To be
    /// called before statements run; the first call counts.
    pub fn primary_holds(&self, connections: u32) {
        self.shared.fallback.primary_holds(connections);
    }

    /// Who knows how the nodes' pools are used, for `status()`; the first call counts.
    pub fn pools_are_told_by(&self, gauge: Weak<dyn PoolGauge>) {
        self.shared.pools.are_told_by(gauge);
    }

    /// For simulations: what is left to chance is the same in each run with the same `seed`. To be called once,
    /// before [`start`](Self::start).
    pub fn seed(&self, seed: u64) {
        self.shared.dice.seed(seed);
    }

    /// The nodes of this moment.
    #[must_use]
    pub fn topology(&self) -> Arc<Topology> {
        Guard::into_inner(self.shared.topology())
    }

    /// The node that takes writes.
    #[must_use]
    pub fn primary(&self) -> &Arc<Node> {
        &self.shared.primary
    }

    /// What was configured.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// Runs a statement on the node it is routed to, and again elsewhere where that is safe.
    ///
    /// # Errors
    /// The host's own error, or ours wrapped by [`Statement::fail`].
    ///
    /// # Cancel safety
    /// Dropping the future gives the node's place back, marks the session if a write was sent, and
    /// drops the statement's own future, which closes its connection.
    pub async fn run<S: Statement>(
        &self,
        sql: &str,
        asks: impl Into<Asks>,
        statement: &S,
    ) -> Result<S::Output, S::Error> {
        attempt::run(&self.shared, sql, asks.into(), statement).await
    }

    /// Begins a transaction that the caller declares to be read-only: on a replica if one meets the
    /// session's floor now, which is then fixed for the whole transaction. The BEGIN is part of the
    /// statement's checkout; its output keeps the [`Hold`](crate::Hold) to the transaction's end.
    ///
    /// # Errors
    /// The host's own error, or ours wrapped by [`Statement::fail`].
    ///
    /// # Cancel safety
    /// As [`run`](Self::run).
    pub async fn begin_read_only<S: Statement>(
        &self,
        asks: impl Into<Asks>,
        statement: &S,
    ) -> Result<S::Output, S::Error> {
        attempt::begin_read_only(&self.shared, asks.into(), statement).await
    }

    /// Where `sql` would go now, and why, without sending it. In [`Mode::Shadow`](crate::Mode::Shadow) also
    /// where it would go otherwise.
    #[must_use]
    pub fn explain(&self, sql: &str, asks: impl Into<Asks>) -> Route {
        let request = self.shared.request(sql, asks.into());
        let decision = self.shared.route(&request);
        Route {
            node: Arc::clone(&decision.node.name),
            role: decision.node.role,
            reason: decision.reason,
            intent: request.intent,
            would: self.shared.would(&request).map(Would::go),
        }
    }

    /// The session `key` wrote something that the library did not see, or whose outcome just
    /// arrived.
    pub fn wrote(&self, key: SessionKey) {
        self.shared.wrote(key, self.shared.clock.now());
    }

    /// The current session takes the raw handle of the primary.
    pub fn raw_handle_taken(&self) {
        self.raw_handle_taken_by(SessionKey::current());
    }

    /// The session `key` takes the raw handle of the primary.
    pub fn raw_handle_taken_by(&self, key: SessionKey) {
        let until = self.shared.clock.now().after(self.shared.options.raw_pin);
        self.shared.sessions.holds_raw_handle(key, until);
    }

    /// The session `key` reads where it has read last, for so long: pages of a listing are of one node. It
    /// goes elsewhere only if that node must not serve it any more.
    pub fn stays(&self, key: SessionKey, for_so_long: Duration) {
        let until = self.shared.clock.now().after(for_so_long);
        self.shared.sessions.stays(key, until);
    }

    /// The handle `key` is gone, and its session with it.
    pub fn end_session(&self, key: SessionKey) {
        self.shared.sessions.end(key);
    }

    /// A connection to `node` could not be opened. Whoever waits for one gives up at once if the node
    /// is to blame.
    pub fn could_not_open(&self, node: &Node, fault: Fault, message: impl Into<String>) {
        self.shared.blame_opening(node, fault, message.into());
    }

    /// A statement ran through the raw handle in the current session and that of `handle`; plain reads
    /// change nothing.
    pub fn raw_handle_used(&self, sql: &str, handle: Option<SessionKey>) {
        let intent = self.by_text(sql);
        self.shared.intents.ran(intent);
        if matches!(intent, Intent::Read | Intent::Primary(Cause::Empty)) {
            return;
        }
        let now = self.shared.clock.now();
        let until = now.after(self.shared.options.raw_pin);
        for key in [Some(SessionKey::current()), handle].into_iter().flatten() {
            self.shared.sessions.used_raw_handle(key, now, until);
        }
        self.shared.shadow_awaits(now);
    }

    /// A question for a connection that was just opened to `node`; made before it is sent.
    #[must_use]
    pub fn identify<'a>(&'a self, node: &'a Node) -> Identifying<'a> {
        Identifying::on(&self.shared, node)
    }

    /// As [`is_current`](Self::is_current) where only the connection's age is known: its generation, or
    /// `None` if it may belong to an earlier one.
    #[must_use]
    pub fn connection_of_age(&self, node: &Node, age: Duration) -> Option<Connected> {
        // The age was read a moment ago. Taking the connection for older than it is costs at most
        // a reconnect; for younger, it could pass off a connection of the generation before.
        const MARGIN: Duration = Duration::from_millis(100);
        let since = self.shared.clock.ago(age.saturating_add(MARGIN));
        let generation = node.generation_of(since)?;
        Some(Connected {
            generation,
            opened_at: self.shared.clock.ago(age),
        })
    }

    /// Whether a connection still belongs to the generation that it was opened in; if not it must be
    /// closed. Call it when the connection is taken from its pool.
    #[must_use]
    pub fn is_current(&self, node: &Node, connected: Connected) -> bool {
        node.is_current(connected.generation)
    }

    /// For a connection of a pool that the library did not build, and whose opening it therefore did
    /// not see: trusted to lead to the node's current server, of a group to that which is furthest behind.
    /// To be called when it is taken from the pool.
    #[must_use]
    pub fn trusted_connection(&self, node: &Node) -> Connected {
        let opened_at = self.shared.clock.now();
        let oldest = node.group.oldest(opened_at);
        Connected {
            generation: oldest.map_or_else(|| node.generation(), |view| view.generation),
            opened_at,
        }
    }

    /// Whether the address of `node` leads to several servers: whom a connection leads to is then known only
    /// of the answer that it gave when it was opened.
    #[must_use]
    pub fn is_group(&self, node: &Node) -> bool {
        node.group.is_one()
    }

    /// Something that `status()` should say of a node, beside what it says already.
    pub fn remark(&self, node: &Node, remark: impl Into<String>) {
        node.set_remark(remark.into());
    }

    /// A snapshot of nodes and counters.
    #[must_use]
    pub fn status(&self) -> Status {
        self.shared.status()
    }

    /// What the staleness of the replicas was over the last five minutes, noted down every other second while the
    /// monitor runs.
    #[cfg(feature = "axum")]
    #[must_use]
    pub fn staleness_lately(&self) -> crate::endpoints::StalenessLately {
        self.shared.recent.seen_from(self.shared.clock.now())
    }

    /// Refusals known now, by node: what a builder turns into errors.
    #[must_use]
    pub fn refusals(&self) -> Vec<SplitError> {
        let topology = self.topology();
        let nodes = topology.nodes().iter();
        let refused = nodes.filter_map(|node| {
            let refusal = node.refusal()?;
            let node = node.name.to_string();
            Some(SplitError::Refused { node, refusal })
        });
        refused.collect()
    }

    /// Why a node's latest probe failed, if it is down.
    #[must_use]
    pub fn last_failure(&self, node: &Node) -> Option<AttemptFailure> {
        node.last_failure()
    }

    /// What a statement that must stay on `node` ends with when the node has gone down under it.
    #[must_use]
    pub fn lost(&self, node: &Node) -> SplitError {
        let cause = node.last_error();
        let cause = cause.unwrap_or_else(|| "the node is down".to_owned());
        let (phase, fault) = (Phase::Execute, Fault::Unreachable);
        SplitError::Exhausted(vec![AttemptFailure::new(node.name(), phase, fault, cause)])
    }

    /// Stops the monitor and joins its tasks. Routing goes on with what is known, which grows stale.
    ///
    /// # Cancel safety
    /// The tasks stop even if the future is dropped.
    pub async fn shut_down(&self) {
        let monitor = self.monitor.lock().take();
        if let Some(monitor) = monitor {
            monitor.shut_down().await;
        }
    }
}

impl Node {
    /// Whether the node takes writes by configuration.
    #[must_use]
    pub fn is_primary(&self) -> bool {
        self.role == Role::Primary
    }
}
