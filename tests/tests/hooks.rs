//! What an application runs on its connections, or asks of them, holds on every node.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{HealthState, NodeStatus, Preparing, Role, SplitBuilder, SplitConnection};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{Cluster, Database, Delay, shared};
use parking_lot::Mutex;
use sea_orm::sqlx::{self, Row};
use sea_orm::{
    ConnectOptions, ConnectionTrait, DatabaseConnection, DbErr, Statement, TransactionTrait,
};
use tokio::time::{sleep, timeout};

/// A builder whose nodes have options made of their URLs.
fn builder(database: &Database, options: impl Fn(&str) -> ConnectOptions) -> SplitBuilder {
    let replicas = database.replica_urls().iter();
    replicas.fold(
        SplitConnection::builder().primary(options(database.primary_url())),
        |builder, url| builder.replica(options(url)),
    )
}

async fn database() -> Result<(&'static Cluster, Database)> {
    let cluster = shared(Delay::None).await?;
    let database = cluster.create_database().await?;
    app::create_settings(cluster, &database).await?;
    Ok((cluster, database))
}

const HOOKED: &str = "SELECT value FROM settings WHERE name = 'app.hooked'";

fn statement(sql: &str) -> Statement {
    Statement::from_string(sea_orm::DbBackend::Postgres, sql)
}

/// The only value of the only row, as text.
async fn value(db: &impl ConnectionTrait, sql: &str) -> Result<String> {
    let row = db.query_one_raw(statement(sql)).await?.context("a row")?;
    Ok(row.try_get_by_index(0)?)
}

/// The answers of all ways to a connection: a read on a replica, one on the primary, a transaction, and
/// the raw handle.
async fn everywhere(db: &SplitConnection, sql: &str) -> Result<Vec<String>> {
    app::wait_until_replicas_serve(db).await?;
    let before = db.status().served_by_replicas();
    let on_replica = value(db, sql).await?;
    ensure!(
        db.status().served_by_replicas() > before,
        "{:?}",
        db.status()
    );
    let on_primary = value(&db.primary(), sql).await?;
    let transaction = db.begin().await?;
    let in_transaction = value(&transaction, sql).await?;
    // the transaction keeps its connection: the raw handle has to open another
    let pool = db.get_postgres_connection_pool();
    let mut raw = pool.acquire().await?;
    let row = sqlx::query(sqlx::AssertSqlSafe(sql))
        .fetch_one(&mut *raw)
        .await?;
    drop(raw);
    transaction.commit().await?;
    Ok(vec![on_replica, on_primary, in_transaction, row.get(0)])
}

/// Waits until `node` satisfies `check`, generously.
async fn wait_for_node(
    db: &SplitConnection,
    index: usize,
    check: impl Fn(&NodeStatus) -> bool,
) -> Result<NodeStatus> {
    let waiting = async {
        loop {
            let status = db.status();
            match status.nodes.get(index) {
                Some(node) if check(node) => return node.clone(),
                _ => sleep(Duration::from_millis(20)).await,
            }
        }
    };
    let waited = timeout(Duration::from_secs(20), waiting).await;
    waited.with_context(|| format!("{:?}", db.status()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_prepares_each_connection_of_every_node_whoever_uses_it() -> Result<()> {
    let (_, database) = database().await?;
    let seen: Arc<Mutex<Vec<Preparing>>> = Arc::default();
    let sees = Arc::clone(&seen);
    let db = app::builder(&database)
        .prepare_postgres(move |connection, preparing| {
            sees.lock().push(preparing.clone());
            Box::pin(async move {
                let role = format!("SET app.hooked = '{:?}'", preparing.role);
                sqlx::raw_sql(sqlx::AssertSqlSafe(role))
                    .execute(connection)
                    .await?;
                Ok(true)
            })
        })
        .connect()
        .await?;
    for _ in 0..3 {
        let prepared = everywhere(&db, HOOKED).await?;
        ensure!(
            prepared == ["Replica", "Primary", "Primary", "Primary"],
            "{prepared:?}"
        );
    }
    let all = BTreeSet::from(["primary", "replica-1", "replica-2"].map(Arc::from));
    let nodes = || -> BTreeSet<Arc<str>> {
        let seen = seen.lock();
        seen.iter()
            .map(|preparing| Arc::clone(&preparing.node))
            .collect()
    };
    let reads = async {
        while nodes() != all {
            let reads = (0..20).map(|_| value(&db, HOOKED));
            let reads = try_join_all(reads).await?;
            ensure!(
                reads
                    .iter()
                    .all(|role| role == "Replica" || role == "Primary")
            );
        }
        Ok(())
    };
    let waited = timeout(Duration::from_secs(20), reads).await;
    waited.with_context(|| format!("{:?}", nodes()))??;
    let seen = seen.lock().clone();
    ensure!(seen.iter().any(|p| p.age == Duration::ZERO));
    ensure!(seen.iter().any(|p| p.age > Duration::ZERO));
    db.close().await?;
    Ok(())
}

tokio::task_local! {
    static TENANT: &'static str;
}

#[tokio::test(flavor = "multi_thread")]
async fn row_level_security_shows_each_tenant_its_own_rows_on_replicas_too() -> Result<()> {
    let (cluster, database) = database().await?;
    cluster
        .primary()
        .app(database.name())
        .await?
        .batch_execute(
            "CREATE TABLE note (tenant text, body text);
             INSERT INTO note SELECT t, 'of ' || t FROM unnest('{a,b,c}'::text[]) t, generate_series(1, 3);
             ALTER TABLE note ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
             CREATE POLICY own ON note USING (tenant = current_setting('app.tenant'))",
        )
        .await?;
    for replica in cluster.replicas() {
        replica.wait_caught_up(cluster.primary()).await?;
    }
    let db = builder(&database, |url| {
        let mut options = ConnectOptions::new(url);
        // few, so that tenants share connections
        options.max_connections(3);
        options
    })
    .prepare_postgres(|connection, _| {
        Box::pin(async move {
            sqlx::query("SELECT set_config('app.tenant', $1, false)")
                .bind(TENANT.try_with(|tenant| *tenant).unwrap_or(""))
                .execute(connection)
                .await?;
            Ok(true)
        })
    })
    .connect()
    .await?;
    let sql = "SELECT string_agg(DISTINCT body, ',') || count(*) FROM note";
    app::wait_until_replicas_serve(&db).await?;
    let known = async {
        // the policy is known by now, and no reason to stay on the primary
        while db.status().user_functions.is_none() {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), known).await?;
    let reads = (0..150).map(|n| {
        let tenant = ["a", "b", "c"][n % 3];
        let db = &db;
        TENANT.scope(tenant, async move {
            let read = value(db, sql).await?;
            ensure!(read == format!("of {tenant}3"), "{tenant} read {read}");
            anyhow::Ok(())
        })
    });
    try_join_all(reads).await?;
    ensure!(db.status().served_by_replicas() >= 100, "{:?}", db.status());
    let seen = TENANT.scope("b", everywhere(&db, sql)).await?;
    ensure!(seen == ["of b3"; 4], "{seen:?}");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_that_fails_on_replicas_fails_no_read() -> Result<()> {
    let (_, database) = database().await?;
    let db = app::builder(&database)
        .prepare_postgres(|connection, preparing| {
            Box::pin(async move {
                if preparing.node.as_ref() == "replica-1" {
                    return Ok(false);
                }
                if preparing.role == Role::Replica {
                    // a refused write in a hook says nothing about the statement that waits
                    sqlx::raw_sql("CREATE TABLE never (id int)")
                        .execute(connection)
                        .await?;
                }
                Ok(true)
            })
        })
        .connect()
        .await?;
    app::wait_until_replicas_serve(&db).await?;
    for _ in 0..20 {
        ensure!(value(&db, "SELECT 'read'").await? == "read");
    }
    let status = db.status();
    ensure!(status.served_by_replicas() == 0, "{status:?}");
    ensure!(status.misroutes == 0, "{status:?}");
    db.close().await?;

    let db = app::builder(&database)
        .prepare_postgres(|_, _| Box::pin(async { Err(sqlx::Error::RowNotFound) }))
        .connect()
        .await;
    let error = db.err().context("it connected")?.to_string();
    ensure!(
        error.contains("primary: the hook that prepares connections failed"),
        "{error}"
    );
    Ok(())
}

fn options_with_both_hooks(url: &str) -> ConnectOptions {
    let mut options = ConnectOptions::new(url);
    options
        .set_schema_search_path("tenant,public")
        .map_sqlx_postgres_pool_opts(|options| {
            options.after_connect(|connection, _| {
                Box::pin(async move {
                    sqlx::raw_sql("SET app.hooked = 'yes'")
                        .execute(connection)
                        .await
                        .map(drop)
                })
            })
        });
    options
}

const PATH: &str = "SELECT string_agg(coalesce(value, 'none'), ' ' ORDER BY name) FROM settings WHERE name <> 'default_transaction_read_only'";

#[tokio::test(flavor = "multi_thread")]
async fn the_search_path_and_a_pool_hook_of_the_users_hold_both() -> Result<()> {
    let (_, database) = database().await?;
    let db = builder(&database, options_with_both_hooks)
        .connect()
        .await?;
    let paths = everywhere(&db, PATH).await?;
    ensure!(paths == [r#"yes "tenant","public""#; 4], "{paths:?}");
    db.close().await?;

    // a hook of the builder's takes the place of the pool's, not that of the search path
    let db = builder(&database, options_with_both_hooks)
        .prepare_postgres(|connection, _| {
            Box::pin(async move {
                sqlx::raw_sql("SET app.hooked = 'by the builder'")
                    .execute(connection)
                    .await?;
                Ok(true)
            })
        })
        .connect()
        .await?;
    let paths = everywhere(&db, PATH).await?;
    ensure!(paths == ["by the builder tenant, public"; 4], "{paths:?}");
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_hook_for_idle_connections_in_the_pools_options_is_an_error_that_says_where_it_goes()
-> Result<()> {
    let (_, database) = database().await?;
    let refused = builder(&database, |url| {
        let mut options = ConnectOptions::new(url);
        options.map_sqlx_postgres_pool_opts(|options| {
            options.before_acquire(|_, _| Box::pin(async { Ok(true) }))
        });
        options
    });
    let error = refused.connect().await.err().context("it connected")?;
    let text = error.to_string();
    ensure!(
        text.contains("primary: ") && text.contains("SplitBuilder::prepare_postgres"),
        "{text}"
    );
    Ok(())
}

/// Where the hook ran, by port, and the connections it was given.
#[derive(Default)]
struct Ran {
    ports: Mutex<Vec<i32>>,
    kept: Mutex<Vec<DatabaseConnection>>,
    failures: AtomicUsize,
}

async fn after_connect(ran: &Ran, db: DatabaseConnection) -> Result<(), DbErr> {
    let sql = "SELECT inet_server_port(), pg_is_in_recovery()";
    let row = db.query_one_raw(statement(sql)).await?;
    let row = row.ok_or_else(|| DbErr::Custom("no row".to_owned()))?;
    let fails = row.try_get_by_index(1)? && ran.failures.fetch_add(1, Ordering::SeqCst) < 2;
    if fails {
        return Err(DbErr::Custom("not yet".to_owned()));
    }
    ran.ports.lock().push(row.try_get_by_index(0)?);
    ran.kept.lock().push(db.clone());
    db.execute_unprepared("CREATE TABLE IF NOT EXISTS made (id int)")
        .await
        .map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn after_connect_runs_once_on_each_node_before_its_first_read_and_cannot_write_to_a_promoted_one()
-> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let ran: Arc<Ran> = Arc::default();
    let db = builder(&database, |url| {
        let ran = Arc::clone(&ran);
        let mut options = ConnectOptions::new(url);
        options.after_connect(move |db| {
            let ran = Arc::clone(&ran);
            Box::pin(async move { after_connect(&ran, db).await })
        });
        options
    })
    .sample_intervals(Duration::from_millis(100), Duration::from_millis(5))
    .connect()
    .await?;
    let down = wait_for_node(&db, 1, |node| node.health == HealthState::Down).await?;
    let cause = down.last_error.context("a cause")?;
    ensure!(
        cause.contains("its `after_connect` failed: Custom Error: not yet"),
        "{cause}"
    );
    let up = wait_for_node(&db, 1, |node| node.health == HealthState::Ramping).await?;
    ensure!(
        up.remark
            .is_some_and(|r| r.contains("`after_connect` wrote"))
    );
    app::wait_until_replicas_serve(&db).await?;
    app::create_settings(&cluster, &database).await?;
    let sql = "SELECT value FROM settings WHERE name = 'default_transaction_read_only'";
    let read_only = value(&db, sql).await?;
    ensure!(read_only == "on", "{read_only}: {:?}", db.status());

    let ports = ran.ports.lock().clone();
    let nodes: Vec<i32> = cluster.nodes().map(|node| i32::from(node.port())).collect();
    ensure!(ports == nodes, "{ports:?} is not {nodes:?}");
    let replica = cluster.replicas().first().context("a replica")?;
    replica.promote().await?;
    let kept = ran.kept.lock().get(1).context("the replica's")?.clone();
    let error = kept
        .execute_unprepared("CREATE TABLE written (id int)")
        .await;
    let error = error
        .err()
        .context("a replica's session wrote")?
        .to_string();
    ensure!(error.contains("read-only transaction"), "{error}");
    db.close().await?;
    Ok(())
}
