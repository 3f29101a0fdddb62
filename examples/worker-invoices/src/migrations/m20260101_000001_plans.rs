//! Plans, and the two that are sold.

use sea_orm::{ActiveValue::Set, EntityTrait};
use sea_orm_migration::prelude::*;

use crate::entities::plan;

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut id = ColumnDef::new(plan::Column::Id);
        let mut table = Table::create();
        table
            .table(plan::Entity)
            .col(id.integer().not_null().auto_increment().primary_key())
            .col(ColumnDef::new(plan::Column::Name).string().not_null())
            .col(ColumnDef::new(plan::Column::Price).integer().not_null());
        manager.create_table(table).await?;
        let sold = [("small", 900), ("large", 2900)];
        let plans = sold.map(|(name, price)| plan::ActiveModel {
            name: Set(name.to_owned()),
            price: Set(price),
            ..Default::default()
        });
        let db = manager.get_connection();
        plan::Entity::insert_many(plans).exec(db).await.map(drop)
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut table = Table::drop();
        table.table(plan::Entity);
        manager.drop_table(table).await
    }
}
