//! The queue: a table of jobs that any number of workers take from.

use orm_split::sea_orm::SplitTransaction;
use sea_orm::sea_query::{LockBehavior, LockType};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use crate::entities::job::{self, State};

/// A job for each customer.
pub async fn enqueue<C: ConnectionTrait>(
    db: &C,
    customers: impl IntoIterator<Item = i32>,
    plan: i32,
) -> Result<(), DbErr> {
    let jobs = customers.into_iter().map(|customer| job::ActiveModel {
        customer: Set(customer),
        plan_id: Set(plan),
        months: Set(1),
        state: Set(State::Queued),
        ..Default::default()
    });
    job::Entity::insert_many(jobs).exec(db).await.map(drop)
}

/// How many jobs wait.
pub async fn backlog<C: ConnectionTrait>(db: &C) -> Result<u64, DbErr> {
    let queued = job::Entity::find().filter(job::Column::State.eq(State::Queued));
    queued.count(db).await
}

/// The oldest jobs that no other worker is at, for as long as the transaction lasts.
pub async fn claim(transaction: &SplitTransaction, most: u64) -> Result<Vec<job::Model>, DbErr> {
    job::Entity::find()
        .filter(job::Column::State.eq(State::Queued))
        .order_by_asc(job::Column::Id)
        .limit(most)
        .lock_with_behavior(LockType::Update, LockBehavior::SkipLocked)
        .all(transaction)
        .await
}

/// The jobs need not be done again.
pub async fn done(transaction: &SplitTransaction, jobs: &[job::Model]) -> Result<(), DbErr> {
    let jobs = job::Column::Id.is_in(jobs.iter().map(|job| job.id));
    let done = job::ActiveModel {
        state: Set(State::Done),
        ..Default::default()
    };
    let update = job::Entity::update_many().set(done);
    update.filter(jobs).exec(transaction).await.map(drop)
}
