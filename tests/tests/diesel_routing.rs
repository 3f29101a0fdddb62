//! Diesel's ways of sending statements, each on the node where it belongs, on real servers.

use std::time::Duration;

use anyhow::{Context, Result};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_async::{
    AsyncConnection, AsyncPgConnection, RunQueryDsl, SaveChangesDsl, SimpleAsyncConnection,
};
use futures_util::TryStreamExt;
use orm_split::diesel::{Consistency, PoolKind, PoolOptions, Reason, Role};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool, where_it_ran};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use tokio::time::timeout;

/// Reads go to replicas whatever was written.
async fn pool() -> Result<(Database, Pool)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let builder = diesel_app::builder(&database).consistency(Consistency::Eventual);
    let pool = builder.build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    Ok((database, pool))
}

/// Asserts where something that is sent through a connection runs.
macro_rules! assert_runs_on {
    ($role:expr, $pool:expr, $sent:expr) => {{
        let (outcome, role) = where_it_ran($pool, $sent).await?;
        assert_eq!(role, Some($role), "{}", stringify!($sent));
        outcome.context(stringify!($sent))?
    }};
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_reading_runs_on_a_replica() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    let all = counter::table.order(counter::id);
    let rows = assert_runs_on!(Role::Replica, &pool, all.load::<Counter>(conn));
    assert_eq!(rows.len(), 11);
    let first = assert_runs_on!(Role::Replica, &pool, all.first::<Counter>(conn));
    assert_eq!(first, Counter { id: 0, value: 0 });
    let one = counter::table.find(7);
    let found = assert_runs_on!(Role::Replica, &pool, one.get_result::<Counter>(conn));
    assert_eq!(found.id, 7);
    assert_runs_on!(Role::Replica, &pool, one.get_results::<Counter>(conn));
    let none = counter::table.find(77);
    let none = assert_runs_on!(Role::Replica, &pool, async {
        none.first::<Counter>(conn).await.optional()
    });
    assert_eq!(none, None);
    let streamed: Vec<Counter> = assert_runs_on!(Role::Replica, &pool, async {
        all.load_stream::<Counter>(conn).await?.try_collect().await
    });
    assert_eq!(streamed.len(), 11);
    let text = "SELECT id, value FROM counter";
    assert_runs_on!(Role::Replica, &pool, diesel::sql_query(text).execute(conn));
    let ids = vec![1, 2];
    let some = counter::table.filter(counter::id.eq_any(ids));
    let some = assert_runs_on!(Role::Replica, &pool, some.load::<Counter>(conn));
    assert_eq!(some.len(), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_of_writing_runs_on_the_primary() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    let new = Counter { id: 20, value: 1 };
    let insert = diesel::insert_into(counter::table).values(new);
    let made = assert_runs_on!(Role::Primary, &pool, insert.get_result::<Counter>(conn));
    assert_eq!(made, new);
    let batch: Vec<_> = (21..30).map(|id| Counter { id, value: 1 }).collect();
    let insert = diesel::insert_into(counter::table).values(&batch);
    let count = assert_runs_on!(Role::Primary, &pool, insert.execute(conn));
    assert_eq!(count, 9);
    let upsert = diesel::insert_into(counter::table)
        .values(new)
        .on_conflict(counter::id)
        .do_update()
        .set(counter::value.eq(2));
    assert_runs_on!(Role::Primary, &pool, upsert.execute(conn));
    let newer = Counter { id: 20, value: 3 };
    let saved: Counter = assert_runs_on!(Role::Primary, &pool, newer.save_changes(conn));
    assert_eq!(saved, newer);
    let locked = counter::table.find(20).for_update();
    assert_runs_on!(Role::Primary, &pool, locked.first::<Counter>(conn));
    let delete = diesel::delete(counter::table.filter(counter::id.ge(20)));
    let gone = assert_runs_on!(Role::Primary, &pool, delete.execute(conn));
    assert_eq!(gone, 10);
    let cte = "WITH w AS (UPDATE counter SET value = value RETURNING id) SELECT id FROM w";
    assert_runs_on!(Role::Primary, &pool, diesel::sql_query(cte).execute(conn));
    let read = "SELECT 1; SELECT 2";
    assert_runs_on!(Role::Primary, &pool, conn.batch_execute(read));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_is_one_connection_of_the_primary_with_its_savepoints() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    // a connection to a replica is at hand, which reads would prefer
    assert_runs_on!(
        Role::Replica,
        &pool,
        counter::table.find(1).first::<Counter>(conn)
    );
    let mut pids = Vec::new();
    conn.transaction::<_, Error, _>(async |conn| {
        pids.push(pid(conn).await?);
        raise(conn, 1, 5).await?;
        let undone = conn
            .transaction::<i32, Error, _>(async |conn| {
                raise(conn, 1, 9).await?;
                pids.push(pid(conn).await?);
                let found: Counter = counter::table.find(1).first(conn).await?;
                assert_eq!(found.value, 9, "a read inside of the savepoint");
                Err(Error::RollbackTransaction)
            })
            .await;
        assert_eq!(undone, Err(Error::RollbackTransaction));
        let found: Counter = counter::table.find(1).first(conn).await?;
        assert_eq!(found.value, 5, "a read of the transaction sees its writes");
        pids.push(pid(conn).await?);
        Ok(())
    })
    .await?;
    assert_eq!(pids, [pids[0]; 3]);
    let read = counter::table.find(1);
    assert_runs_on!(Role::Replica, &pool, read.first::<Counter>(conn));
    Ok(())
}

async fn raise(conn: &mut Conn, id: i32, value: i64) -> QueryResult<usize> {
    diesel::update(counter::table.find(id))
        .set(counter::value.eq(value))
        .execute(conn)
        .await
}

async fn pid(conn: &mut Conn) -> QueryResult<i32> {
    diesel::select(diesel::dsl::sql::<diesel::sql_types::Integer>(
        "pg_backend_pid()",
    ))
    .get_result(conn)
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_connection_sets_holds_for_all_that_follows_on_it() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    let ddl =
        "CREATE SCHEMA tenant; CREATE TABLE tenant.counter AS SELECT 99 AS id, 1::bigint AS value";
    pool.get().await?.batch_execute(ddl).await?;
    diesel::sql_query("SET search_path TO tenant")
        .execute(conn)
        .await?;
    let used = pid(conn).await?;
    for _ in 0..5 {
        let found: Vec<Counter> = counter::table.load(conn).await?;
        assert_eq!(found, [Counter { id: 99, value: 1 }]);
        // a transaction begins on that connection, and leaves it with the handle
        let inside = conn.transaction::<_, Error, _>(async |conn| {
            let found: Vec<Counter> = counter::table.load(conn).await?;
            assert_eq!(found, [Counter { id: 99, value: 1 }]);
            pid(conn).await
        });
        assert_eq!(inside.await?, used);
        assert_eq!(pid(conn).await?, used);
        // others take connections of that pool meanwhile
        assert_ne!(pid(&mut pool.get().await?).await?, used);
    }
    let route = conn.explain("SELECT 1");
    assert_eq!(
        (route.role, route.reason),
        (Role::Primary, Reason::SessionState)
    );
    let other = pool.get().await?.explain("SELECT 1");
    assert_eq!(
        other.role,
        Role::Replica,
        "it is the connection's matter only"
    );
    // before anything was read there
    let conn = &mut pool.get().await?;
    conn.batch_execute("SET search_path TO tenant").await?;
    conn.transaction::<_, Error, _>(async |conn| raise(conn, 99, 2).await)
        .await?;
    // other handles of this task take connections meanwhile, also raw ones
    let others = [pool.get().await?, pool.get().await?];
    for mut other in others {
        other.primary().await?;
    }
    let found: Vec<Counter> = counter::table.load(conn).await?;
    assert_eq!(found, [Counter { id: 99, value: 2 }]);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_transaction_holds_its_connection_and_is_never_handed_to_others() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let database = shared(Delay::None).await?.create_database().await?;
        let mut one = PoolOptions::default();
        one.max_size = 1;
        let builder = diesel_app::builder(&database).primary_options(one);
        let builder = builder.consistency(Consistency::Eventual).pool_kind(kind);
        let pool = builder.build().await?;
        diesel_app::create_counters(&pool, 10).await?;
        let mut conn = pool.get().await?;
        diesel::sql_query("BEGIN").execute(&mut conn).await?;
        raise(&mut conn, 2, 5).await?;
        let used = pid(&mut conn).await?;
        let inside: Counter = counter::table.find(2).first(&mut conn).await?;
        assert_eq!(inside.value, 5);
        drop(conn);
        // the only slot comes back, without the transaction that was open
        let mut conn = pool.get().await?;
        let next = timeout(Duration::from_secs(20), pid(&mut conn)).await??;
        assert_ne!(next, used, "{kind:?}");
        conn.transaction::<_, Error, _>(async |conn| {
            let after: Counter = counter::table.find(2).first(conn).await?;
            assert_eq!(after.value, 0, "what was not committed is gone");
            Ok(())
        })
        .await?;
        diesel::sql_query("BEGIN").execute(&mut conn).await?;
        raise(&mut conn, 2, 6).await?;
        diesel::sql_query("COMMIT").execute(&mut conn).await?;
        assert_eq!(conn.explain("SELECT 1").role, Role::Replica);
        // one that is over keeps its connection
        let used = pid(&mut conn).await?;
        drop(conn);
        assert_eq!(pid(&mut pool.get().await?).await?, used, "{kind:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn functions_that_name_the_concrete_connection_go_on_working() -> Result<()> {
    async fn write(conn: &mut AsyncPgConnection) -> QueryResult<usize> {
        diesel::update(counter::table.find(3))
            .set(counter::value.eq(8))
            .execute(conn)
            .await
    }
    async fn read(conn: &mut AsyncPgConnection) -> QueryResult<Counter> {
        counter::table.find(3).first(conn).await
    }
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    let conn = &mut pool.get().await?;
    write(conn.primary().await?).await?;
    let route = conn.explain("SELECT 1");
    assert_eq!(route.reason, Reason::RawHandle);
    assert_eq!(read(conn.replica().await?).await?.value, 8);
    let through_us: Counter = counter::table.find(3).first(conn).await?;
    assert_eq!(through_us.value, 8);
    Ok(())
}
