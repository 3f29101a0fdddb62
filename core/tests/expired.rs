//! Statements that run for too long, in virtual time, over nodes whose answers the tests set.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::wildcard_enum_match_arm,
    reason = "a statement that ends as it must not fails the test"
)]

mod fake;

use std::time::Duration;

use fake::{Answer, FakeError, World};
use orm_split_core::{Fault, Options, Phase, SplitError};
use tokio::time::Instant;

const SECOND: Duration = Duration::from_secs(1);

/// Statements take as long as is said, on the primary and on replicas; 3 s are allowed there, and 2 s here.
async fn world(primary: Duration, replicas: Duration) -> World {
    let mut options = Options::default();
    options.primary_statement_timeout = Some(3 * SECOND);
    options.replica_statement_timeout = Some(2 * SECOND);
    let world = World::start(2, options).await;
    world
        .primary()
        .set(|fake| fake.statements = Answer::After(primary));
    for number in [1, 2] {
        let replica = world.replica(number);
        replica.set(|fake| fake.statements = Answer::After(replicas));
    }
    world
}

fn ours(result: Result<String, FakeError>) -> SplitError {
    match result {
        Err(FakeError::Ours(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_too_long_on_replicas_runs_elsewhere_and_blames_nobody() {
    let world = world(SECOND, 10 * SECOND).await;
    let began = Instant::now();
    assert_eq!(world.read().await.unwrap(), "primary");
    assert_eq!(
        began.elapsed(),
        5 * SECOND,
        "two replicas, then the primary"
    );
    let status = world.splitter.status();
    assert!(status.nodes.iter().all(|node| node.in_flight == 0));
    for node in status.nodes {
        assert!(node.last_error.is_none(), "{node:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_read_that_takes_too_long_everywhere_says_where_and_after_what_time() {
    let world = world(10 * SECOND, 10 * SECOND).await;
    let error = ours(world.read().await);
    assert!(error.is_timeout() && error.is_retryable(), "{error}");
    let places: Vec<_> = error
        .attempts()
        .iter()
        .map(|at| (at.phase, at.fault))
        .collect();
    assert_eq!(places, [(Phase::Execute, Fault::Expired); 3]);
    let told = error.to_string();
    assert!(
        told.contains("no result within 2s, the statement time-out on a replica"),
        "{told}"
    );
    assert!(
        told.contains("primary failed: no result within 3s"),
        "{told}"
    );
}

#[tokio::test(start_paused = true)]
async fn of_a_write_that_takes_too_long_nobody_knows_the_outcome() {
    let world = world(10 * SECOND, SECOND).await;
    let sent = world.primary().statements();
    let error = ours(world.write().await);
    assert!(error.is_timeout() && !error.is_retryable(), "{error}");
    assert_eq!(world.primary().statements(), sent + 1, "sent twice");
    let route = world
        .splitter
        .explain("SELECT 1", orm_split_core::Hint::None);
    assert_eq!(
        route.node.as_ref(),
        "primary",
        "its session is not marked: {route:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_is_in_time_is_left_alone_and_without_a_limit_everything_is() {
    let world = world(2 * SECOND, SECOND).await;
    assert!(world.write().await.is_ok());
    let unlimited = World::start(1, Options::default()).await;
    let slow = Answer::After(3600 * SECOND);
    unlimited.primary().set(|fake| fake.statements = slow);
    assert!(unlimited.write().await.is_ok());
}
