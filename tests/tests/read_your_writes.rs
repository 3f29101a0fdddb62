//! The main promise, on replicas that lag by half a second, and behind one address on two of which one lags
//! by two: whoever wrote reads what it wrote.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{Consistency, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Database, Delay};
use orm_split_tests::topology::Topology;
use rstest::rstest;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DatabaseConnection, DbErr, EntityTrait,
    Statement, TransactionTrait,
};

const TASKS: i32 = 50;
const PAIRS: i64 = 40;

/// One write, in one of the ways in which applications write.
async fn write(db: &SplitConnection, id: i32, value: i64) -> Result<(), DbErr> {
    let model = counter::ActiveModel {
        id: Set(id),
        value: Set(value),
    };
    match value % 4 {
        0 => {
            model.update(db).await?;
        }
        1 => {
            let transaction = db.begin().await?;
            model.update(&transaction).await?;
            transaction.commit().await?;
        }
        2 => {
            let sql = "WITH w AS (UPDATE counter SET value = $2 WHERE id = $1 RETURNING id) SELECT id FROM w";
            let values = [id.into(), value.into()];
            let stmt = Statement::from_sql_and_values(db.get_database_backend(), sql, values);
            db.query_one_raw(stmt).await?;
        }
        _ => {
            let written = db.transaction_async(async |t| model.update(t).await).await;
            written.map_err(|error| DbErr::Custom(error.to_string()))?;
        }
    }
    Ok(())
}

async fn read(db: &SplitConnection, id: i32) -> Result<i64> {
    let found = counter::Entity::find_by_id(id).one(db).await?;
    Ok(found.context("the counter exists on every node")?.value)
}

/// Pairs of a write and a read; every second read comes at once, where every replica would answer
/// with the older value, the others once the replicas have caught up. Returns the stale reads.
async fn pairs(db: SplitConnection, id: i32) -> Result<i64> {
    let mut stale = 0;
    for value in 1..=PAIRS {
        write(&db, id, value).await?;
        if value % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        stale += i64::from(read(&db, id).await? < value);
        stale += i64::from(read(&db, id).await? < value);
    }
    Ok(stale)
}

#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn stale_reads(db: &SplitConnection) -> Result<i64> {
    let tasks = (0..TASKS).map(|id| tokio::spawn(pairs(db.clone(), id)));
    let stale = try_join_all(tasks).await?;
    stale.into_iter().sum()
}

async fn database(
    topology: Topology,
    consistency: Consistency,
) -> Result<(Database, SplitConnection)> {
    let database = topology.database(Delay::Ms500).await?;
    let db = app::builder(&database)
        .consistency(consistency)
        .connect()
        .await?;
    app::create_counters(&db, TASKS).await?;
    // a busy machine takes long to open connections: here are some to begin with
    try_join_all((0..8).map(|id| read(&db, id))).await?;
    topology.settle(Delay::Ms500, || db.status()).await?;
    Ok((database, db))
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn two_thousand_writes_are_each_read_back_although_the_replicas_lag(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, db) = database(topology, Consistency::Session).await?;
    let stale = stale_reads(&db).await?;
    println!("stale reads: {stale} of {}", i64::from(TASKS) * PAIRS * 2);
    println!("{:#?}", db.status());
    assert_eq!(stale, 0);
    db.close().await?;
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn without_consistency_the_same_run_reads_stale_data(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, db) = database(topology, Consistency::Eventual).await?;
    let stale = stale_reads(&db).await?;
    println!("stale reads: {stale} of {}", i64::from(TASKS) * PAIRS * 2);
    assert!(
        stale > i64::from(TASKS) * PAIRS / 8,
        "only {stale}: the test proves nothing"
    );
    db.close().await?;
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn tasks_that_wrote_nothing_read_from_replicas_while_others_write(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, db) = database(topology, Consistency::Session).await?;
    #[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
    let writer = tokio::spawn(pairs(db.clone(), 0));
    #[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
    let reader = |id: i32| {
        let db = db.clone();
        tokio::spawn(async move {
            let mut on_replicas = 0;
            for _ in 0..100 {
                let route = db.explain("SELECT 1");
                on_replicas += i32::from(route.role == Role::Replica);
                read(&db, id).await?;
            }
            anyhow::Ok(on_replicas)
        })
    };
    let counts = try_join_all((1..TASKS).map(reader)).await?;
    let on_replicas: i32 = counts.into_iter().sum::<Result<i32>>()?;
    writer.await??;
    let all = (TASKS - 1) * 100;
    println!("reads on replicas: {on_replicas} of {all}");
    println!("{:#?}", db.status());
    assert!(on_replicas * 100 >= all * 95);
    db.close().await?;
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_helper_writes_through_the_raw_handle_is_read_back(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    async fn helper(db: &DatabaseConnection, value: i64) -> Result<(), DbErr> {
        let model = counter::ActiveModel {
            id: Set(1),
            value: Set(value),
        };
        model.update(db).await.map(drop)
    }
    let (_database, db) = database(topology, Consistency::Session).await?;
    for value in 1..=20 {
        helper(&db, value).await?;
        assert_eq!(read(&db, 1).await?, value);
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    db.close().await?;
    Ok(())
}
