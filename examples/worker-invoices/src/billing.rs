//! Invoices.

use std::collections::HashMap;

use anyhow::Context;
use orm_split::sea_orm::SplitConnection;
use sea_orm::sea_query::OnConflict;
use sea_orm::{ActiveValue::Set, ConnectionTrait, EntityTrait, TransactionTrait};

use crate::entities::{invoice, job, plan};
use crate::queue;

/// Takes up to `most` jobs and writes their invoices: all of it, or nothing. Yields how many there were.
pub async fn bill(db: &SplitConnection, most: u64) -> anyhow::Result<u64> {
    let prices = prices(db).await?;
    let transaction = db.begin().await?;
    let jobs = queue::claim(&transaction, most).await?;
    if jobs.is_empty() {
        return Ok(0);
    }
    write(&transaction, &jobs, &prices).await?;
    queue::done(&transaction, &jobs).await?;
    transaction.commit().await?;
    Ok(jobs.len() as u64)
}

async fn prices<C: ConnectionTrait>(db: &C) -> anyhow::Result<HashMap<i32, i32>> {
    let plans = plan::Entity::find().all(db).await?.into_iter();
    Ok(plans.map(|plan| (plan.id, plan.price)).collect())
}

/// Writes one invoice for each job; one that is there already stays as it is.
async fn write<C: ConnectionTrait>(
    db: &C,
    jobs: &[job::Model],
    prices: &HashMap<i32, i32>,
) -> anyhow::Result<()> {
    let invoice = |job: &job::Model| {
        let price = prices.get(&job.plan_id).context("a job without a plan")?;
        Ok(invoice::ActiveModel {
            job_id: Set(job.id),
            customer: Set(job.customer),
            amount: Set(price * job.months),
            ..Default::default()
        })
    };
    let invoices = jobs
        .iter()
        .map(invoice)
        .collect::<anyhow::Result<Vec<_>>>()?;
    let mut once_per_job = OnConflict::column(invoice::Column::JobId);
    invoice::Entity::insert_many(invoices)
        .on_conflict(once_per_job.do_nothing().to_owned())
        .exec_without_returning(db)
        .await?;
    Ok(())
}
