//! What is known of a replica's age, against what is true of it.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{NodeStatus, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Cluster, Database, Node};
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait};
use tokio::time::{Instant, sleep};

/// The slow sampling interval of these tests.
const SLOW: Duration = Duration::from_millis(100);
/// An interval, its jitter, and a slow machine.
const WITHIN: Duration = Duration::from_millis(1_500);
const BOUND: Duration = Duration::from_secs(3);

async fn start(replicas: usize) -> Result<(Cluster, Database, SplitConnection)> {
    let cluster = Cluster::builder().replicas(replicas).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database)
        .sample_intervals(SLOW, Duration::from_millis(5))
        .max_staleness(BOUND)
        .connect()
        .await?;
    app::create_counters(&db, 100).await?;
    Ok((cluster, database, db))
}

fn replica(db: &SplitConnection) -> Result<NodeStatus> {
    let status = db.status();
    let mut nodes = status.nodes.into_iter();
    nodes
        .find(|node| node.role == Role::Replica)
        .context("a replica")
}

/// Watches the replica for a second: its staleness stays within the sampling interval.
async fn assert_fresh_while_idle(db: &SplitConnection) -> Result<()> {
    sleep(WITHIN).await;
    for _ in 0..20 {
        let node = replica(db)?;
        let staleness = node.staleness.context("known")?;
        ensure!(staleness <= WITHIN, "{node:?}");
        sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

async fn insert_position(primary: &Node) -> Result<u64> {
    let client = primary.admin("postgres").await?;
    let row = client
        .query_one("SELECT (pg_current_wal_insert_lsn() - '0/0')::bigint", &[])
        .await?;
    Ok(u64::try_from(row.get::<_, i64>(0))?)
}

async fn emit(primary: &Node, length: u64) -> Result<u64> {
    let before = insert_position(primary).await?;
    primary
        .sql(&format!(
            "SELECT pg_logical_emit_message(false, 'fill', repeat('x', {length}))"
        ))
        .await?;
    Ok(insert_position(primary).await? - before)
}

#[tokio::test]
async fn an_idle_primary_makes_no_replica_look_stale() -> Result<()> {
    let (_cluster, _database, db) = start(1).await?;
    assert_fresh_while_idle(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_idle_replica_is_not_stale_at_the_start_of_a_log_segment() -> Result<()> {
    let (cluster, _database, db) = start(1).await?;
    cluster.primary().sql("SELECT pg_switch_wal()").await?;
    assert_fresh_while_idle(&db).await?;
    println!(
        "insert position in its segment: {}",
        insert_position(cluster.primary()).await? % (16 << 20)
    );
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn an_idle_replica_is_not_stale_at_the_start_of_a_log_page() -> Result<()> {
    const PAGE: u64 = 8192;
    const HEADER: u64 = 24;
    let (cluster, _database, db) = start(1).await?;
    let primary = cluster.primary();
    let mut overhead = u64::MAX;
    for _ in 0..3 {
        // one that crosses a page's end has a header in its middle
        overhead = overhead.min(emit(primary, 1_000).await?.saturating_sub(1_000));
    }
    for _ in 0..50 {
        let left = PAGE - insert_position(primary).await? % PAGE;
        let length = left.checked_sub(overhead).filter(|length| *length > 0);
        emit(primary, length.unwrap_or(left)).await?;
        if insert_position(primary).await? % PAGE == HEADER {
            break;
        }
    }
    let at = insert_position(primary).await? % PAGE;
    ensure!(
        at == HEADER,
        "the boundary was not hit: {at} bytes into the page"
    );
    assert_fresh_while_idle(&db).await?;
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_replica_whose_receiver_is_cut_grows_stale_and_leaves_at_the_bound() -> Result<()> {
    let (cluster, _database, db) = start(1).await?;
    let [node] = cluster.replicas() else {
        unreachable!("one replica")
    };
    node.cut_wal_receiver().await?;
    // records that were under way may still arrive
    sleep(Duration::from_millis(100)).await;
    let cut_at = Instant::now();
    let mut write = 0;
    let mut last = Duration::ZERO;
    while cut_at.elapsed() < BOUND * 2 {
        write += 1;
        let model = counter::ActiveModel {
            id: Set(1),
            value: Set(write),
        };
        model.update(&db.primary()).await?;
        let node = replica(&db)?;
        let staleness = node.staleness.context("known, not unknown")?;
        ensure!(
            staleness >= last.saturating_sub(WITHIN),
            "it shrank: {node:?}"
        );
        ensure!(
            staleness + WITHIN >= cut_at.elapsed(),
            "it looks too fresh: {node:?}"
        );
        last = staleness;
        // another task than the one that writes
        let route = std::thread::scope(|scope| scope.spawn(|| db.explain("SELECT 1")).join());
        let route = route.ok().context("explained")?;
        let expected = if staleness > BOUND {
            Role::Primary
        } else {
            Role::Replica
        };
        let boundary = staleness.abs_diff(BOUND) < Duration::from_millis(50);
        ensure!(
            boundary || route.role == expected,
            "{route:?} at {staleness:?}"
        );
        sleep(Duration::from_millis(20)).await;
    }
    ensure!(last > BOUND);
    node.restore_wal_receiver().await?;
    app::wait_until_replicas_serve(&db).await?;
    db.close().await?;
    Ok(())
}

/// Writes and reads back for `time`, and counts stale reads and failed reads.
async fn write_and_read_back(
    db: SplitConnection,
    id: i32,
    time: Duration,
) -> Result<(u32, u32, u32)> {
    let (mut reads, mut stale, mut failed) = (0, 0, 0);
    let mut value = 0;
    let until = Instant::now() + time;
    while Instant::now() < until {
        value += 1;
        let model = counter::ActiveModel {
            id: Set(id),
            value: Set(value),
        };
        model.update(&db).await?;
        for _ in 0..10 {
            reads += 1;
            match counter::Entity::find_by_id(id).one(&db).await {
                Ok(found) => stale += u32::from(found.is_none_or(|found| found.value < value)),
                Err(_) => failed += 1,
            }
            sleep(Duration::from_millis(15)).await;
        }
    }
    Ok((reads, stale, failed))
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn a_standby_that_restarts_further_back_after_a_crash_serves_no_stale_read() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 100).await?;
    let time = Duration::from_secs(8);
    let tasks = (0..20).map(|id| tokio::spawn(write_and_read_back(db.clone(), id, time)));
    let running = try_join_all(tasks);
    let crashes = async {
        for node in cluster.replicas() {
            sleep(Duration::from_secs(1)).await;
            // what it has replayed and shown, it will not replay again at once when it restarts
            node.set_apply_delay(Duration::from_secs(3)).await?;
            let pids = node.backend_pids_in(database.name(), "app").await?;
            node.kill_backend(*pids.first().context("reads are on it")?)
                .await?;
        }
        anyhow::Ok(())
    };
    let (results, crashes) = futures_util::future::join(running, crashes).await;
    let (mut reads, mut stale, mut failed) = (0, 0, 0);
    for result in results? {
        let (r, s, f) = result?;
        reads += r;
        stale += s;
        failed += f;
    }
    let status = db.status();
    println!("{reads} reads, {stale} stale, {failed} failed");
    crashes?;
    ensure!(stale == 0, "{stale} of {reads} reads were stale");
    ensure!(failed == 0, "{failed} of {reads} reads failed");
    for node in status
        .nodes
        .iter()
        .filter(|node| node.role == Role::Replica)
    {
        ensure!(node.generation > 0, "it did not go back: {node:?}");
        ensure!(node.served > 0, "{node:?}");
    }
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn replicas_are_identified_by_an_ordinary_role() -> Result<()> {
    let (_cluster, _database, db) = start(1).await?;
    let plain = db.query_one_raw(sea_orm::Statement::from_string(
        db.get_database_backend(),
        "SELECT rolsuper OR pg_has_role(current_user, 'pg_monitor', 'member') AS special \
         FROM pg_roles WHERE rolname = current_user",
    ));
    let special: bool = plain.await?.context("a row")?.try_get("", "special")?;
    ensure!(!special);
    ensure!(replica(&db)?.refusal.is_none());
    db.close().await?;
    Ok(())
}
