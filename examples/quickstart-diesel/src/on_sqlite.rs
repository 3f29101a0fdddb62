//! The shop on SQLite.

#[path = "shop.rs"]
pub mod shop;

use diesel::SqliteConnection;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;

pub type Connection = SyncConnectionWrapper<SqliteConnection>;

/// How a column says that it numbers its rows.
const KEY: &str = "integer PRIMARY KEY";
