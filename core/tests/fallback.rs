//! What an outage of replicas costs the primary, in virtual time, over nodes whose answers the tests set.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a statement that fails where it must not fails the test"
)]

mod fake;

use std::time::Duration;

use fake::{Answer, FakeError, World};
use futures_util::future::join_all;
use orm_split_core::{Fallback, Fault, Options, Phase, SplitError};
use rstest::rstest;
use tokio::time::{sleep, timeout};

const MS: Duration = Duration::from_millis(1);

/// All replicas are down, and the primary answers after 20 ms.
async fn outage(fallback: Fallback) -> World {
    let mut options = Options::default();
    options.fallback = fallback;
    options.checkout_deadline = 110 * MS;
    let world = World::start(2, options).await;
    for number in [1, 2] {
        world.replica(number).set(|fake| {
            fake.probes = Answer::Fails(Fault::Unreachable);
            fake.checkouts = Answer::Fails(Fault::Unreachable);
        });
    }
    sleep(Duration::from_secs(2)).await;
    let slow = Answer::After(20 * MS);
    world.primary().set(|primary| primary.statements = slow);
    world
}

fn shed(results: Vec<Result<String, FakeError>>) -> Vec<SplitError> {
    let errors = results.into_iter().filter_map(Result::err);
    let ours = errors.map(|error| match error {
        FakeError::Ours(error @ SplitError::Shed { .. }) => error,
        other => panic!("{other:?}"),
    });
    ours.collect()
}

#[tokio::test(start_paused = true)]
async fn no_more_reads_than_allowed_are_on_the_primary_at_once_and_the_rest_is_told_why() {
    let world = outage(Fallback::CappedAt(4)).await;
    let most = async {
        let mut most = 0;
        for _ in 0..100 {
            sleep(2 * MS).await;
            most = most.max(world.in_flight());
        }
        most
    };
    let (served, most) = tokio::join!(join_all((0..100).map(|_| world.read())), most);
    assert_eq!(most, 4);
    // 110 ms of waiting are five more rounds of 20 ms
    let shed = shed(served);
    assert!((70..=80).contains(&shed.len()), "{}", shed.len());
    let first = shed.first().unwrap();
    assert!(first.is_retryable());
    let cause = first.attempts().first().unwrap();
    assert_eq!(
        (cause.node.as_str(), cause.phase),
        ("replica-1", Phase::Checkout)
    );
    assert!(
        first
            .to_string()
            .contains("takes 4 such reads at once: checkout on replica-1")
    );
    let status = world.splitter.status();
    assert_eq!(status.reads_shed, shed.len() as u64);
    assert_eq!(
        (status.fallback_in_use, status.fallback_places),
        (Some(0), Some(4))
    );
}

#[tokio::test(start_paused = true)]
async fn a_burst_that_the_primary_can_take_one_after_another_is_served() {
    let world = outage(Fallback::CappedAt(10)).await;
    let served = join_all((0..50).map(|_| world.read())).await;
    assert!(shed(served).is_empty());
}

#[tokio::test(start_paused = true)]
async fn writes_and_reads_that_need_the_primary_have_their_places_beside() {
    let world = outage(Fallback::Never).await;
    assert_eq!(world.write().await.unwrap(), "primary");
    assert_eq!(
        world.run("SELECT * FROM t FOR UPDATE").await.unwrap(),
        "primary"
    );
    assert_eq!(shed(vec![world.read().await]).len(), 1);
}

#[tokio::test(start_paused = true)]
async fn reads_that_need_the_primary_for_freshness_are_never_shed() {
    let mut options = Options::default();
    options.fallback = Fallback::Never;
    let world = World::start(1, options).await;
    world.primary().set(|primary| primary.position = 500);
    world.write().await.unwrap();
    assert_eq!(world.read().await.unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn a_dropped_read_gives_its_place_back() {
    let world = outage(Fallback::CappedAt(1)).await;
    for _ in 0..20 {
        let given_up = timeout(5 * MS, world.read()).await;
        assert!(given_up.is_err());
    }
    assert_eq!(world.read().await.unwrap(), "primary");
}

/// Faults that leave their node in use.
#[rstest]
#[case::conflict(Fault::Conflict)]
#[case::saturated(Fault::Saturated)]
#[tokio::test(start_paused = true)]
async fn when_every_replica_fails_without_being_down_a_tenth_of_the_reads_is_tried_again(
    #[case] fault: Fault,
) {
    let world = World::start(2, Options::default()).await;
    for number in [1, 2] {
        world
            .replica(number)
            .set(|fake| fake.statements = Answer::Fails(fault));
    }
    let mut failed = 0;
    for _ in 0..5_000 {
        failed += u64::from(world.read().await.is_err());
    }
    let attempts: u64 = world.nodes.iter().map(|node| node.statements()).sum();
    // a hundred at once besides
    assert!((5_100..=5_700).contains(&attempts), "{attempts}");
    assert!(failed > 4_500, "{failed}");
}

#[tokio::test(start_paused = true)]
async fn reads_that_find_every_replicas_connections_in_use_are_served_however_many_they_are() {
    let world = World::start(2, Options::default()).await;
    for number in [1, 2] {
        world
            .replica(number)
            .set(|fake| (fake.checkouts, fake.is_full) = (Answer::Never, true));
    }
    world
        .primary()
        .set(|fake| fake.statements = Answer::After(MS));
    let served = join_all((0..1_000).map(|_| world.read())).await;
    assert!(served.iter().all(Result::is_ok), "{:?}", served.first());
}

#[tokio::test(start_paused = true)]
async fn reads_of_a_node_that_goes_down_move_however_many_they_are() {
    let world = World::start(2, Options::default()).await;
    let slow = Answer::After(50 * MS);
    for number in [1, 2] {
        world.replica(number).set(|fake| fake.statements = slow);
    }
    let dies = async {
        sleep(10 * MS).await;
        world.replica(1).crash(100);
        world
            .replica(1)
            .set(|fake| fake.probes = Answer::Fails(Fault::Unreachable));
        let found_out = world.run("SELECT 1 /* on its new connection */").await;
        drop(found_out);
    };
    let (served, ()) = tokio::join!(join_all((0..2_000).map(|_| world.read())), dies);
    assert!(served.iter().all(Result::is_ok));
}
