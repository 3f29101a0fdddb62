//! The tables, in the order in which they came.

mod m20260101_000001_plans;
mod m20260102_000001_jobs_and_invoices;

use sea_orm_migration::prelude::*;

/// Brings a database up to date.
pub struct Migrator;

#[async_trait::async_trait]
impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20260101_000001_plans::Migration),
            Box::new(m20260102_000001_jobs_and_invoices::Migration),
        ]
    }
}
