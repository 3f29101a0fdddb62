//! One address, several servers, in virtual time: recognised, watched one by one, and never taken for each
//! other.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests fail them"
)]

mod fake;

use std::time::Duration;

use fake::{AT_ONCE, Answer, FakeServer, World};
use orm_split_core::{
    Asks, Consistency, Fault, HealthState, Hint, MemberStatus, NodeStatus, Options, SessionKey,
};
use tokio::time::sleep;

const ASKS: Hint = Hint::None;

/// One node that leads to two servers, recognised.
async fn pair(options: Options) -> (World, FakeServer, FakeServer) {
    let world = World::start(1, options).await;
    world.pool_connections();
    let first = world.replica(1).members().remove(0);
    let second = world.replica(1).join();
    recognised(&world, 2).await;
    (world, first, second)
}

fn status(world: &World) -> NodeStatus {
    world.splitter.status().nodes.remove(1)
}

fn members(world: &World) -> Vec<MemberStatus> {
    status(world).members
}

/// Waits until so many members are known, and how far behind they are.
async fn recognised(world: &World, count: usize) {
    for _ in 0..100_000 {
        let known = members(world).into_iter();
        if known.filter(|member| member.staleness.is_some()).count() == count {
            return;
        }
        sleep(Duration::from_millis(10)).await;
    }
    panic!("{:?}", status(world));
}

/// So many reads at once, which leave connections to both members behind.
async fn many(world: &World, reads: usize) -> Vec<u64> {
    let reads = (0..reads).map(|_| world.see("SELECT 1", Asks::from(ASKS)));
    let reads = futures_util::future::join_all(reads).await;
    reads.into_iter().map(|read| read.unwrap().1).collect()
}

/// What so many reads saw.
async fn seen(world: &World, asks: Asks, reads: usize) -> Vec<(String, u64)> {
    let mut seen = Vec::new();
    for _ in 0..reads {
        seen.push(world.see("SELECT 1", asks).await.unwrap());
    }
    seen
}

#[tokio::test(start_paused = true)]
async fn an_address_that_leads_to_two_servers_is_recognised_and_both_take_reads() {
    let (world, _, second) = pair(Options::default()).await;
    world.primary().set(|primary| primary.position = 300);
    world.replica(1).set(|first| first.position = 300);
    second.lock().position = 200;
    sleep(Duration::from_secs(2)).await;
    let mut positions = many(&world, 20).await;
    positions.sort_unstable();
    positions.dedup();
    assert_eq!(positions, [200, 300]);
    assert_eq!(world.primary().statements(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_member_is_asked_about_once_in_an_interval_and_none_for_ever() {
    let (world, ..) = pair(Options::default()).await;
    sleep(Duration::from_secs(20)).await;
    let before = world.replica(1).probes();
    sleep(Duration::from_secs(60)).await;
    let asked = world.replica(1).probes() - before;
    // two members once a second, and a search of two questions every five
    assert!(
        (120..=170).contains(&asked),
        "{asked} questions in a minute"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_reads_its_own_write_on_the_member_that_has_it_and_nowhere_else() {
    let (world, _, second) = pair(Options::default()).await;
    many(&world, 20).await;
    world.primary().set(|primary| primary.position = 300);
    let handle = SessionKey::made();
    let mut asks = Asks::from(ASKS);
    asks.session = Some(handle);
    world.run_as("UPDATE t SET a = 1", asks).await.unwrap();
    second.lock().position = 300;
    // whoever asks for it makes it be looked for
    seen(&world, asks, 1).await;
    sleep(Duration::from_millis(100)).await;
    let before = world.primary().statements();
    for (node, position) in seen(&world, asks, 50).await {
        assert_eq!((node.as_str(), position), ("replica-1", 300));
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(world.primary().statements(), before, "{:?}", status(&world));
}

#[tokio::test(start_paused = true)]
async fn a_session_that_has_read_on_one_member_does_not_read_older_data_on_the_other() {
    let (world, _, second) = pair(Options::default()).await;
    let mut asks = Asks::from(ASKS);
    asks.session = Some(SessionKey::made());
    let mut last = 0;
    for step in 1..200 {
        let newest = 100 + 10 * step;
        world.primary().set(|primary| primary.position = newest);
        // either is ahead in turn
        let (ahead, behind) = (world.replica(1).fake.clone(), second.clone());
        let (ahead, behind) = if step % 2 == 0 {
            (behind, ahead)
        } else {
            (ahead, behind)
        };
        ahead.lock().position = newest;
        behind.lock().position = newest - 5;
        for (_, position) in seen(&world, asks, 3).await {
            assert!(position >= last, "{position} after {last}");
            last = position;
        }
        sleep(Duration::from_millis(50)).await;
    }
    assert!(status(&world).served > 50, "{:?}", status(&world));
}

#[tokio::test(start_paused = true)]
async fn a_member_beyond_the_bound_takes_no_reads_and_the_other_takes_them() {
    let mut options = Options::default();
    options.max_staleness = Some(Duration::from_secs(4));
    let (world, _, second) = pair(options).await;
    many(&world, 20).await;
    for step in 1..=10 {
        world.primary().set(|primary| primary.position = 200 + step);
        world.replica(1).set(|first| first.position = 200 + step);
        sleep(Duration::from_secs(1)).await;
    }
    assert_eq!(second.lock().position, 100, "it replays nothing");
    for (node, position) in seen(&world, Asks::from(ASKS), 50).await {
        assert_eq!((node.as_str(), position), ("replica-1", 210));
    }
    let staleness: Vec<_> = members(&world)
        .iter()
        .filter_map(|member| member.staleness)
        .collect();
    assert!(
        staleness
            .iter()
            .any(|stale| *stale > Duration::from_secs(8))
    );
    assert!(
        staleness
            .iter()
            .any(|stale| *stale < Duration::from_secs(2))
    );
    assert!(status(&world).staleness < Some(Duration::from_secs(2)));
}

#[tokio::test(start_paused = true)]
async fn a_member_that_crashes_back_serves_nothing_older_and_the_other_goes_on() {
    let (world, _, second) = pair(Options::default()).await;
    world.primary().set(|primary| primary.position = 300);
    for server in world.replica(1).members() {
        server.lock().position = 300;
    }
    let mut asks = Asks::from(ASKS);
    asks.session = Some(SessionKey::made());
    world.run_as("UPDATE t SET a = 1", asks).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    seen(&world, asks, 10).await;
    world.replica(1).crash_one(&second, 120);
    for _ in 0..100 {
        let (_, position) = world.see("SELECT 1", asks).await.unwrap();
        assert_eq!(position, 300);
        sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(status(&world).health, HealthState::Up);
    recognised(&world, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_member_that_hangs_takes_neither_the_node_down_nor_reads_with_it() {
    let (world, _, second) = pair(Options::default()).await;
    many(&world, 20).await;
    {
        let mut hangs = second.lock();
        hangs.probes = Answer::Never;
        hangs.statements = Answer::Never;
        hangs.checkouts = Answer::Never;
    }
    let started = tokio::time::Instant::now();
    many(&world, 20).await;
    assert!(
        started.elapsed() < Duration::from_secs(10),
        "{:?}",
        started.elapsed()
    );
    assert!(
        started.elapsed() > Duration::from_millis(100),
        "none was sent there"
    );
    assert_eq!(status(&world).health, HealthState::Up);
    assert_eq!(members(&world).len(), 1);
    {
        let mut hangs = second.lock();
        hangs.probes = AT_ONCE;
        hangs.statements = AT_ONCE;
        hangs.checkouts = AT_ONCE;
    }
    recognised(&world, 2).await;
}

#[tokio::test(start_paused = true)]
async fn a_group_is_down_when_no_member_answers_and_up_with_the_first_that_does() {
    let (world, first, second) = pair(Options::default()).await;
    for server in [&first, &second] {
        server.lock().probes = Answer::Fails(Fault::Unreachable);
    }
    sleep(Duration::from_secs(6)).await;
    assert_eq!(status(&world).health, HealthState::Down);
    assert_eq!(world.read().await.unwrap(), "primary");
    first.lock().probes = AT_ONCE;
    sleep(Duration::from_secs(12)).await;
    let health = status(&world).health;
    assert!(
        matches!(health, HealthState::Ramping | HealthState::Up),
        "{health:?}"
    );
    assert_eq!(world.read().await.unwrap(), "replica-1");
}

#[tokio::test(start_paused = true)]
async fn backends_that_are_put_in_and_taken_out_are_followed() {
    let (world, first, second) = pair(Options::default()).await;
    let third = world.replica(1).join();
    recognised(&world, 3).await;
    world.replica(1).part(&second);
    // as when its container is removed
    second.lock().probes = Answer::Fails(Fault::Unreachable);
    sleep(Duration::from_secs(3)).await;
    assert_eq!(members(&world).len(), 2);
    world.replica(1).part(&first);
    world.replica(1).part(&third);
    let last = world.replica(1).join();
    for gone in [&first, &third] {
        gone.lock().probes = Answer::Fails(Fault::Unreachable);
    }
    world.primary().set(|primary| primary.position = 900);
    last.lock().position = 900;
    sleep(Duration::from_secs(10)).await;
    assert_eq!(members(&world).len(), 1);
    world.replica(1).lose_connection();
    assert_eq!(
        seen(&world, Asks::from(ASKS), 1).await,
        [("replica-1".to_owned(), 900)]
    );
}

#[tokio::test(start_paused = true)]
async fn a_member_that_only_statements_have_met_and_nobody_finds_again_is_forgotten() {
    let (world, _, second) = pair(Options::default()).await;
    // it is alive, but nothing leads there
    world.replica(1).part(&second);
    second.lock().probes = Answer::Fails(Fault::Unreachable);
    sleep(Duration::from_secs(90)).await;
    assert_eq!(members(&world).len(), 1);
    assert_eq!(status(&world).health, HealthState::Up);
}

#[tokio::test(start_paused = true)]
async fn a_replica_that_is_replaced_is_no_group_and_loses_what_was_known() {
    let world = World::start(1, Options::default()).await;
    world.pool_connections();
    let first = world.replica(1).members().remove(0);
    for _ in 0..5 {
        let generation = status(&world).generation;
        let next = world.replica(1).join();
        let replaced = world.replica(1).members().remove(0);
        world.replica(1).part(&replaced);
        replaced.lock().probes = Answer::Fails(Fault::Unreachable);
        world.replica(1).lose_connection();
        sleep(Duration::from_secs(10)).await;
        assert!(status(&world).generation > generation);
        assert!(members(&world).is_empty(), "{:?}", members(&world));
        assert_eq!(world.read().await.unwrap(), "replica-1");
        drop(next);
    }
    drop(first);
}

#[tokio::test(start_paused = true)]
async fn the_primary_behind_a_reader_address_is_left_out_and_the_replicas_serve() {
    let world = World::start(1, Options::default()).await;
    world.pool_connections();
    let primary = world.primary().members().remove(0);
    world.replica(1).lead_to(&primary);
    sleep(Duration::from_secs(30)).await;
    let refused = members(&world)
        .iter()
        .filter(|member| member.refusal.is_some())
        .count();
    assert_eq!(
        (members(&world).len(), refused),
        (2, 1),
        "{:?}",
        status(&world)
    );
    assert_eq!(status(&world).refusal, None);
    let on_replica = seen(&world, Asks::from(ASKS), 20).await;
    let on_replica = on_replica
        .iter()
        .filter(|(node, _)| node == "replica-1")
        .count();
    assert!(on_replica > 10, "{on_replica}");
}

#[tokio::test(start_paused = true)]
async fn more_servers_than_are_kept_in_mind_are_served_by_those_that_are() {
    let (world, ..) = pair(Options::default()).await;
    for _ in 0..30 {
        drop(world.replica(1).join());
    }
    sleep(Duration::from_secs(60)).await;
    assert_eq!(members(&world).len(), 16);
    for _ in 0..100 {
        assert_eq!(world.read().await.unwrap(), "replica-1");
    }
}

#[tokio::test(start_paused = true)]
async fn connections_are_not_opened_without_end_in_search_of_a_member_that_nothing_leads_to() {
    let (world, first, _) = pair(Options::default()).await;
    let mut asks = Asks::from(ASKS);
    asks.session = Some(SessionKey::made());
    // the first has everything, but connections lead to the second only
    world.replica(1).part(&first);
    world.replica(1).lose_connection();
    world.primary().set(|primary| primary.position = 300);
    first.lock().position = 300;
    world.run_as("UPDATE t SET a = 1", asks).await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let (before, started) = (world.replica(1).opened(), tokio::time::Instant::now());
    for _ in 0..1_000 {
        let (_, position) = world.see("SELECT 1", asks).await.unwrap();
        assert_eq!(position, 300);
        sleep(Duration::from_millis(1)).await;
    }
    let opened = world.replica(1).opened() - before;
    // twenty a second in the hope for the other member, and eight every five to find it again
    let seconds = started.elapsed().as_secs() + 1;
    assert!(opened < 25 * seconds, "{opened} connections in {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn without_consistency_what_was_written_is_missed_on_the_member_that_lacks_it() {
    let mut options = Options::default();
    options.consistency = Consistency::Eventual;
    let (world, _, second) = pair(options).await;
    world.primary().set(|primary| primary.position = 300);
    second.lock().position = 300;
    world.write().await.unwrap();
    sleep(Duration::from_millis(100)).await;
    let positions = many(&world, 20).await;
    assert!(
        positions.iter().any(|position| *position < 300),
        "the tests above prove nothing"
    );
}
