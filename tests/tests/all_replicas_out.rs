//! All replicas are out: what their reads cost those who write. Open-loop, against the same load in the same run
//! while the replicas are well.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what a reader wants to see"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Reason, SplitConnection};
use orm_split_tests::application::{Application, Way};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::faults::Network;
use orm_split_tests::kit::postgres::APP_ROLE;
use orm_split_tests::kit::proxy::Fault;
use orm_split_tests::load::{Requests, open_loop};
use orm_split_tests::outages::wait_for_returning_replicas;
use tokio::time::{sleep, timeout};

/// A read keeps a connection for so long and no processor busy: what is measured is who waits for whom.
const READ: &str = "SELECT 1 FROM pg_sleep(0.12)";
/// Twelve at once, of ten connections.
const READS: u32 = 100;
const WRITES: u32 = 50;
const PHASE: Duration = Duration::from_secs(4);
/// How often it is measured, at least and at most: a machine that does other things stands still at times, and
/// the best of either phase is what was not disturbed.
const TRIES: std::ops::RangeInclusive<usize> = 2..=4;
const MOST: f64 = 1.3;
/// Of some milliseconds a ratio says nothing on a machine that does other things. A write that waits for a
/// connection that a read has waits for longer than this, and without a cap every write does.
const NOISE: Duration = Duration::from_millis(60);

/// What a phase came to.
#[derive(Debug)]
struct Phase {
    reads: Requests,
    writes: Requests,
    /// Reads that ran on the primary at once, as it says itself.
    most_at_once: i64,
}

async fn phase<A: Application>(app: &A, network: &Network) -> Result<Phase> {
    let reads = open_loop(READS, PHASE, |_| {
        let app = app.clone();
        async move { app.send(Way::QueryOne, READ).await }
    });
    let writes = open_loop(WRITES, PHASE, |number| {
        let app = app.clone();
        async move {
            let id = i32::try_from(number % 10)?;
            app.write(id, i64::from(number)).await
        }
    });
    let mut most_at_once = 0;
    let both = async { tokio::join!(reads, writes) };
    let (reads, writes) = tokio::select! {
        both = both => both,
        watched = watch(network, &mut most_at_once) => return Err(watched.err().context("it ended")?),
    };
    Ok(Phase {
        reads: reads?,
        writes: writes?,
        most_at_once,
    })
}

/// Never ends by itself.
async fn watch(network: &Network, most: &mut i64) -> Result<()> {
    let admin = network.cluster.primary().admin("postgres").await?;
    let active = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1::text \
                  AND state = 'active' AND query LIKE '%pg_sleep%'";
    loop {
        let now: i64 = admin.query_one(active, &[&APP_ROLE]).await?.try_get(0)?;
        *most = now.max(*most);
        sleep(Duration::from_millis(10)).await;
    }
}

async fn are_out<A: Application>(app: &A) -> Result<()> {
    let out = async {
        while app.explain("SELECT 1").reason != Reason::NoReplicaUp {
            sleep(Duration::from_millis(10)).await;
        }
        // connections that the primary has to open now are none of the matter
        sleep(Duration::from_millis(1_500)).await;
    };
    let waited = timeout(Duration::from_secs(15), out).await;
    waited.with_context(|| format!("{:?}", app.status()))
}

/// Yields how long the slowest writes take while replicas are up, and while all are out.
async fn once<A: Application>(orm: &str, app: &A, network: &Network) -> Result<[Duration; 2]> {
    wait_for_returning_replicas(app, 2).await?;
    let well = phase(app, network).await?;
    for proxy in &network.replicas {
        proxy.befall(Fault::Refuse).await?;
    }
    // somebody has to find out
    drop(app.read(1).await);
    are_out(app).await?;
    let out = phase(app, network).await?;
    let cap = app.status().fallback_places.context("a cap")?;
    for proxy in &network.replicas {
        proxy.heal().await?;
    }
    let (before, after) = (well.writes.at_most(990), out.writes.at_most(990));
    println!(
        "T9, {orm}: writes p99 {after:.1?}, {before:.1?} while replicas are up; at most {} reads at once on the \
         primary (cap {cap}); {} of {} reads shed",
        out.most_at_once,
        out.reads.failures().len(),
        out.reads.count()
    );
    for phase in [&well, &out] {
        let failures = phase.writes.failures();
        ensure!(failures.is_empty(), "a write failed: {failures:?}");
    }
    if well.most_at_once > 0 || !well.reads.failures().is_empty() {
        // the machine stood still for a second: that is no baseline
        return Ok([Duration::MAX; 2]);
    }
    ensure!(out.most_at_once <= i64::from(cap), "{}", out.most_at_once);
    ensure!(out.most_at_once > 1, "no read fell back");
    let named = format!("{cap}");
    let unnamed = |failure: &&&str| !failure.contains(&named);
    let shed = out.reads.failures();
    ensure!(!shed.is_empty(), "it was no overload");
    ensure!(!shed.iter().any(|f| unnamed(&f)), "{:?}", shed.first());
    Ok([before, after])
}

async fn writes_stay_as_fast<A: Application>(orm: &str) -> Result<()> {
    let network = Network::start(2).await?;
    let app: A = network.application(&network.settings()?).await?;
    // connections are opened, and caches filled
    phase(&app, &network).await?;
    let mut best = [Duration::MAX; 2];
    for number in 1..=*TRIES.end() {
        let times = once(orm, &app, &network).await?;
        best = [best[0].min(times[0]), best[1].min(times[1])];
        let [before, after] = best;
        let ratio = after.as_secs_f64() / before.as_secs_f64();
        let is_met = ratio <= MOST || after <= before.saturating_add(NOISE);
        if number >= *TRIES.start() && before < Duration::MAX && is_met {
            println!("T9, {orm}: {ratio:.2} times (1.3)");
            return app.close().await;
        }
    }
    anyhow::bail!("T9: {best:?}")
}

#[tokio::test(flavor = "multi_thread")]
async fn t9_with_all_replicas_out_writes_of_seaorm_stay_fast_and_reads_within_their_cap()
-> Result<()> {
    writes_stay_as_fast::<SplitConnection>("SeaORM").await
}

#[tokio::test(flavor = "multi_thread")]
async fn t9_with_all_replicas_out_writes_of_diesel_stay_fast_and_reads_within_their_cap()
-> Result<()> {
    writes_stay_as_fast::<Pool>("Diesel").await
}
