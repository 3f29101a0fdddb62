//! Where the shop keeps its data. The only place that names nodes.

use std::path::Path;

use anyhow::Result;
use bookshop::Nodes;
use orm_split::sea_orm::SplitConnection;
use sea_orm::ConnectOptions;

use crate::shop::SeaOrmShop;

/// One SQLite file in WAL mode: one connection that writes, and two pools that read while it does.
pub async fn sqlite(file: &Path) -> Result<SeaOrmShop> {
    let file = file.display();
    let mut primary = ConnectOptions::new(format!("sqlite://{file}?mode=rwc"));
    primary
        .max_connections(1)
        .map_sqlx_sqlite_opts(|options| options.pragma("journal_mode", "WAL"));
    let db = SplitConnection::builder()
        .primary(primary)
        .replica(format!("sqlite://{file}?mode=ro"))
        .replica(format!("sqlite://{file}?mode=ro"))
        .connect()
        .await?;
    Ok(SeaOrmShop { db })
}

/// A PostgreSQL primary and its replicas.
pub async fn postgres(nodes: &Nodes) -> Result<SeaOrmShop> {
    let mut builder = SplitConnection::builder().primary(nodes.primary.as_str());
    for url in &nodes.replicas {
        builder = builder.replica(url.as_str());
    }
    let db = builder.connect().await?;
    Ok(SeaOrmShop { db })
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Statement};

    use super::*;

    #[tokio::test]
    async fn the_file_is_in_wal_mode_and_both_replicas_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let shop = sqlite(&folder.path().join("a book shop.db")).await.unwrap();
        let db = shop.db;
        let ask = Statement::from_string(db.get_database_backend(), "PRAGMA journal_mode");
        let row = db.query_one_raw(ask).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "wal");
        let status = db.status();
        let refused = status.nodes.iter().any(|node| node.refusal.is_some());
        assert_eq!((status.nodes.len(), refused), (3, false));
        db.close().await.unwrap();
    }
}
