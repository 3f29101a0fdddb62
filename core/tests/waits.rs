//! Reads that wait for a replica, and what the nodes are asked meanwhile, in virtual time.

#![allow(
    clippy::unwrap_used,
    reason = "a statement that fails where it must not fails the test"
)]

mod fake;

use std::time::Duration;

use fake::{World, concerned};
use futures_util::future::join_all;
use orm_split_core::{Consistency, Options, ReadConcern, Session};
use tokio::time::{Instant, sleep, timeout};

const MS: Duration = Duration::from_millis(1);

fn waiting(read_wait: Duration) -> Options {
    let mut options = Options::default();
    options.read_wait = read_wait;
    options
}

/// One replica that lacks what the current task wrote.
async fn behind(options: Options) -> World {
    let world = World::start(1, options).await;
    world.pool_connections();
    world.primary().set(|primary| primary.position = 200);
    world.write().await.unwrap();
    world
}

fn catch_up(world: &World, number: usize) {
    let newest = world.primary().fake.lock().position;
    world.replica(number).set(|fake| fake.position = newest);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_the_replica_that_catches_up_and_no_longer() {
    let world = behind(waiting(100 * MS)).await;
    let started = Instant::now();
    let (served, ()) = tokio::join!(world.read(), async {
        sleep(30 * MS).await;
        catch_up(&world, 1);
    });
    assert_eq!(served.unwrap(), "replica-1");
    let waited = started.elapsed();
    assert!((30 * MS..45 * MS).contains(&waited), "{waited:?}");
    let status = world.splitter.status();
    let waits = (status.reads_that_waited, status.reads_that_waited_in_vain);
    assert_eq!(waits, (1, 0));
}

#[tokio::test(start_paused = true)]
async fn a_wait_is_bounded_and_ends_on_the_primary() {
    let world = behind(waiting(100 * MS)).await;
    let started = Instant::now();
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(started.elapsed().as_millis(), 100);
    assert_eq!(world.count("floor_not_met"), 1);
    assert_eq!(world.splitter.status().reads_that_waited_in_vain, 1);
}

#[tokio::test(start_paused = true)]
async fn nothing_waits_where_waiting_is_switched_off() {
    let world = behind(waiting(Duration::ZERO)).await;
    let started = Instant::now();
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_a_replica_that_is_known_to_lag_by_more() {
    let world = behind(waiting(20 * MS)).await;
    // it is asked, and shows that it lacks what was sampled long before
    sleep(Duration::from_secs(5)).await;
    world.write().await.unwrap();
    let started = Instant::now();
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(started.elapsed(), Duration::ZERO);
    let lag = world.splitter.status().nodes[1].lag_at_least.unwrap();
    assert!(lag > Duration::from_secs(2), "{lag:?}");
    // until it has caught up
    catch_up(&world, 1);
    sleep(Duration::from_secs(2)).await;
    world.primary().set(|primary| primary.position = 300);
    world.write().await.unwrap();
    sleep(MS).await;
    let (served, ()) = tokio::join!(world.read(), async {
        sleep(3 * MS).await;
        catch_up(&world, 1);
    });
    assert_eq!(served.unwrap(), "replica-1");
}

#[tokio::test(start_paused = true)]
async fn a_bound_of_one_read_is_waited_for_as_well() {
    let world = World::start(1, waiting(50 * MS)).await;
    world.pool_connections();
    sleep(500 * MS).await;
    let asks = concerned(ReadConcern::new().max_staleness(100 * MS));
    assert_eq!(world.run_as("SELECT 1", asks).await.unwrap(), "replica-1");
    assert_eq!(world.splitter.status().reads_that_waited, 1);
}

#[tokio::test(start_paused = true)]
async fn neither_a_write_nor_an_eventual_or_strong_read_waits() {
    let world = behind(waiting(100 * MS)).await;
    let started = Instant::now();
    world.write().await.unwrap();
    for consistency in [Consistency::Eventual, Consistency::Strong] {
        world
            .run_as("SELECT 1", concerned(consistency))
            .await
            .unwrap();
    }
    assert_eq!(started.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_is_dropped_while_it_waits_leaves_nothing_behind() {
    let world = behind(waiting(100 * MS)).await;
    let given_up = timeout(10 * MS, world.read()).await;
    assert!(given_up.is_err());
    assert_eq!(world.in_flight(), 0);
    assert_eq!(world.replica(1).statements(), 0);
    catch_up(&world, 1);
    assert_eq!(world.read().await.unwrap(), "replica-1");
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_sessions_that_wait_are_all_served_when_the_replica_has_caught_up() {
    let world = World::start(1, waiting(Duration::from_secs(1))).await;
    world.pool_connections();
    world.primary().set(|primary| primary.position = 200);
    let sessions: Vec<_> = (0..10_000).map(|_| Session::new()).collect();
    for session in &sessions {
        session.clone().scope(world.write()).await.unwrap();
    }
    let asked = world.primary().probes();
    let reads = sessions.iter().map(|s| s.clone().scope(world.read()));
    let (served, ()) = tokio::join!(join_all(reads), async {
        sleep(300 * MS).await;
        catch_up(&world, 1);
    });
    for served in served {
        assert_eq!(served.unwrap(), "replica-1");
    }
    // one sample after the last write is enough for all of them
    let asked = world.primary().probes() - asked;
    assert!(asked <= 5, "{asked}");
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_stuck_is_asked_less_and_less_often_however_many_wait() {
    let world = World::start(2, waiting(Duration::ZERO)).await;
    world.pool_connections();
    let asked = |world: &World| [0, 1, 2].map(|number| world.replica(number).probes());
    let mut before = asked(&world);
    for second in 1..=60_u64 {
        for _ in 0..100 {
            world.primary().set(|primary| primary.position += 10);
            world.write().await.unwrap();
            sleep(MS).await;
            world.read().await.unwrap();
            sleep(9 * MS).await;
            catch_up(&world, 1);
        }
        let now = asked(&world);
        let [primary, follows, stuck] = [0, 1, 2].map(|node| now[node] - before[node]);
        before = now;
        // never more often than every 5 ms; for each of the writes the primary once
        assert!(primary <= 110 && follows <= 205, "{primary}, {follows}");
        let most = if second < 3 { 205 } else { 15 };
        assert!(stuck <= most, "second {second}: {stuck}");
    }
    let shown = world.splitter.status().nodes[2].questions_per_second;
    assert!((0.5..6.0).contains(&shown), "{shown}");
}
