//! Nodes that are away when the application starts, or leave while it runs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{HealthState, Reason, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Cluster, Database, Stop};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectOptions, EntityTrait};
use tokio::time::{Instant, sleep, timeout};

async fn cluster() -> Result<(Cluster, Database)> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    Ok((cluster, database))
}

/// Waits until so many replicas are up.
async fn wait_for_replicas(db: &SplitConnection, count: usize) -> Result<()> {
    let all_up = async {
        loop {
            let status = db.status();
            let replicas = status
                .nodes
                .iter()
                .filter(|node| node.role == Role::Replica);
            let up =
                replicas.filter(|node| node.health == HealthState::Up && node.staleness.is_some());
            if up.count() == count {
                return anyhow::Ok(());
            }
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(15), all_up).await?
}

fn served(db: &SplitConnection) -> Result<Vec<u64>> {
    let status = db.status();
    Ok(status.nodes.iter().map(|node| node.served).collect())
}

async fn read_some(db: &SplitConnection) -> Result<()> {
    let reads = (0..50).map(|_| counter::Entity::find_by_id(1).one(db));
    for found in try_join_all(reads).await? {
        ensure!(found.is_some());
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_with_one_replica_down_which_joins_without_a_restart() -> Result<()> {
    let (cluster, database) = cluster().await?;
    let away = cluster.replicas().first().context("two replicas")?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 10).await?;
    db.close().await?;
    away.stop(Stop::Fast).await?;

    let db = app::builder(&database).connect().await?;
    wait_for_replicas(&db, 1).await?;
    read_some(&db).await?;
    let [_, first, second] = served(&db)?[..] else {
        unreachable!("three nodes")
    };
    ensure!(first == 0 && second > 0, "{:?}", db.status());

    away.start().await?;
    wait_for_replicas(&db, 2).await?;
    read_some(&db).await?;
    ensure!(served(&db)?[1] > 0, "{:?}", db.status());
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_with_all_replicas_down_which_join_without_a_restart() -> Result<()> {
    let (cluster, database) = cluster().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 10).await?;
    db.close().await?;
    for node in cluster.replicas() {
        node.stop(Stop::Fast).await?;
    }

    let started = Instant::now();
    let db = app::builder(&database).connect().await?;
    ensure!(started.elapsed() < Duration::from_secs(5));
    ensure!(db.explain("SELECT 1").reason == Reason::NoReplicaUp);
    read_some(&db).await?;
    let status = db.status();
    ensure!(status.served_by_replicas() == 0);
    for node in status
        .nodes
        .iter()
        .filter(|node| node.role == Role::Replica)
    {
        let cause = node.last_error.as_deref().context("a cause")?;
        ensure!(cause.contains("refused"), "{cause}");
    }

    for node in cluster.replicas() {
        node.start().await?;
    }
    wait_for_replicas(&db, 2).await?;
    read_some(&db).await?;
    ensure!(
        served(&db)?.iter().all(|served| *served > 0),
        "{:?}",
        db.status()
    );
    db.close().await?;
    Ok(())
}

/// Reads without a pause for `time`; counts reads and failures.
async fn read_for(db: SplitConnection, time: Duration) -> (u32, Vec<String>) {
    let (mut reads, mut failures) = (0, Vec::new());
    let until = Instant::now() + time;
    while Instant::now() < until {
        reads += 1;
        if let Err(error) = counter::Entity::find_by_id(1).one(&db).await {
            failures.push(error.to_string());
        }
    }
    (reads, failures)
}

#[derive(Clone, Copy)]
enum End {
    Killed,
    Stopped,
    Frozen,
}

#[expect(clippy::disallowed_methods, reason = "load comes from many tasks")]
async fn no_read_fails_when_a_replica_is(end: End) -> Result<()> {
    let (cluster, database) = cluster().await?;
    let db = app::builder(&database)
        .probe_deadline(Duration::from_millis(300))
        .sample_intervals(Duration::from_millis(200), Duration::from_millis(5))
        .connect()
        .await?;
    app::create_counters(&db, 10).await?;
    wait_for_replicas(&db, 2).await?;
    let tasks = (0..10).map(|_| tokio::spawn(read_for(db.clone(), Duration::from_secs(5))));
    let tasks: Vec<_> = tasks.collect();
    sleep(Duration::from_secs(1)).await;
    let victim = cluster.replicas().first().context("two replicas")?;
    match end {
        End::Killed => victim.kill().await?,
        End::Stopped => victim.stop(Stop::Fast).await?,
        End::Frozen => victim.freeze().await?,
    }
    wait_for_replicas(&db, 1).await?;
    if matches!(end, End::Frozen) {
        sleep(Duration::from_secs(1)).await;
        victim.thaw()?;
    } else {
        victim.start().await?;
    }
    wait_for_replicas(&db, 2).await?;
    let results = try_join_all(tasks).await?;
    let reads: u32 = results.iter().map(|(reads, _)| reads).sum();
    ensure!(reads > 1_000, "only {reads} reads: there was no load");
    let failures: Vec<_> = results.iter().flat_map(|(_, failures)| failures).collect();
    ensure!(failures.is_empty(), "{failures:?}");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_killed_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is(End::Killed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_shut_down_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is(End::Stopped).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_freezes_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is(End::Frozen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_when_the_primary_is_down_and_writes_fail() -> Result<()> {
    let (cluster, database) = cluster().await?;
    let mut primary = ConnectOptions::new(database.primary_url());
    primary.acquire_timeout(Duration::from_secs(1));
    let replicas = database.replica_urls().iter();
    let db = replicas
        .fold(SplitConnection::builder().primary(primary), |b, url| {
            b.replica(url.as_str())
        })
        .max_staleness(Duration::from_secs(2))
        .connect()
        .await?;
    app::create_counters(&db, 10).await?;
    cluster.primary().kill().await?;
    // beyond the bound, since nobody can say any longer how old the replicas are
    sleep(Duration::from_secs(3)).await;
    read_some(&db).await?;
    ensure!(db.explain("SELECT 1").reason == Reason::PrimaryLost);
    let write = counter::ActiveModel {
        id: Set(1),
        value: Set(1),
    }
    .update(&db)
    .await;
    ensure!(write.is_err());

    cluster.primary().start().await?;
    app::wait_until_replicas_serve(&db).await?;
    counter::ActiveModel {
        id: Set(1),
        value: Set(2),
    }
    .update(&db)
    .await?;
    let found = counter::Entity::find_by_id(1).one(&db).await?;
    ensure!(found.is_some_and(|found| found.value == 2));
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_promoted_replica_takes_no_reads_for_the_old_primary() -> Result<()> {
    let (cluster, database) = cluster().await?;
    let db = app::builder(&database)
        .sample_intervals(Duration::from_millis(200), Duration::from_millis(5))
        .connect()
        .await?;
    app::create_counters(&db, 10).await?;
    wait_for_replicas(&db, 2).await?;
    cluster
        .replicas()
        .first()
        .context("two replicas")?
        .promote()
        .await?;
    let refused = async {
        loop {
            let status = db.status();
            let node = status.nodes.get(1).context("a replica")?.clone();
            if node.refusal.is_some() {
                return anyhow::Ok(node);
            }
            sleep(Duration::from_millis(20)).await;
        }
    };
    let node = timeout(Duration::from_secs(10), refused).await??;
    ensure!(
        node.refusal == Some(orm_split::sea_orm::Refusal::NotInRecovery),
        "{node:?}"
    );
    let before = served(&db)?;
    read_some(&db).await?;
    ensure!(served(&db)?.get(1) == before.get(1));
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hook_on_connecting_does_not_keep_a_dead_replica_from_being_skipped() -> Result<()> {
    let (cluster, database) = cluster().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 10).await?;
    db.close().await?;
    cluster
        .replicas()
        .first()
        .context("two replicas")?
        .stop(Stop::Fast)
        .await?;
    let hooked = |url: &str| {
        let mut options = ConnectOptions::new(url);
        options.after_connect(|db| {
            Box::pin(async move {
                let write = sea_orm::ConnectionTrait::execute_unprepared(
                    &db,
                    "CREATE TABLE IF NOT EXISTS hook ()",
                );
                write.await.map(drop)
            })
        });
        options
    };
    let builder = SplitConnection::builder().primary(hooked(database.primary_url()));
    let replicas = database.replica_urls().iter();
    let builder = replicas.fold(builder, |builder, url| builder.replica(hooked(url)));
    let db = timeout(Duration::from_secs(10), builder.connect()).await??;
    read_some(&db).await?;
    db.close().await?;
    Ok(())
}

/// The primary's address leads to a standby: it restarts as one, on the same port.
#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_leads_to_a_standby_is_never_taken_for_the_primary() -> Result<()> {
    let (cluster, database) = cluster().await?;
    let db = app::builder(&database)
        .max_staleness(Duration::from_secs(2))
        .connect()
        .await?;
    app::create_counters(&db, 10).await?;
    wait_for_replicas(&db, 2).await?;
    let [new, _] = cluster.replicas() else {
        unreachable!("two replicas")
    };
    let old = cluster.primary();
    old.stop(Stop::Fast).await?;
    new.promote().await?;
    old.rejoin(new).await?;

    // whatever opens connections to it, none of them serves a read or takes a write
    for _ in 0..20 {
        ensure!(
            sea_orm::TransactionTrait::begin(&db).await.is_err(),
            "it began"
        );
        ensure!(db.ping().await.is_err(), "it answered as the primary");
        let write = counter::ActiveModel {
            id: Set(1),
            value: Set(1),
        }
        .update(&db)
        .await;
        ensure!(write.is_err(), "it wrote");
        let read = counter::Entity::find_by_id(1).one(&db.primary()).await;
        ensure!(read.is_err(), "it was read as the primary: {read:?}");
    }
    let status = db.status();
    let primary = status.nodes.first().context("the primary")?;
    ensure!(
        primary.refusal == Some(orm_split::sea_orm::Refusal::InRecovery),
        "{primary:?}"
    );
    // reads without a floor go on
    read_some(&db).await?;
    db.close().await?;
    Ok(())
}
