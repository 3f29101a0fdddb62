//! How the pools of the nodes are used: asked of the adapter, which holds them.
//!
//! Decides nothing. Must never keep a pool alive.

use std::fmt;
use std::sync::{Arc, OnceLock, Weak};

use serde::Serialize;

use crate::node::Node;

/// How many connections a node's pool has, in one process.
///
/// ```
/// use orm_split_core::PoolUse;
///
/// let pool = PoolUse::new(30, 22, 50);
/// assert_eq!(pool.active(), 8);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct PoolUse {
    /// Open connections.
    pub total: u32,
    /// Those of them that nobody uses.
    pub idle: u32,
    /// How many there may be.
    pub max: u32,
}

impl PoolUse {
    /// A pool with so many connections.
    #[must_use]
    pub const fn new(total: u32, idle: u32, max: u32) -> Self {
        Self { total, idle, max }
    }

    /// Connections in use. A pool counts without a lock, so the two figures may be of different instants.
    #[must_use]
    pub const fn active(&self) -> u32 {
        self.total.saturating_sub(self.idle)
    }
}

/// What holds the pools, as an adapter implements it.
///
/// ```
/// use orm_split_core::{Node, PoolGauge, PoolUse};
///
/// /// One pool of the same size for each node, of which nothing is open yet.
/// #[derive(Debug)]
/// struct Pools {
///     size: u32,
/// }
///
/// impl PoolGauge for Pools {
///     fn pool_use(&self, _: &Node) -> Option<PoolUse> {
///         Some(PoolUse::new(0, 0, self.size))
///     }
/// }
/// ```
pub trait PoolGauge: fmt::Debug + Send + Sync + 'static {
    /// How the pool of `node` is used now; `None` if there is none (any more). Called when somebody looks at the
    /// status: it must not wait for anything.
    fn pool_use(&self, node: &Node) -> Option<PoolUse>;
}

/// Where a splitter asks. Weak, since whoever holds the pools holds the splitter.
#[derive(Debug, Default)]
pub(crate) struct Pools(OnceLock<Weak<dyn PoolGauge>>);

impl Pools {
    /// The first word counts.
    pub(crate) fn are_told_by(&self, gauge: Weak<dyn PoolGauge>) {
        drop(self.0.set(gauge));
    }

    pub(crate) fn used(&self, node: &Node) -> Option<PoolUse> {
        let gauge: Arc<dyn PoolGauge> = self.0.get()?.upgrade()?;
        gauge.pool_use(node)
    }
}
