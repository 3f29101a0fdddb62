//! What an application sets under Diesel, on a pool and on a connection, and that it ends there:
//! instrumentation, the cache of prepared statements, hooks, limits of pools.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::connection::{CacheSize, InstrumentationEvent};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Integer, Text};
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, ManagerConfig, deadpool};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use orm_split::diesel::{Consistency, Fault, Phase, PoolKind, PoolOptions, SplitError};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use parking_lot::Mutex;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

fn of(max_size: u32) -> PoolOptions {
    let mut options = PoolOptions::default();
    options.max_size = max_size;
    options
}

/// One connection to the primary and one to the only replica, so that the next user has the same ones.
async fn one_of_each(kind: PoolKind) -> Result<(Database, Pool)> {
    let database = shared(Delay::None).await?.create_database().await?;
    let replica = database.replica_urls().first().context("a replica")?;
    let builder = Pool::builder()
        .primary(database.primary_url())
        .replica(replica)
        .pool_kind(kind);
    let pool = builder
        .primary_options(of(1))
        .replica_options(of(1))
        .consistency(Consistency::Eventual)
        .build()
        .await?;
    diesel_app::create_counters(&pool, 10).await?;
    Ok((database, pool))
}

async fn pid(conn: &mut AsyncPgConnection) -> QueryResult<i32> {
    let pid = diesel::dsl::sql::<Integer>("SELECT pg_backend_pid()");
    pid.get_result(conn).await
}

async fn read(conn: &mut Conn) -> QueryResult<Counter> {
    counter::table.find(1).first(conn).await
}

async fn write(conn: &mut Conn) -> QueryResult<usize> {
    let row = diesel::update(counter::table.find(1));
    row.set(counter::value.eq(1)).execute(conn).await
}

/// The texts that a connection says it sends.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn hear(&self) -> impl diesel::connection::Instrumentation {
        let heard = self.clone();
        move |event: InstrumentationEvent<'_>| {
            if let InstrumentationEvent::StartQuery { query, .. } = event {
                heard.0.lock().push(query.to_string());
            }
        }
    }

    /// How many statements of each kind it heard, and forgets them.
    fn counted(&self) -> [usize; 2] {
        let heard = std::mem::take(&mut *self.0.lock());
        ["SELECT \"counter\"", "UPDATE \"counter\""]
            .map(|start| heard.iter().filter(|text| text.starts_with(start)).count())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn instrumentation_hears_its_handles_statements_on_both_nodes_and_nobody_elses() -> Result<()>
{
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let (_database, pool) = one_of_each(kind).await?;
        let [early, late] = [Heard::default(), Heard::default()];
        let mut conn = pool.get().await?;
        // before it has any connection
        conn.set_instrumentation(early.hear());
        read(&mut conn).await?;
        write(&mut conn).await?;
        assert_eq!(early.counted(), [1, 1]);
        // with one to each node
        conn.set_instrumentation(late.hear());
        read(&mut conn).await?;
        write(&mut conn).await?;
        assert_eq!((early.counted(), late.counted()), ([0, 0], [1, 1]));
        let used = [
            pid(conn.replica().await?).await?,
            pid(conn.primary().await?).await?,
        ];
        drop(conn);
        late.counted();
        let mut next = pool.get().await?;
        read(&mut next).await?;
        write(&mut next).await?;
        let same = [
            pid(next.replica().await?).await?,
            pid(next.primary().await?).await?,
        ];
        assert_eq!(same, used, "the test needs the same connections");
        assert_eq!((early.counted(), late.counted()), ([0, 0], [0, 0]));
    }
    Ok(())
}

/// How many statements about counters are prepared on a connection.
async fn prepared(conn: &mut AsyncPgConnection) -> QueryResult<i64> {
    let count = "SELECT count(*) FROM pg_prepared_statements \
                 WHERE statement LIKE '%\"counter\"%' AND statement NOT LIKE '%pg_prepared%'";
    diesel::dsl::sql::<BigInt>(count).get_result(conn).await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cache_of_prepared_statements_is_sized_for_one_handle() -> Result<()> {
    let (_database, pool) = one_of_each(PoolKind::Bb8).await?;
    let mut conn = pool.get().await?;
    // before it has any connection
    conn.set_prepared_statement_cache_size(CacheSize::Disabled);
    for _ in 0..3 {
        read(&mut conn).await?;
        write(&mut conn).await?;
    }
    assert_eq!(prepared(conn.replica().await?).await?, 0);
    assert_eq!(prepared(conn.primary().await?).await?, 0);
    let used = pid(conn.replica().await?).await?;
    drop(conn);

    let mut next = pool.get().await?;
    for _ in 0..3 {
        read(&mut next).await?;
    }
    assert_eq!(pid(next.replica().await?).await?, used);
    assert_eq!(prepared(next.replica().await?).await?, 1, "as by default");
    // with a connection at hand
    next.set_prepared_statement_cache_size(CacheSize::Disabled);
    for _ in 0..3 {
        read(&mut next).await?;
    }
    assert_eq!(prepared(next.replica().await?).await?, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_of_ones_own_prepares_connections_to_every_node() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let tenant = "CREATE SCHEMA tenant; \
                  CREATE TABLE tenant.counter AS SELECT 1 AS id, 99::bigint AS value";
    let setup = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&setup, 1).await?;
    setup.get().await?.batch_execute(tenant).await?;
    diesel_app::wait_until_replicas_serve(&setup).await?;
    let calls = Arc::new(Mutex::new(Vec::new()));
    let called = Arc::clone(&calls);
    let builder = diesel_app::builder(&database).custom_setup(move |url| {
        let called = Arc::clone(&called);
        Box::pin(async move {
            called.lock().push(url.to_owned());
            let mut conn = AsyncPgConnection::establish(url).await?;
            let path = conn.batch_execute("SET search_path TO tenant").await;
            path.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        })
    });
    let pool = builder.consistency(Consistency::Eventual).build().await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    for _ in 0..10 {
        let conn = &mut pool.get().await?;
        assert_eq!(read(conn).await?.value, 99, "on a replica");
        let raised = diesel::update(counter::table).set(counter::value.eq(counter::value));
        assert_eq!(raised.execute(conn).await?, 1, "on the primary");
    }
    assert!(pool.status().served_by_replicas() >= 10);
    let called = calls.lock().clone();
    for url in database.replica_urls().iter().map(String::as_str) {
        assert!(
            called.iter().any(|called| called == url),
            "no call for {url}"
        );
    }
    assert!(called.iter().any(|called| called == database.primary_url()));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_setup_that_fails_is_told_by_node_and_cause() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let builder = diesel_app::builder(&database).custom_setup(|url| {
        Box::pin(async move {
            let mut conn = AsyncPgConnection::establish(url).await?;
            let role = conn.batch_execute("SET ROLE nobody_there").await;
            role.map_err(ConnectionError::CouldntSetupConfiguration)?;
            Ok(conn)
        })
    });
    let error = builder.build().await.err().context("it was built")?;
    let text = error.to_string();
    ensure!(
        text.contains("primary") && text.contains("nobody_there"),
        "{text}"
    );
    Ok(())
}

/// What the user set on pools that are handed in: how they open connections, and what they do with each.
#[tokio::test(flavor = "multi_thread")]
async fn pools_that_are_handed_in_keep_their_setup_and_their_hooks() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let calls = Arc::new(AtomicUsize::new(0));
    let hooked = |url: &str| {
        let mut config = ManagerConfig::default();
        config.custom_setup = Box::new(|url| {
            let url = url.to_owned();
            Box::pin(async move {
                let mut conn = AsyncPgConnection::establish(&url).await?;
                let set = conn.batch_execute("SET app.tenant = 'seven'").await;
                set.map_err(ConnectionError::CouldntSetupConfiguration)?;
                Ok(conn)
            })
        });
        let manager = AsyncDieselConnectionManager::new_with_config(url, config);
        let calls = Arc::clone(&calls);
        let hook = deadpool::Hook::sync_fn(move |_: &mut AsyncPgConnection, _| {
            calls.fetch_add(1, Ordering::Relaxed);
            Ok(())
        });
        let builder = deadpool::Pool::builder(manager).max_size(1);
        builder.post_create(hook).build()
    };
    let replica = database.replica_urls().first().context("a replica")?;
    let builder = Pool::builder().primary_pool(hooked(database.primary_url())?);
    let pool = builder.replica_pool(hooked(replica)?).build().await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    let conn = &mut pool.get().await?;
    let tenant = diesel::dsl::sql::<Text>("SELECT current_setting('app.tenant')");
    for raw in [conn.replica().await?, pool.get().await?.primary().await?] {
        let set: String = tenant.clone().get_result(raw).await?;
        assert_eq!(set, "seven");
    }
    // one connection of each, and no prober's, which belongs to no pool
    assert_eq!(AtomicUsize::load(&calls, Ordering::Relaxed), 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn each_role_has_its_own_limits_and_shows_its_connections() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let database = shared(Delay::None).await?.create_database().await?;
        let builder = diesel_app::builder(&database).pool_kind(kind);
        let builder = builder.primary_options(of(2)).replica_options(of(5));
        let pool = builder.build().await?;
        let state = pool.state();
        let names: Vec<&str> = state.iter().map(|(name, _)| name.as_ref()).collect();
        assert_eq!(names, ["primary", "replica-1", "replica-2"]);
        let sizes: Vec<u32> = state.iter().map(|(_, state)| state.max_size).collect();
        assert_eq!(sizes, [2, 5, 5]);
        let of_primary = || pool.state().into_iter().map(|(_, state)| state).next();
        let mut held = Vec::new();
        for _ in 0..2 {
            let mut conn = pool.get().await?;
            conn.primary().await?;
            held.push(conn);
        }
        let full = of_primary().context("the primary's")?;
        assert_eq!((full.connections, full.idle), (2, 0));
        assert!(full.is_saturated());
        held.clear();
        let free = of_primary().context("the primary's")?;
        assert_eq!((free.connections, free.idle), (2, 2), "{kind:?}");
        pool.close().await;
        assert_eq!(pool.state(), [], "none once closed");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pool_that_is_closed_gives_nothing_more_and_keeps_no_connection() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let (database, pool) = one_of_each(kind).await?;
        let mut held = pool.get().await?;
        read(&mut held).await?;
        let idle = pool.get().await?;
        pool.clone().close().await;
        assert!(matches!(pool.get().await, Err(SplitError::Closed)));
        // a connection that is at hand goes on; another one is not to be had
        read(&mut held).await?;
        let refused = write(&mut held).await;
        assert!(refused.is_err(), "{refused:?}");
        assert_eq!(held.last_split_error(), Some(SplitError::Closed));
        drop((held, idle));
        let cluster = shared(Delay::None).await?;
        let gone = async {
            for node in cluster.nodes() {
                while !node
                    .backend_pids_in(database.name(), "app")
                    .await?
                    .is_empty()
                {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(())
        };
        let gone = timeout(Duration::from_secs(20), gone).await;
        gone.with_context(|| format!("connections of {kind:?} stay open"))??;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_pool_is_waited_for_as_long_as_it_says_and_named() -> Result<()> {
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let database = shared(Delay::None).await?.create_database().await?;
        let mut patience = of(1);
        patience.wait = Some(Duration::from_millis(200));
        let builder = diesel_app::builder(&database).pool_kind(kind);
        let pool = builder.primary_options(patience).build().await?;
        let mut holder = pool.get().await?;
        holder.primary().await?;
        let mut waiter = pool.get().await?;
        let write = diesel::sql_query("CREATE TABLE t ()").execute(&mut waiter);
        let failed = timeout(Duration::from_secs(10), write).await?;
        let text = failed.err().context("it wrote")?.to_string();
        ensure!(text.contains("primary"), "{kind:?}: {text}");
        let Some(SplitError::Exhausted(failures)) = waiter.last_split_error() else {
            anyhow::bail!("{kind:?}: {:?}", waiter.last_split_error());
        };
        let failure = failures.last().context("a failure")?;
        assert_eq!(
            (failure.phase, failure.fault),
            (Phase::Checkout, Fault::Saturated)
        );
        drop(holder);
        diesel::sql_query("CREATE TABLE t ()")
            .execute(&mut waiter)
            .await?;
    }
    Ok(())
}

/// The kernel accepts, and nobody answers.
#[tokio::test(flavor = "multi_thread")]
async fn opening_a_connection_takes_no_longer_than_it_may() -> Result<()> {
    let silent = TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("postgres://app@{}/app", silent.local_addr()?);
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let mut hasty = of(1);
        hasty.create = Some(Duration::from_millis(200));
        hasty.wait = Some(Duration::from_secs(2));
        let builder = Pool::builder().primary(&url).pool_kind(kind);
        let pool = builder.primary_options(hasty).build().await?;
        let conn = &mut pool.get().await?;
        let read = diesel::sql_query("SELECT 1").execute(conn);
        let failed = timeout(Duration::from_secs(20), read).await?;
        let text = failed.err().context("it read")?.to_string();
        ensure!(
            text.contains("primary") && text.contains("200ms"),
            "{kind:?}: {text}"
        );
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_transaction_is_on_the_primary_with_its_reads_and_leaves_nothing() -> Result<()> {
    let (database, pool) = one_of_each(PoolKind::Bb8).await?;
    let mut conn = pool.get().await?;
    read(&mut conn).await?; // a connection to the replica is at hand
    conn.begin_test_transaction().await?;
    write(&mut conn).await?;
    assert_eq!(read(&mut conn).await?.value, 1);
    let nested: QueryResult<i64> = conn
        .transaction(async |conn| Ok(read(conn).await?.value))
        .await;
    assert_eq!(nested?, 1);
    let seen = shared(Delay::None)
        .await?
        .primary()
        .app(database.name())
        .await?;
    let row = seen
        .query_one("SELECT value FROM counter WHERE id = 1", &[])
        .await?;
    assert_eq!(row.try_get::<_, i64>(0)?, 0, "nobody else sees it");
    Ok(())
}
