//! Futures dropped half-way, in virtual time, over nodes whose answers the tests set.

mod fake;

use std::time::Duration;

use fake::{Answer, World};
use orm_split_core::{Fault, Options};
use proptest::prelude::*;

/// Polls a read a number of times and then drops it, on nodes in all kinds of states.
async fn drop_after(polls: u32, replica: Answer, checkout: Answer, primary: Answer) {
    let world = World::start(2, Options::default()).await;
    world
        .replica(1)
        .set(|r| (r.statements, r.checkouts) = (replica, checkout));
    world
        .replica(2)
        .set(|r| (r.statements, r.checkouts) = (replica, checkout));
    world.primary().set(|p| p.statements = primary);
    for sql in ["SELECT 1", "UPDATE t SET a = 1"] {
        let mut left = polls;
        let mut run = std::pin::pin!(world.run(sql));
        std::future::poll_fn(|context| {
            if left == 0 || run.as_mut().poll(context).is_ready() {
                return std::task::Poll::Ready(());
            }
            left -= 1;
            std::task::Poll::Pending
        })
        .await;
        // dropped here
    }
    assert_eq!(world.in_flight(), 0);
    // nor on the primary, where reads are that no replica could take
    let in_use = world.splitter.status().fallback_in_use;
    assert!(matches!(in_use, None | Some(0)), "{in_use:?}");
    if world.primary().statements() > 0 && primary != fake::AT_ONCE {
        assert!(world.splitter.status().sessions > 0 || polls == 0);
    }
}

fn answers() -> impl Strategy<Value = Answer> {
    prop_oneof![
        Just(fake::AT_ONCE),
        (1_u64..3_000).prop_map(|ms| Answer::After(Duration::from_millis(ms))),
        Just(Answer::Fails(Fault::Unreachable)),
        Just(Answer::Fails(Fault::ReadOnly)),
        Just(Answer::Fails(Fault::Conflict)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]
    #[test]
    fn t12_a_future_dropped_at_any_await_leaves_nothing_in_flight_and_no_place_taken(
        polls in 0_u32..12,
        replica in answers(),
        checkout in answers(),
        primary in answers(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(drop_after(polls, replica, checkout, primary));
    }
}
