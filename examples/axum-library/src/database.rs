//! Where the library keeps its data.

use std::env;

use orm_split::sea_orm::{Consistency, SplitConnection};
use sea_orm::{ConnectOptions, DbErr};

/// `DATABASE_URL` and `REPLICA_URLS`, separated by commas, or else a SQLite file in the folder for
/// temporary files.
pub async fn connect() -> Result<SplitConnection, DbErr> {
    let file = env::temp_dir().join("axum-library.db");
    let (url, replicas) = match env::var("DATABASE_URL") {
        Ok(url) => (url, env::var("REPLICA_URLS").unwrap_or_default()),
        Err(_) => (
            format!("sqlite://{}?mode=rwc", file.display()),
            format!("sqlite://{}?mode=ro", file.display()),
        ),
    };
    let mut options = ConnectOptions::new(url);
    options.map_sqlx_sqlite_opts(|sqlite| sqlite.pragma("journal_mode", "WAL"));
    let replicas = replicas.split(',').filter(|url| !url.is_empty());
    let builder = SplitConnection::builder().primary(options);
    replicas
        .fold(builder, |builder, url| builder.replica(url))
        // what one request writes, the next one reads in another task
        .consistency(Consistency::Process)
        .connect()
        .await
}
