//! Diesel's other transactions: built ones, those of tests, and migrations.

use anyhow::{Context, Result};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_async::{AsyncConnection, AsyncMigrationHarness, RunQueryDsl, SimpleAsyncConnection};
use diesel_migrations::{FileBasedMigrations, MigrationHarness};
use orm_split::diesel::{Cause, PoolOptions, Role, SplitError};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool};
use orm_split_tests::kit::postgres::{Database, Delay, shared};

async fn pool() -> Result<(Database, Pool)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    Ok((database, pool))
}

async fn raise(conn: &mut Conn, id: i32, value: i64) -> QueryResult<usize> {
    diesel::update(counter::table.find(id))
        .set(counter::value.eq(value))
        .execute(conn)
        .await
}

async fn value(conn: &mut Conn, id: i32) -> QueryResult<i64> {
    let found = counter::table.find(id).select(counter::value);
    found.first(conn).await
}

async fn is_on_replica(conn: &mut Conn) -> QueryResult<bool> {
    // in a transaction nothing is routed, so the function may be called
    let query = diesel::dsl::sql::<diesel::sql_types::Bool>("SELECT pg_is_in_recovery()");
    query.get_result(conn).await
}

fn in_flight(pool: &Pool, role: Role) -> u32 {
    let nodes = pool.status().nodes.into_iter();
    nodes
        .filter(|node| node.role == role)
        .map(|node| node.in_flight)
        .sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_is_on_one_replica_that_has_what_the_session_wrote() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    raise(conn, 1, 7).await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let mut builder = conn.build_transaction().repeatable_read().read_only();
    let seen = builder
        .run(async |conn| {
            let seen = value(conn, 1).await?;
            assert_eq!(in_flight(&pool, Role::Replica), 1);
            Ok::<_, Error>(seen)
        })
        .await?;
    assert_eq!(seen, 7);
    assert_eq!(in_flight(&pool, Role::Replica), 0);
    let refused = conn
        .build_transaction()
        .read_only()
        .run(async |conn| raise(conn, 1, 8).await)
        .await;
    let error = refused.unwrap_err().to_string();
    assert!(error.contains("read-only transaction"), "{error}");
    assert_eq!(value(conn, 1).await?, 7, "the connection goes on");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_moves_where_nobody_can_tell_and_else_says_so() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    let mut builder = conn.build_transaction().read_only();
    let on_replica = builder
        .run(async |conn| {
            value(conn, 1).await?;
            is_on_replica(conn).await
        })
        .await?;
    assert!(
        !on_replica,
        "a function of one node's is asked on the primary"
    );
    // another session: this one has just read from the primary, and never reads backwards
    let conn = &mut pool.get().await?;
    let mut builder = conn.build_transaction().repeatable_read().read_only();
    let stuck: Result<bool, Error> = builder
        .run(async |conn| {
            value(conn, 1).await?;
            is_on_replica(conn).await
        })
        .await;
    assert!(stuck.is_err(), "{stuck:?}");
    let ours = conn.last_split_error().context("our own error")?;
    let SplitError::NeedsPrimary { node, cause } = ours else {
        anyhow::bail!("{ours}");
    };
    assert!(node.starts_with("replica-"), "{node}");
    assert_eq!(cause, Cause::Function);
    assert_eq!(value(conn, 1).await?, 0);
    assert_eq!(
        in_flight(&pool, Role::Primary) + in_flight(&pool, Role::Replica),
        0
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn serializable_and_writing_transactions_are_on_the_primary() -> Result<()> {
    let (_database, pool) = pool().await?;
    let conn = &mut pool.get().await?;
    let serializable = conn
        .build_transaction()
        .serializable()
        .read_only()
        .deferrable();
    let mut serializable = serializable;
    let on_replica = serializable.run(is_on_replica_of).await?;
    assert!(!on_replica);
    let mut writing = conn.build_transaction().read_write();
    writing.run(async |conn| raise(conn, 3, 4).await).await?;
    assert_eq!(value(conn, 3).await?, 4);
    Ok(())
}

async fn is_on_replica_of(conn: &mut Conn) -> QueryResult<bool> {
    is_on_replica(conn).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_of_one_and_a_test_transaction_behave_as_a_plain_pool() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let mut one = PoolOptions::default();
    one.max_size = 1;
    let builder = Pool::builder().primary(database.primary_url());
    let pool = builder.primary_options(one).build().await?;
    let script = "CREATE TABLE counter (id int PRIMARY KEY, value bigint NOT NULL)";
    pool.get().await?.batch_execute(script).await?;
    {
        let conn = &mut pool.get().await?;
        conn.begin_test_transaction().await?;
        let new = Counter { id: 1, value: 1 };
        diesel::insert_into(counter::table)
            .values(new)
            .execute(conn)
            .await?;
    }
    {
        let conn = &mut pool.get().await?;
        assert_eq!(value(conn, 1).await?, 1, "the open transaction came back");
        let nested: QueryResult<usize> =
            conn.transaction(async |conn| raise(conn, 1, 2).await).await;
        assert_eq!(nested?, 1);
    }
    let rows = database_rows(&database).await?;
    assert_eq!(rows, 0, "nothing was committed");
    assert_eq!(pool.state().len(), 1);
    Ok(())
}

async fn database_rows(database: &Database) -> Result<i64> {
    let other = Pool::builder()
        .primary(database.primary_url())
        .build()
        .await?;
    let conn = &mut other.get().await?;
    let rows = counter::table.count().get_result(conn).await?;
    conn.test_transaction::<_, Error, _>(async |conn| {
        let new = Counter { id: 9, value: 1 };
        let insert = diesel::insert_into(counter::table).values(new);
        insert.execute(conn).await
    })
    .await;
    let after: i64 = counter::table.count().get_result(conn).await?;
    assert_eq!(after, rows, "a test transaction leaves nothing");
    Ok(rows)
}

#[tokio::test(flavor = "multi_thread")]
async fn migrations_run_through_a_split_connection() -> Result<()> {
    let (_database, pool) = pool().await?;
    let folder = tempfile::tempdir()?;
    let one = folder.path().join("2026-01-01-000000_books");
    std::fs::create_dir(&one)?;
    std::fs::write(
        one.join("up.sql"),
        "CREATE TABLE book (id int); INSERT INTO book VALUES (1)",
    )?;
    std::fs::write(one.join("down.sql"), "DROP TABLE book")?;
    let migrations = FileBasedMigrations::from_path(folder.path())?;
    for expected in [1, 0] {
        let mut harness = AsyncMigrationHarness::new(pool.get().await?);
        let run = harness.run_pending_migrations(migrations.clone());
        let run = run.map_err(|error| anyhow::anyhow!("{error}"))?;
        assert_eq!(run.len(), expected);
    }
    let conn = &mut pool.get().await?;
    let count = diesel::dsl::sql::<diesel::sql_types::BigInt>("SELECT count(*) FROM book");
    assert_eq!(count.get_result::<i64>(conn).await?, 1);
    Ok(())
}
