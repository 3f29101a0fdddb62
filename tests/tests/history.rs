//! The history checker on real servers: replicas that lag by 0, 50, 500 and 2,000 ms, replay that is paused,
//! a replica that is killed, and a promotion behind the primary's address. Under `Session` nothing is read
//! that is older than what the session wrote or read; under `Eventual` the same run shows that it could be.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Consistency, SplitConnection};
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::history::{History, Seen};
use orm_split_tests::kit::balancer::Balancer;
use orm_split_tests::kit::postgres::{Cluster, Node, Stop};
use orm_split_tests::outages::wait_for_replicas;
use tokio::time::sleep;

const DELAYS_MS: [u64; 4] = [0, 50, 500, 2_000];
/// Keys of the sessions that are held to their guarantees, and of those that are not.
const STRICT: std::ops::Range<i32> = 0..10;
const LOOSE: std::ops::Range<i32> = 10..15;

/// How long the sessions run on between two troubles.
const MEANWHILE: Duration = Duration::from_millis(1_500);

fn show(what: &str, seen: &Seen) -> String {
    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    format!(
        "{what}: {} violations in {} reads ({} failed), {} writes ({} failed)",
        of(&seen.violations),
        of(&seen.reads),
        of(&seen.failed_reads),
        of(&seen.writes),
        of(&seen.failed_writes),
    )
}

/// The first replica takes the primary's place, with everything that was acknowledged, and the primary's
/// address leads to it from then on. The others follow it.
async fn promote(cluster: &Cluster, address: &Balancer, histories: [&History; 2]) -> Result<()> {
    let [next, others @ ..] = cluster.replicas() else {
        unreachable!("four replicas")
    };
    let writing = futures_util::future::join_all(histories.map(History::without_writes)).await;
    next.wait_caught_up(cluster.primary()).await?;
    // a shutdown hands everything to the standbys; what a crash loses is no part of this history
    cluster.primary().stop(Stop::Fast).await?;
    next.promote().await?;
    address.point_to(next.port());
    for other in others {
        other.follow(next).await?;
    }
    drop(writing);
    Ok(())
}

/// Everything that the servers go through.
async fn trouble(cluster: &Cluster, address: &Balancer, histories: [&History; 2]) -> Result<()> {
    let [_, second, third, _] = cluster.replicas() else {
        unreachable!("four replicas")
    };
    sleep(MEANWHILE).await;
    second.pause_replay().await?;
    sleep(MEANWHILE).await;
    second.resume_replay().await?;
    third.kill().await?;
    sleep(MEANWHILE).await;
    third.start().await?;
    sleep(MEANWHILE).await;
    promote(cluster, address, histories).await?;
    sleep(2 * MEANWHILE).await;
    Ok(())
}

async fn delay(replicas: &[Node]) -> Result<()> {
    for (replica, delay) in replicas.iter().zip(DELAYS_MS) {
        replica
            .set_apply_delay(Duration::from_millis(delay))
            .await?;
    }
    Ok(())
}

/// Yields what was seen.
async fn no_session_reads_backwards<A: Application>() -> Result<String> {
    let cluster = Cluster::builder().replicas(DELAYS_MS.len()).start().await?;
    let database = cluster.create_database().await?;
    let address = Balancer::start(&[cluster.primary().port()]).await?;
    let mut settings = Settings::of(&database);
    settings.primary = address.url(database.primary_url())?;
    settings.primary_wait = Duration::from_secs(2);
    let strict = A::connect(&settings).await?;
    settings.consistency = Consistency::Eventual;
    let loose = A::connect(&settings).await?;
    strict.create_counters(LOOSE.end).await?;
    delay(cluster.replicas()).await?;
    for app in [&strict, &loose] {
        wait_for_replicas(app, DELAYS_MS.len()).await?;
    }

    let before = strict.status().served_by_replicas();
    let held = History::start(&strict, STRICT, 1);
    let free = History::start(&loose, LOOSE, 2);
    trouble(&cluster, &address, [&held, &free]).await?;
    let (held, free) = (held.end().await?, free.end().await?);
    let on_replicas = strict.status().served_by_replicas() - before;
    let report = format!(
        "{}, {on_replicas} reads on replicas; {}",
        show("Session", &held),
        show("Eventual", &free)
    );

    let of = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    assert_eq!(of(&held.violations), 0, "{report}");
    ensure!(of(&free.violations) > 0, "the checker found nothing");
    ensure!(on_replicas > 200, "{on_replicas} reads on replicas");
    ensure!(of(&held.writes) > 100, "too few writes");
    strict.write(STRICT.start, i64::MAX).await?;
    ensure!(strict.read(STRICT.start).await? == i64::MAX);
    let status = strict.status();
    let primary = status.nodes.first().context("a primary")?;
    ensure!(
        primary.generation > 1,
        "no promotion was noticed: {primary:?}"
    );
    strict.close().await?;
    loose.close().await?;
    Ok(report)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_of_seaorm_reads_what_is_older_than_it_wrote_or_read() -> Result<()> {
    println!("{}", no_session_reads_backwards::<SplitConnection>().await?);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_session_of_diesel_reads_what_is_older_than_it_wrote_or_read() -> Result<()> {
    println!("{}", no_session_reads_backwards::<Pool>().await?);
    Ok(())
}
