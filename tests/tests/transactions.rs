//! Transactions on replicas that lag by half a second: one node from BEGIN to COMMIT, and their
//! effects visible afterwards.

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use orm_split::sea_orm::{Reason, SplitConnection, SplitTransaction};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use sea_orm::{
    AccessMode, ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait,
    IsolationLevel, Statement, StreamTrait, TransactionError, TransactionOptions, TransactionTrait,
};

async fn start() -> Result<(Database, SplitConnection)> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 20).await?;
    Ok((database, db))
}

async fn set(db: &impl ConnectionTrait, id: i32, value: i64) -> Result<(), DbErr> {
    let model = counter::ActiveModel {
        id: Set(id),
        value: Set(value),
    };
    model.update(db).await.map(drop)
}

async fn get(db: &impl ConnectionTrait, id: i32) -> Result<i64, DbErr> {
    let found = counter::Entity::find_by_id(id).one(db).await?;
    found
        .map(|found| found.value)
        .ok_or(DbErr::Custom("no such counter".into()))
}

fn on_replicas(db: &SplitConnection) -> Result<u64> {
    Ok(db.status().served_by_replicas())
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_inside_a_transaction_see_its_writes_and_never_leave_it() -> Result<()> {
    let (_database, db) = start().await?;
    let before = on_replicas(&db)?;
    let transaction: SplitTransaction = db.begin().await?;
    set(&transaction, 1, 7).await?;
    ensure!(get(&transaction, 1).await? == 7);
    let all = Statement::from_string(
        db.get_database_backend(),
        "SELECT value FROM counter WHERE id = 1",
    );
    let mut rows = transaction.stream_raw(all).await?;
    let row = rows.next().await.context("a row")??;
    ensure!(row.try_get::<i64>("", "value")? == 7);
    drop(rows);
    transaction.commit().await?;
    ensure!(on_replicas(&db)? == before);
    ensure!(get(&db, 1).await? == 7, "stale after COMMIT");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_form_of_transaction_commits_what_is_then_read_back() -> Result<()> {
    let (_database, db) = start().await?;
    let failed = |error: TransactionError<DbErr>| anyhow::anyhow!("{error}");

    db.transaction::<_, _, DbErr>(|t| Box::pin(async move { set(t, 2, 1).await }))
        .await
        .map_err(failed)?;
    ensure!(get(&db, 2).await? == 1);

    db.transaction_async(async |t| set(t, 2, 2).await)
        .await
        .map_err(failed)?;
    ensure!(get(&db, 2).await? == 2);

    let serializable = Some(IsolationLevel::Serializable);
    db.transaction_with_config::<_, _, DbErr>(
        |t| Box::pin(async move { set(t, 2, 3).await }),
        serializable,
        Some(AccessMode::ReadWrite),
    )
    .await
    .map_err(failed)?;
    ensure!(get(&db, 2).await? == 3);

    db.transaction_with_config_async(async |t| set(t, 2, 4).await, serializable, None)
        .await
        .map_err(failed)?;
    ensure!(get(&db, 2).await? == 4);

    let t = db
        .begin_with_config(Some(IsolationLevel::RepeatableRead), None)
        .await?;
    set(&t, 2, 5).await?;
    t.commit().await?;
    ensure!(get(&db, 2).await? == 5);

    let t = db.begin_with_options(TransactionOptions::default()).await?;
    set(&t, 2, 6).await?;
    t.commit().await?;
    ensure!(get(&db, 2).await? == 6);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn nested_transactions_roll_back_to_their_savepoint_only() -> Result<()> {
    let (_database, db) = start().await?;
    let outer = db.begin().await?;
    set(&outer, 3, 1).await?;
    let inner = outer.begin().await?;
    set(&inner, 3, 2).await?;
    inner.rollback().await?;
    ensure!(get(&outer, 3).await? == 1);
    let kept = outer.transaction_async(async |t| set(t, 4, 9).await).await;
    kept.map_err(|error| anyhow::anyhow!("{error}"))?;
    let undone = outer
        .transaction_async::<_, (), _>(async |t| {
            set(t, 4, 10).await?;
            Err(DbErr::Custom("no".into()))
        })
        .await;
    ensure!(matches!(undone, Err(TransactionError::Transaction(_))));
    outer.commit().await?;
    ensure!((get(&db, 3).await?, get(&db, 4).await?) == (1, 9));
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_dropped_or_fails_leaves_nothing() -> Result<()> {
    let (_database, db) = start().await?;
    let dropped = db.begin().await?;
    set(&dropped, 5, 1).await?;
    drop(dropped);
    let failed = db
        .transaction_async::<_, (), _>(async |t| {
            set(t, 5, 2).await?;
            Err(DbErr::Custom("no".into()))
        })
        .await;
    ensure!(failed.is_err());
    ensure!(get(&db.primary(), 5).await? == 0);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "another task is the point")]
async fn a_commit_on_another_task_marks_both_sessions() -> Result<()> {
    let (_database, db) = start().await?;
    let transaction = db.begin().await?;
    set(&transaction, 6, 1).await?;
    let other = db.clone();
    let seen = tokio::spawn(async move {
        transaction.commit().await?;
        get(&other, 6).await
    });
    ensure!(seen.await?? == 1, "stale for the task that committed");
    ensure!(get(&db, 6).await? == 1, "stale for the task that began");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_marks_no_session() -> Result<()> {
    let (_database, db) = start().await?;
    app::wait_until_replicas_serve(&db).await?;
    let transaction = db
        .begin_with_config(None, Some(AccessMode::ReadOnly))
        .await?;
    get(&transaction, 1).await?;
    transaction.commit().await?;
    ensure!(db.explain("SELECT 1").reason == Reason::Read);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_marked_after_its_commit_and_not_before() -> Result<()> {
    let (_database, db) = start().await?;
    app::wait_until_replicas_serve(&db).await?;
    let transaction = db.begin().await?;
    set(&transaction, 7, 1).await?;
    ensure!(db.explain("SELECT 1").reason == Reason::Read);
    transaction.commit().await?;
    ensure!(db.explain("SELECT 1").reason == Reason::FloorNotMet);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_of_returned_rows_marks_its_session_at_its_end() -> Result<()> {
    let (_database, db) = start().await?;
    app::wait_until_replicas_serve(&db).await?;
    let update = "UPDATE counter SET value = 3 WHERE id IN (8, 9) RETURNING value";
    let statement = Statement::from_string(db.get_database_backend(), update);
    let mut rows = db.stream_raw(statement).await?;
    rows.next().await.context("a row")??;
    ensure!(db.explain("SELECT 1").reason == Reason::Read);
    while let Some(row) = rows.next().await {
        row?;
    }
    ensure!(db.explain("SELECT 1").reason == Reason::FloorNotMet);
    ensure!(get(&db, 8).await? == 3);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_sent_as_text_inside_a_transaction_marks_its_session() -> Result<()> {
    let (_database, db) = start().await?;
    let transaction = db.begin().await?;
    set(&transaction, 10, 5).await?;
    transaction.execute_unprepared("COMMIT").await?;
    ensure!(get(&db, 10).await? == 5);
    drop(transaction);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn set_transaction_stands_first_also_where_the_connection_had_to_be_opened() -> Result<()> {
    let (_database, db) = start().await?;
    let mut open = Vec::new();
    // each needs a connection of its own, most of them a new one
    for _ in 0..6 {
        let transaction = db.begin().await?;
        transaction
            .execute_unprepared("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")
            .await?;
        open.push(transaction);
    }
    for transaction in open {
        get(&transaction, 1).await?;
        transaction.commit().await?;
    }
    db.close().await?;
    Ok(())
}
