//! The memory for statements that a replica refused as writes: bounded, the oldest first out, shown.

mod fake;

use fake::{Answer, World};
use orm_split_core::{Consistency, Fault, Options};

/// How many statements are remembered.
const BOUND: u32 = 1_024;

/// A replica that refuses everything as a write.
async fn refusing() -> World {
    let mut options = Options::default();
    // each refusal counts as a write, which would keep the session's reads on the primary
    options.consistency = Consistency::Eventual;
    let world = World::start(1, options).await;
    let refuse = |replica: &mut fake::Fake| replica.statements = Answer::Fails(Fault::ReadOnly);
    world.replica(1).set(refuse);
    world
}

/// Whether the replica was asked before the statement ran on the primary.
async fn was_tried_on_the_replica(world: &World, view: u32) -> bool {
    let before = world.replica(1).statements();
    let ran = world.run(&format!("SELECT a FROM view_{view}")).await;
    assert_eq!(ran.as_deref(), Ok("primary"));
    world.replica(1).statements() > before
}

#[tokio::test(start_paused = true)]
async fn the_memory_is_bounded_and_forgets_the_oldest_and_the_status_shows_it() {
    let world = refusing().await;
    for view in 0..BOUND {
        assert!(was_tried_on_the_replica(&world, view).await);
    }
    let seen = |world: &World| {
        let counted = (world.count("refused"), world.count("misrouted"));
        (world.splitter.status().misroutes, counted)
    };
    assert_eq!(seen(&world), (BOUND as usize, (BOUND.into(), 0)));
    // all are remembered
    for view in 0..BOUND {
        assert!(!was_tried_on_the_replica(&world, view).await, "{view}");
    }
    assert_eq!(seen(&world).1, (BOUND.into(), BOUND.into()));
    // one more, and the first is forgotten; then the second
    assert!(was_tried_on_the_replica(&world, BOUND).await);
    assert!(was_tried_on_the_replica(&world, 0).await);
    assert!(!was_tried_on_the_replica(&world, BOUND).await);
    assert!(was_tried_on_the_replica(&world, 1).await);
    assert_eq!(seen(&world).0, BOUND as usize);
}
