//! Jobs, and at most one invoice for each.

use sea_orm_migration::prelude::*;

use crate::entities::{invoice, job, plan};

#[derive(DeriveMigrationName)]
pub(super) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        manager.create_table(jobs()).await?;
        manager.create_table(invoices()).await?;
        let mut index = Index::create();
        index
            .name("job_by_state")
            .table(job::Entity)
            .col(job::Column::State)
            .col(job::Column::Id);
        manager.create_index(index).await
    }

    async fn down(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        let mut invoices = Table::drop();
        invoices.table(invoice::Entity);
        manager.drop_table(invoices).await?;
        let mut jobs = Table::drop();
        jobs.table(job::Entity);
        manager.drop_table(jobs).await
    }
}

fn jobs() -> TableCreateStatement {
    let mut id = ColumnDef::new(job::Column::Id);
    let mut to_plan = ForeignKey::create();
    to_plan
        .from(job::Entity, job::Column::PlanId)
        .to(plan::Entity, plan::Column::Id);
    let mut table = Table::create();
    table
        .table(job::Entity)
        .col(id.integer().not_null().auto_increment().primary_key())
        .col(ColumnDef::new(job::Column::Customer).integer().not_null())
        .col(ColumnDef::new(job::Column::PlanId).integer().not_null())
        .col(ColumnDef::new(job::Column::Months).integer().not_null())
        .col(ColumnDef::new(job::Column::State).string_len(8).not_null())
        .foreign_key(&mut to_plan);
    table
}

fn invoices() -> TableCreateStatement {
    let mut id = ColumnDef::new(invoice::Column::Id);
    let mut job = ColumnDef::new(invoice::Column::JobId);
    let mut to_job = ForeignKey::create();
    to_job
        .from(invoice::Entity, invoice::Column::JobId)
        .to(job::Entity, job::Column::Id);
    let mut table = Table::create();
    table
        .table(invoice::Entity)
        .col(id.integer().not_null().auto_increment().primary_key())
        .col(job.integer().not_null().unique_key())
        .col(
            ColumnDef::new(invoice::Column::Customer)
                .integer()
                .not_null(),
        )
        .col(ColumnDef::new(invoice::Column::Amount).integer().not_null())
        .foreign_key(&mut to_job);
    table
}
