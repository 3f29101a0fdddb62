//! Modes and the share of reads, in virtual time, over nodes whose answers the tests set.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail them")]

mod fake;

use std::collections::HashSet;
use std::time::Duration;

use fake::{Answer, World, asks, concerned};
use orm_split_core::{Asks, Consistency, Hint, Mode, Options, Session, SessionKey};
use rstest::rstest;
use tokio::time::sleep;

const READ: &str = "SELECT 1";
const ALL: [Mode; 3] = [Mode::Automatic, Mode::OptIn, Mode::Shadow];

async fn world(mode: Mode) -> World {
    let mut options = Options::default();
    options.mode = mode;
    options.comment_hints = true;
    // whether a wait is in vain shadow mode cannot know
    options.read_wait = Duration::ZERO;
    let world = World::start(2, options).await;
    world.pool_connections();
    world
}

async fn reads(world: &World, asks: impl Into<Asks>) -> String {
    world.run_as(READ, asks.into()).await.unwrap()
}

#[tokio::test(start_paused = true)]
async fn opted_in_are_a_handle_a_scope_a_query_and_a_comment_and_nobody_else() {
    let world = world(Mode::OptIn).await;
    assert_eq!(reads(&world, Hint::None).await, "primary");
    assert_eq!(world.count("opt_in"), 1);
    let asked = Session::new().with(Hint::Replica);
    let comment = world.run("/* orm_split: replica */ SELECT 1");
    for node in [
        reads(&world, Hint::Replica).await,
        reads(&world, concerned(Hint::Replica)).await,
        asked.scope(reads(&world, Hint::None)).await,
        comment.await.unwrap(),
    ] {
        assert!(node.starts_with("replica"), "{node}");
    }
    let begun = world.begin_read_only(Hint::None).await.unwrap();
    assert_eq!(begun, "primary", "to declare it is not to ask");
    let begun = world.begin_read_only(Hint::Replica).await.unwrap();
    assert!(begun.starts_with("replica"), "{begun}");
    assert_eq!((world.count("opt_in"), world.count("read")), (2, 5));
}

#[tokio::test(start_paused = true)]
async fn a_scope_that_is_kept_on_the_primary_is_loosened_only_inside_it() {
    let world = world(Mode::Automatic).await;
    let outside = concerned(Hint::Replica);
    let scope = Session::new().with(Hint::Primary);
    let in_scope = async {
        let kept = [
            reads(&world, Hint::None).await,
            reads(&world, Hint::Replica).await,
            reads(&world, outside).await,
        ];
        (kept, reads(&world, concerned(Hint::None)).await)
    };
    let (kept, inside) = scope.scope(in_scope).await;
    assert_eq!(kept, ["primary"; 3]);
    assert_eq!(world.count("hint"), 3);
    // its session has just read the primary's newest state: the replicas first have to show it
    assert!(inside == "primary" && world.count("floor_not_met") == 1);
}

#[rstest]
#[tokio::test(start_paused = true)]
async fn nothing_but_a_read_leaves_the_primary_whatever_is_asked(
    #[values(
        "UPDATE t SET a = 1",
        "SELECT 1 FOR UPDATE",
        "SELECT f(1)",
        "SET a = 1"
    )]
    sql: &str,
) {
    for mode in ALL {
        let world = world(mode).await;
        let ran = world.run_as(sql, Asks::from(Hint::Replica)).await.unwrap();
        assert_eq!((ran.as_str(), world.count("statement")), ("primary", 1));
    }
}

#[tokio::test(start_paused = true)]
async fn who_asks_for_replicas_still_reads_what_it_wrote() {
    let world = world(Mode::OptIn).await;
    world.primary().set(|primary| primary.position = 200);
    world.write().await.unwrap();
    for _ in 0..10 {
        assert_eq!(reads(&world, Hint::Replica).await, "primary");
        sleep(Duration::from_millis(200)).await;
    }
    assert_eq!(world.count("floor_not_met"), 10);
    world.replica(2).set(|replica| replica.position = 200);
    sleep(Duration::from_secs(1)).await;
    assert_eq!(reads(&world, Hint::Replica).await, "replica-2");
}

#[tokio::test(start_paused = true)]
async fn a_session_draws_once_and_its_reads_do_not_go_back_and_forth() {
    let world = world(Mode::Automatic).await;
    world.splitter.set_read_share(30).unwrap();
    let mut within = 0;
    for _ in 0..400 {
        let session = asks(SessionKey::made());
        let mut roles = HashSet::new();
        for _ in 0..4 {
            roles.insert(reads(&world, session).await == "primary");
        }
        assert_eq!(roles.len(), 1);
        within += u32::from(roles.contains(&false));
    }
    assert!((80..=160).contains(&within), "{within} of 400");
    assert_eq!(world.count("share"), u64::from(400 - within) * 4);
    let asked = reads(&world, Hint::Replica).await;
    assert!(
        asked.starts_with("replica"),
        "the share is of those that ask for nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn the_handles_of_one_scope_draw_together_and_so_do_the_tasks_of_one_handle() {
    let world = world(Mode::Automatic).await;
    world.splitter.set_read_share(50).unwrap();
    let reason = |asks: Asks| world.splitter.explain(READ, asks).reason;
    for _ in 0..50 {
        let in_scope = async { (0..10).map(|_| reason(asks(SessionKey::made()))).collect() };
        let alike: HashSet<_> = Session::new().scope(in_scope).await;
        assert_eq!(alike.len(), 1);
        let handle = asks(SessionKey::made());
        let here = reason(handle);
        let there = std::thread::scope(|scope| scope.spawn(|| reason(handle)).join());
        assert_eq!(there.unwrap(), here);
    }
}

#[tokio::test(start_paused = true)]
async fn in_shadow_mode_no_statement_touches_a_replica_and_each_is_judged() {
    let world = world(Mode::Shadow).await;
    for _ in 0..20 {
        assert_eq!(reads(&world, Hint::Replica).await, "primary");
    }
    assert_eq!(reads(&world, Hint::Primary).await, "primary");
    assert_eq!(world.begin_read_only(Hint::None).await.unwrap(), "primary");
    world.write().await.unwrap();
    let checkouts = |number| {
        let asked = &world.replica(number).asked;
        asked.checkouts.load(std::sync::atomic::Ordering::Relaxed)
    };
    assert_eq!((checkouts(1), checkouts(2)), (0, 0));
    let counted = ["shadow", "hint", "statement", "read"].map(|reason| world.count(reason));
    assert_eq!(counted, [21, 1, 1, 0]);
    let shadow = world.splitter.status().shadow;
    let would = ["read", "hint", "statement", "shadow"].map(|reason| shadow.reasons[reason]);
    assert_eq!(would, [21, 1, 1, 0]);
    assert_eq!((shadow.statements, shadow.on_replicas()), (23, 21));
    assert_eq!(shadow.nodes[0].would_serve, 2);
}

#[tokio::test(start_paused = true)]
async fn in_shadow_mode_the_share_does_not_count_and_explain_says_what_would_happen() {
    let world = world(Mode::Shadow).await;
    world.splitter.set_read_share(0).unwrap();
    let route = world.splitter.explain(READ, Hint::None);
    let would = route.would.unwrap();
    assert_eq!(
        (route.reason.as_str(), would.reason.as_str()),
        ("shadow", "read")
    );
    assert!(would.node.starts_with("replica"));
    assert_eq!(world.splitter.status().shadow.statements, 0, "nothing ran");
    world.splitter.set_mode(Mode::Automatic);
    let route = world.splitter.explain(READ, Hint::None);
    assert_eq!((route.reason.as_str(), route.would), ("share", None));
}

/// One user's day: reads in a session, and now and then a write that the replicas get after 30 ms.
async fn day(world: &World) {
    for round in 1..=20_u64 {
        let session = asks(SessionKey::made());
        let position = 100 + round * 10;
        world.primary().set(|primary| primary.position = position);
        let write = world.run_as("UPDATE t SET a = 1", session);
        write.await.unwrap();
        for step in 0..40 {
            if step == 3 {
                (1..=2).for_each(|n| world.replica(n).set(|replica| replica.position = position));
            }
            reads(world, session).await;
            // longer than nodes are apart in their sampling
            sleep(Duration::from_millis(17)).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_shadow_mode_says_would_happen_is_what_happens() {
    let automatic = world(Mode::Automatic).await;
    day(&automatic).await;
    let happened = ["read", "floor_not_met"].map(|reason| automatic.count(reason));
    let shadowed = world(Mode::Shadow).await;
    day(&shadowed).await;
    let shadow = shadowed.splitter.status().shadow;
    let would = ["read", "floor_not_met"].map(|reason| shadow.reasons[reason]);
    assert!(
        happened[0] > happened[1] && happened[1] > 60,
        "{happened:?}"
    );
    let off = happened[0].abs_diff(would[0]);
    assert!(off * 50 <= happened[0], "{happened:?}, judged {would:?}");
    for node in &shadow.nodes[1..] {
        assert!(node.below_floor >= would[1], "{node:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn hazards_are_reads_after_a_write_of_their_session_that_a_replica_might_have_missed() {
    let world = world(Mode::Shadow).await;
    let seen = || {
        let shadow = world.splitter.status().shadow;
        (shadow.reads_after_write, shadow.hazards)
    };
    let session = asks(SessionKey::made());
    world.primary().set(|primary| primary.position = 200);
    let write = async || world.run_as("UPDATE t SET a = 1", session).await.unwrap();
    write().await;
    assert_eq!(seen(), (0, 0));
    reads(&world, session).await;
    assert_eq!(seen(), (1, 1));
    Session::new().scope(reads(&world, Hint::None)).await;
    assert_eq!(seen(), (1, 1), "another session");
    let mut primary = session;
    primary.hint = Hint::Primary;
    reads(&world, primary).await;
    primary = session;
    primary.concern = Consistency::Strong.into();
    reads(&world, primary).await;
    assert_eq!(seen(), (1, 1), "the application asks for the primary");
    sleep(Duration::from_secs(9)).await;
    reads(&world, session).await;
    assert_eq!(
        seen(),
        (2, 2),
        "a replica that lags is a hazard for as long as the window lasts"
    );
    sleep(Duration::from_secs(2)).await;
    reads(&world, session).await;
    assert_eq!(seen(), (2, 2), "beyond the window");
    (1..=2).for_each(|n| world.replica(n).set(|replica| replica.position = 200));
    sleep(Duration::from_secs(2)).await;
    write().await;
    // nobody has waited for it, yet by now it is known that the replicas had it
    sleep(Duration::from_millis(30)).await;
    reads(&world, session).await;
    let (after_write, hazards) = seen();
    assert_eq!(hazards, 2);
    assert!(
        after_write <= 3,
        "sessions whose write all replicas have may be forgotten"
    );
}

#[tokio::test(start_paused = true)]
async fn back_from_shadow_mode_a_session_reads_nothing_older_than_it_read_in_it() {
    let world = world(Mode::Shadow).await;
    let session = asks(SessionKey::made());
    world.primary().set(|primary| primary.position = 200);
    let (node, newest) = world.see(READ, session).await.unwrap();
    assert_eq!((node.as_str(), newest), ("primary", 200));
    world.splitter.set_mode(Mode::Automatic);
    for _ in 0..20 {
        let (_, seen) = world.see(READ, session).await.unwrap();
        assert_eq!(seen, 200);
        sleep(Duration::from_millis(100)).await;
    }
    let (_, seen) = world.see(READ, asks(SessionKey::made())).await.unwrap();
    assert_eq!(seen, 100, "the replicas do lag");
}

#[tokio::test(start_paused = true)]
async fn a_switch_holds_from_the_next_statement_on_and_what_is_under_way_ends_where_it_is() {
    let world = world(Mode::Automatic).await;
    for number in 1..=2 {
        let slow = Answer::After(Duration::from_millis(100));
        world
            .replica(number)
            .set(|replica| replica.statements = slow);
    }
    let under_way = reads(&world, Hint::None);
    let switched = async {
        sleep(Duration::from_millis(50)).await;
        world.splitter.set_mode(Mode::Shadow);
        reads(&world, Hint::None).await
    };
    let (before, after) = tokio::join!(under_way, switched);
    assert!(before.starts_with("replica"), "{before}");
    assert_eq!(after, "primary");
    let status = world.splitter.status();
    assert_eq!((status.mode, status.read_share), (Mode::Shadow, 100));
}

#[tokio::test]
async fn a_share_of_more_than_all_is_refused_and_changes_nothing() {
    let world = world(Mode::Automatic).await;
    let refused = world.splitter.set_read_share(101).unwrap_err();
    assert_eq!(refused.field, "read_share");
    assert_eq!(world.splitter.read_share(), 100);
}

#[tokio::test(start_paused = true)]
async fn what_shadow_mode_has_seen_is_serialisable_and_bounded() {
    let world = world(Mode::Shadow).await;
    world.primary().set(|primary| primary.position = 200);
    world.write().await.unwrap();
    for number in 0..2_000 {
        let sql = format!("SELECT a{number} FROM t");
        world.run(&sql).await.unwrap();
    }
    let shadow = world.splitter.status().shadow;
    assert_eq!(shadow.hazards, 2_000);
    let json = serde_json::to_value(&shadow).unwrap();
    assert_eq!(json["reasons"]["floor_not_met"], 2_000);
    assert_eq!(json["nodes"].as_array().unwrap().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_in_shadow_mode_but_it_says_who_would() {
    let mut options = Options::default();
    options.mode = Mode::Shadow;
    let world = World::start(1, options).await;
    let session = asks(SessionKey::made());
    world.run_as("UPDATE t SET a = 1", session).await.unwrap();
    let before = tokio::time::Instant::now();
    reads(&world, session).await;
    assert_eq!(before.elapsed(), Duration::ZERO);
    let shadow = world.splitter.status().shadow;
    assert_eq!((shadow.reasons["floor_not_met"], shadow.would_wait), (1, 1));
    world.splitter.set_mode(Mode::Automatic);
    assert_eq!(reads(&world, session).await, "replica-1");
    assert!(before.elapsed() > Duration::ZERO, "the control");
    assert_eq!(world.splitter.status().reads_that_waited, 1);
}
