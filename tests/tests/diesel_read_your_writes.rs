//! The main promise under Diesel, on replicas that lag by half a second, and behind one address on two of
//! which one lags by two: whoever wrote reads what it wrote.

use std::time::Duration;

use anyhow::Result;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl, SaveChangesDsl};
use futures_util::future::try_join_all;
use orm_split::diesel::{Consistency, Role};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool};
use orm_split_tests::kit::postgres::{Database, Delay};
use orm_split_tests::topology::Topology;
use rstest::rstest;

const TASKS: i32 = 30;
const PAIRS: i64 = 40;

/// One write, in one of the ways in which applications write.
async fn write(conn: &mut Conn, id: i32, value: i64) -> QueryResult<()> {
    let model = Counter { id, value };
    let row = counter::table.find(id);
    match value % 5 {
        0 => {
            let _: Counter = model.save_changes(conn).await?;
        }
        1 => {
            let update = diesel::update(row).set(counter::value.eq(value));
            let _: Counter = update.get_result(conn).await?;
        }
        2 => {
            let sql = "WITH w AS (UPDATE counter SET value = $2 WHERE id = $1 RETURNING id) SELECT id FROM w";
            let query = diesel::sql_query(sql)
                .bind::<diesel::sql_types::Integer, _>(id)
                .bind::<diesel::sql_types::BigInt, _>(value);
            query.execute(conn).await?;
        }
        3 => {
            conn.transaction::<_, diesel::result::Error, _>(async |conn| {
                let update = diesel::update(row).set(counter::value.eq(value));
                update.execute(conn).await
            })
            .await?;
        }
        _ => {
            let update = diesel::update(row).set(counter::value.eq(value));
            update.execute(conn.primary().await?).await?;
        }
    }
    Ok(())
}

async fn read(conn: &mut Conn, id: i32) -> QueryResult<i64> {
    let found: Counter = counter::table.find(id).first(conn).await?;
    Ok(found.value)
}

/// Pairs of a write and reads: at once, where every replica would answer with the older value, over the
/// same connection and over another of the same task, and now and then once the replicas have caught up.
/// Returns the stale reads.
async fn pairs(pool: Pool, id: i32) -> Result<i64> {
    let mut stale = 0;
    let mut conn = pool.get().await?;
    for value in 1..=PAIRS {
        write(&mut conn, id, value).await?;
        if value % 10 == 0 {
            tokio::time::sleep(Duration::from_millis(700)).await;
        }
        stale += i64::from(read(&mut conn, id).await? < value);
        if value % 3 == 0 {
            conn = pool.get().await?;
        }
        stale += i64::from(read(&mut conn, id).await? < value);
    }
    Ok(stale)
}

#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn stale_reads(pool: &Pool) -> Result<i64> {
    let tasks = (0..TASKS).map(|id| tokio::spawn(pairs(pool.clone(), id)));
    let stale = try_join_all(tasks).await?;
    stale.into_iter().sum()
}

async fn pool(topology: Topology, consistency: Consistency) -> Result<(Database, Pool)> {
    let database = topology.database(Delay::Ms500).await?;
    let builder = diesel_app::builder(&database).consistency(consistency);
    let pool = builder.raw_pin(Duration::from_millis(100)).build().await?;
    diesel_app::create_counters(&pool, TASKS).await?;
    topology.settle(Delay::Ms500, || pool.status()).await?;
    Ok((database, pool))
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn every_write_is_read_back_although_the_replicas_lag(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = pool(topology, Consistency::Session).await?;
    let stale = stale_reads(&pool).await?;
    println!("stale reads: {stale} of {}", i64::from(TASKS) * PAIRS * 2);
    println!("{:#?}", pool.status());
    assert_eq!(stale, 0);
    assert!(
        pool.status().served_by_replicas() > 0,
        "no replica was read at all"
    );
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn without_consistency_the_same_run_reads_stale_data(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = pool(topology, Consistency::Eventual).await?;
    let stale = stale_reads(&pool).await?;
    println!("stale reads: {stale} of {}", i64::from(TASKS) * PAIRS * 2);
    assert!(
        stale > i64::from(TASKS) * PAIRS / 8,
        "only {stale}: the test proves nothing"
    );
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_connection_moved_to_another_task_still_reads_its_own_writes(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = pool(topology, Consistency::Session).await?;
    let mut conn = pool.get().await?;
    write(&mut conn, 1, 1).await?;
    #[expect(clippy::disallowed_methods, reason = "another task is the point")]
    let moved = tokio::spawn(async move {
        let route = conn.explain("SELECT 1");
        let mut builder = conn.build_transaction().read_only();
        let inside = builder.run(async |conn| read(conn, 1).await).await;
        (route.role, inside, read(&mut conn, 1).await)
    });
    let (role, inside, value) = moved.await?;
    assert_eq!((role, inside?, value?), (Role::Primary, 1, 1));
    Ok(())
}
