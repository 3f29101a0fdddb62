//! What went wrong in other splitters, and must not under Diesel: sessions and transactions on replicas
//! that lag by half a second.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use orm_split::diesel::{Consistency, Hint, LeastInFlight, NodeStatus, Reason, Role};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool, where_it_ran};
use orm_split_tests::kit::postgres::{Cluster, Database, Delay, shared};
use orm_split_tests::topology::Topology;
use rstest::rstest;
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

async fn lagging(topology: Topology) -> Result<(Database, Pool)> {
    let database = topology.database(Delay::Ms500).await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    topology.settle(Delay::Ms500, || pool.status()).await?;
    Ok((database, pool))
}

async fn raise(conn: &mut Conn, id: i32, value: i64) -> QueryResult<usize> {
    let row = diesel::update(counter::table.find(id));
    row.set(counter::value.eq(value)).execute(conn).await
}

async fn value(conn: &mut Conn, id: i32) -> QueryResult<i64> {
    let row = counter::table.find(id).select(counter::value);
    row.first(conn).await
}

async fn insert(conn: &mut Conn, id: i32) -> QueryResult<Counter> {
    let new = Counter { id, value: 1 };
    let insert = diesel::insert_into(counter::table).values(new);
    insert.get_result(conn).await
}

#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn in_a_task<T: Send + 'static>(
    task: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(task).await?
}

// transactions

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn who_has_just_signed_up_is_found(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = lagging(topology).await?;
    for id in (100..140).step_by(2) {
        let pool = pool.clone();
        in_a_task(async move {
            let conn = &mut pool.get().await?;
            let made = insert(conn, id).await?;
            let found: Option<Counter> = counter::table.find(id).first(conn).await.optional()?;
            ensure!(found == Some(made), "over the same connection");
            conn.transaction::<_, Error, _>(async move |conn| insert(conn, id + 1).await)
                .await?;
            let other = &mut pool.get().await?;
            let found: Vec<Counter> = counter::table
                .filter(counter::id.ge(id))
                .load(other)
                .await?;
            ensure!(found.len() == 2, "over another: {found:?}");
            diesel::delete(counter::table.filter(counter::id.ge(100)))
                .execute(conn)
                .await?;
            Ok(())
        })
        .await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_begins_behind_a_comment_is_on_one_connection_until_its_end()
-> Result<()> {
    let (_database, pool) = lagging(Topology::Apart).await?;
    let conn = &mut pool.get().await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let pid = async |conn: &mut Conn| {
        let pid = diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT pg_backend_pid()");
        pid.get_result::<i32>(conn).await
    };
    // a read first: a connection to a replica is at hand
    value(conn, 1).await?;
    let begin = "/* begin */ -- a transaction\n BEGIN ISOLATION LEVEL REPEATABLE READ";
    diesel::sql_query(begin).execute(conn).await?;
    let first = pid(conn).await?;
    raise(conn, 1, 5).await?;
    assert_eq!(value(conn, 1).await?, 5, "its own uncommitted write");
    assert_eq!(pid(conn).await?, first);
    assert_eq!(conn.explain("SELECT 1").reason, Reason::RawTransaction);
    diesel::sql_query("/* end */ ROLLBACK")
        .execute(conn)
        .await?;
    assert_eq!(value(conn, 1).await?, 0);
    assert_ne!(conn.explain("SELECT 1").reason, Reason::RawTransaction);
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_failed_keeps_nobody_off_the_replicas(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = lagging(topology).await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    in_a_task(async move {
        let conn = &mut pool.get().await?;
        let failed: Result<(), Error> = conn
            .transaction(async |conn| {
                raise(conn, 1, 5).await?;
                Err(Error::RollbackTransaction)
            })
            .await;
        ensure!(failed.is_err());
        // a handle never reads backwards, so this one waits for a replica to have what it saw inside
        ensure!(value(conn, 1).await? == 0);
        let next = &mut pool.get().await?;
        let route = next.explain("SELECT 1");
        ensure!(route.role == Role::Replica, "{route:?}");
        ensure!(value(next, 1).await? == 0);
        Ok(())
    })
    .await
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_sees_what_its_session_wrote_and_then_one_snapshot(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = lagging(topology).await?;
    for round in 1..=3 {
        let pool = pool.clone();
        in_a_task(async move {
            let conn = &mut pool.get().await?;
            raise(conn, 1, round).await?;
            // half a second before any replica has it
            let mut at_once = conn.build_transaction().read_only();
            let seen = at_once.run(async |conn| value(conn, 1).await).await?;
            ensure!(seen == round, "{seen} instead of {round}");
            diesel_app::wait_until_replicas_serve(&pool).await?;
            let on_replica = async |conn: &mut Conn| {
                let first = value(conn, 1).await?;
                // another session writes, and every replica replays it
                let other = pool.clone();
                let wrote = in_a_task(async move {
                    let conn = &mut other.get().await?;
                    raise(conn, 1, 1000 + round).await?;
                    diesel_app::wait_until_replicas_serve(&other).await
                });
                wrote.await?;
                anyhow::Ok([first, value(conn, 1).await?])
            };
            let mut later = conn.build_transaction().repeatable_read().read_only();
            let seen = later.run(on_replica).await?;
            ensure!(seen == [round, round], "{seen:?}");
            Ok(())
        })
        .await?;
    }
    Ok(())
}

// stale and backward reads

/// The floor is where COMMIT was acknowledged: at the write's own instant the replica, which lags by
/// less than the transaction takes, would already pass for fresh.
#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_long_transaction_wrote_is_read_back_after_its_commit(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, pool) = lagging(topology).await?;
    for round in 1..=3 {
        let pool = pool.clone();
        in_a_task(async move {
            let conn = &mut pool.get().await?;
            conn.transaction::<_, Error, _>(async move |conn| {
                raise(conn, 1, round).await?;
                sleep(Duration::from_millis(800)).await;
                Ok(())
            })
            .await?;
            ensure!(value(conn, 1).await? == round, "over the same connection");
            ensure!(
                value(&mut pool.get().await?, 1).await? == round,
                "over another"
            );
            Ok(())
        })
        .await?;
    }
    Ok(())
}

fn served(pool: &Pool) -> Vec<u64> {
    let nodes = pool.status().nodes.into_iter();
    nodes.map(|node: NodeStatus| node.served).collect()
}

/// Replay is stopped, so no timer brings the reads back, and none of them waits for a replica.
#[tokio::test(flavor = "multi_thread")]
async fn a_session_returns_to_each_replica_when_that_one_has_its_write() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let pool = diesel_app::builder(&database)
        .max_staleness(None)
        // who was slow once would be avoided for some seconds
        .policy(LeastInFlight)
        .build()
        .await?;
    diesel_app::create_counters(&pool, 10).await?;
    let [first, second] = cluster.replicas() else {
        anyhow::bail!("two replicas")
    };
    let conn = &mut pool.get().await?;
    // a connection to one of them is at hand
    value(conn, 1).await?;
    first.pause_replay().await?;
    second.pause_replay().await?;
    raise(conn, 1, 7).await?;
    for _ in 0..30 {
        let route = conn.explain("SELECT 1");
        assert_eq!(route.reason, Reason::FloorNotMet, "{route:?}");
        let read = timeout(Duration::from_secs(1), value(conn, 1)).await;
        assert_eq!(read.context("a read waits for a replica")??, 7);
        sleep(Duration::from_millis(100)).await;
    }
    second.resume_replay().await?;
    let returns = async {
        while conn.explain("SELECT 1").role == Role::Primary {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, returns).await.context("never returns")?;
    let before = served(&pool);
    for _ in 0..20 {
        assert_eq!(value(conn, 1).await?, 7);
        assert_eq!(value(&mut pool.get().await?, 1).await?, 7);
    }
    let after = served(&pool);
    assert_eq!(
        after[0], before[0],
        "one lagging replica keeps nobody on the primary"
    );
    assert_eq!(
        after[1], before[1],
        "nobody reads where the write is missing"
    );
    assert_eq!(after[2], before[2] + 40);
    // who wrote nothing reads anywhere
    let reader = pool.clone();
    let stale = in_a_task(async move {
        for _ in 0..50 {
            value(&mut reader.get().await?, 1).await?;
        }
        Ok(())
    });
    stale.await?;
    assert!(served(&pool)[1] > after[1], "{:?}", pool.status());
    first.resume_replay().await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_one_request_wrote_keeps_no_other_request_on_the_primary() -> Result<()> {
    let (_database, pool) = lagging(Topology::Apart).await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let writer = pool.clone();
    in_a_task(async move {
        let conn = &mut writer.get().await?;
        diesel::sql_query("SET application_name TO 'writer'")
            .execute(conn)
            .await?;
        conn.set_hint(Hint::Primary);
        raise(conn, 1, 1).await?;
        let route = conn.explain("SELECT 1");
        ensure!(route.role == Role::Primary, "{route:?}");
        Ok(())
    })
    .await?;
    // half a second before any replica has it
    in_a_task(async move {
        let conn = &mut pool.get().await?;
        let route = conn.explain("SELECT 1");
        ensure!(route.reason == Reason::Read, "{route:?}");
        let (read, role) = where_it_ran(&pool, value(conn, 1)).await?;
        ensure!((read?, role) == (0, Some(Role::Replica)));
        Ok(())
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_job_finds_the_record_that_its_process_made_if_it_asks_for_that() -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    for (level, finds) in [(Consistency::Process, true), (Consistency::Session, false)] {
        let pool = diesel_app::builder(&database)
            .consistency(level)
            .build()
            .await?;
        let ddl = "DROP TABLE IF EXISTS counter";
        pool.get().await?.batch_execute(ddl).await?;
        diesel_app::create_counters(&pool, 10).await?;
        diesel_app::wait_until_replicas_serve(&pool).await?;
        let conn = &mut pool.get().await?;
        insert(conn, 50).await?;
        let worker = pool.clone();
        let found = in_a_task(async move {
            let conn = &mut worker.get().await?;
            let found = counter::table.find(50).first::<Counter>(conn).await;
            Ok(found.optional()?.is_some())
        });
        assert_eq!(found.await?, finds, "{level:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_a_listing_come_from_one_replica() -> Result<()> {
    let (_database, pool) = lagging(Topology::Apart).await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    for _ in 0..10 {
        let conn = &mut pool.get().await?;
        let before = served(&pool);
        for page in 0..5 {
            let rows: Vec<Counter> = counter::table
                .order(counter::id)
                .limit(2)
                .offset(page * 2)
                .load(conn)
                .await?;
            assert_eq!(rows.len(), 2);
        }
        let after = served(&pool);
        let risen: Vec<u64> = after.iter().zip(&before).map(|(a, b)| a - b).collect();
        assert!(risen == [0, 5, 0] || risen == [0, 0, 5], "{risen:?}");
    }
    Ok(())
}
