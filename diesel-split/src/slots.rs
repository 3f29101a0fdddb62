//! The connections that one handle holds: at most one of a replica and one of the primary.
//!
//! Decides which of them a statement has to stay on: that of an open transaction, and that whose state
//! later statements may rely on.

use std::fmt;

use diesel::connection::{TransactionManagerStatus, ValidTransactionManagerStatus};
use diesel_async::TransactionManager;
use orm_split_core::{NodeId, Role, SessionKey};

use crate::lease::{Lease, Setup};
use crate::node_connection::NodeConnection;
use crate::routed::Keeps;

/// The connections of a handle.
pub(crate) struct Slots<C: NodeConnection> {
    primary: Option<Lease<C>>,
    replica: Option<Lease<C>>,
    pub(crate) setup: Setup,
    /// The transaction that was begun through the handle.
    pub(crate) begun: Option<Begun>,
    /// Where the latest read ran.
    pub(crate) read_on: Option<Role>,
    /// The connection on which the latest write ran went back to its pool.
    pub(crate) gave_back: bool,
}

/// An open transaction.
#[derive(Debug)]
pub(crate) struct Begun {
    pub(crate) by: SessionKey,
    pub(crate) is_read_only: bool,
    /// A statement of it may have changed the search path for the transaction's duration.
    pub(crate) has_settings: bool,
    pub(crate) on_replica: Option<OnReplica>,
}

/// What has to be known of a read-only transaction to go on with it elsewhere.
#[derive(Debug)]
pub(crate) struct OnReplica {
    pub(crate) _keeps: Keeps,
    /// How it began.
    pub(crate) sql: String,
    pub(crate) has_one_snapshot: bool,
    pub(crate) has_read: bool,
}

impl<C: NodeConnection> Default for Slots<C> {
    fn default() -> Self {
        Self {
            primary: None,
            replica: None,
            setup: Setup::default(),
            begun: None,
            read_on: None,
            gave_back: false,
        }
    }
}

impl<C: NodeConnection> Slots<C> {
    /// The replica that a connection is held to.
    pub(crate) fn replica(&self) -> Option<NodeId> {
        self.replica.as_ref().map(|lease| lease.node.id())
    }

    /// Takes the connection to `node`, if there is one.
    pub(crate) fn take(&mut self, node: NodeId) -> Option<Lease<C>> {
        [&mut self.primary, &mut self.replica]
            .into_iter()
            .find_map(|slot| slot.take_if(|lease| lease.node.id() == node))
    }

    /// Keeps a connection for the next statement; one to another replica goes back to its pool.
    pub(crate) fn put(&mut self, lease: Lease<C>) {
        let replaced = self.slot(lease.node.role()).replace(lease);
        drop(replaced);
    }

    pub(crate) fn get(&mut self, role: Role) -> Option<&mut Lease<C>> {
        self.slot(role).as_mut()
    }

    /// A statement is about to run there.
    pub(crate) fn runs_on(&mut self, role: Role, may_write: bool) {
        if may_write {
            self.gave_back = false;
        } else {
            self.read_on = Some(role);
        }
    }

    /// Gives the connection back to its pool.
    pub(crate) fn release(&mut self, role: Role) {
        drop(self.slot(role).take());
    }

    /// A read-only transaction has begun, perhaps on a replica.
    #[cfg(feature = "postgres")]
    pub(crate) fn begun_read_only(&mut self, begun: OnReplica) {
        let is_on_replica = self.in_transaction() == Some(Role::Replica);
        self.begun = Some(Begun {
            by: SessionKey::current(),
            is_read_only: true,
            has_settings: false,
            on_replica: Some(begun).filter(|_| is_on_replica),
        });
    }

    pub(crate) fn on_replica(&mut self) -> Option<&mut OnReplica> {
        self.begun.as_mut()?.on_replica.as_mut()
    }

    /// The read-only transaction goes on on the primary.
    pub(crate) fn has_moved(&mut self) {
        if let Some(begun) = &mut self.begun {
            begun.on_replica = None;
        }
    }

    /// The role of the connection that is in a transaction.
    pub(crate) fn in_transaction(&mut self) -> Option<Role> {
        [Role::Primary, Role::Replica].into_iter().find(|role| {
            let lease = self.get(*role);
            lease.is_some_and(|lease| is_in_transaction::<C>(lease.connection()))
        })
    }

    /// Applies a change of the setup to what is held already.
    pub(crate) fn set_up(&mut self, change: impl FnOnce(&mut Setup)) {
        change(&mut self.setup);
        let setup = self.setup.clone();
        for lease in [&mut self.primary, &mut self.replica].into_iter().flatten() {
            lease.set_up(&setup);
        }
    }

    fn slot(&mut self, role: Role) -> &mut Option<Lease<C>> {
        match role {
            Role::Primary => &mut self.primary,
            Role::Replica => &mut self.replica,
        }
    }
}

impl<C: NodeConnection> fmt::Debug for Slots<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Slots")
            .field("primary", &self.primary)
            .field("replica", &self.replica)
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}

/// Also if the transaction manager has lost track: what follows must not run outside of a transaction
/// that its caller believes to be in.
fn is_in_transaction<C: NodeConnection>(connection: &mut C) -> bool {
    let status = C::TransactionManager::transaction_manager_status_mut(connection);
    !matches!(
        status,
        TransactionManagerStatus::Valid(ValidTransactionManagerStatus {
            in_transaction: None,
            ..
        })
    )
}
