//! `IntoDatabaseExecutor`, through which `sea-orm-migration` takes its connection.
//!
//! Decides nothing. An executor holds SeaORM's own types, so what runs through it is not routed: all of it
//! runs on the primary, as a migration must, and taking it pins the session as any raw handle does.

use sea_orm::{DatabaseExecutor, IntoDatabaseExecutor};

use crate::connection::SplitConnection;
use crate::transaction::SplitTransaction;

impl<'c> IntoDatabaseExecutor<'c> for &'c SplitConnection {
    /// The primary. The session's reads stay there for the next `raw_pin`.
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        DatabaseExecutor::Connection(self)
    }
}

impl<'c> IntoDatabaseExecutor<'c> for &'c SplitTransaction {
    /// The transaction, whose [`commit`](SplitTransaction::commit) marks the session as always.
    fn into_database_executor(self) -> DatabaseExecutor<'c> {
        DatabaseExecutor::Transaction(self)
    }
}

impl IntoDatabaseExecutor<'static> for SplitTransaction {
    /// The transaction. Whoever ends it does so unseen, so the session's reads stay on the primary for
    /// the next `raw_pin`.
    fn into_database_executor(self) -> DatabaseExecutor<'static> {
        DatabaseExecutor::OwnedTransaction(self.hand_over())
    }
}
