//! The endpoints over real servers, through both ORMs, as the programs read them that existing systems have.

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::SplitConnection;
use orm_split::sea_orm::endpoints::StatusSource;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::kit::postgres::{APP_PASSWORD, APP_ROLE};
use serde_json::Value;

use crate::watched::{OBSERVERS, Watched, cluster};

const ALL: [&str; 9] = [
    "/health/database",
    "/database/info",
    "/database/replica/health",
    "/database/replica/lag",
    "/database/replica/stats",
    "/database/replica/pool-stats",
    "/database/status.json",
    "/database/status",
    "/metrics",
];

/// The value at a JSON pointer.
fn at<'a>(json: &'a Value, pointer: &str) -> Result<&'a Value> {
    json.pointer(pointer)
        .with_context(|| format!("no {pointer} in {json:#}"))
}

fn number(json: &Value, pointer: &str) -> Result<f64> {
    let number = at(json, pointer)?.as_f64();
    number.with_context(|| format!("{pointer} is no number in {json:#}"))
}

fn is(json: &Value, pointer: &str, expected: impl Into<Value>) -> Result<()> {
    let expected = expected.into();
    ensure!(
        *at(json, pointer)? == expected,
        "{pointer} is not {expected} in {json:#}"
    );
    Ok(())
}

/// Works, and answers as agreed.
async fn all_answer_while_all_is_well<A: Application + StatusSource>() -> Result<()> {
    let (_cluster, database) = cluster(1).await?;
    let watched = Watched::<A>::start(&Settings::of(&database)).await?;
    watched.app.create_counters(10).await?;
    for id in 0..10 {
        watched.app.read(id).await?;
    }
    let health = watched.answers("/health/database", 200).await?;
    is(&health, "/write", true)?;
    is(&health, "/read", true)?;
    is(&health, "/replication/healthy", true)?;
    ensure!((0.0..5.0).contains(&number(&health, "/replication/lagSeconds")?));

    let replicas = watched.answers("/database/replica/health", 200).await?;
    is(&replicas, "/healthy", true)?;
    is(&replicas, "/replicas/0/name", "replica-1")?;
    is(&replicas, "/replicas/0/healthy", true)?;
    at(&replicas, "/timestamp")?;

    let stats = watched.answers("/database/replica/stats", 200).await?;
    is(&stats, "/replicaCount", 1)?;
    is(&stats, "/currentReplicaIndex", 0)?;
    is(&stats, "/replicas/replica-1/status", "healthy")?;
    ensure!(
        number(&stats, "/replicas/replica-1/connectionCount")? >= 1.0,
        "{stats:#}"
    );
    ensure!(
        number(&stats, "/replicas/replica-1/served")? >= 1.0,
        "{stats:#}"
    );

    let lag = watched.answers("/database/replica/lag", 200).await?;
    is(&lag, "/replicas/0/name", "replica-1")?;
    is(&lag, "/replicas/0/status", "healthy")?;
    let seconds = number(&lag, "/replicas/0/lagSeconds")?;
    ensure!(
        seconds == number(&lag, "/maxLag")? && seconds == number(&lag, "/avgLag")?,
        "{lag:#}"
    );

    let pools = watched.answers("/database/replica/pool-stats", 200).await?;
    for pool in ["/primary", "/replicas/replica-1"] {
        let of = |field: &str| number(&pools, &format!("{pool}/{field}_connections"));
        ensure!(of("total")? >= 1.0, "{pools:#}");
        ensure!(of("active")? + of("idle")? == of("total")?, "{pools:#}");
    }

    let info = watched.answers("/database/info", 200).await?;
    for (field, value) in [
        ("/primaryConnected", Value::from(true)),
        ("/replicasEnabled", true.into()),
        ("/replicaCount", 1.into()),
        ("/hasReadReplicas", true.into()),
    ] {
        is(&info, field, value)?;
    }
    watched.close().await
}

#[tokio::test]
async fn all_answer_while_all_is_well_under_sea_orm() -> Result<()> {
    all_answer_while_all_is_well::<SplitConnection>().await
}

#[tokio::test]
async fn all_answer_while_all_is_well_under_diesel() -> Result<()> {
    all_answer_while_all_is_well::<Pool>().await
}

/// The only replica is killed and comes back; then the primary is killed.
async fn what_dies_is_unhealthy_until_it_is_back<A: Application + StatusSource>() -> Result<()> {
    let (cluster, database) = cluster(1).await?;
    let watched = Watched::<A>::start(&Settings::of(&database)).await?;
    watched.answers("/health/database", 200).await?;
    let replica = cluster.replicas().first().context("one")?;
    replica.kill().await?;
    let health = watched.answers("/database/replica/health", 503).await?;
    is(&health, "/healthy", false)?;
    is(&health, "/replicas/0/healthy", false)?;
    let lag = watched.answers("/database/replica/lag", 503).await?;
    is(&lag, "/replicas/0/status", "unhealthy")?;
    let health = watched.answers("/health/database", 503).await?;
    is(&health, "/write", true)?;
    is(&health, "/read", true)?;
    is(&health, "/replication/healthy", false)?;
    is(&health, "/replication/lagSeconds", Value::Null)?;
    let info = watched.answers("/database/info", 200).await?;
    is(&info, "/replicaCount", 1)?;
    replica.start().await?;
    watched.answers("/health/database", 200).await?;
    cluster.primary().kill().await?;
    let info = watched.answers("/database/info", 503).await?;
    is(&info, "/primaryConnected", false)?;
    let health = watched.answers("/health/database", 503).await?;
    is(&health, "/write", false)?;
    is(&health, "/read", true)?;
    watched.close().await
}

#[tokio::test]
async fn what_dies_is_unhealthy_until_it_is_back_under_sea_orm() -> Result<()> {
    what_dies_is_unhealthy_until_it_is_back::<SplitConnection>().await
}

#[tokio::test]
async fn what_dies_is_unhealthy_until_it_is_back_under_diesel() -> Result<()> {
    what_dies_is_unhealthy_until_it_is_back::<Pool>().await
}

/// Nobody has ever heard of the replica.
async fn a_lag_that_nobody_knows_is_null<A: Application + StatusSource>() -> Result<()> {
    let (_cluster, database) = cluster(0).await?;
    let nobody = format!(
        "postgres://{APP_ROLE}:{APP_PASSWORD}@127.0.0.1:1/{}",
        database.name()
    );
    let settings = Settings::new(database.primary_url(), &[nobody]);
    let watched = Watched::<A>::start(&settings).await?;
    let lag = watched.answers("/database/replica/lag", 503).await?;
    for pointer in [
        "/maxLag",
        "/avgLag",
        "/replicas/0/lagSeconds",
        "/replicas/0/lagBytes",
    ] {
        is(&lag, pointer, Value::Null)?;
    }
    let status = watched.answers("/database/status.json", 200).await?;
    is(&status, "/nodes/1/stalenessSeconds", Value::Null)?;
    watched.close().await
}

#[tokio::test]
async fn a_lag_that_nobody_knows_is_null_under_sea_orm() -> Result<()> {
    a_lag_that_nobody_knows_is_null::<SplitConnection>().await
}

#[tokio::test]
async fn a_lag_that_nobody_knows_is_null_under_diesel() -> Result<()> {
    a_lag_that_nobody_knows_is_null::<Pool>().await
}

/// One database, no replica: what system E has while splitting is switched off.
async fn without_replicas_the_primary_is_asked<A: Application + StatusSource>() -> Result<()> {
    let (cluster, database) = cluster(0).await?;
    let watched = Watched::<A>::start(&Settings::of(&database)).await?;
    let health = watched.answers("/health/database", 200).await?;
    is(&health, "/replication/lagSeconds", Value::Null)?;
    let info = watched.answers("/database/info", 200).await?;
    is(&info, "/primaryConnected", true)?;
    is(&info, "/replicasEnabled", false)?;
    let replicas = watched.answers("/database/replica/health", 200).await?;
    is(&replicas, "/replicas", Value::Array(Vec::new()))?;
    let pools = watched.answers("/database/replica/pool-stats", 200).await?;
    ensure!(
        number(&pools, "/primary/total_connections")? >= 1.0,
        "{pools:#}"
    );
    cluster.primary().kill().await?;
    let info = watched.answers("/database/info", 503).await?;
    is(&info, "/primaryConnected", false)?;
    watched.close().await
}

#[tokio::test]
async fn without_replicas_the_primary_is_asked_under_sea_orm() -> Result<()> {
    without_replicas_the_primary_is_asked::<SplitConnection>().await
}

#[tokio::test]
async fn without_replicas_the_primary_is_asked_under_diesel() -> Result<()> {
    without_replicas_the_primary_is_asked::<Pool>().await
}

/// What none of the answers may hold. The user is looked for as it is written in URLs and in messages.
fn secrets(url: &str) -> Vec<String> {
    let port = url
        .rsplit_once('@')
        .and_then(|(_, rest)| rest.split_once('/'));
    let mut secrets = vec![
        APP_PASSWORD.to_owned(),
        "postgres://".to_owned(),
        format!("{APP_ROLE}:"),
        format!("{APP_ROLE}@"),
        format!("user \"{APP_ROLE}\""),
        format!("\"{APP_ROLE}\""),
        "127.0.0.1".to_owned(),
        "localhost".to_owned(),
    ];
    secrets.extend(port.map(|(host, _)| host.to_owned()));
    secrets
}

/// Work, a query that fails, a node that dies, a node with a wrong password: then everything is read.
async fn nothing_tells_who_and_where<A: Application + StatusSource>() -> Result<()> {
    let (cluster, database) = cluster(2).await?;
    let mut settings = Settings::of(&database);
    let second = settings.replicas.pop().context("two")?;
    settings
        .replicas
        .push(second.replace(APP_PASSWORD, "wr0ng-passw0rd"));
    let watched = Watched::<A>::start(&settings).await?;
    watched
        .app
        .write(1, 1)
        .await
        .err()
        .context("there is no such table")?;
    cluster.replicas().first().context("two")?.kill().await?;
    watched.answers("/database/replica/health", 503).await?;
    drop(watched.app.read(1).await);
    for path in ALL {
        let (_, text) = watched.text(path).await?;
        for secret in secrets(database.primary_url()) {
            ensure!(!text.contains(&secret), "{path} shows {secret}: {text}");
        }
    }
    let log = OBSERVERS.log.text();
    ensure!(log.contains("node is down"), "the log was not captured");
    for secret in [APP_PASSWORD, "wr0ng-passw0rd", "postgres://"] {
        let line = log.lines().find(|line| line.contains(secret));
        ensure!(line.is_none(), "{secret} is in the log: {line:?}");
    }
    watched.close().await
}

#[tokio::test]
async fn nothing_tells_who_and_where_under_sea_orm() -> Result<()> {
    nothing_tells_who_and_where::<SplitConnection>().await
}

#[tokio::test]
async fn nothing_tells_who_and_where_under_diesel() -> Result<()> {
    nothing_tells_who_and_where::<Pool>().await
}
