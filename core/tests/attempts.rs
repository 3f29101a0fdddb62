//! Attempts on the real router and monitor, in virtual time, over nodes whose answers the tests set.

#![allow(
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "helpers of tests fail them"
)]

mod fake;

use std::time::Duration;

use fake::{Answer, FakeError, World};
use orm_split_core::{
    AttemptFailure, Fault, HealthState, NodeStatus, Options, Phase, PrimaryLoss, SplitError,
};
use rstest::rstest;
use tokio::time::{Instant, sleep, timeout};

async fn world(replicas: usize) -> World {
    World::start(replicas, Options::default()).await
}

fn failures(error: FakeError) -> Vec<AttemptFailure> {
    match error {
        FakeError::Ours(SplitError::Exhausted(failures)) => failures,
        other => panic!("not exhausted: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn reads_go_to_replicas_and_writes_to_the_primary() {
    let world = world(2).await;
    assert!(world.read().await.unwrap().starts_with("replica"));
    assert_eq!(world.write().await.unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn a_session_reads_its_own_write_and_returns_to_the_replicas_when_they_have_it() {
    let world = world(1).await;
    world.primary().set(|primary| primary.position = 200);
    world.write().await.unwrap();
    assert_eq!(world.read().await.unwrap(), "primary");
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.read().await.unwrap(), "primary", "no timer ends it");
    assert_eq!(world.count("floor_not_met"), 2);
    world.replica(1).set(|replica| replica.position = 200);
    // noticed within a sixteenth of the time that it lagged
    sleep(Duration::from_millis(500)).await;
    assert_eq!(world.read().await.unwrap(), "replica-1");
    sleep(Duration::from_secs(2)).await;
    assert_eq!(
        world.splitter.status().sessions,
        0,
        "nothing is remembered any longer"
    );
}

#[rstest]
#[case::unreachable(Fault::Unreachable)]
#[case::shutting_down(Fault::ShuttingDown)]
#[case::conflict_with_recovery(Fault::Conflict)]
#[case::timeout(Fault::Timeout)]
#[case::saturated(Fault::Saturated)]
#[tokio::test(start_paused = true)]
async fn a_read_that_fails_on_one_replica_is_served_by_the_other(#[case] fault: Fault) {
    let world = world(2).await;
    world
        .replica(1)
        .set(|replica| replica.statements = Answer::Fails(fault));
    for _ in 0..20 {
        assert_eq!(world.read().await.unwrap(), "replica-2");
    }
    assert_eq!(world.primary().statements(), 0);
    assert!(world.replica(1).statements() > 0, "chance never chose it");
}

#[tokio::test(start_paused = true)]
async fn a_read_tries_two_replicas_and_then_the_primary() {
    let world = world(4).await;
    for number in 1..=4 {
        world
            .replica(number)
            .set(|r| r.statements = Answer::Fails(Fault::Conflict));
    }
    assert_eq!(world.read().await.unwrap(), "primary");
    let on_replicas: u64 = (1..=4)
        .map(|number| world.replica(number).statements())
        .sum();
    assert_eq!(on_replicas, 2);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_statement_is_returned_untouched_and_blames_nobody() {
    let world = world(2).await;
    for number in 1..=2 {
        world
            .replica(number)
            .set(|r| r.statements = Answer::Fails(Fault::Query));
    }
    for _ in 0..1_000 {
        assert_eq!(world.read().await, Err(FakeError::Driver(Fault::Query)));
    }
    let status = world.splitter.status();
    assert!(
        status
            .nodes
            .iter()
            .all(|node| node.health == HealthState::Up)
    );
    assert_eq!(world.primary().statements(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_replica_whose_schema_lags_costs_one_more_attempt_on_the_primary_and_no_blame() {
    let world = world(2).await;
    for number in 1..=2 {
        world
            .replica(number)
            .set(|r| r.statements = Answer::Fails(Fault::SchemaLag));
    }
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(world.read().await.unwrap(), "primary");
    let on_replicas: u64 = (1..=2)
        .map(|number| world.replica(number).statements())
        .sum();
    assert_eq!(
        on_replicas, 2,
        "nothing is remembered: the replica catches up"
    );
    let status = world.splitter.status();
    assert_eq!(status.statements.get("schema_lag"), Some(&2));
    assert_eq!(status.misroutes, 0);
    let all_up = |node: &NodeStatus| node.health == HealthState::Up;
    assert!(status.nodes.iter().all(all_up));

    world
        .primary()
        .set(|p| p.statements = Answer::Fails(Fault::SchemaLag));
    let error = world.read().await;
    assert_eq!(error, Err(FakeError::Driver(Fault::SchemaLag)));
}

#[tokio::test(start_paused = true)]
async fn when_every_node_fails_the_first_cause_is_kept() {
    let world = world(1).await;
    world
        .replica(1)
        .set(|r| r.statements = Answer::Fails(Fault::Conflict));
    world
        .primary()
        .set(|p| p.checkouts = Answer::Fails(Fault::Unreachable));
    let failures = failures(world.read().await.unwrap_err());
    let seen: Vec<_> = failures
        .iter()
        .map(|f| (f.node.as_str(), f.phase, f.fault))
        .collect();
    let expected = [
        ("replica-1", Phase::Execute, Fault::Conflict),
        ("primary", Phase::Checkout, Fault::Unreachable),
    ];
    assert_eq!(seen, expected);
}

#[rstest]
#[case(Fault::Unreachable)]
#[case(Fault::Timeout)]
#[case(Fault::Conflict)]
#[case(Fault::ReadOnly)]
#[tokio::test(start_paused = true)]
async fn a_write_is_never_sent_twice(#[case] fault: Fault) {
    let world = world(2).await;
    world
        .primary()
        .set(|primary| primary.statements = Answer::Fails(fault));
    assert_eq!(world.write().await, Err(FakeError::Driver(fault)));
    assert_eq!(world.primary().statements(), 1);
    assert_eq!(
        world.splitter.status().sessions,
        1,
        "its outcome is unknown"
    );
}

#[tokio::test(start_paused = true)]
async fn a_refused_read_runs_once_on_the_primary_and_goes_there_ever_after() {
    let world = world(2).await;
    for number in 1..=2 {
        world
            .replica(number)
            .set(|r| r.statements = Answer::Fails(Fault::ReadOnly));
    }
    for _ in 0..3 {
        assert_eq!(
            world.run("SELECT a FROM v WHERE b = 1").await.unwrap(),
            "primary"
        );
    }
    let on_replicas = world.replica(1).statements() + world.replica(2).statements();
    assert_eq!(on_replicas, 1);
    assert_eq!((world.count("refused"), world.count("misrouted")), (1, 2));
    assert_eq!(world.splitter.status().misroutes, 1);
}

#[tokio::test(start_paused = true)]
async fn a_checkout_that_takes_too_long_is_given_up_for_another_node() {
    let world = world(2).await;
    world
        .replica(1)
        .set(|replica| replica.checkouts = Answer::Never);
    for _ in 0..10 {
        let started = Instant::now();
        assert_eq!(world.read().await.unwrap(), "replica-2");
        assert!(started.elapsed() <= Duration::from_millis(1_100));
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_in_flight_moves_when_its_node_goes_down_and_not_because_it_is_slow() {
    let world = world(1).await;
    world
        .replica(1)
        .set(|r| r.statements = Answer::After(Duration::from_secs(60)));
    let started = Instant::now();
    assert_eq!(world.read().await.unwrap(), "replica-1");
    assert_eq!(
        started.elapsed().as_secs(),
        60,
        "a report may take a minute"
    );

    world.replica(1).set(|r| {
        r.statements = Answer::Never;
        r.probes = Answer::Never;
    });
    let started = Instant::now();
    assert_eq!(world.read().await.unwrap(), "primary");
    assert!(
        started.elapsed() < Duration::from_secs(5),
        "{:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_goes_back_between_checkout_and_statement_serves_nothing() {
    let world = world(1).await;
    world.primary().set(|primary| primary.position = 200);
    world.replica(1).set(|replica| replica.position = 200);
    world.write().await.unwrap();
    sleep(Duration::from_secs(3)).await;
    world
        .replica(1)
        .set(|r| r.position_after_checkout = Some(100));
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(world.replica(1).statements(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_failed_comes_back_without_a_statement_finding_out() {
    let world = world(1).await;
    world.replica(1).set(|r| {
        r.statements = Answer::Fails(Fault::Unreachable);
        r.probes = Answer::Fails(Fault::Unreachable);
    });
    assert_eq!(world.read().await.unwrap(), "primary");
    sleep(Duration::from_secs(30)).await;
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(
        world.replica(1).statements(),
        1,
        "only the first one found out"
    );
    world.replica(1).set(|r| {
        r.statements = fake::AT_ONCE;
        r.probes = fake::AT_ONCE;
    });
    // the longest pause between two probes of a node that is down
    sleep(Duration::from_secs(37)).await;
    assert_eq!(world.read().await.unwrap(), "replica-1");
}

#[rstest]
#[case::served(PrimaryLoss::Serve, Ok("replica-1".to_owned()))]
#[case::failed(PrimaryLoss::Fail, Err(FakeError::Driver(Fault::Unreachable)))]
#[tokio::test(start_paused = true)]
async fn reads_beyond_the_bound_while_the_primary_is_down_are(
    #[case] policy: PrimaryLoss,
    #[case] expected: Result<String, FakeError>,
) {
    let mut options = Options::default();
    options.primary_loss = policy;
    let world = World::start(1, options).await;
    world.primary().set(|primary| {
        primary.probes = Answer::Fails(Fault::Unreachable);
        primary.checkouts = Answer::Fails(Fault::Unreachable);
    });
    sleep(Duration::from_secs(20)).await;
    assert_eq!(
        world.read().await.unwrap(),
        "replica-1",
        "still within the bound"
    );
    sleep(Duration::from_secs(20)).await;
    assert_eq!(world.read().await, expected);
}

#[tokio::test(start_paused = true)]
async fn a_read_of_an_own_write_fails_rather_than_miss_it_when_the_primary_is_gone() {
    let world = world(1).await;
    world.primary().set(|primary| primary.position = 200);
    world.write().await.unwrap();
    world.primary().set(|primary| {
        primary.probes = Answer::Fails(Fault::Unreachable);
        primary.checkouts = Answer::Fails(Fault::Unreachable);
    });
    sleep(Duration::from_secs(60)).await;
    assert_eq!(
        world.read().await,
        Err(FakeError::Driver(Fault::Unreachable))
    );
}

#[tokio::test(start_paused = true)]
async fn idle_nodes_are_asked_about_once_a_second() {
    let world = world(2).await;
    let before: Vec<_> = world.nodes.iter().map(|node| node.probes()).collect();
    sleep(Duration::from_secs(100)).await;
    for (node, before) in world.nodes.iter().zip(before) {
        let probes = node.probes() - before;
        // one in five reconnects, which asks twice
        assert!((80..=160).contains(&probes), "{probes}");
    }
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_waiting_reads_cost_as_many_samples_as_one() {
    let world = world(1).await;
    world.primary().set(|primary| primary.position = 200);
    world.write().await.unwrap();
    let before = world.primary().probes();
    let started = Instant::now();
    for _ in 0..100 {
        let reads = (0..100).map(|_| world.read());
        for served in futures_util::future::join_all(reads).await {
            assert_eq!(served.unwrap(), "primary");
        }
        sleep(Duration::from_millis(5)).await;
    }
    let samples = world.primary().probes() - before;
    let most = started.elapsed().as_millis() / 5 + 5;
    assert!(
        u128::from(samples) <= most,
        "{samples} samples in {:?}",
        started.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn shutdown_joins_every_task_even_in_the_middle_of_a_probe() {
    let world = world(3).await;
    for node in &world.nodes {
        node.set(|fake| fake.probes = Answer::Never);
    }
    sleep(Duration::from_secs(1)).await;
    let joined = timeout(Duration::from_secs(1), world.splitter.shut_down()).await;
    assert!(joined.is_ok());
}
