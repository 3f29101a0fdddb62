//! The history checker while anything befalls the replicas and the network in front of all nodes, by a seed that
//! is printed: replicas that lag by 0 to 2,000 ms, one or two of them in trouble most of the time.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what a reader wants to see"
)]

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Consistency, SplitConnection};
use orm_split_tests::application::{Application, Way};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::faults::Network;
use orm_split_tests::history::History;
use orm_split_tests::kit::postgres::Node;
use orm_split_tests::kit::proxy::{Fault, FaultProxy};
use orm_split_tests::outages::wait_for_replicas;
use orm_split_tests::trouble::Trouble;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep};

const DELAYS_MS: [u64; 4] = [0, 50, 500, 2_000];
const LASTS: Duration = Duration::from_secs(20);
/// Keys of the sessions that are held to their guarantees, and of those that are not.
const STRICT: std::ops::Range<i32> = 0..10;
const LOOSE: std::ops::Range<i32> = 10..15;

fn of(counter: &AtomicU64) -> u64 {
    counter.load(Ordering::Relaxed)
}

/// One or two replicas have troubles of their own, one after the other.
async fn troubles(network: &Network, seed: u64) -> Result<u32> {
    let mut rng = StdRng::seed_from_u64(seed);
    let until = Instant::now() + LASTS;
    let mut count = 0;
    while Instant::now() < until {
        let first = rng.random_range(0..DELAYS_MS.len());
        let second = (first + rng.random_range(1..DELAYS_MS.len())) % DELAYS_MS.len();
        let mut drawn = vec![(first, Trouble::of_replica(&mut rng))];
        if rng.random_ratio(1, 3) {
            drawn.push((second, Trouble::of_replica(&mut rng)));
        }
        // a slow primary delays what is known of all others
        if rng.random_ratio(1, 3) {
            let slow = Fault::Delay(Duration::from_millis(rng.random_range(1..40)));
            network.primary.befall(slow).await?;
        }
        for (number, trouble) in &drawn {
            let (node, proxy) = at(network, *number)?;
            trouble.befalls(node, proxy).await?;
            count += 1;
        }
        sleep(Duration::from_millis(rng.random_range(200..2_500))).await;
        for (number, trouble) in &drawn {
            let (node, proxy) = at(network, *number)?;
            trouble.is_over(node, proxy).await?;
        }
        network.primary.heal().await?;
        sleep(Duration::from_millis(rng.random_range(0..1_000))).await;
    }
    Ok(count)
}

fn at(network: &Network, number: usize) -> Result<(&Node, &FaultProxy)> {
    let node = network.cluster.replicas().get(number);
    let proxy = network.replicas.get(number);
    node.zip(proxy).context("four replicas")
}

async fn no_session_reads_backwards<A: Application>(orm: &str, seed: u64) -> Result<()> {
    let network = Network::start(DELAYS_MS.len()).await?;
    let mut settings = network.settings()?;
    let strict: A = network.application(&settings).await?;
    settings.consistency = Consistency::Eventual;
    let loose = A::connect(&settings).await?;
    more_counters(&strict).await?;
    for (replica, delay) in network.cluster.replicas().iter().zip(DELAYS_MS) {
        replica
            .set_apply_delay(Duration::from_millis(delay))
            .await?;
    }
    for app in [&strict, &loose] {
        wait_for_replicas(app, DELAYS_MS.len()).await?;
    }
    let before = strict.status().served_by_replicas();
    let held = History::start(&strict, STRICT, seed);
    let free = History::start(&loose, LOOSE, seed ^ 1);
    let count = troubles(&network, seed).await?;
    let (held, free) = (held.end().await?, free.end().await?);
    let on_replicas = strict.status().served_by_replicas() - before;
    println!(
        "T13, {orm}, seed {seed}: {} violations in {} reads (0), {on_replicas} on replicas, {} failed, {} writes \
         ({} failed), {count} troubles; without consistency {} violations in {} reads",
        of(&held.violations),
        of(&held.reads),
        of(&held.failed_reads),
        of(&held.writes),
        of(&held.failed_writes),
        of(&free.violations),
        of(&free.reads)
    );
    assert_eq!(of(&held.violations), 0, "seed {seed}");
    assert_eq!(of(&held.failed_reads), 0, "seed {seed}");
    ensure!(of(&free.violations) > 0, "the checker found nothing");
    ensure!(on_replicas > 20, "{on_replicas} reads on replicas");
    strict.close().await?;
    loose.close().await
}

/// Ten are there already.
async fn more_counters<A: Application>(app: &A) -> Result<()> {
    let more = "INSERT INTO counter SELECT n, 0 FROM generate_series(11, 20) n";
    app.send(Way::Execute, more).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_no_session_of_seaorm_reads_backwards_whatever_befalls_the_replicas() -> Result<()> {
    no_session_reads_backwards::<SplitConnection>("SeaORM", rand::random()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t13_no_session_of_diesel_reads_backwards_whatever_befalls_the_replicas() -> Result<()> {
    no_session_reads_backwards::<Pool>("Diesel", rand::random()).await
}
