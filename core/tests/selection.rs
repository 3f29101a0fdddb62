//! Where reads go, on the real router and monitor in virtual time: zones, suspects, returning nodes, and what
//! a storm of failures costs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "helpers of tests fail them"
)]

mod fake;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use fake::{AT_ONCE, Answer, Fake, World};
use futures_util::future::join_all;
use orm_split_core::{Adaptive, Dialect, Fault, HealthState, Options, Placement, Splitter};
use tokio::time::sleep;

const REFUSED: Answer = Answer::Fails(Fault::Unreachable);

fn refuses(fake: &mut Fake) {
    (fake.probes, fake.checkouts, fake.statements) = (REFUSED, REFUSED, REFUSED);
}

fn serves(fake: &mut Fake) {
    (fake.probes, fake.checkouts, fake.statements) = (AT_ONCE, AT_ONCE, AT_ONCE);
}

fn health(world: &World, number: usize) -> HealthState {
    world.splitter.status().nodes[number].health
}

/// How many of so many reads, one after the other, each node served.
async fn served(world: &World, reads: u32) -> BTreeMap<String, u32> {
    let mut served = BTreeMap::new();
    for _ in 0..reads {
        *served.entry(world.read().await.unwrap()).or_default() += 1;
    }
    served
}

#[tokio::test(start_paused = true)]
async fn reads_stay_in_the_zone_while_a_replica_there_takes_them() {
    let mut options = Options::default();
    options.zone = Some(Arc::from("a"));
    let placed = [("a", 1), ("a", 2), ("b", 3)].map(|(zone, number)| {
        let name: Arc<str> = Arc::from(format!("replica-{number}"));
        (name, Placement::new().zone(zone))
    });
    let policy = Arc::new(Adaptive);
    let splitter = Splitter::over(Dialect::Postgres, options, policy, "primary", &placed);
    let world = World::around(splitter.unwrap(), fake::fakes(3)).await;
    let names: Vec<_> = served(&world, 50).await.into_keys().collect();
    assert_eq!(names, ["replica-1", "replica-2"]);
    world.replica(1).set(refuses);
    sleep(Duration::from_secs(2)).await;
    let names: Vec<_> = served(&world, 50).await.into_keys().collect();
    assert_eq!(names, ["replica-2"]);
    world.replica(2).set(refuses);
    sleep(Duration::from_secs(2)).await;
    let names: Vec<_> = served(&world, 50).await.into_keys().collect();
    assert_eq!(names, ["replica-3"]);
    world.replica(2).set(serves);
    sleep(Duration::from_secs(30)).await;
    let names: Vec<_> = served(&world, 50).await.into_keys().collect();
    assert_eq!(names, ["replica-2"], "and back");
}

#[tokio::test(start_paused = true)]
async fn a_thousand_failures_cost_one_probe_and_one_for_those_that_came_after_it_was_sent() {
    let world = World::start(2, Options::default()).await;
    sleep(Duration::from_millis(500)).await;
    let before = world.replica(1).probes();
    let timeout = |fake: &mut Fake| fake.statements = Answer::Fails(Fault::Timeout);
    (1..=2).for_each(|number| world.replica(number).set(timeout));
    join_all((0..1_000).map(|_| world.read())).await;
    sleep(Duration::from_millis(300)).await;
    let probes = world.replica(1).probes() - before;
    assert!((1..=2).contains(&probes), "{probes}");
}

#[tokio::test(start_paused = true)]
async fn a_returning_replica_is_ramped_not_flooded() {
    let world = World::start(4, Options::default()).await;
    world.replica(1).set(refuses);
    served(&world, 20).await;
    sleep(Duration::from_secs(5)).await;
    assert_eq!(health(&world, 1), HealthState::Down);
    world.replica(1).set(serves);
    while health(&world, 1) != HealthState::Ramping {
        sleep(Duration::from_millis(10)).await;
    }
    let share =
        async || f64::from(*served(&world, 2_000).await.get("replica-1").unwrap_or(&0)) / 2_000.0;
    // one in twenty, of which it serves a part, as nobody is busy
    let at_first = share().await;
    assert!((0.003..0.06).contains(&at_first), "{at_first}");
    sleep(Duration::from_secs(5)).await;
    let half_way = share().await;
    assert!((0.08..0.2).contains(&half_way), "{half_way}");
    sleep(Duration::from_secs(7)).await;
    assert_eq!(health(&world, 1), HealthState::Up);
    let at_last = share().await;
    assert!((0.2..0.3).contains(&at_last), "{at_last}");
}

#[tokio::test(start_paused = true)]
async fn replicas_that_all_return_at_once_are_not_spared_at_the_cost_of_the_primary() {
    let world = World::start(2, Options::default()).await;
    (1..=2).for_each(|number| world.replica(number).set(refuses));
    world.read().await.unwrap();
    sleep(Duration::from_secs(5)).await;
    (1..=2).for_each(|number| world.replica(number).set(serves));
    let ramping = |number| health(&world, number) == HealthState::Ramping;
    while !(ramping(1) || ramping(2)) {
        sleep(Duration::from_millis(10)).await;
    }
    let names: Vec<_> = served(&world, 100).await.into_keys().collect();
    assert!(
        names.iter().all(|name| name.starts_with("replica")),
        "{names:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn a_silent_probe_lets_others_be_preferred_and_none_left_is_used_all_the_same() {
    let world = World::start(2, Options::default()).await;
    world.replica(1).set(|fake| fake.probes = Answer::Never);
    while health(&world, 1) != HealthState::Suspect {
        sleep(Duration::from_millis(10)).await;
    }
    let names: Vec<_> = served(&world, 50).await.into_keys().collect();
    assert_eq!(names, ["replica-2"]);

    let world = World::start(1, Options::default()).await;
    world.replica(1).set(|fake| fake.probes = Answer::Never);
    while health(&world, 1) != HealthState::Suspect {
        sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(world.read().await.unwrap(), "replica-1");
}

#[tokio::test(start_paused = true)]
async fn one_hung_node_delays_no_probe_of_another() {
    let world = World::start(3, Options::default()).await;
    world.replica(1).set(|fake| fake.probes = Answer::Never);
    let before = world.replica(2).probes();
    sleep(Duration::from_secs(20)).await;
    assert!(world.replica(2).probes() - before >= 17);
}

#[tokio::test(start_paused = true)]
async fn of_two_replicas_that_answer_probes_and_fail_statements_one_is_ejected_and_never_both() {
    let world = World::start(2, Options::default()).await;
    let fails = |fake: &mut Fake| fake.statements = REFUSED;
    (1..=2).for_each(|number| world.replica(number).set(fails));
    let mut most = 0;
    for _ in 0..2_000 {
        world.read().await.unwrap();
        sleep(Duration::from_millis(20)).await;
        let ejected = (1..=2).filter(|number| health(&world, *number) == HealthState::Ejected);
        most = most.max(ejected.count());
    }
    assert_eq!(most, 1);
}
