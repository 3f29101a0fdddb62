//! The price of a decision.

mod fake;

use fake::World;
use orm_split_core::{Hint, Options, Role};

#[rstest::rstest]
#[case(4)]
#[case(16)]
#[tokio::test]
async fn classifying_and_routing_a_statement_allocates_nothing(#[case] replicas: usize) {
    let sql = include_str!("select_200.sql").trim();
    let world = World::start(replicas, Options::default()).await;
    for _ in 0..2 {
        // the second time with a floor to look up
        let allocated = allocation_counter::measure(|| {
            for _ in 0..100 {
                let route = world.splitter.explain(sql, Hint::None);
                assert!(matches!(route.role, Role::Replica | Role::Primary));
            }
        });
        assert_eq!(allocated.count_total, 0, "{allocated:?}");
        world.write().await.unwrap();
    }
}
