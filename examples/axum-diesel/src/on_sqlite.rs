//! The guest book in an SQLite file: one connection that writes, and a pool that reads while it does.

#[path = "guests.rs"]
pub mod guests;

use anyhow::Result;
use diesel::{ConnectionError, ConnectionResult, SqliteConnection};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use orm_split::diesel::{Consistency, PoolOptions, SplitPool};

pub type Connection = SyncConnectionWrapper<SqliteConnection>;

const KEY: &str = "integer PRIMARY KEY";

pub async fn pool(file: &str) -> Result<SplitPool<Connection>> {
    let mut one_writer = PoolOptions::default();
    one_writer.max_size = 1;
    let pool = SplitPool::builder()
        .primary(file)
        .primary_options(one_writer)
        .replica(file)
        .consistency(Consistency::Process)
        .custom_setup(|file| Box::pin(open(file)))
        .build()
        .await?;
    guests::create_table(&pool).await?;
    Ok(pool)
}

/// A connection that waits for a lock rather than failing at once.
async fn open(file: &str) -> ConnectionResult<Connection> {
    let mut conn = Connection::establish(file).await?;
    let settings = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL";
    let set = conn.batch_execute(settings).await;
    set.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}
