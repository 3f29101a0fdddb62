//! What went wrong in other splitters, and must not under Diesel: statements that a replica grants,
//! refuses, or cannot serve.

use std::time::Duration;

use anyhow::{Context, Result};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use orm_split::diesel::{Consistency, Role};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Pool, where_it_ran};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(20);

/// A pool whose catalogue knows what `objects` makes.
async fn knowing(objects: &str) -> Result<(Database, Pool)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    pool.get().await?.batch_execute(objects).await?;
    pool.close().await;
    let builder = diesel_app::builder(&database).consistency(Consistency::Eventual);
    let pool = builder.build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    let is_read = async {
        while pool.status().user_functions.is_none() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, is_read).await.context("no catalogue")?;
    Ok((database, pool))
}

async fn value(conn: &mut Conn, id: i32) -> QueryResult<i64> {
    let row = counter::table.find(id).select(counter::value);
    row.first(conn).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advisory_lock_that_one_connection_holds_is_granted_to_no_other() -> Result<()> {
    let function = "CREATE FUNCTION try_lock() RETURNS bool VOLATILE LANGUAGE sql \
                    AS 'SELECT pg_try_advisory_lock(42)'";
    let (_database, pool) = knowing(function).await?;
    let takes = async |conn: &mut Conn, sql: &'static str| {
        let lock = diesel::dsl::sql::<Bool>(sql).get_result::<bool>(conn);
        where_it_ran(&pool, lock).await
    };
    let holder = &mut pool.get().await?;
    let (granted, role) = takes(holder, "SELECT pg_try_advisory_lock(42)").await?;
    assert_eq!((granted?, role), (true, Some(Role::Primary)));
    for sql in [
        "SELECT pg_try_advisory_lock(42)",
        "SELECT try_lock()",
        "WITH l AS MATERIALIZED (SELECT pg_try_advisory_lock(42) AS l) SELECT l FROM l",
    ] {
        let conn = &mut pool.get().await?;
        let (granted, role) = takes(conn, sql).await?;
        assert_eq!((granted?, role), (false, Some(Role::Primary)), "{sql}");
        // in a read-only transaction, which began on a replica
        let mut builder = conn.build_transaction().read_only();
        let granted = builder
            .run(async move |conn| diesel::dsl::sql::<Bool>(sql).get_result::<bool>(conn).await)
            .await;
        assert_eq!(granted, Ok(false), "{sql}");
    }
    Ok(())
}

/// Functions that promise to be STABLE are called on replicas; that they lie only the replica shows.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_replica_refuses_runs_once_on_the_primary_and_is_remembered() -> Result<()> {
    let liars = "CREATE SEQUENCE s; \
        CREATE FUNCTION draws() RETURNS bigint STABLE LANGUAGE plpgsql \
        AS 'BEGIN RETURN nextval(''s''); END'; \
        CREATE FUNCTION asks_the_log() RETURNS bigint STABLE LANGUAGE plpgsql \
        AS 'BEGIN PERFORM pg_current_wal_lsn(); RETURN nextval(''s''); END'";
    let (_database, pool) = knowing(liars).await?;
    let mut drawn = 0;
    // 25006, and 55000 before it can come to that
    for (known, sql) in (0..).zip(["SELECT draws()", "SELECT asks_the_log()"]) {
        for _ in 0..3 {
            let conn = &mut pool.get().await?;
            let next: i64 = diesel::dsl::sql::<BigInt>(sql).get_result(conn).await?;
            drawn += 1;
            assert_eq!(next, drawn, "{sql}: a write was repeated or lost");
        }
        let status = pool.status();
        assert_eq!(status.misroutes, known + 1, "{sql}: {status:?}");
        let refused = u64::try_from(known + 1)?;
        assert_eq!(status.statements.get("refused"), Some(&refused), "{sql}");
        assert_eq!(
            status.statements.get("misrouted"),
            Some(&(2 * refused)),
            "{sql}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_are_serializable_by_default_read_on_the_primary_and_status_says_why()
-> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let setup = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&setup, 10).await?;
    let serializable = |url: &str| {
        // 0A000 for every statement on a standby
        format!("{url}?options=-c%20default_transaction_isolation%3Dserializable")
    };
    let replica = database.replica_urls().first().context("a replica")?;
    let builder = Pool::builder().primary(serializable(database.primary_url()));
    let pool = builder.replica(serializable(replica)).build().await?;
    for _ in 0..5 {
        assert_eq!(value(&mut pool.get().await?, 1).await?, 0);
    }
    let status = pool.status();
    assert_eq!(status.served_by_primary(), 5, "{status:?}");
    let said = status.nodes.get(1).and_then(|node| node.last_error.clone());
    assert!(
        said.as_ref()
            .is_some_and(|said| said.contains("serializable")),
        "{said:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_on_replicas_are_made_read_only() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let setting = async |conn: &mut AsyncPgConnection| {
        let sql = "SELECT current_setting('default_transaction_read_only')";
        diesel::dsl::sql::<Text>(sql)
            .get_result::<String>(conn)
            .await
    };
    let conn = &mut pool.get().await?;
    assert_eq!(setting(conn.replica().await?).await?, "on");
    assert_eq!(setting(conn.primary().await?).await?, "off");
    Ok(())
}
