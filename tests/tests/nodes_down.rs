//! Nodes that are away when the application starts, or leave while it runs.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Reason, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::Stop;
use orm_split_tests::outages::{
    End, cluster, no_read_fails_when_a_replica_is, read_some, reads_go_on_when_the_primary_is_down,
    wait_for_replicas,
};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectOptions, EntityTrait};
use tokio::time::{Instant, sleep, timeout};

fn served(db: &SplitConnection) -> Result<Vec<u64>> {
    let status = db.status();
    Ok(status.nodes.iter().map(|node| node.served).collect())
}

/// Until both replicas have served some: who has just returned takes few reads at first.
async fn read_until_all_serve(db: &SplitConnection) -> Result<()> {
    let all_serve = async {
        while served(db)?.iter().skip(1).any(|served| *served == 0) {
            read_some(db).await?;
        }
        anyhow::Ok(())
    };
    let waited = timeout(Duration::from_secs(30), all_serve).await;
    waited.with_context(|| format!("{:?}", db.status()))?
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
    read_until_all_serve(&db).await?;
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
    read_until_all_serve(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_killed_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is::<SplitConnection>(End::Killed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_shut_down_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is::<SplitConnection>(End::Stopped).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_freezes_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is::<SplitConnection>(End::Frozen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_when_the_primary_is_down_and_writes_fail() -> Result<()> {
    let failed = reads_go_on_when_the_primary_is_down::<SplitConnection>().await?;
    println!("{failed}");
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
