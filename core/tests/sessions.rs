//! Sessions that are made, levels and bounds, in virtual time, over nodes whose answers the tests set.

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::{World, asks, concerned};
use orm_split_core::{Consistency, Options, ReadConcern, Session, SessionKey};
use tokio::time::sleep;

const READ: &str = "SELECT 1";

/// Two replicas, of which the first has replayed more than the second.
async fn uneven() -> World {
    let world = World::start(2, Options::default()).await;
    world.pool_connections();
    world.primary().set(|primary| primary.position = 300);
    world.replica(1).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(2)).await;
    world
}

/// For tests of what a read does that finds no replica at once.
fn without_waiting() -> Options {
    let mut options = Options::default();
    options.read_wait = Duration::ZERO;
    options
}

#[tokio::test(start_paused = true)]
async fn a_made_session_keeps_the_node_that_it_has_read() {
    for _ in 0..10 {
        let world = uneven().await;
        let session = SessionKey::made();
        let first = world.run_as(READ, asks(session)).await.unwrap();
        for _ in 0..20 {
            sleep(Duration::from_millis(30)).await;
            assert_eq!(world.run_as(READ, asks(session)).await.unwrap(), first);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_session_reads_take_turns() {
    let world = uneven().await;
    let mut served = std::collections::HashSet::new();
    for _ in 0..50 {
        served.insert(world.read().await.unwrap());
    }
    assert_eq!(served.len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_session_leaves_its_node_only_for_one_that_has_what_it_read() {
    let world = uneven().await;
    let session = SessionKey::made();
    let first = world.run_as(READ, asks(session)).await.unwrap();
    let (own, other) = match first.as_str() {
        "replica-1" => (1, 2),
        _ => (2, 1),
    };
    world.replica(own).set(|replica| {
        replica.statements = fake::Answer::Fails(orm_split_core::Fault::Unreachable)
    });
    assert_eq!(world.run_as(READ, asks(session)).await.unwrap(), "primary");
    // now it has read the primary's newest state
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.run_as(READ, asks(session)).await.unwrap(), "primary");
    world.replica(other).set(|replica| replica.position = 300);
    sleep(Duration::from_secs(2)).await;
    let last = world.run_as(READ, asks(session)).await.unwrap();
    assert_eq!(last, format!("replica-{other}"));
}

#[tokio::test(start_paused = true)]
async fn a_connection_opened_after_the_first_read_does_not_count_as_the_same_server() {
    let world = uneven().await;
    let session = SessionKey::made();
    let first = world.run_as(READ, asks(session)).await.unwrap();
    let own = if first == "replica-1" { 1 } else { 2 };
    let before = world.replica(own).statements();
    sleep(Duration::from_millis(10)).await;
    // only its pooled connection is lost; nobody saw the server go back
    world.replica(own).lose_connection();
    let second = world.run_as(READ, asks(session)).await.unwrap();
    assert_eq!(second, "primary");
    assert_eq!(world.replica(own).statements(), before);
}

#[tokio::test(start_paused = true)]
async fn what_a_scope_writes_is_read_by_the_tasks_that_carry_it() {
    let world = Arc::new(World::start(1, Options::default()).await);
    let session = Session::new();
    let writer = Arc::clone(&world);
    #[expect(clippy::disallowed_methods, reason = "another task is the point")]
    let written = tokio::spawn(session.clone().scope(async move {
        writer.primary().set(|primary| primary.position = 200);
        writer.write().await.map(drop)
    }));
    written.await.unwrap().unwrap();
    assert_eq!(session.scope(world.read()).await.unwrap(), "primary");
    assert_eq!(world.read().await.unwrap(), "replica-1", "another session");
}

#[tokio::test(start_paused = true)]
async fn strong_reads_run_on_the_primary_and_eventual_ones_miss_what_was_written() {
    let world = uneven().await;
    let strong = world.run_as(READ, concerned(Consistency::Strong)).await;
    assert_eq!(strong.unwrap(), "primary");
    assert_eq!(world.count("strong"), 1);
    world.write().await.unwrap();
    assert_eq!(world.read().await.unwrap(), "primary");
    let eventual = world.run_as(READ, concerned(Consistency::Eventual)).await;
    assert!(eventual.unwrap().starts_with("replica"));
}

#[tokio::test(start_paused = true)]
async fn what_a_scope_has_tightened_is_loosened_only_inside_it() {
    let world = uneven().await;
    let outside = concerned(Consistency::Eventual);
    let strict = Session::new().with(Consistency::Strong);
    let read_in_scope = async {
        let kept = world.run_as(READ, outside).await.unwrap();
        let inside = concerned(Consistency::Eventual);
        let loosened = world.run_as(READ, inside).await.unwrap();
        let nested = Session::current().scope(world.read()).await.unwrap();
        (kept, loosened, nested)
    };
    let (kept, loosened, nested) = strict.scope(read_in_scope).await;
    assert_eq!(kept, "primary");
    assert!(loosened.starts_with("replica"), "{loosened}");
    assert_eq!(nested, "primary");
}

#[tokio::test(start_paused = true)]
async fn a_bound_of_one_read_excludes_replicas_beyond_it_and_quickens_the_sampling() {
    let world = World::start(1, without_waiting()).await;
    world.pool_connections();
    sleep(Duration::from_millis(500)).await;
    let tight = || concerned(ReadConcern::new().max_staleness(Duration::from_millis(50)));
    assert_eq!(world.run_as(READ, tight()).await.unwrap(), "primary");
    assert_eq!(world.count("too_stale"), 1);
    sleep(Duration::from_millis(50)).await;
    assert_eq!(world.run_as(READ, tight()).await.unwrap(), "replica-1");
    // a replica that lags for good is too stale however fast it is sampled
    world.primary().set(|primary| primary.position = 900);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(world.run_as(READ, tight()).await.unwrap(), "primary");
    assert_eq!(world.read().await.unwrap(), "replica-1");
}

#[tokio::test(start_paused = true)]
async fn a_listing_stays_on_the_primary_for_as_long_as_asked() {
    let world = World::start(1, without_waiting()).await;
    world.pool_connections();
    let session = SessionKey::made();
    world
        .run_as("UPDATE t SET a = 1", asks(session))
        .await
        .unwrap();
    world.splitter.stays(session, Duration::from_secs(10));
    for _ in 0..9 {
        assert_eq!(world.run_as(READ, asks(session)).await.unwrap(), "primary");
        sleep(Duration::from_secs(1)).await;
    }
    assert!(world.count("stays") > 5);
    sleep(Duration::from_secs(2)).await;
    assert_eq!(
        world.run_as(READ, asks(session)).await.unwrap(),
        "replica-1"
    );
}

#[tokio::test(start_paused = true)]
async fn what_sessions_have_read_is_forgotten_once_every_replica_has_it() {
    let world = World::start(2, Options::default()).await;
    world.pool_connections();
    for _ in 0..100 {
        world.run_as(READ, asks(SessionKey::made())).await.unwrap();
    }
    assert_eq!(world.splitter.status().sessions, 100);
    sleep(Duration::from_secs(4)).await;
    assert_eq!(world.splitter.status().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_made_is_remembered_as_long_as_somebody_can_run_in_it() {
    let world = World::start(1, Options::default()).await;
    world.pool_connections();
    // what is read can be forgotten only by the session's end: the replica stays behind
    world.primary().set(|primary| primary.position = 900);
    let session = Session::new();
    session.clone().scope(world.read()).await.unwrap();
    session.clone().scope(world.write()).await.unwrap();
    sleep(Duration::from_secs(5)).await;
    assert_eq!(world.splitter.status().sessions, 1);
    assert_eq!(
        session.clone().scope(world.read()).await.unwrap(),
        "primary"
    );
    drop(session);
    assert_eq!(world.splitter.status().sessions, 0);
}

#[tokio::test(start_paused = true)]
async fn a_session_that_had_to_read_from_the_primary_returns_once_a_replica_has_what_it_read() {
    let mut options = Options::default();
    options.read_wait = Duration::ZERO;
    let world = World::start(1, options).await;
    let session = asks(SessionKey::made());
    world.primary().set(|primary| primary.position = 200);
    world.run_as("UPDATE t SET a = 1", session).await.unwrap();
    let pause = Duration::from_millis(17);
    for _ in 0..3 {
        assert_eq!(world.run_as(READ, session).await.unwrap(), "primary");
        sleep(pause).await;
    }
    world.replica(1).set(|replica| replica.position = 200);
    // each of its reads on the primary asks for more than what was sampled for the one before
    let mut on_primary = 0;
    while world.run_as(READ, session).await.unwrap() == "primary" {
        on_primary += 1;
        assert!(on_primary < 3, "it is never let go");
        sleep(pause).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_transaction_that_outlives_its_replicas_crash_lets_nobody_read_what_is_older() {
    let mut options = without_waiting();
    options.max_staleness = None;
    let world = World::start(1, options).await;
    world.pool_connections();
    let node = &Arc::clone(&world.splitter.topology().nodes()[1]);
    let connected = world.splitter.trusted_connection(node);
    world.replica(1).crash(50);
    sleep(Duration::from_secs(2)).await;
    // somebody else's read leaves a connection to the server as it is now
    assert_eq!(
        world.run_as(READ, concerned(Consistency::Eventual)).await,
        Ok("replica-1".to_owned())
    );
    sleep(Duration::from_millis(10)).await;
    let session = SessionKey::made();
    let splitter = &world.splitter;
    // a statement of a transaction that was begun before, over a connection that had seen more
    drop(splitter.reads_in_transaction(node, Some(connected), Some(session)));
    assert_eq!(world.run_as(READ, asks(session)).await.unwrap(), "primary");
}
