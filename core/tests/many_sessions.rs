//! Very many sessions at once, in virtual time: what they cost the servers, and the memory of the process.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail them")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{Answer, World, asks};
use futures_util::future::join_all;
use orm_split_core::{Fault, Options, SessionKey, TokenKeys};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

const READ: &str = "SELECT 1";
const WRITE: &str = "UPDATE t SET a = 1";

/// How many sessions are remembered at most.
const CAPACITY: usize = 65_536;

/// Writes, and reads until a replica has it; each read that comes too early goes to the primary.
async fn write_and_read_back(world: &World, number: u64) -> u64 {
    let session = SessionKey::made();
    // each has a floor of its own
    sleep(Duration::from_micros(number)).await;
    world.run_as(WRITE, asks(session)).await.unwrap();
    let mut reads = 1;
    while world.run_as(READ, asks(session)).await.unwrap() == "primary" {
        sleep(Duration::from_millis(20)).await;
        reads += 1;
    }
    reads
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_readers_with_floors_of_their_own_have_one_sample_in_flight_on_each_node() {
    let world = World::start(2, Options::default()).await;
    world.pool_connections();
    world.primary().set(|primary| primary.position = 200);
    for node in &world.nodes {
        // so that samples could overlap
        node.set(|fake| fake.probes = Answer::After(Duration::from_millis(2)));
    }
    let before: Vec<_> = world.nodes.iter().map(|node| node.probes()).collect();
    let started = Instant::now();
    let readers = join_all((0..10_000).map(|number| write_and_read_back(&world, number)));
    let catch_up = async {
        sleep(Duration::from_millis(300)).await;
        let waiting = world.primary().statements();
        assert!(waiting > 50_000, "{waiting}: they read all the time");
        for number in [1, 2] {
            world.replica(number).set(|replica| replica.position = 200);
        }
    };
    let (reads, ()) = tokio::join!(readers, catch_up);
    assert!(reads.iter().all(|reads| *reads > 5));
    let most = started.elapsed().as_millis() / 5 + 5;
    for (node, before) in world.nodes.iter().zip(before) {
        assert_eq!(node.most_probes_at_once(), 1);
        let samples = u128::from(node.probes() - before);
        assert!(samples <= most, "{samples} in {:?}", started.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_sessions_that_ask_for_tokens_share_the_samples_in_flight() {
    let mut options = Options::default();
    options.token_keys = TokenKeys::new("a secret of at least thirty-two bytes").ok();
    let world = World::start(1, options).await;
    let slow = Answer::After(Duration::from_millis(10));
    world.primary().set(|primary| primary.probes = slow);
    let before = world.primary().probes();
    let ask = async |number: u64| {
        let session = SessionKey::made();
        // also while a sample is in flight, which is of no use to them
        sleep(Duration::from_micros(number)).await;
        world.splitter.wrote(session);
        world.splitter.token([session]).await.unwrap();
    };
    let started = Instant::now();
    join_all((0..10_000).map(ask)).await;
    let took = started.elapsed();
    assert!(took < Duration::from_millis(60), "{took:?}");
    assert_eq!(world.primary().most_probes_at_once(), 1);
    let samples = world.primary().probes() - before;
    assert!(samples <= 5, "{samples} in {took:?}");
}

#[tokio::test(start_paused = true)]
async fn a_write_asks_nothing_beside_itself_with_tokens_switched_on() {
    let mut options = Options::default();
    options.token_keys = TokenKeys::new("a secret of at least thirty-two bytes").ok();
    let world = World::start(1, options).await;
    world.pool_connections();
    let probes = || world.nodes.iter().map(|node| node.probes()).sum::<u64>();
    let (before, started) = (probes(), Instant::now());
    for _ in 0..1_000 {
        let session = SessionKey::made();
        world.run_as(WRITE, asks(session)).await.unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO, "nothing was waited for");
    assert_eq!(probes(), before);
    assert_eq!(world.primary().statements(), 1_000);
    assert_eq!(world.replica(1).statements(), 0);
}

/// Tasks that write, and read it back while no replica has it; the most sessions that were remembered.
async fn tasks_write(world: &Arc<World>, tasks: usize) -> usize {
    let mut most = 0;
    for _ in 0..tasks / 1_000 {
        let mut running = JoinSet::new();
        for _ in 0..1_000 {
            let world = Arc::clone(world);
            running.spawn(async move {
                world.write().await.unwrap();
                assert_eq!(world.read().await.unwrap(), "primary");
            });
        }
        while let Some(done) = running.join_next().await {
            done.unwrap();
        }
        most = most.max(world.splitter.status().sessions);
    }
    most
}

/// Two replicas that lag behind whatever is written; nobody waits for them.
async fn lagging() -> Arc<World> {
    let mut options = Options::default();
    options.read_wait = Duration::ZERO;
    let world = World::start(2, options).await;
    world.pool_connections();
    world.primary().set(|primary| primary.position = 200);
    Arc::new(world)
}

#[tokio::test(start_paused = true)]
async fn tasks_that_wrote_are_remembered_until_every_replica_has_it_and_then_none_is() {
    let world = lagging().await;
    assert_eq!(tasks_write(&world, 10_000).await, 10_000);
    world.replica(1).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.splitter.status().sessions, 10_000);
    world.replica(2).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.splitter.status().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn memory_is_bounded_while_a_replica_stands_still_and_the_first_write_is_not_lost() {
    let world = lagging().await;
    let (written, go_on) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let mut first = JoinSet::new();
    first.spawn({
        let (world, written, go_on) = (world.clone(), written.clone(), go_on.clone());
        async move {
            world.write().await.unwrap();
            written.notify_one();
            go_on.notified().await;
            world.read().await.unwrap()
        }
    });
    written.notified().await;
    world.replica(1).set(|replica| replica.position = 200);
    let most = tasks_write(&world, 70_000).await;
    assert!((CAPACITY / 2..=CAPACITY).contains(&most), "{most}");
    // the write of the first task is long folded, and replica 2 still lacks it
    world.replica(1).set(|replica| {
        replica.statements = Answer::Fails(Fault::Unreachable);
        replica.probes = Answer::Fails(Fault::Unreachable);
    });
    go_on.notify_one();
    let read = first.join_next().await.unwrap();
    assert_eq!(read.unwrap(), "primary");
    world.replica(2).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.splitter.status().sessions, 0);
    assert_eq!(world.read().await.unwrap(), "replica-2");
}

#[tokio::test(start_paused = true)]
async fn nothing_is_remembered_for_a_replica_that_is_away_and_it_must_catch_up_when_it_returns() {
    let world = lagging().await;
    let away = Answer::Fails(Fault::Unreachable);
    world.replica(2).set(|replica| replica.probes = away);
    sleep(Duration::from_secs(5)).await;
    tasks_write(&world, 1_000).await;
    world.replica(1).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.splitter.status().sessions, 0);
    let reads = async |count| {
        let reads = (0..count).map(|_| world.read());
        let served = join_all(reads).await.into_iter();
        served
            .filter(|served| served.as_deref() == Ok("replica-2"))
            .count()
    };
    world
        .replica(2)
        .set(|replica| replica.probes = fake::AT_ONCE);
    sleep(Duration::from_secs(5)).await;
    assert_eq!(reads(100).await, 0, "it lacks what was forgotten");
    world.replica(2).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(5)).await;
    assert!(reads(100).await > 0);
}
