//! How connections to one node are opened, and whether an idle one may be used again.
//!
//! Opening a connection is a probe: it is asked who it leads to before anybody uses it. An idle one must
//! not be older than the evidence about its node.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

use diesel::ConnectionResult;
use futures_util::future::BoxFuture;
use orm_split_core::{
    AttemptFailure, Connected, Fault, Node, Phase, ProbeError, SplitError, Splitter,
};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::time::{Instant, timeout};

use crate::error::{connection_error, probe_error};
use crate::node_connection::NodeConnection;

/// How a user opens a connection: `custom_setup` of diesel-async, for any number of nodes.
pub(crate) type Setup<C> =
    Arc<dyn for<'u> Fn(&'u str) -> BoxFuture<'u, ConnectionResult<C>> + Send + Sync>;

/// How often a new connection is asked again while replies of others overtake its own.
const QUESTIONS: usize = 4;

/// How long a connection may be idle before it is pinged: a firewall may have dropped it.
const PING_AFTER: Duration = Duration::from_secs(30);

/// How long that may take: not every pool bounds it, and a firewall may drop what it is sent.
const PING_WITHIN: Duration = Duration::from_secs(5);

/// Opens connections to one node.
pub(crate) struct Opener<C: NodeConnection> {
    pub(crate) node: Arc<Node>,
    splitter: Weak<Splitter>,
    pub(crate) url: String,
    setup: Setup<C>,
    witness: C::Witness,
    /// Without replicas nothing is asked.
    identifies: bool,
    within: Duration,
    last_failure: Mutex<Option<AttemptFailure>>,
    /// The latest refusal: no waiter needs to wait any longer for a connection that may be used.
    refused: watch::Sender<Option<SplitError>>,
}

/// A connection that was opened by us.
pub(crate) struct Opened<C> {
    pub(crate) connection: C,
    /// `None` if it was not asked, for want of replicas.
    pub(crate) connected: Option<Connected>,
    pub(crate) idle_since: Instant,
    pub(crate) is_discarded: bool,
    /// It was in the hands of the user: nobody knows what was left on it.
    pub(crate) is_unknown: bool,
}

impl<C: NodeConnection> Opener<C> {
    pub(crate) fn new(
        splitter: &Arc<Splitter>,
        node: &Arc<Node>,
        url: String,
        setup: Setup<C>,
        within: Duration,
    ) -> Self {
        Self {
            node: Arc::clone(node),
            splitter: Arc::downgrade(splitter),
            witness: C::witness(&url, node.is_primary()),
            url,
            setup,
            identifies: !splitter.topology().replicas().is_empty(),
            within,
            last_failure: Mutex::new(None),
            refused: watch::Sender::new(None),
        }
    }

    /// Opens a connection that may be used. Boxed: pools move what they hold at every checkout, and a
    /// connection has many hundred bytes.
    pub(crate) async fn open(&self) -> Result<Box<Opened<C>>, SplitError> {
        let opened = match timeout(self.within, self.open_and_ask()).await {
            Ok(opened) => opened,
            Err(_) => {
                let message = format!("no connection within {:?}", self.within);
                Err(self.failed(&ProbeError::new(Fault::Timeout, message)))
            }
        };
        match &opened {
            Ok(_) => *self.last_failure.lock() = None,
            Err(error) => tracing::debug!(node = self.node.name(), %error, "no connection"),
        }
        opened
    }

    async fn open_and_ask(&self) -> Result<Box<Opened<C>>, SplitError> {
        let mut connection = self.connect().await.map_err(|error| self.failed(&error))?;
        let connected = self.ask(&mut connection).await?;
        Ok(Box::new(Opened {
            connection,
            connected,
            idle_since: Instant::now(),
            is_discarded: false,
            is_unknown: false,
        }))
    }

    /// Opens a connection, to be asked by the caller.
    pub(crate) async fn connect(&self) -> Result<C, ProbeError> {
        let opened = (self.setup)(&self.url).await;
        let mut connection = opened.map_err(|error| connection_error(&error))?;
        if !self.node.is_primary() {
            let guarded = connection.make_read_only().await;
            guarded.map_err(|error| probe_error(&error))?;
        }
        Ok(connection)
    }

    async fn ask(&self, connection: &mut C) -> Result<Option<Connected>, SplitError> {
        let Some(splitter) = self.splitter.upgrade().filter(|_| self.identifies) else {
            return Ok(None);
        };
        for _ in 0..QUESTIONS {
            let question = splitter.identify(&self.node);
            let identity = connection.identify(&self.witness).await;
            let identity = identity.map_err(|error| self.failed(&error))?;
            match question.answered(&identity).judge(&self.node) {
                None => {}
                Some(Ok(connected)) => return Ok(Some(connected)),
                Some(Err(refusal)) => return Err(self.refuse(refusal)),
            }
        }
        let node = self.node.name().to_owned();
        Err(self.refuse(SplitError::Unstable { node }))
    }

    fn refuse(&self, refusal: SplitError) -> SplitError {
        self.refused.send_replace(Some(refusal.clone()));
        refusal
    }

    fn failed(&self, error: &ProbeError) -> SplitError {
        if let Some(splitter) = self.splitter.upgrade().filter(|_| self.identifies) {
            splitter.could_not_open(&self.node, error.fault, error.message.as_str());
        }
        let failure = AttemptFailure::new(
            self.node.name(),
            Phase::Checkout,
            error.fault,
            error.message.as_str(),
        );
        *self.last_failure.lock() = Some(failure.clone());
        SplitError::Exhausted(vec![failure])
    }

    /// Why the pool has no connection to offer, if opening one failed lately.
    pub(crate) fn last_failure(&self) -> Option<AttemptFailure> {
        self.last_failure.lock().clone()
    }

    /// Resolves when a connection that was opened from now on turns out to be unusable. Whoever waits for
    /// a pool that opens in the background learns it here.
    #[cfg(feature = "bb8")]
    pub(crate) fn next_refusal(&self) -> impl Future<Output = SplitError> + use<C> {
        let mut refused = self.refused.subscribe();
        async move {
            while refused.changed().await.is_ok() {
                let refusal = refused.borrow_and_update().clone();
                if let Some(refusal) = refusal {
                    return refusal;
                }
            }
            std::future::pending().await
        }
    }

    /// Whether an idle connection may be used again.
    pub(crate) async fn is_usable(&self, opened: &mut Opened<C>) -> bool {
        if opened.is_discarded
            || opened.connection.is_broken()
            || !C::leads_there(&self.witness) && self.identifies
            || !self.is_current(opened.connected)
        {
            return false;
        }
        if !opened.is_unknown && opened.idle_since.elapsed() < PING_AFTER {
            return true;
        }
        // given up half-way, it must not come back as healthy
        opened.is_discarded = true;
        let ping = opened.connection.batch_execute(C::IS_IDLE);
        let answered = matches!(timeout(PING_WITHIN, ping).await, Ok(Ok(())));
        opened.is_discarded = !answered;
        opened.is_unknown = false;
        answered
    }

    /// Whether a connection belongs to the node's current generation.
    fn is_current(&self, connected: Option<Connected>) -> bool {
        let asked = self.splitter.upgrade().zip(connected);
        asked.is_none_or(|(splitter, connected)| splitter.is_current(&self.node, connected))
    }
}

impl<C: NodeConnection> Opened<C> {
    /// Whether it must not go back to its pool.
    pub(crate) fn is_spent(&mut self) -> bool {
        self.idle_since = Instant::now();
        self.is_discarded || std::thread::panicking() || self.connection.is_broken()
    }
}

impl<C: NodeConnection> fmt::Debug for Opener<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Opener")
            .field("node", &self.node.name())
            .finish_non_exhaustive()
    }
}
