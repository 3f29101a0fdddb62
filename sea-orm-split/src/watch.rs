//! Who hears of a statement that SeaORM runs on a connection of its own.
//!
//! SeaORM calls a metric callback in the task that runs the statement: that is how statements through a
//! handle that we gave away are seen. Must never show our own questions to the user's callback.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use orm_split_core::{SessionKey, Splitter};
use sea_orm::DatabaseConnection;
use sea_orm::metric::Info;

use crate::query::Callback;

/// Whose statements run in a transaction just now.
#[derive(Debug, Default)]
pub(crate) struct Watch(AtomicU8);

/// Ours: a new connection is asked who it leads to.
const ASKING: u8 = 0;
/// The user's, through our type.
const ROUTED: u8 = 1;
/// The user's, through SeaORM's type: unseen otherwise.
const HANDED_OVER: u8 = 2;

impl Watch {
    /// From here on the transaction is the user's.
    pub(crate) fn begun(&self) {
        self.0.store(ROUTED, Ordering::Relaxed);
    }

    /// From here on SeaORM's own type is used, and ends it.
    pub(crate) fn handed_over(&self) {
        self.0.store(HANDED_OVER, Ordering::Relaxed);
    }
}

/// `connection` for one transaction, and what to tell of it.
pub(crate) fn watched(
    connection: &DatabaseConnection,
    splitter: &Arc<Splitter>,
    user: Option<Callback>,
    handle: Option<SessionKey>,
) -> (DatabaseConnection, Arc<Watch>) {
    let watch = Arc::<Watch>::default();
    let told = Arc::clone(&watch);
    let raw = raw_callback(splitter, user.clone(), handle);
    let mut connection = connection.clone();
    connection.set_metric_callback(move |info| match (told.0.load(Ordering::Relaxed), &user) {
        (HANDED_OVER, _) => raw(info),
        (ASKING, _) | (_, None) => {}
        (_, Some(user)) => user(info),
    });
    (connection, watch)
}

/// What hears of statements through a raw handle: the user's callback, then the current session and that
/// of the handle.
pub(crate) fn raw_callback(
    splitter: &Arc<Splitter>,
    user: Option<Callback>,
    handle: Option<SessionKey>,
) -> impl Fn(&Info<'_>) + Send + Sync + 'static {
    let splitter = Arc::downgrade(splitter);
    move |info| {
        if let Some(user) = &user {
            user(info);
        }
        if let Some(splitter) = splitter.upgrade() {
            splitter.raw_handle_used(&info.statement.sql, handle);
        }
    }
}
