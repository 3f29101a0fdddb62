//! What a connection of an earlier generation is worth: nothing, also where its node is fresher by now.

use crate::clock::Moment;
use crate::freshness::Evidence;
use crate::node::Node;
use crate::node_id::NodeId;
use crate::role::Role;

fn shown(generation: u64, as_of: u64) -> Evidence {
    Evidence {
        fresh_as_of: Some(Moment(as_of)),
        stale_as_of: Some(Moment(as_of)),
        generation,
        ..Evidence::NOTHING
    }
}

#[test]
fn evidence_about_the_server_of_now_is_none_about_that_of_an_earlier_connection() {
    let node = Node::new(NodeId(1), "replica".into(), Role::Replica);
    node.publish(&shown(1, 10));
    let view = node.view_over(1, Moment(20)).unwrap();
    assert_eq!((view.generation, view.fresh_as_of), (1, Moment(10)));
    node.publish(&shown(2, 15));
    assert_eq!(node.view_over(1, Moment(20)), None);
    assert_eq!(node.view_over(3, Moment(20)), None);
    let view = node.view_over(2, Moment(20)).unwrap();
    assert_eq!((view.generation, view.fresh_as_of), (2, Moment(15)));
}
