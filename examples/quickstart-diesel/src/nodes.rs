//! Where the shop keeps its data. The only place that names nodes.

use std::path::Path;

use anyhow::{Context, Result};
use bookshop::Nodes;
use diesel::{ConnectionError, ConnectionResult};
use diesel_async::{AsyncConnection, SimpleAsyncConnection};
use orm_split::diesel::{PoolOptions, SplitPool};

use crate::{on_postgres, on_sqlite};

/// One SQLite file in WAL mode: one connection that writes, and two pools that read while it does.
pub async fn sqlite(file: &Path) -> Result<on_sqlite::shop::DieselShop> {
    let file = file.to_str().context("the path is no text")?;
    let mut one_writer = PoolOptions::default();
    one_writer.max_size = 1;
    let pool = SplitPool::builder()
        .primary(file)
        .primary_options(one_writer)
        .replica(file)
        .replica(file)
        .custom_setup(|file| Box::pin(open(file)))
        .build()
        .await?;
    Ok(on_sqlite::shop::DieselShop { pool })
}

/// A connection that waits for a lock rather than failing at once.
async fn open(file: &str) -> ConnectionResult<on_sqlite::Connection> {
    let mut conn = on_sqlite::Connection::establish(file).await?;
    let settings = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL";
    let set = conn.batch_execute(settings).await;
    set.map_err(ConnectionError::CouldntSetupConfiguration)?;
    Ok(conn)
}

/// A PostgreSQL primary and its replicas.
pub async fn postgres(nodes: &Nodes) -> Result<on_postgres::shop::DieselShop> {
    let mut builder = SplitPool::builder().primary(nodes.primary.as_str());
    for url in &nodes.replicas {
        builder = builder.replica(url.as_str());
    }
    let pool = builder.build().await?;
    Ok(on_postgres::shop::DieselShop { pool })
}

#[cfg(test)]
mod tests {
    use diesel::sql_types::Text;
    use diesel_async::RunQueryDsl;

    use super::*;

    #[tokio::test]
    async fn the_file_is_in_wal_mode_and_both_replicas_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let shop = sqlite(&folder.path().join("a book shop.db")).await.unwrap();
        let conn = &mut shop.pool.get().await.unwrap();
        let ask = diesel::dsl::sql::<Text>("SELECT journal_mode FROM pragma_journal_mode");
        let mode: String = ask.get_result(conn).await.unwrap();
        assert_eq!(mode, "wal");
        let status = shop.pool.status();
        let refused = status.nodes.iter().any(|node| node.refusal.is_some());
        assert_eq!((status.nodes.len(), refused), (3, false));
    }
}
