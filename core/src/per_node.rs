//! What an adapter keeps for each node, in slots that come and go with the nodes.
//!
//! Decides that a value belongs to one node and to no other: a slot that was reused yields nothing to whoever
//! still holds the node that had it before.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

use crate::node::Node;

/// One value for each node: an adapter's pools. Looking one up takes no lock.
///
/// ```
/// use std::sync::Arc;
/// use orm_split_core::{Node, PerNode};
///
/// fn pool_of(pools: &PerNode<String>, node: &Arc<Node>) -> Option<Arc<String>> {
///     pools.get(node)
/// }
/// ```
pub struct PerNode<T: ?Sized> {
    slots: ArcSwap<Vec<Slot<T>>>,
}

/// `None` where no node is, or was.
type Slot<T> = Option<(Arc<Node>, Arc<T>)>;

impl<T: ?Sized> Default for PerNode<T> {
    fn default() -> Self {
        Self {
            slots: ArcSwap::default(),
        }
    }
}

impl<T: ?Sized> PerNode<T> {
    /// The value of this very node.
    #[must_use]
    pub fn get(&self, node: &Node) -> Option<Arc<T>> {
        let slots = self.slots.load();
        let (of, value) = slots.get(node.id.index())?.as_ref()?;
        std::ptr::eq(Arc::as_ptr(of), node).then(|| Arc::clone(value))
    }

    /// Sets the value of a node, in the place of whichever node had its slot before.
    pub fn set(&self, node: &Arc<Node>, value: Arc<T>) {
        let index = node.id.index();
        self.slots.rcu(|slots| {
            let mut slots = Vec::clone(slots);
            slots.resize(slots.len().max(index + 1), None);
            if let Some(slot) = slots.get_mut(index) {
                *slot = Some((Arc::clone(node), Arc::clone(&value)));
            }
            slots
        });
    }

    /// Takes the value of this very node away.
    pub fn remove(&self, node: &Node) -> Option<Arc<T>> {
        let value = self.get(node)?;
        self.slots.rcu(|slots| {
            let mut slots = Vec::clone(slots);
            let own = |(of, _): &mut (Arc<Node>, Arc<T>)| std::ptr::eq(Arc::as_ptr(of), node);
            drop(
                slots
                    .get_mut(node.id.index())
                    .and_then(|slot| slot.take_if(own)),
            );
            slots
        });
        Some(value)
    }

    /// All values, with their nodes, the primary's first.
    #[must_use]
    pub fn all(&self) -> Vec<(Arc<Node>, Arc<T>)> {
        self.slots.load().iter().flatten().cloned().collect()
    }

    /// Takes all of them away.
    pub fn clear(&self) -> Vec<(Arc<Node>, Arc<T>)> {
        let slots = self.slots.swap(Arc::default());
        slots.iter().flatten().cloned().collect()
    }
}

impl<T: ?Sized> fmt::Debug for PerNode<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let slots = self.slots.load();
        let names = slots.iter().flatten().map(|(node, _)| node.name());
        f.debug_list().entries(names).finish()
    }
}
