//! Migrations: one that makes a table, one that fills it and manages its own transaction.

use sea_orm::{ConnectionTrait, DbErr};
use sea_orm_migration::prelude::{Index, Table};
use sea_orm_migration::schema::{integer_null, pk_auto, string_uniq};
use sea_orm_migration::{MigrationName, MigrationTrait, MigratorTrait, SchemaManager};

pub(crate) struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![Box::new(Shelf), Box::new(Filled)]
    }
}

struct Shelf;
struct Filled;

impl MigrationName for Shelf {
    fn name(&self) -> &'static str {
        "m1_shelf"
    }
}

impl MigrationName for Filled {
    fn name(&self) -> &'static str {
        "m2_filled"
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Shelf {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let table = Table::create()
            .table("shelf")
            .col(pk_auto("id"))
            .col(string_uniq("place"))
            .col(integer_null("width"))
            .to_owned();
        manager.create_table(table).await?;
        let index = Index::create()
            .name("by_width")
            .table("shelf")
            .col("width")
            .to_owned();
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .drop_table(Table::drop().table("shelf").to_owned())
            .await
    }
}

#[async_trait::async_trait]
impl MigrationTrait for Filled {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let inside = manager.begin().await?;
        let fill =
            "INSERT INTO shelf (place, width) SELECT 'Place ' || n, n FROM generate_series(1, 5) n";
        inside.get_connection().execute_unprepared(fill).await?;
        inside.commit().await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager
            .get_connection()
            .execute_unprepared("DELETE FROM shelf")
            .await?;
        Ok(())
    }

    fn use_transaction(&self) -> Option<bool> {
        Some(false)
    }
}
