//! Tokens between two processes, which here are two splitters over the same nodes, in virtual time.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail them")]

mod fake;

use std::time::Duration;

use fake::{Answer, World, asks};
use futures_util::future::join_all;
use orm_split_core::{
    Fault, Options, Server, SessionKey, SessionToken, TokenError, TokenKeys, TokenRefusal,
};
use tokio::time::{Instant, sleep};

const READ: &str = "SELECT 1";

fn options() -> Options {
    let mut options = Options::default();
    options.token_keys = TokenKeys::new("a secret of at least thirty-two bytes").ok();
    options
}

/// Writes in a session of its own; the token of that.
async fn write(world: &World) -> SessionToken {
    let session = SessionKey::made();
    world.primary().set(|primary| primary.position += 100);
    let update = "UPDATE t SET a = 1";
    world.run_as(update, asks(session)).await.unwrap();
    world.splitter.token([session]).await.unwrap()
}

async fn resumed(world: &World, token: &SessionToken) -> Result<SessionKey, TokenError> {
    let session = SessionKey::made();
    world.splitter.resume(session, token.as_str()).await?;
    Ok(session)
}

fn refused(refusal: TokenRefusal) -> Result<SessionKey, TokenError> {
    Err(TokenError::Refused(refusal))
}

#[tokio::test(start_paused = true)]
async fn what_one_process_writes_another_reads_and_not_before_a_replica_has_it() {
    let writer = World::start(2, options()).await;
    let reader = writer.beside(options()).await;
    for world in [&writer, &reader] {
        world.pool_connections();
    }
    for _ in 0..20 {
        let token = write(&writer).await;
        let session = resumed(&reader, &token).await.unwrap();
        let served = reader.run_as(READ, asks(session)).await.unwrap();
        assert_eq!(served, "primary");
        let position = reader.primary().fake.lock().position;
        for number in [1, 2] {
            reader
                .replica(number)
                .set(|replica| replica.position = position);
        }
        sleep(Duration::from_millis(50)).await;
        let session = resumed(&reader, &token).await.unwrap();
        let served = reader.run_as(READ, asks(session)).await.unwrap();
        assert!(served.starts_with("replica"), "{served}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_passed_on_by_who_only_resumed_it_still_tells_of_the_write() {
    let writer = World::start(1, options()).await;
    let middle = writer.beside(options()).await;
    let reader = writer.beside(options()).await;
    let token = write(&writer).await;
    let session = resumed(&middle, &token).await.unwrap();
    let passed_on = middle.splitter.token([session]).await.unwrap();
    let session = resumed(&reader, &passed_on).await.unwrap();
    assert_eq!(reader.run_as(READ, asks(session)).await.unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn who_wrote_nothing_has_a_token_that_asks_for_nothing() {
    let world = World::start(1, options()).await;
    let before = world.primary().probes();
    let token = world.splitter.token([SessionKey::made()]).await.unwrap();
    let session = resumed(&world, &token).await.unwrap();
    assert_eq!(world.primary().probes(), before);
    assert_eq!(
        world.run_as(READ, asks(session)).await.unwrap(),
        "replica-1"
    );
}

#[tokio::test(start_paused = true)]
async fn tokens_of_other_histories_are_refused_and_pin_nobody() {
    let writer = World::start(1, options()).await;
    let token = write(&writer).await;
    // another cluster, a promotion, a primary that has not come so far
    type Change = fn(&mut fake::Fake);
    let worlds: [(Change, TokenRefusal); 3] = [
        (
            |fake| fake.server = Server::new(2, fake.server.started, 1, fake.server.port),
            TokenRefusal::OtherCluster,
        ),
        (
            |fake| fake.server = Server::new(1, fake.server.started, 2, fake.server.port),
            TokenRefusal::OtherTimeline,
        ),
        (|fake| fake.position = 90, TokenRefusal::AheadOfPrimary),
    ];
    for (change, refusal) in worlds {
        let reader = World::changed(1, options(), change).await;
        let started = Instant::now();
        assert_eq!(resumed(&reader, &token).await, refused(refusal));
        assert!(started.elapsed() < Duration::from_secs(2));
        let served = reader.read().await.unwrap();
        assert_eq!(served, "replica-1", "{refusal}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_tokens_cost_as_many_samples_as_one() {
    let world = World::start(1, options()).await;
    let session = SessionKey::made();
    world.primary().set(|primary| primary.position = 200);
    let update = "UPDATE t SET a = 1";
    world.run_as(update, asks(session)).await.unwrap();
    let before = world.primary().probes();
    let tokens = join_all((0..1_000).map(|_| world.splitter.token([session]))).await;
    assert!(tokens.iter().all(Result::is_ok));
    let probes = world.primary().probes() - before;
    assert!(probes <= 3, "{probes}");
    let again = world.splitter.token([session]).await;
    assert!(again.is_ok());
    assert_eq!(world.primary().probes() - before, probes, "known by now");
}

#[tokio::test(start_paused = true)]
async fn without_keys_or_a_primary_there_is_no_token_and_none_waits_long() {
    let world = World::start(1, Options::default()).await;
    let session = SessionKey::made();
    let without_keys = world.splitter.token([session]).await;
    assert_eq!(without_keys, Err(TokenError::NoKeys));

    let writer = World::start(1, options()).await;
    let token = write(&writer).await;
    let world = writer.beside(options()).await;
    world
        .primary()
        .set(|primary| primary.probes = Answer::Fails(Fault::Unreachable));
    world.primary().set(|primary| primary.position += 100);
    world.splitter.wrote(session);
    let started = Instant::now();
    let without_primary = world.splitter.token([session]).await;
    assert_eq!(without_primary, Err(TokenError::NoPosition));
    assert!(started.elapsed() <= Duration::from_secs(2));
    // a token still holds: nothing older than what is written by now
    let session = resumed(&world, &token).await.unwrap();
    let served = world.run_as(READ, asks(session)).await;
    assert_ne!(served, Ok("replica-1".to_owned()));
}
