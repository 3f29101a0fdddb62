//! SeaORM's own types, on the primary alone.

pub(crate) mod areas;

use anyhow::Result;
use orm_split_tests::kit::postgres::Database;

pub(crate) type Db = sea_orm::DatabaseConnection;
pub(crate) type Transaction = sea_orm::DatabaseTransaction;
pub(crate) type Restricted = sea_orm::RestrictedConnection;

pub(crate) async fn connect(database: &Database) -> Result<Db> {
    Ok(sea_orm::Database::connect(database.primary_url()).await?)
}

/// Nothing lags.
pub(crate) async fn settle(_: &Db) -> Result<()> {
    Ok(())
}
