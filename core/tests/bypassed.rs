//! Writes that bypass the library, told to a session: one that was made, a scope, a task. In a program of its
//! own, since every splitter of the process is told.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail them")]

mod fake;

use std::sync::Arc;
use std::time::Duration;

use fake::World;
use orm_split_core::{Consistency, Options, Session};
use tokio::time::sleep;

/// A database whose replica lacks what is written to it from now on.
async fn behind(options: Options) -> Arc<World> {
    let world = World::start(1, options).await;
    world.pool_connections();
    world.primary().set(|primary| primary.position = 200);
    Arc::new(world)
}

async fn catch_up(world: &World) {
    world.replica(1).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(3)).await;
}

#[tokio::test(start_paused = true)]
async fn a_session_that_was_told_of_a_write_misses_it_in_no_database() {
    let worlds = [
        behind(Options::default()).await,
        behind(Options::default()).await,
    ];
    let session = Session::new();
    session.wrote();
    for world in &worlds {
        assert_eq!(world.read().await.unwrap(), "replica-1", "another session");
        let read = session.clone().scope(world.read());
        assert_eq!(read.await.unwrap(), "primary");
        catch_up(world).await;
        let read = session.clone().scope(world.read());
        assert_eq!(read.await.unwrap(), "replica-1");
    }
}

#[tokio::test(start_paused = true)]
async fn within_a_scope_and_in_a_task_without_one_the_current_session_is_told() {
    let world = behind(Options::default()).await;
    let scoped = async {
        assert_eq!(world.read().await.unwrap(), "replica-1");
        Session::current().wrote();
        world.read().await.unwrap()
    };
    assert_eq!(Session::new().scope(scoped).await, "primary");
    let of_task = Arc::clone(&world);
    #[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
    let task = tokio::spawn(async move {
        assert_eq!(of_task.read().await.unwrap(), "replica-1");
        Session::current().wrote();
        of_task.read().await.unwrap()
    });
    assert_eq!(task.await.unwrap(), "primary");
    assert_eq!(world.read().await.unwrap(), "replica-1");
}

#[tokio::test(start_paused = true)]
async fn with_one_floor_for_the_process_everybody_sees_it() {
    let mut options = Options::default();
    options.consistency = Consistency::Process;
    let world = behind(options).await;
    Session::new().wrote();
    assert_eq!(world.read().await.unwrap(), "primary");
}

#[tokio::test(start_paused = true)]
async fn what_was_told_is_forgotten_with_the_session_or_once_the_replicas_have_it() {
    let world = behind(Options::default()).await;
    let told = |session: &Session| {
        session.wrote();
        session.wrote();
    };
    let session = Session::new();
    told(&session);
    let key = session.key();
    let read = world.run_as("SELECT 1", fake::asks(key)).await;
    assert_eq!(read.unwrap(), "primary");
    drop(session);
    let read = world.run_as("SELECT 1", fake::asks(key)).await;
    assert_eq!(read.unwrap(), "replica-1", "nothing is left of it");
    for _ in 0..100 {
        Session::new().wrote();
    }
    let held: Vec<_> = (0..100).map(|_| Session::new()).collect();
    held.iter().for_each(told);
    assert!(world.splitter.status().sessions >= 100);
    catch_up(&world).await;
    assert!(world.splitter.status().sessions < 100);
}

#[tokio::test(start_paused = true)]
async fn a_splitter_that_is_gone_is_not_kept_for_it() {
    let world = behind(Options::default()).await;
    let session = Session::new();
    session.wrote();
    let splitter = Arc::downgrade(&world.splitter);
    world.splitter.shut_down().await;
    drop(world);
    assert!(splitter.upgrade().is_none());
    session.wrote();
    let other = behind(Options::default()).await;
    session.wrote();
    assert_eq!(session.scope(other.read()).await.unwrap(), "primary");
}
