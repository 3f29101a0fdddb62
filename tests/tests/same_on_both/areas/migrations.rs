//! Migrations: every command, on a connection and in transactions, each read right afterwards.

use anyhow::Result;
use sea_orm::{ConnectionTrait, DbBackend, Statement, TransactionTrait};
use sea_orm_migration::{MigratorTrait, SchemaManager};

use super::{Db, settle};
use crate::migrator::Migrator;
use crate::seen::Seen;

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    let pending = Migrator::get_pending_migrations_read_only(db).await?;
    seen.saw(
        "pending",
        pending.iter().map(|m| m.name()).collect::<Vec<_>>(),
    );
    Migrator::up(db, Some(1)).await?;
    shelf(db, seen).await?;
    Migrator::up(db, None).await?;
    shelf(db, seen).await?;
    Migrator::status(db).await?;
    settle(db).await?;
    shelf(db, seen).await?;
    Migrator::down(db, Some(1)).await?;
    shelf(db, seen).await?;
    Migrator::fresh(db).await?;
    shelf(db, seen).await?;
    Migrator::refresh(db).await?;
    shelf(db, seen).await?;
    for _ in 0..3 {
        settle(db).await?;
        // at once: asking for migrations takes the raw handle, which pins
        places(db, seen).await?;
        shelf(db, seen).await?;
    }
    Migrator::reset(db).await?;
    shelf(db, seen).await?;
    in_transactions(db, seen).await
}

async fn in_transactions(db: &Db, seen: &mut Seen) -> Result<()> {
    let transaction = db.begin().await?;
    Migrator::up(&transaction, None).await?;
    shelf(&transaction, seen).await?;
    transaction.rollback().await?;
    shelf(db, seen).await?;
    let transaction = db.begin().await?;
    Migrator::up(&transaction, None).await?;
    transaction.commit().await?;
    shelf(db, seen).await?;

    // handed over whole, and ended by the manager
    let manager = SchemaManager::new(db.begin().await?);
    let more = "INSERT INTO shelf (place) VALUES ('handed over')";
    manager.get_connection().execute_unprepared(more).await?;
    seen.saw("has_table", manager.has_table("shelf").await?);
    manager.commit().await?;
    shelf(db, seen).await?;
    let manager = SchemaManager::new(db);
    seen.saw("has_column", manager.has_column("shelf", "width").await?);
    seen.saw("has_index", manager.has_index("shelf", "by_width").await?);
    Migrator::uninstall(db).await?;
    shelf(db, seen).await
}

async fn shelf(db: &impl ConnectionTrait, seen: &mut Seen) -> Result<()> {
    let all = Migrator::get_migration_with_status_read_only(db).await?;
    let all = all.iter().map(|m| (m.name().to_owned(), m.status()));
    seen.saw("migrations", all.collect::<Vec<_>>());
    let exists = "SELECT to_regclass('shelf') IS NOT NULL";
    let row = db
        .query_one_raw(Statement::from_string(DbBackend::Postgres, exists))
        .await?;
    let exists = row.map(|row| row.try_get_by_index::<bool>(0)).transpose()?;
    seen.saw("exists", exists);
    match exists {
        Some(true) => places(db, seen).await,
        _ => Ok(()),
    }
}

async fn places(db: &impl ConnectionTrait, seen: &mut Seen) -> Result<()> {
    let sql = "SELECT place FROM shelf ORDER BY place";
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let places = rows.iter().map(|row| row.try_get::<String>("", "place"));
    seen.saw("places", places.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}
