//! Nodes that leave while an application runs on Diesel: the scenarios of `nodes_down.rs`, and what only
//! a handle that keeps its connections can get wrong.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use orm_split_tests::application::Application;
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool};
use orm_split_tests::kit::postgres::Database;
use orm_split_tests::outages::{
    End, cluster, no_read_fails_when_a_replica_is, reads_go_on_when_the_primary_is_down,
    wait_for_replicas,
};
use tokio::time::{sleep, timeout};

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_killed_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is::<Pool>(End::Killed).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_is_shut_down_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is::<Pool>(End::Stopped).await
}

#[tokio::test(flavor = "multi_thread")]
async fn no_read_fails_when_a_replica_freezes_under_load() -> Result<()> {
    no_read_fails_when_a_replica_is::<Pool>(End::Frozen).await
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_go_on_when_the_primary_is_down_and_writes_fail_with_its_name() -> Result<()> {
    let failed = reads_go_on_when_the_primary_is_down::<Pool>().await?;
    ensure!(failed.contains("primary"), "{failed}");
    Ok(())
}

/// Reads until a replica serves it, whose connection the handle then holds, and yields which one. At first
/// it may be the primary: the other replica has to have what was read before.
async fn held_replica(pool: &Pool, conn: &mut Conn) -> Result<usize> {
    let reads = async {
        loop {
            let before = pool.status();
            let _: Counter = counter::table.find(1).first(conn).await?;
            let after = pool.status();
            let mut nodes = before.nodes.iter().zip(&after.nodes).skip(1);
            let served = nodes.position(|(before, after)| after.served > before.served);
            match served {
                Some(replica) => return anyhow::Ok(replica),
                None => sleep(Duration::from_millis(10)).await,
            }
        }
    };
    timeout(Duration::from_secs(20), reads)
        .await
        .context("no replica serves it")?
}

async fn patient(database: &Database) -> Result<Pool> {
    let builder = diesel_app::builder(database)
        .probe_deadline(Duration::from_millis(300))
        .sample_intervals(Duration::from_millis(200), Duration::from_millis(5));
    let pool = builder.build().await?;
    pool.create_counters(10).await?;
    wait_for_replicas(&pool, 2).await?;
    Ok(pool)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_reads_elsewhere_when_the_replica_that_it_holds_is_gone() -> Result<()> {
    for end in [End::Killed, End::Frozen] {
        let (cluster, database) = cluster().await?;
        let pool = patient(&database).await?;
        let conn = &mut pool.get().await?;
        let held = held_replica(&pool, conn).await?;
        let node = cluster.replicas().get(held).context("a replica")?;
        end.befalls(node).await?;
        // the first of them perhaps on the connection that is at hand
        for _ in 0..5 {
            let read = counter::table.find(1).first::<Counter>(conn);
            let read = timeout(Duration::from_secs(20), read).await;
            read.with_context(|| format!("{end:?}: it waits"))??;
        }
        let other = held_replica(&pool, conn).await?;
        ensure!(other != held, "{end:?}: {:?}", pool.status());
        end.is_over(node).await?;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_ends_soon_when_its_replica_leaves_and_its_handle_goes_on()
-> Result<()> {
    for (end, says_why) in [(End::Killed, true), (End::Frozen, false)] {
        let (cluster, database) = cluster().await?;
        let pool = patient(&database).await?;
        let conn = &mut pool.get().await?;
        let held = held_replica(&pool, conn).await?;
        let node = cluster.replicas().get(held).context("a replica")?;
        let mut builder = conn.build_transaction().read_only();
        let transaction = builder.run(async |conn| {
            let _: Counter = counter::table.find(1).first(conn).await?;
            end.befalls(node).await?;
            let second: Counter = counter::table.find(1).first(conn).await?;
            anyhow::Ok(second)
        });
        let lost = timeout(Duration::from_secs(30), transaction).await;
        let lost = lost.with_context(|| format!("{end:?}: it waits"))?;
        let text = lost.err().context("it went on")?.to_string();
        // the server's own words, or ours where it says nothing
        let told = if says_why {
            "closed".to_owned()
        } else {
            format!("replica-{}", held + 1)
        };
        ensure!(text.contains(&told), "{end:?}: {text}");
        // the transaction is over, the handle goes on
        for _ in 0..5 {
            let read = counter::table.find(1).first::<Counter>(conn);
            let read = timeout(Duration::from_secs(20), read).await;
            read.with_context(|| format!("{end:?}: it waits"))??;
        }
        let in_flight = pool.status().nodes.into_iter().map(|node| node.in_flight);
        ensure!(in_flight.sum::<u32>() == 0);
        end.is_over(node).await?;
    }
    Ok(())
}
