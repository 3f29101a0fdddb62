//! Ours, with two replicas that lag.

pub(crate) mod areas;

use std::time::Duration;

use anyhow::Result;
use orm_split_tests::app;
use orm_split_tests::kit::postgres::Database;

pub(crate) type Db = orm_split::sea_orm::SplitConnection;
pub(crate) type Transaction = orm_split::sea_orm::SplitTransaction;
pub(crate) type Restricted = orm_split::sea_orm::RestrictedSplitConnection;

pub(crate) async fn connect(database: &Database) -> Result<Db> {
    let often = Duration::from_millis(50);
    let builder = app::builder(database)
        .raw_pin(Duration::from_secs(2))
        .sample_intervals(often, often / 10);
    Ok(builder.connect().await?)
}

/// From here on the session's reads go to replicas.
pub(crate) async fn settle(db: &Db) -> Result<()> {
    app::wait_until_replicas_serve(db).await
}
