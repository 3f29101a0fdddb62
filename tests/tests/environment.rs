//! Applications that are configured by variables alone, as the deployments of each family have them: through both
//! ORMs, on real servers, reads run on replicas.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::diesel::PoolKind;
use orm_split::sea_orm::{Family, Reason, Role, Settings, SplitConnection, Status};
use orm_split_tests::application::{Application, Way};
use orm_split_tests::deployments::{Server, Vars, variables};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::kit::postgres::{Cluster, Delay, shared};
use orm_split_tests::kit::program::Program;
use rstest::rstest;
use sea_orm::{ConnectionTrait, Statement};

fn replicas_of(status: &Status) -> usize {
    let nodes = status.nodes.iter();
    nodes.filter(|node| node.role == Role::Replica).count()
}

/// Writes, and reads what it wrote on replicas.
async fn works<A: Application>(app: A, replicas: usize) -> Result<()> {
    assert_eq!(replicas_of(&app.status()), replicas);
    app.create_counters(3).await?;
    app.write(1, 7).await?;
    assert_eq!(app.read(1).await?, 7, "it missed its own write");
    let on_replicas = app.status().served_by_replicas();
    let until = tokio::time::Instant::now() + Duration::from_secs(20);
    while app.status().served_by_replicas() < on_replicas + 5 {
        assert_eq!(app.read(1).await?, 7);
        ensure!(
            tokio::time::Instant::now() < until,
            "no reads on replicas: {:?}",
            app.status()
        );
    }
    app.close().await
}

#[rstest]
#[tokio::test]
async fn an_application_that_has_only_variables_reads_on_replicas(
    #[values("ours", "a", "a, containers", "b", "d", "e")] family: &str,
) -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let (vars, replicas) = variables(family, &database)?;
    let settings = Settings::from_vars(vars)?;
    works(SplitConnection::from_settings(&settings).await?, replicas).await?;

    let database = shared(Delay::None).await?.create_database().await?;
    let settings = Settings::from_vars(variables(family, &database)?.0)?;
    works(Pool::from_settings(&settings).await?, replicas).await
}

/// Runs an application that is told of its databases by the variables of its process.
async fn told(orm: &str, vars: &Vars) -> Result<String> {
    let mut environment = vec![("ORM", orm), ("WORK", "environment")];
    environment.extend(
        vars.iter()
            .map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let log = Program::start(env!("CARGO_BIN_EXE_counters"), &environment)?
        .ended()
        .await?;
    let line = log.into_iter().find(|line| line.contains("reads go to"));
    line.context("it said nothing")
}

#[rstest]
#[tokio::test]
async fn a_process_takes_them_out_of_its_environment_and_one_of_them_switches_splitting_off(
    #[values("sea-orm", "diesel")] orm: &str,
) -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let (mut vars, _) = variables("e", &database)?;
    let line = told(orm, &vars).await?;
    ensure!(
        line.contains("replica-1") && line.contains("of 2 nodes"),
        "{line}"
    );
    vars.retain(|(name, _)| name != "USE_READ_REPLICAS");
    vars.push(("USE_READ_REPLICAS".to_owned(), "false".to_owned()));
    let line = told(orm, &vars).await?;
    ensure!(
        line.contains("primary") && line.contains("of 1 nodes"),
        "{line}"
    );
    Ok(())
}

/// Waits for the tasks that open or close connections to end.
async fn no_more_tasks_than(most: usize) -> Result<()> {
    let metrics = tokio::runtime::Handle::current().metrics();
    let fewer = async {
        while metrics.num_alive_tasks() > most {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let fewer = tokio::time::timeout(Duration::from_secs(10), fewer).await;
    fewer.with_context(|| format!("{} tasks, not {most}", metrics.num_alive_tasks()))
}

#[tokio::test]
async fn switched_off_nothing_is_spawned_and_no_replica_is_connected_to() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let (vars, _) = variables("e", &database)?;
    let vars = vars.into_iter().map(|(name, value)| match name.as_str() {
        "USE_READ_REPLICAS" => (name, "false".to_owned()),
        _ => (name, value),
    });
    let settings = Settings::from_vars(vars)?;
    let replica = cluster.replicas().first().context("a replica")?;
    let metrics = tokio::runtime::Handle::current().metrics();
    let before = metrics.num_alive_tasks();
    let plain_tasks = {
        let mut options = sea_orm::ConnectOptions::new(database.primary_url());
        options.max_connections(4).min_connections(1);
        let plain = sea_orm::Database::connect(options).await?;
        let tasks = metrics.num_alive_tasks();
        plain.close().await?;
        tasks
    };
    no_more_tasks_than(before).await?;
    let db = SplitConnection::from_settings(&settings).await?;
    db.execute_unprepared("CREATE TABLE t (n int)").await?;
    let sql = Statement::from_string(sea_orm::DbBackend::Postgres, "SELECT n FROM t");
    ensure!(db.query_one_raw(sql).await?.is_none());
    let route = db.explain("SELECT 1");
    assert_eq!(
        (route.role, route.reason),
        (Role::Primary, Reason::NoReplica)
    );
    ensure!(replicas_of(&db.status()) == 0);
    no_more_tasks_than(plain_tasks).await?;
    ensure!(
        replica.connections_of("app").await? == 0,
        "a replica was connected to"
    );
    db.close().await?;

    let pool = Pool::from_settings(&settings).await?;
    drop(pool.get().await?);
    ensure!(
        replica.connections_of("app").await? == 0,
        "a replica was connected to"
    );
    assert_eq!(pool.explain("SELECT 1").reason, Reason::NoReplica);
    pool.close().await;
    Ok(())
}

#[tokio::test]
async fn a_service_that_has_moved_and_its_legacy_database_are_reached_from_one_process()
-> Result<()> {
    let cluster = shared(Delay::None).await?;
    let (new, legacy) = (
        cluster.create_database().await?,
        cluster.create_database().await?,
    );
    let mut vars = variables("a", &new)?.0;
    vars.extend(Server::of(legacy.primary_url())?.vars("DB", "NAME"));
    let mixed = Settings::from_vars(vars.clone())
        .map(|_| ())
        .expect_err("two families");
    let mixed = mixed.to_string();
    ensure!(
        mixed.contains("DB_HOST") && mixed.contains("DB_MASTER_HOST"),
        "{mixed}"
    );
    let new = SplitConnection::from_settings(&Settings::of_family(Family::Numbered, vars.clone())?)
        .await?;
    let legacy = SplitConnection::from_settings(&Settings::of_family(Family::Hosts, vars)?).await?;
    ensure!(replicas_of(&new.status()) > 0 && replicas_of(&legacy.status()) == 0);
    new.execute_unprepared("CREATE TABLE new_one ()").await?;
    legacy
        .execute_unprepared("CREATE TABLE legacy_one ()")
        .await?;
    new.close().await?;
    legacy.close().await?;
    Ok(())
}

#[tokio::test]
async fn what_a_driver_cannot_use_is_named_by_its_variable_and_no_password_is_shown() -> Result<()>
{
    let vars = [
        (
            "WRITE_DATABASE_URL",
            "postgres://app:hunter2@127.0.0.1:1/app",
        ),
        (
            "READ_DATABASE_URL",
            "postgres://app:hunter2@127.0.0.1:2/app?sslmode=sometimes",
        ),
    ];
    let settings = Settings::from_vars(vars)?;
    let sea_orm = SplitConnection::from_settings(&settings).await.map(|_| ());
    let diesel = Pool::from_settings(&settings).await.map(|_| ());
    for error in [
        sea_orm.expect_err("refused").to_string(),
        diesel.expect_err("refused").to_string(),
    ] {
        ensure!(
            error.contains("READ_DATABASE_URL") && !error.contains("hunter2"),
            "{error}"
        );
    }
    Ok(())
}

/// On the primary, since a sleep is no read.
async fn expires<A: Application>(app: A) -> Result<()> {
    let slept = app.send(Way::QueryAll, "SELECT pg_sleep(30)").await;
    let error = format!("{:#}", slept.err().context("it takes half a minute")?);
    ensure!(
        error.contains("no result within 1s, the statement time-out on the primary"),
        "{error}"
    );
    app.send(Way::QueryAll, "SELECT 1").await?;
    app.close().await
}

#[rstest]
#[tokio::test]
async fn a_statement_that_takes_too_long_is_given_up_with_and_without_replicas(
    #[values("true", "false")] with_replicas: &str,
) -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let mut vars = variables("b", &database)?.0;
    vars.extend([
        ("USE_READ_REPLICAS".to_owned(), with_replicas.to_owned()),
        ("DB_QUERY_TIMEOUT".to_owned(), "1s".to_owned()),
    ]);
    let settings = Settings::from_vars(vars)?;
    expires(SplitConnection::from_settings(&settings).await?).await?;
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let builder = orm_split::diesel::SplitBuilder::from_settings(&settings)?;
        let pool: Pool = builder.pool_kind(kind).build().await?;
        expires(pool).await?;
    }
    Ok(())
}

#[tokio::test]
async fn pools_have_the_sizes_and_limits_of_their_role() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let mut vars = variables("b", &database)?.0;
    let more = [
        ("ORM_SPLIT_PRIMARY_MAX_CONNECTIONS", "3"),
        ("ORM_SPLIT_REPLICA_MAX_CONNECTIONS", "7"),
        ("DB_MIN_CONNECTIONS", "2"),
        ("DB_MAX_IDLE_TIME", "10m"),
        ("DB_MAX_LIFETIME", "1h"),
        ("DB_CONNECTION_TIMEOUT", "20s"),
    ];
    vars.extend(more.map(|(name, value)| (name.to_owned(), value.to_owned())));
    let settings = Settings::from_vars(vars)?;
    let db = SplitConnection::from_settings(&settings).await?;
    let pool = db.get_postgres_connection_pool();
    let options = pool.options();
    assert_eq!(options.get_max_connections(), 3);
    assert_eq!(options.get_idle_timeout(), Some(Duration::from_secs(600)));
    assert_eq!(options.get_max_lifetime(), Some(Duration::from_secs(3600)));
    assert_eq!(options.get_acquire_timeout(), Duration::from_secs(20));
    ensure!(pool.size() >= 2, "{} connections", pool.size());
    db.close().await?;
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let builder = orm_split::diesel::SplitBuilder::from_settings(&settings)?;
        let pool: Pool = builder.pool_kind(kind).build().await?;
        let sizes: Vec<_> = pool
            .state()
            .iter()
            .map(|(_, state)| state.max_size)
            .collect();
        assert_eq!(sizes, [3, 7]);
        let kept = if kind == PoolKind::Bb8 { 2 } else { 0 };
        let filled = async {
            while pool.state().iter().any(|(_, state)| state.idle < kept) {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let filled = tokio::time::timeout(Duration::from_secs(20), filled).await;
        filled.with_context(|| format!("{:?}", pool.state()))?;
        pool.close().await;
    }
    Ok(())
}

#[rstest]
#[case::young("1h", true)]
#[case::old("1ms", false)]
#[tokio::test]
async fn deadpool_replaces_connections_that_are_too_old(
    #[case] lifetime: &str,
    #[case] stays: bool,
) -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let vars = [
        ("DATABASE_URL", database.primary_url()),
        ("ORM_SPLIT_PRIMARY_MAX_CONNECTIONS", "1"),
        ("ORM_SPLIT_PRIMARY_LIFETIME", lifetime),
    ];
    let builder = orm_split::diesel::SplitBuilder::from_settings(&Settings::from_vars(vars)?)?;
    let pool: Pool = builder.pool_kind(PoolKind::Deadpool).build().await?;
    let pid = async || {
        let conn = &mut pool.get().await?;
        let pid = diesel::dsl::sql::<diesel::sql_types::Integer>("SELECT pg_backend_pid()");
        anyhow::Ok(diesel_async::RunQueryDsl::get_result::<i32>(pid, conn).await?)
    };
    let first = pid().await?;
    tokio::time::sleep(Duration::from_millis(5)).await;
    assert_eq!(pid().await? == first, stays);
    Ok(())
}
