//! What is left on a connection, and whom it must not reach: through raw connections, cancelled BEGINs,
//! settings of one transaction, sequences of another.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::connection::InstrumentationEvent;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{BigInt, Integer};
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection, TransactionManager};
use futures_util::FutureExt;
use orm_split::diesel::{PoolKind, PoolOptions, SplitError, SplitTransactionManager};
use orm_split_tests::diesel_app::{self, Conn, Pool};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::time::timeout;

/// A database, and a pool with one connection to its primary.
async fn one_connection(kind: PoolKind) -> Result<(Database, Pool)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let mut one = PoolOptions::default();
    one.max_size = 1;
    let builder = diesel_app::builder(&database).pool_kind(kind);
    let pool = builder.primary_options(one).build().await?;
    diesel_app::create_counters(&pool, 3).await?;
    Ok((database, pool))
}

async fn pid(conn: &mut Conn) -> QueryResult<i32> {
    let query = "SELECT pg_backend_pid() FROM counter FOR UPDATE LIMIT 1";
    diesel::dsl::sql::<Integer>(query).get_result(conn).await
}

async fn rows(conn: &mut Conn, id: i32) -> QueryResult<i64> {
    let count = diesel::dsl::sql::<BigInt>("SELECT count(*) FROM counter WHERE id = ");
    count.bind::<Integer, _>(id).get_result(conn).await
}

#[rstest::rstest]
#[case(PoolKind::Bb8)]
#[case(PoolKind::Deadpool)]
#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_left_open_on_a_raw_connection_reaches_nobody_else(
    #[case] kind: PoolKind,
) -> Result<()> {
    let (_database, pool) = one_connection(kind).await?;
    let mut conn = pool.get().await?;
    let used = pid(&mut conn).await?;
    let raw = conn.primary().await?;
    raw.batch_execute("BEGIN; INSERT INTO counter VALUES (90, 0)")
        .await?;
    drop(conn);
    let mut next = pool.get().await?;
    ensure!(pid(&mut next).await? != used, "the connection was reused");
    let insert = "INSERT INTO counter VALUES (91, 0)";
    diesel::sql_query(insert).execute(&mut next).await?;
    drop(next);
    let mut other = pool.get().await?;
    assert_eq!(rows(&mut other, 90).await?, 0);
    assert_eq!(rows(&mut other, 91).await?, 1);
    Ok(())
}

#[rstest::rstest]
#[case(PoolKind::Bb8)]
#[case(PoolKind::Deadpool)]
#[tokio::test(flavor = "multi_thread")]
async fn a_raw_connection_that_is_idle_again_is_kept(#[case] kind: PoolKind) -> Result<()> {
    let (_database, pool) = one_connection(kind).await?;
    let mut conn = pool.get().await?;
    let used = pid(&mut conn).await?;
    conn.primary().await?.batch_execute("SELECT 1").await?;
    drop(conn);
    assert_eq!(pid(&mut pool.get().await?).await?, used);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_still_runs_on_a_raw_connection_delays_nobody_for_long() -> Result<()> {
    let (_database, pool) = one_connection(PoolKind::Bb8).await?;
    let mut conn = pool.get().await?;
    let used = pid(&mut conn).await?;
    let raw = conn.primary().await?;
    let sleeps = raw.batch_execute("SELECT pg_sleep(600)");
    ensure!(timeout(Duration::from_millis(100), sleeps).await.is_err());
    drop(conn);
    let mut next = pool.get().await?;
    let found = timeout(Duration::from_secs(30), pid(&mut next)).await??;
    assert_ne!(found, used);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_with_settings_refuses_to_go_on_over_a_begin_that_was_cancelled() -> Result<()> {
    let (_database, pool) = one_connection(PoolKind::Bb8).await?;
    let mut conn = pool.get().await?;
    conn.batch_execute("SET app.tenant = '7'").await?;
    // sent, and given up before the answer
    let begin = SplitTransactionManager::begin_transaction(&mut conn);
    ensure!(begin.now_or_never().is_none());
    let insert = diesel::sql_query("INSERT INTO counter VALUES (92, 0)");
    let refused = insert.execute(&mut conn).await;
    ensure!(
        matches!(refused, Err(Error::BrokenTransactionManager)),
        "{refused:?}"
    );
    drop(conn);
    assert_eq!(rows(&mut pool.get().await?, 92).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn lastval_asks_the_connection_of_the_transaction_or_says_that_it_is_gone() -> Result<()> {
    let (_database, pool) = one_connection(PoolKind::Bb8).await?;
    let mut conn = pool.get().await?;
    conn.batch_execute("CREATE TABLE bill (id bigserial, total int)")
        .await?;
    let insert = "INSERT INTO bill (total) VALUES (5)";
    let lastval = || diesel::dsl::sql::<BigInt>("SELECT lastval()");
    diesel::sql_query(insert).execute(&mut conn).await?;
    assert_eq!(lastval().get_result::<i64>(&mut conn).await?, 1);
    let inside = conn.transaction::<_, Error, _>(async |conn| {
        diesel::sql_query(insert).execute(conn).await?;
        lastval().get_result::<i64>(conn).await
    });
    assert_eq!(inside.await?, 2);
    let after = lastval().get_result::<i64>(&mut conn).await;
    ensure!(
        conn.last_split_error() == Some(SplitError::GivenBack),
        "{after:?}"
    );
    // the handle's own again
    diesel::sql_query(insert).execute(&mut conn).await?;
    assert_eq!(lastval().get_result::<i64>(&mut conn).await?, 3);
    Ok(())
}

/// What an application writes for an enum.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::exhaustive_structs,
    reason = "as Diesel's guide writes it"
)]
mod sizes {
    use diesel::deserialize::{self, FromSql};
    use diesel::pg::{Pg, PgValue};
    use diesel::serialize::{self, IsNull, Output, ToSql};
    use std::io::Write;

    #[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
    #[diesel(postgres_type(name = "size"))]
    pub struct SizeType;

    #[derive(
        Debug, PartialEq, Eq, diesel::expression::AsExpression, diesel::deserialize::FromSqlRow,
    )]
    #[diesel(sql_type = SizeType)]
    pub struct Size(pub String);

    impl ToSql<SizeType, Pg> for Size {
        fn to_sql<'b>(&'b self, out: &mut Output<'b, '_, Pg>) -> serialize::Result {
            out.write_all(self.0.as_bytes())?;
            Ok(IsNull::No)
        }
    }

    impl FromSql<SizeType, Pg> for Size {
        fn from_sql(value: PgValue<'_>) -> deserialize::Result<Self> {
            Ok(Self(std::str::from_utf8(value.as_bytes())?.to_owned()))
        }
    }

    diesel::table! {
        use diesel::sql_types::Integer;
        use super::SizeType;

        shirt (id) {
            id -> Integer,
            size -> SizeType,
        }
    }
}
use sizes::{Size, shirt};

const SHIRTS: &str = "CREATE TYPE size AS ENUM ('s', 'm'); \
                      CREATE TABLE shirt (id int PRIMARY KEY, size size NOT NULL); \
                      CREATE SCHEMA other; CREATE TYPE other.size AS ENUM ('l', 'xl'); \
                      CREATE TABLE other.shirt (id int PRIMARY KEY, size other.size NOT NULL)";

async fn insert(conn: &mut Conn, id: i32, size: &str) -> QueryResult<usize> {
    diesel::insert_into(shirt::table)
        .values((shirt::id.eq(id), shirt::size.eq(Size(size.to_owned()))))
        .execute(conn)
        .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_search_path_of_one_transaction_changes_no_types_of_others() -> Result<()> {
    let (_database, pool) = one_connection(PoolKind::Bb8).await?;
    pool.get().await?.batch_execute(SHIRTS).await?;
    for round in 0..2 {
        let mut conn = pool.get().await?;
        let elsewhere = conn.transaction::<_, Error, _>(async |conn| {
            let path = diesel::sql_query("SET LOCAL search_path = other");
            path.execute(conn).await?;
            // not prepared: a prepared statement keeps the types of where it was prepared
            diesel::sql_query("INSERT INTO shirt VALUES ($1, $2)")
                .bind::<Integer, _>(round)
                .bind::<sizes::SizeType, _>(Size("xl".to_owned()))
                .execute(conn)
                .await
        });
        elsewhere.await.context("in the other schema")?;
        // on the same handle, and on another
        insert(&mut conn, 10 + round, "s").await?;
        drop(conn);
        insert(&mut pool.get().await?, 20 + round, "m").await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_type_is_looked_up_once_whatever_else_fails() -> Result<()> {
    let (_database, pool) = one_connection(PoolKind::Bb8).await?;
    pool.get().await?.batch_execute(SHIRTS).await?;
    let lookups = Arc::new(AtomicUsize::new(0));
    for id in [1, 1, 2, 2, 3] {
        let mut conn = pool.get().await?;
        let counted = Arc::clone(&lookups);
        conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event
                && query.to_string().contains("pg_type")
            {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        // every other time the key is taken
        drop(insert(&mut conn, id, "m").await);
    }
    assert_eq!(AtomicUsize::load(&lookups, Ordering::Relaxed), 1);
    Ok(())
}
