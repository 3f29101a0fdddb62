//! What a dropped future leaves behind: nothing.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use orm_split::sea_orm::{HealthState, Reason, Role, SplitConnection};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{Cluster, Database, Node};
use sea_orm::{ConnectOptions, ConnectionTrait, DbErr, Statement, StreamTrait};
use tokio::time::{sleep, timeout};

/// Connections in the replica's pool, all of them in use when the futures are dropped.
const SLOTS: u32 = 5;

async fn start() -> Result<(Cluster, Database, SplitConnection)> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let url = database.replica_urls().first().context("a replica")?;
    let mut replica = ConnectOptions::new(url);
    replica.max_connections(SLOTS);
    let db = SplitConnection::builder()
        .primary(database.primary_url())
        .replica(replica)
        // the frozen replica must not be found out while the reads are in flight
        .probe_deadline(Duration::from_secs(20))
        .checkout_deadline(Duration::from_secs(20))
        .connect()
        .await?;
    app::create_counters(&db, 10).await?;
    Ok((cluster, database, db))
}

fn select(db: &SplitConnection, sql: &str) -> Statement {
    Statement::from_string(db.get_database_backend(), sql)
}

async fn number(db: &SplitConnection, sql: &str) -> Result<i32, DbErr> {
    let row = db.query_one_raw(select(db, sql)).await?;
    row.ok_or(DbErr::Custom("no row".into()))?
        .try_get_by_index(0)
}

fn replica(db: &SplitConnection) -> Result<(u32, u64)> {
    let status = db.status();
    let node = status
        .nodes
        .into_iter()
        .find(|node| node.role == Role::Replica);
    let node = node.context("a replica")?;
    ensure!(node.health == HealthState::Up, "{node:?}");
    Ok((node.in_flight, node.served))
}

/// All slots of the replica's pool answer at the same time, each with the answer to its own question.
async fn assert_slots_are_usable(db: &SplitConnection) -> Result<()> {
    let (_, before) = replica(db)?;
    let questions = (0..SLOTS).map(|n| async move {
        let answer = number(db, &format!("SELECT {n} FROM pg_sleep(0.2)")).await?;
        anyhow::Ok((n, answer))
    });
    let answers = timeout(Duration::from_secs(5), try_join_all(questions)).await??;
    for (question, answer) in answers {
        ensure!(
            i64::from(question) == i64::from(answer),
            "{question} was answered with {answer}"
        );
    }
    let (in_flight, after) = replica(db)?;
    ensure!(
        after - before == u64::from(SLOTS),
        "they were not all served by the replica"
    );
    ensure!(in_flight == 0);
    Ok(())
}

async fn freeze_while(node: &Node, reads: impl Future<Output = ()>) -> Result<()> {
    node.freeze().await?;
    reads.await;
    node.thaw()?;
    node.wait_ready().await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_dropped_on_a_frozen_replica_leave_every_slot_usable() -> Result<()> {
    let (cluster, _database, db) = start().await?;
    assert_slots_are_usable(&db).await?;
    let node = cluster.replicas().first().context("a replica")?;
    let in_flight = async {
        let reads = (0..SLOTS).map(|_| number(&db, "SELECT 1000 FROM counter LIMIT 1"));
        let dropped = timeout(Duration::from_millis(300), join_all(reads)).await;
        assert!(dropped.is_err(), "a frozen server answered: {dropped:?}");
    };
    freeze_while(node, in_flight).await?;
    assert_slots_are_usable(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_connection_is_handed_out_with_a_statement_still_on_it() -> Result<()> {
    let (_cluster, _database, db) = start().await?;
    for round in 0..20_u64 {
        let reads = (0..SLOTS).map(|_| number(&db, "SELECT 1000 FROM pg_sleep(0.05)"));
        // at another moment each time: while connecting, while sending, while waiting, just before the end
        let patience = Duration::from_millis(round * 4);
        drop(timeout(patience, join_all(reads)).await);
        let answer = number(&db, "SELECT 7").await?;
        ensure!(
            answer == 7,
            "got the answer of a dropped statement: {answer}"
        );
    }
    assert_slots_are_usable(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_dropped_half_way_gives_its_slot_back() -> Result<()> {
    let (_cluster, _database, db) = start().await?;
    for _ in 0..SLOTS * 2 {
        let rows = "SELECT n FROM generate_series(1, 1000000) AS g(n)";
        let mut stream = db.stream_raw(select(&db, rows)).await?;
        let first: i32 = stream.next().await.context("a row")??.try_get_by_index(0)?;
        ensure!(first == 1);
        ensure!(replica(&db)?.0 == 1, "an open stream is in flight");
        drop(stream);
        ensure!(replica(&db)?.0 == 0);
    }
    sleep(Duration::from_millis(100)).await;
    assert_slots_are_usable(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_future_is_dropped_marks_its_session() -> Result<()> {
    let (cluster, database, db) = start().await?;
    app::wait_until_replicas_serve(&db).await?;
    let admin = cluster.primary().admin(database.name()).await?;
    let is_sent = async {
        let running = "SELECT FROM pg_stat_activity WHERE query LIKE 'UPDATE%pg_sleep(5)%' AND state = 'active'";
        while admin.query_opt(running, &[]).await?.is_none() {
            sleep(Duration::from_millis(10)).await;
        }
        anyhow::Ok(())
    };
    let write = db.execute_unprepared("UPDATE counter SET value = 1 WHERE pg_sleep(5) IS NOT NULL");
    tokio::select! {
        written = write => anyhow::bail!("it ended: {written:?}"),
        sent = is_sent => sent?,
    }
    let route = db.explain("SELECT 1");
    ensure!(
        route.reason == Reason::FloorNotMet || route.role == Role::Replica,
        "{route:?}"
    );
    ensure!(db.status().sessions > 0);
    db.close().await?;
    Ok(())
}
