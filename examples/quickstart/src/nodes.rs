//! Where the shop keeps its data. The only place that names nodes.

use std::path::Path;

use orm_split::sea_orm::SplitConnection;
use sea_orm::{ConnectOptions, DbErr};

/// One SQLite file in WAL mode: one connection that writes, and two pools that read while it does.
pub async fn sqlite(file: &Path) -> Result<SplitConnection, DbErr> {
    let file = file.display();
    let mut primary = ConnectOptions::new(format!("sqlite://{file}?mode=rwc"));
    primary
        .max_connections(1)
        .map_sqlx_sqlite_opts(|options| options.pragma("journal_mode", "WAL"));
    SplitConnection::builder()
        .primary(primary)
        .replica(format!("sqlite://{file}?mode=ro"))
        .replica(format!("sqlite://{file}?mode=ro"))
        .connect()
        .await
}

#[cfg(target_os = "linux")]
pub use local_cluster::{cluster, postgres};

#[cfg(target_os = "linux")]
mod local_cluster {
    use std::time::Duration;

    use orm_split::sea_orm::SplitConnection;
    use orm_split_tests::kit::postgres::Cluster;

    /// How long after the primary's commit the replicas replay it.
    const DELAY: Duration = Duration::from_millis(300);

    /// A PostgreSQL cluster on this machine, stopped and deleted when it is dropped.
    pub async fn cluster() -> anyhow::Result<Cluster> {
        let cluster = Cluster::builder().replicas(2).apply_delay(DELAY);
        cluster.start().await
    }

    /// An empty database of the cluster.
    pub async fn postgres(cluster: &Cluster) -> anyhow::Result<SplitConnection> {
        let database = cluster.create_database().await?;
        let mut builder = SplitConnection::builder().primary(database.primary_url());
        for url in database.replica_urls() {
            builder = builder.replica(url);
        }
        Ok(builder.connect().await?)
    }
}

#[cfg(test)]
mod tests {
    use sea_orm::{ConnectionTrait, Statement};

    use super::*;

    #[tokio::test]
    async fn the_file_is_in_wal_mode_and_both_replicas_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let db = sqlite(&folder.path().join("a book shop.db")).await.unwrap();
        let ask = Statement::from_string(db.get_database_backend(), "PRAGMA journal_mode");
        let row = db.query_one_raw(ask).await.unwrap().unwrap();
        assert_eq!(row.try_get_by_index::<String>(0).unwrap(), "wal");
        let status = db.status();
        let refused = status.nodes.iter().any(|node| node.refusal.is_some());
        assert_eq!((status.nodes.len(), refused), (3, false));
        db.close().await.unwrap();
    }
}
