//! A connection that is taken out of a node's pool.
//!
//! Decides how it goes back. Must never give one back with a statement still on it, or with another
//! user's instrumentation: pools take a half-used connection for a healthy one.

use std::fmt;
use std::sync::Arc;

use diesel::connection::{CacheSize, Instrumentation, get_default_instrumentation};
use orm_split_core::{Connected, Node};

use crate::instrumentation::Shared;
use crate::node_connection::NodeConnection;

/// A connection of some pool; dropping it gives it back.
pub(crate) trait Pooled<C>: Send {
    fn connection(&mut self) -> &mut C;

    /// Who it leads to; `None` if nobody asked, as in a pool that was handed in.
    fn connected(&self) -> Option<Connected>;

    /// It was in the hands of the user: to be looked at before it serves anybody else.
    fn is_unknown(&mut self);

    /// Closes it.
    fn discard(self: Box<Self>);
}

/// What a handle has set on its connections, whichever they are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Setup {
    pub(crate) instrumentation: Option<Shared>,
    pub(crate) cache_size: Option<CacheSize>,
}

/// One connection of `node`, held by one handle.
pub(crate) struct Lease<C: NodeConnection> {
    pub(crate) node: Arc<Node>,
    pooled: Option<Box<dyn Pooled<C>>>,
    /// As it was when it came out of its pool.
    pub(crate) connected: Connected,
    setup: Setup,
    /// A statement on it did not finish.
    is_tainted: bool,
}

impl<C: NodeConnection> Lease<C> {
    pub(crate) fn new(
        node: &Arc<Node>,
        pooled: Box<dyn Pooled<C>>,
        connected: Connected,
        setup: &Setup,
    ) -> Self {
        let mut lease = Self {
            node: Arc::clone(node),
            pooled: Some(pooled),
            connected,
            setup: Setup::default(),
            is_tainted: false,
        };
        lease.set_up(setup);
        lease
    }

    #[expect(
        clippy::expect_used,
        reason = "only dropping the lease takes its connection"
    )]
    pub(crate) fn connection(&mut self) -> &mut C {
        let pooled = self.pooled.as_mut();
        pooled.expect("the lease is not dropped").connection()
    }

    /// Hands it to the user, who may do with it what nobody sees.
    pub(crate) fn hand_out(&mut self) -> &mut C {
        if let Some(pooled) = &mut self.pooled {
            pooled.is_unknown();
        }
        self.connection()
    }

    /// Applies what the handle has set.
    pub(crate) fn set_up(&mut self, setup: &Setup) {
        if let Some(instrumentation) = &setup.instrumentation {
            self.setup.instrumentation = Some(instrumentation.clone());
            self.connection()
                .set_instrumentation(instrumentation.clone());
        }
        if let Some(size) = setup.cache_size {
            self.setup.cache_size = Some(size);
            self.connection().set_prepared_statement_cache_size(size);
        }
    }

    /// It must serve nobody else.
    pub(crate) fn taint(&mut self) {
        self.is_tainted = true;
    }

    fn undo_setup(&mut self) {
        if self.setup.instrumentation.is_some() {
            let default: Option<Box<dyn Instrumentation>> = get_default_instrumentation();
            self.connection().set_instrumentation(default);
        }
        if self.setup.cache_size.is_some() {
            let default = CacheSize::Unbounded;
            self.connection().set_prepared_statement_cache_size(default);
        }
    }
}

impl<C: NodeConnection> Drop for Lease<C> {
    fn drop(&mut self) {
        if !self.is_tainted {
            self.undo_setup();
        }
        match self.pooled.take() {
            Some(pooled) if self.is_tainted => pooled.discard(),
            other => drop(other),
        }
    }
}

impl<C: NodeConnection> fmt::Debug for Lease<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease")
            .field("node", &self.node.name())
            .field("is_tainted", &self.is_tainted)
            .finish_non_exhaustive()
    }
}
