//! What Diesel's connections cost and leave behind: leases, dropped futures, pools that were handed in.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8, deadpool};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use futures_util::StreamExt;
use futures_util::future::{join, join_all, try_join_all};
use orm_split::diesel::{ExistingPool, Hint, PoolKind, PoolOptions, Role, SplitPool};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use tokio::time::timeout;

async fn database() -> Result<Database> {
    shared(Delay::None).await?.create_database().await
}

fn of(max_size: u32) -> PoolOptions {
    let mut options = PoolOptions::default();
    options.max_size = max_size;
    options
}

async fn number(conn: &mut Conn, sql: &str) -> QueryResult<i32> {
    diesel::dsl::sql::<Integer>(sql).get_result(conn).await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a hundred tasks are the point")]
async fn a_hundred_reading_tasks_never_ask_the_primarys_pool() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let database = database().await?;
        let mut five = of(5);
        five.wait = Some(Duration::from_millis(200));
        let builder = diesel_app::builder(&database).pool_kind(kind);
        let builder = builder.primary_options(five).replica_options(of(20));
        // forty connections are opened at once, on a machine that has other things to do
        let builder = builder.checkout_deadline(Duration::from_secs(20));
        let pool = builder
            .probe_deadline(Duration::from_secs(20))
            .build()
            .await?;
        diesel_app::create_counters(&pool, 10).await?;
        // whoever asks for one of the primary's connections fails
        let mut held = Vec::new();
        for _ in 0..5 {
            let mut conn = pool.get().await?;
            conn.primary().await?;
            held.push(conn);
        }
        let before = pool.status();
        let read = async |pool: Pool, id: i32, hint: Hint| {
            for _ in 0..20 {
                let conn = &mut pool.get().await?;
                conn.set_hint(hint);
                let row = counter::table.find(id % 10);
                let _: Counter = row.first(conn).await?;
            }
            anyhow::Ok(())
        };
        let readers = (0..100).map(|id| tokio::spawn(read(pool.clone(), id, Hint::None)));
        for task in try_join_all(readers).await? {
            task.with_context(|| format!("{kind:?}"))?;
        }
        let after = pool.status();
        assert_eq!(after.served_by_primary(), before.served_by_primary());
        let by_replicas = after.served_by_replicas() - before.served_by_replicas();
        assert_eq!(by_replicas, 2000);
        // one that asks is found out
        let asks = tokio::spawn(read(pool.clone(), 1, Hint::Primary)).await?;
        ensure!(asks.is_err(), "the primary's pool was not full");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_kept_between_statements_and_statements_are_prepared_once() -> Result<()> {
    let database = database().await?;
    let setup = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&setup, 10).await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let conn = &mut pool.get().await?;
    for id in 0..20 {
        let row = counter::table.find(id % 10);
        let _: Counter = row.first(conn).await?;
        // others come and go meanwhile
        drop(pool.get().await?);
    }
    // on one connection, which has prepared it once and executed it each time
    let executed = "SELECT count(*), sum(generic_plans + custom_plans)::bigint \
                    FROM pg_prepared_statements WHERE statement LIKE 'SELECT \"counter\"%'";
    let executed = diesel::dsl::sql::<(BigInt, BigInt)>(executed);
    let seen: (i64, i64) = executed.get_result(conn.replica().await?).await?;
    assert_eq!(seen, (1, 20));
    // and is the only one that was opened
    let states = pool.state().into_iter().skip(1);
    let open: u32 = states.map(|(_, state)| state.connections).sum();
    assert_eq!(open, 1, "{:?}", pool.state());
    Ok(())
}

/// What is dropped would take a minute, so whoever gets its connection, or none, is found out.
const SOON: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread")]
async fn futures_dropped_side_by_side_lose_no_slot_and_poison_no_connection() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let database = database().await?;
        // the server notices soon that nobody waits for a statement any longer
        let hasty = |url: &str| format!("{url}?options=-cclient_connection_check_interval%3D100");
        let replica = database.replica_urls().first().context("a replica")?;
        let builder = Pool::builder().primary(hasty(database.primary_url()));
        let builder = builder.replica(hasty(replica)).pool_kind(kind);
        let builder = builder.primary_options(of(3)).replica_options(of(3));
        let builder = builder.checkout_deadline(SOON).probe_deadline(SOON);
        let pool = builder.build().await?;
        diesel_app::create_counters(&pool, 10).await?;
        for round in 0..10_u64 {
            // at another moment each time: while connecting, sending, waiting
            let patience = Duration::from_millis(round * 3);
            let reads = (0..3).map(|_| drop_half_way(&pool, patience));
            let writes = (0..3).map(|_| drop_a_transaction(&pool, patience));
            let (reads, writes) = join(join_all(reads), join_all(writes)).await;
            drop((reads, writes));
            for hint in [Hint::None, Hint::Primary] {
                let answers = timeout(SOON, try_join_all((0..3).map(|n| answer(&pool, hint, n))));
                let answers = answers.await.with_context(|| format!("round {round}"))??;
                assert_eq!(answers, [0, 1, 2], "round {round}");
            }
        }
        let in_flight: u32 = pool.status().nodes.iter().map(|node| node.in_flight).sum();
        assert_eq!(in_flight, 0);
    }
    Ok(())
}

async fn answer(pool: &Pool, hint: Hint, n: i32) -> Result<i32> {
    let conn = &mut pool.get().await?;
    conn.set_hint(hint);
    // at the same time as the others, so that all slots are needed
    Ok(number(conn, &format!("SELECT {n} FROM pg_sleep(0.05)")).await?)
}

async fn drop_half_way(pool: &Pool, patience: Duration) -> Result<()> {
    let conn = &mut pool.get().await?;
    let read = number(conn, "SELECT 1000 FROM pg_sleep(60)");
    timeout(patience, read).await??;
    Ok(())
}

async fn drop_a_transaction(pool: &Pool, patience: Duration) -> Result<()> {
    let conn = &mut pool.get().await?;
    let transaction = conn.transaction::<_, diesel::result::Error, _>(async |conn| {
        let insert = "INSERT INTO counter SELECT 100 + (random() * 1000000)::int, 0 RETURNING 2000";
        number(conn, insert).await?;
        number(conn, "SELECT 3000 FROM pg_sleep(60)").await
    });
    timeout(patience, transaction).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_stream_and_may_be_dropped_early() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let database = database().await?;
        let replica = database.replica_urls().first().context("a replica")?;
        let builder = Pool::builder().primary(database.primary_url());
        let builder = builder.replica(replica).pool_kind(kind);
        let pool = builder.replica_options(of(1)).build().await?;
        diesel_app::create_counters(&pool, 20_000).await?;
        let mut conn = pool.get().await?;
        let all = counter::table.order(counter::id);
        let mut rows = all.load_stream::<Counter>(&mut conn).await?;
        for id in 0..1000 {
            let row = rows.next().await.context("a row")??;
            assert_eq!(row.id, id);
        }
        assert_eq!(in_flight(&pool), 1, "an open stream is in flight");
        drop(rows);
        assert_eq!(in_flight(&pool), 0);
        // over the same handle, and over the only slot that there is
        let rows = timeout(SOON, counter::table.load::<Counter>(&mut conn)).await??;
        assert_eq!(rows.len(), 20_001);
        drop(conn);
        let conn = &mut pool.get().await?;
        let rows = timeout(SOON, counter::table.load::<Counter>(conn)).await??;
        assert_eq!(rows.len(), 20_001);
        assert_eq!(in_flight(&pool), 0);
    }
    Ok(())
}

fn in_flight(pool: &Pool) -> u32 {
    pool.status().nodes.iter().map(|node| node.in_flight).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_that_were_made_elsewhere_can_be_handed_in() -> Result<()> {
    let manager = |url: &str| AsyncDieselConnectionManager::<AsyncPgConnection>::new(url);
    let by_bb8 = async |url: &str| {
        let pool = bb8::Pool::builder().max_size(1).build(manager(url)).await?;
        anyhow::Ok(ExistingPool::from(pool))
    };
    let by_deadpool = async |url: &str| {
        let pool = deadpool::Pool::builder(manager(url)).max_size(1).build()?;
        anyhow::Ok(ExistingPool::from(pool))
    };
    for bb8_is_primary in [true, false] {
        let database = database().await?;
        let replica = database.replica_urls().first().context("a replica")?;
        let primary = database.primary_url();
        let [primary, replica] = match bb8_is_primary {
            true => [by_bb8(primary).await?, by_deadpool(replica).await?],
            false => [by_deadpool(primary).await?, by_bb8(replica).await?],
        };
        let builder = SplitPool::builder().primary_pool(primary);
        let builder = builder.replica_pool(replica);
        let pool = builder.checkout_deadline(SOON).build().await?;
        diesel_app::create_counters(&pool, 10).await?;
        let conn = &mut pool.get().await?;
        let (found, role) =
            diesel_app::where_it_ran(&pool, counter::table.load::<Counter>(conn)).await?;
        assert_eq!((found?.len(), role), (11, Some(Role::Replica)));
        conn.set_hint(Hint::Primary);
        number(conn, "SELECT 1").await?;
        *conn = pool.get().await?;
        // the only connection of each is closed if its statement did not finish
        for _ in 0..3 {
            let patience = Duration::from_millis(20);
            let (read, write) = join(
                drop_half_way(&pool, patience),
                drop_a_transaction(&pool, patience),
            )
            .await;
            ensure!(read.is_err() && write.is_err(), "they were not dropped");
            for hint in [Hint::None, Hint::Primary] {
                let answer = timeout(SOON, answer(&pool, hint, 7)).await;
                assert_eq!(answer.context("the slot is lost")??, 7);
            }
        }
    }
    Ok(())
}
