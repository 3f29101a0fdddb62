//! How many connections the servers see.

use std::time::Duration;

use anyhow::{Result, ensure};
use futures_util::future::{join, try_join_all};
use orm_split::sea_orm::{Reason, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::Cluster;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectOptions, EntityTrait, TransactionTrait};
use tokio::time::{Instant, sleep};

const POOL: u32 = 4;
const PROBER: usize = 1;
const LOAD: Duration = Duration::from_secs(4);

async fn load(db: SplitConnection, id: i32) -> Result<()> {
    let until = Instant::now() + LOAD;
    let mut value = 0;
    while Instant::now() < until {
        value += 1;
        let transaction = db.begin().await?;
        let model = counter::ActiveModel {
            id: Set(id),
            value: Set(value),
        };
        model.update(&transaction).await?;
        transaction.commit().await?;
        for _ in 0..5 {
            counter::Entity::find_by_id(id).one(&db).await?;
            sleep(Duration::from_millis(2)).await;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "load comes from many tasks")]
async fn a_node_sees_no_more_connections_than_its_pool_and_one_prober() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let options = |url: &str| {
        let mut options = ConnectOptions::new(url);
        options.max_connections(POOL);
        options
    };
    let builder = SplitConnection::builder().primary(options(database.primary_url()));
    let replicas = database.replica_urls().iter();
    let db = replicas
        .fold(builder, |builder, url| builder.replica(options(url)))
        .connect()
        .await?;
    app::create_counters(&db, 50).await?;
    let tasks = (0..50).map(|id| tokio::spawn(load(db.clone(), id)));
    let running = try_join_all(tasks);
    let watching = async {
        let most = POOL as usize + PROBER;
        let (mut highest, mut over) = (0, 0);
        let until = Instant::now() + LOAD;
        while Instant::now() < until {
            for node in cluster.nodes() {
                let count = node.connections_of("app").await?;
                highest = highest.max(count);
                // a prober that reconnects is seen twice while its old backend exits
                over = if count > most { over + 1 } else { 0 };
                ensure!(over < 3, "{} has {count} connections", node.name());
            }
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(highest)
    };
    let (results, highest) = join(running, watching).await;
    for result in results? {
        result?;
    }
    let highest = highest?;
    println!("most connections on one node: {highest}, pool {POOL}, prober {PROBER}");
    ensure!(highest > PROBER, "there was no load");
    let status = db.status();
    ensure!(
        status.nodes.iter().all(|node| node.in_flight == 0),
        "{status:?}"
    );
    db.close().await?;
    sleep(Duration::from_millis(200)).await;
    for node in cluster.nodes() {
        ensure!(
            node.connections_of("app").await? == 0,
            "{} keeps connections",
            node.name()
        );
    }
    Ok(())
}

#[tokio::test]
async fn without_replicas_nothing_is_spawned_and_nothing_is_sent() -> Result<()> {
    let cluster = Cluster::builder().replicas(0).start().await?;
    let database = cluster.create_database().await?;
    let mut options = ConnectOptions::new(database.primary_url());
    options.max_connections(1).min_connections(0);
    let metrics = tokio::runtime::Handle::current().metrics();
    let plain_tasks = {
        let plain = sea_orm::Database::connect(options.clone()).await?;
        let tasks = metrics.num_alive_tasks();
        plain.close().await?;
        tasks
    };
    sleep(Duration::from_millis(100)).await;
    let db = SplitConnection::connect(options).await?;
    ensure!(
        metrics.num_alive_tasks() <= plain_tasks,
        "it spawned a task"
    );
    ensure!(cluster.primary().connections_of("app").await? == 1);
    ensure!(db.explain("SELECT 1").reason == Reason::NoReplica);
    ensure!(db.status().nodes.len() == 1);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_dropped_without_being_closed_leaves_nothing_behind() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 10).await?;
    drop(db);
    let deadline = Instant::now() + Duration::from_secs(10);
    for node in cluster.nodes() {
        while node.connections_of("app").await? > 0 {
            ensure!(
                Instant::now() < deadline,
                "{} keeps connections",
                node.name()
            );
            sleep(Duration::from_millis(20)).await;
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn closing_is_bounded_when_a_replica_is_frozen_or_dead() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 10).await?;
    let [frozen, dead] = cluster.replicas() else {
        unreachable!("two replicas")
    };
    frozen.freeze().await?;
    dead.kill().await?;
    // leaves connections half opened and statements without an answer
    let reads = (0..20).map(|id| counter::Entity::find_by_id(id).one(&db));
    drop(tokio::time::timeout(Duration::from_millis(200), try_join_all(reads)).await);
    let started = Instant::now();
    tokio::time::timeout(Duration::from_secs(20), db.close()).await??;
    ensure!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    frozen.thaw()?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_metric_callback_hears_of_every_statement_on_whichever_node() -> Result<()> {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use futures_util::StreamExt;
    use sea_orm::{ConnectionTrait, Statement, StreamTrait};

    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let mut db = app::builder(&database).connect().await?;
    app::create_counters(&db, 10).await?;
    let heard = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&heard);
    db.set_metric_callback(move |_| {
        counter.fetch_add(1, Ordering::Relaxed);
    });
    let select = Statement::from_string(db.get_database_backend(), "SELECT id FROM counter");
    db.query_all_raw(select.clone()).await?;
    db.query_one_raw(select.clone()).await?;
    let update = Statement::from_string(db.get_database_backend(), "UPDATE counter SET value = 1");
    db.execute_raw(update).await?;
    let mut rows = db.stream_raw(select).await?;
    while let Some(row) = rows.next().await {
        row?;
    }
    ensure!(heard.load(Ordering::Relaxed) == 4, "{heard:?}");
    db.close().await?;
    Ok(())
}
