//! Where the shop keeps its data.

use std::env;

use orm_split::sea_orm::{Consistency, SplitConnection};
use sea_orm::{ConnectOptions, ConnectionTrait, DbErr, EntityTrait, Schema};

use crate::entities::{customer, product, review};

/// `DATABASE_URL` and `REPLICA_URLS`, separated by commas, or else a SQLite file in the folder for
/// temporary files.
pub async fn connect() -> Result<SplitConnection, DbErr> {
    let file = env::temp_dir().join("graphql-shop.db");
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
        // what a mutation writes, a loader reads in another task
        .consistency(Consistency::Process)
        .connect()
        .await
}

/// Makes the tables that are missing.
pub async fn create_tables(db: &SplitConnection) -> Result<(), DbErr> {
    create(db, product::Entity).await?;
    create(db, customer::Entity).await?;
    create(db, review::Entity).await
}

async fn create<E: EntityTrait>(db: &SplitConnection, entity: E) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    let mut table = schema.create_table_from_entity(entity);
    db.execute(table.if_not_exists()).await?;
    Ok(())
}
