//! A promotion behind the primary's address, in virtual time: what sessions and tokens from before it may
//! expect, and what a replica may serve that still follows the old primary. On real servers:
//! `tests/tests/promotion.rs`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail them")]

mod fake;

use std::time::Duration;

use fake::{World, asks};
use orm_split_core::{
    Options, Refusal, Server, Session, SessionKey, TokenError, TokenKeys, TokenRefusal,
};
use tokio::time::{Instant, sleep};

const READ: &str = "SELECT 1";
const WRITE: &str = "UPDATE t SET a = 1";

/// Every connection is asked anew within this.
const NOTICED: Duration = Duration::from_secs(7);

async fn world(replicas: usize) -> World {
    let mut options = Options::default();
    options.token_keys = TokenKeys::new("a secret of at least thirty-two bytes").ok();
    let world = World::start(replicas, options).await;
    world.pool_connections();
    world
}

/// Writes in a session; the position of that.
async fn write(world: &World, session: SessionKey) -> u64 {
    world.primary().set(|primary| primary.position += 100);
    let (_, position) = world.see(WRITE, asks(session)).await.unwrap();
    position
}

/// The address leads to a server on the next timeline, which has come as far as `position`.
fn promote(world: &World, position: u64) {
    world.primary().set(|primary| {
        let before = primary.server;
        primary.server = Server::new(before.system, 99, before.timeline + 1, 6432);
    });
    world.primary().crash(position);
}

#[tokio::test(start_paused = true)]
async fn a_session_from_before_neither_hangs_nor_reads_what_follows_the_old_primary() {
    let world = world(1).await;
    let session = SessionKey::made();
    let written = write(&world, session).await;
    // the replica has it, and more than the new primary will have
    world
        .replica(1)
        .set(|replica| replica.position = written + 500);
    promote(&world, written - 50);
    let until = Instant::now() + NOTICED;
    while Instant::now() < until {
        let started = Instant::now();
        let read = world.see(READ, asks(session)).await;
        assert!(started.elapsed() < Duration::from_secs(2));
        let (node, _) = read.unwrap();
        assert_eq!(node, "primary");
        sleep(Duration::from_millis(50)).await;
    }
    let status = world.splitter.status();
    assert_eq!(status.nodes[1].refusal, Some(Refusal::OtherTimeline));
    let after = write(&world, session).await;
    assert!(
        after < written + 500,
        "the replica's position proves nothing"
    );
    let read = world.run_as(READ, asks(session)).await.unwrap();
    assert_eq!(read, "primary");

    // it is made anew from the new primary
    let timeline = world.primary().fake.lock().server.timeline;
    world.replica(1).set(|replica| {
        let before = replica.server;
        replica.server = Server::new(before.system, 100, timeline, before.port);
    });
    world.replica(1).crash(after - 10);
    sleep(NOTICED).await;
    let read = world.run_as(READ, asks(session)).await.unwrap();
    assert_eq!(read, "primary", "it lacks what the session has written");
    world.replica(1).set(|replica| replica.position = after);
    sleep(NOTICED).await;
    let read = world.run_as(READ, asks(session)).await.unwrap();
    assert_eq!(read, "replica-1");
}

#[tokio::test(start_paused = true)]
async fn a_token_from_before_is_refused_once_the_promotion_is_noticed_and_pins_nobody() {
    let world = world(1).await;
    let session = SessionKey::made();
    write(&world, session).await;
    let token = world.splitter.token([session]).await.unwrap();
    let taker = SessionKey::made();
    let taken = world.splitter.resume(taker, token.as_str()).await;
    assert_eq!(taken, Ok(()));

    promote(&world, 150);
    sleep(NOTICED).await;
    let taker = SessionKey::made();
    let started = Instant::now();
    let refused = world.splitter.resume(taker, token.as_str()).await;
    let other = TokenError::Refused(TokenRefusal::OtherTimeline);
    assert_eq!(refused, Err(other));
    assert_eq!(started.elapsed(), Duration::ZERO, "nobody was asked");
    assert_eq!(world.splitter.explain(READ, asks(taker)).reason.as_str(), {
        let nobody = SessionKey::made();
        world.splitter.explain(READ, asks(nobody)).reason.as_str()
    });

    write(&world, session).await;
    let token = world.splitter.token([session]).await.unwrap();
    let taken = world.splitter.resume(taker, token.as_str()).await;
    assert_eq!(taken, Ok(()), "it is of the new timeline");
}

/// Thousands of samples, of which the ring keeps some: a replica that stands still is not taken for fresher
/// by any that is dropped, and is known to have what it has.
#[tokio::test(start_paused = true)]
async fn a_replica_that_lags_by_more_samples_than_are_kept_serves_what_it_has_and_no_more() {
    let mut options = Options::default();
    options.max_staleness = None;
    let world = World::start(1, options).await;
    world.pool_connections();
    let early = SessionKey::made();
    let written = Session::new().scope(write(&world, early)).await;
    world.replica(1).set(|replica| replica.position = written);
    sleep(Duration::from_secs(2)).await;
    for second in 0..3_000 {
        world.primary().set(|primary| primary.position += 10);
        sleep(Duration::from_secs(1)).await;
        if second % 100 == 0 {
            let read = world.run_as(READ, asks(early)).await.unwrap();
            assert_eq!(read, "replica-1", "second {second}: it has that write");
            // a session of its own, or the task would have written this too
            let late = async {
                let late = SessionKey::made();
                write(&world, late).await;
                world.run_as(READ, asks(late)).await.unwrap()
            };
            let read = Session::new().scope(late).await;
            assert_eq!(read, "primary", "second {second}: it lacks this one");
        }
    }
}
