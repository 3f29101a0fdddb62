//! What the model shows.

use rstest::rstest;

use super::both::Both;
use super::by_hand;
use super::exhaustive::{Explored, Explorer};
use super::judge::Violation;
use super::mood::Trouble::{self, Crash, Failover, Follow, GiveUp, Repoint, Timeline, Token};
use super::protocol::Protocol;
use super::real::Real;
use super::rules::{Rule, Rules};
use super::smallest::Model;
use super::system::{Action, Scope, System};
use super::traces::{Ran, Trace, replay, search};

const ONE: Scope = Scope {
    standbys: 1,
    troubles: None,
    processes: 1,
    sessions: 1,
    lanes: 1,
    bound: None,
    unique_timelines: true,
};

const SMALL: Scope = Scope { standbys: 2, ..ONE };

/// Two processes.
const TWO: Scope = Scope {
    processes: 2,
    ..ONE
};

/// Two statements of one session at the same time.
const SHARED: Scope = Scope { lanes: 2, ..SMALL };

const LARGE: Scope = Scope {
    standbys: 2,
    processes: 2,
    sessions: 2,
    lanes: 1,
    troubles: None,
    bound: Some(30),
    unique_timelines: true,
};

fn show(trace: &Trace) -> String {
    let lines = trace.iter().map(|(action, ties)| match ties {
        true => format!("    {action:?} (in the same instant)"),
        false => format!("    {action:?}"),
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn unbroken<P: Protocol>(scope: Scope, protocol: &P, traces: u64) -> Ran {
    match search(scope, protocol, 1, traces, 300) {
        Ok(ran) => {
            println!("{ran:?}");
            ran
        }
        Err((trace, violation)) => panic!("{violation:?}\n{}", show(&trace)),
    }
}

#[rstest]
fn with_every_rule_no_random_trace_breaks_a_guarantee(
    #[values(ONE, SMALL, SHARED, LARGE)] scope: Scope,
) {
    unbroken(scope, &Model::new(Rules::ALL, scope), traces());
}

#[rstest]
fn the_code_that_is_shipped_breaks_none_either_and_decides_as_the_model_does(
    #[values(ONE, SMALL, SHARED, LARGE)] scope: Scope,
) {
    let ran = unbroken(scope, &Both::new(Rules::ALL, scope), traces());
    // in a long run one decision in some hundred thousand differs; that it is safe is judged above
    let differ = ran.looser + ran.stricter;
    assert!(
        differ <= ran.traces / 50_000,
        "the model says otherwise: {ran:?}"
    );
    unbroken(scope, &Real::new(scope).dropping_samples(), traces());
}

/// What can happen to a primary, a replica and one session.
fn small_actions() -> Vec<Action> {
    let (process, lane, server, node) = (0, 0, 1, 1);
    let mut actions = vec![
        Action::Write { process, lane },
        Action::Read {
            process,
            lane,
            node,
        },
        Action::Checkout {
            process,
            lane,
            pooled: None,
        },
        Action::Checkout {
            process,
            lane,
            pooled: Some(0),
        },
        Action::Execute { process, lane },
        Action::Finish { process, lane },
        Action::Flush(0),
        Action::Replay(server),
        Action::Crash {
            server,
            back: 1,
            entirely: false,
        },
        Action::Promote(server),
        Action::Repoint { node: 0, server },
        Action::Ask { process, node: 0 },
        Action::Ask { process, node },
        Action::Probe { process, node: 0 },
        Action::Probe { process, node },
    ];
    for slot in 0..2 {
        actions.push(Action::Answer { process, slot });
        actions.push(Action::Deliver { process, slot });
    }
    actions
}

/// All that can happen in so many steps once the session has written and the replica has it.
fn explore<P: Protocol>(protocol: &P, depth: u8) -> Result<Explored, (Vec<Action>, Violation)> {
    let (process, lane, slot, pooled) = (0, 0, 0, Some(0));
    let mut system = System::new(ONE, protocol);
    let settled = system.settle();
    settled.map_err(|violation| (Vec::new(), violation))?;
    let mut begin = vec![
        Action::Write { process, lane },
        Action::Checkout {
            process,
            lane,
            pooled,
        },
        Action::Execute { process, lane },
        Action::Finish { process, lane },
        Action::Flush(0),
        Action::Replay(1),
    ];
    for node in 0..2 {
        begin.push(Action::Ask { process, node });
        begin.push(Action::Answer { process, slot });
        begin.push(Action::Deliver { process, slot });
    }
    for action in begin {
        let happened = system.step(action, false);
        assert_eq!(happened, Ok(true), "{action:?}");
    }
    Explorer::run(&small_actions(), &system, depth)
}

/// Steps ahead, and random traces of each kind. More of both for a long run, see `docs/freshness.md`.
fn effort(variable: &str, usual: u64) -> u64 {
    let told = std::env::var(variable).ok();
    told.and_then(|told| told.parse().ok()).unwrap_or(usual)
}

fn traces() -> u64 {
    effort("MODEL_TRACES", 10_000)
}

fn depth() -> u8 {
    u8::try_from(effort("MODEL_DEPTH", 7)).unwrap_or(u8::MAX)
}

#[test]
fn no_order_of_events_in_a_small_scope_breaks_a_guarantee() {
    let explored = explore(&Model::new(Rules::ALL, ONE), depth()).unwrap();
    println!("the model, {} steps ahead: {explored:?}", depth());
    assert!(explored.states > 10_000, "{explored:?}");
}

#[test]
fn nor_does_the_code_that_is_shipped() {
    let explored = explore(&Real::new(ONE), depth()).unwrap();
    println!("the code, {} steps ahead: {explored:?}", depth());
    assert!(explored.states > 10_000, "{explored:?}");
}

#[rstest]
#[case(Rule::ConnectionsAreAsked, 5)]
#[case(Rule::StepBackVoids, 7)]
#[case(Rule::LookAgain, 7)]
fn the_same_search_finds_what_a_missing_rule_allows(#[case] rule: Rule, #[case] steps: u8) {
    let model = Model::new(Rules::without(rule), ONE);
    let found = (1..=steps).find_map(|depth| explore(&model, depth).err());
    let (trace, violation) = found.expect("it needs more steps");
    println!("without {rule:?}: {violation:?} after {trace:#?}");
    assert_eq!(trace.len(), usize::from(steps), "the shortest");
}

/// Which scope shows a rule's counterexample soonest.
const fn only(scope: Scope, troubles: &'static [Trouble]) -> Scope {
    Scope {
        troubles: Some(troubles),
        ..scope
    }
}

#[rstest]
#[case(Rule::StampedBeforeAsking, only(ONE, &[]))]
#[case(Rule::AtOrBelow, only(ONE, &[]))]
#[case(Rule::SamplesInOrder, only(ONE, &[Token]))]
#[case(Rule::StrictlyGreater, only(ONE, &[]))]
#[case(Rule::ConnectionsAreAsked, only(ONE, &[Crash]))]
#[case(Rule::OtherServerVoids, only(SMALL, &[Repoint]))]
#[case(Rule::StepBackVoids, only(ONE, &[Crash]))]
#[case(Rule::OldConnectionsClose, only(SMALL, &[Repoint]))]
#[case(Rule::AnswersOfAGeneration, only(SMALL, &[Repoint]))]
#[case(Rule::OvertakenAnswers, only(ONE, &[Crash]))]
#[case(Rule::AmbiguousAsksAgain, only(ONE, &[Crash]))]
#[case(Rule::LookAgain, only(ONE, &[Crash]))]
#[case(Rule::EpochVoids, only(SMALL, &[Failover, Follow, Timeline]))]
#[case(Rule::IdentifiedInEpoch, only(SMALL, &[Failover]))]
#[case(Rule::SameTimeline, only(SMALL, &[Failover]))]
#[case(Rule::SamplesOfAGeneration, only(SMALL, &[Failover, Follow, Timeline]))]
#[case(Rule::PrimaryWrites, only(ONE, &[Repoint]))]
#[case(Rule::TimelineNeverFalls, only(ONE, &[Failover, Repoint]))]
#[case(Rule::OldPrimaryCloses, only(ONE, &[Failover]))]
#[case(Rule::WritesCountAtOutcome, only(ONE, &[]))]
#[case(Rule::UnknownCounts, only(ONE, &[GiveUp]))]
#[case(Rule::ReadsCountAtAnswer, only(SMALL, &[]))]
#[case(Rule::OpenBeforeFirstRead, only(ONE, &[Crash]))]
#[case(Rule::PassedElsewhere, only(SHARED, &[]))]
#[case(Rule::TokenAfterFloor, only(ONE, &[Token]))]
#[case(Rule::TokenAtOrAbove, only(ONE, &[Token]))]
#[case(Rule::TokenOfTimeline, only(TWO, &[Failover, Token]))]
fn without_a_rule_a_trace_breaks_a_guarantee(#[case] rule: Rule, #[case] scope: Scope) {
    let without = Model::new(Rules::without(rule), scope);
    let found = match by_hand::trace(rule) {
        Some(actions) => {
            let trace: Trace = actions.into_iter().map(|action| (action, false)).collect();
            replay(scope, &without, &trace).map(|violation| (trace, violation))
        }
        None => search(scope, &without, 1, 100_000, 300).err(),
    };
    let (trace, violation) = found.expect("the rule is not needed");
    println!("without {rule:?}: {}\n{}", violation.0, show(&trace));
    let with_it = replay(scope, &Model::new(Rules::ALL, scope), &trace);
    assert_eq!(with_it, None, "another rule is missing");
    let shipped = replay(scope, &Real::new(scope), &trace);
    assert_eq!(shipped, None, "the code lacks this rule");
}

/// They keep evidence from standing still, which no trace can call unsafe.
#[rstest]
#[case(Rule::StepBackBegins)]
#[case(Rule::AnswersOfAnEpoch)]
fn two_rules_are_not_for_safety(#[case] rule: Rule) {
    let scope = only(SMALL, &[Crash, Failover, Repoint]);
    unbroken(scope, &Model::new(Rules::without(rule), scope), 5_000);
    let beside = unbroken(scope, &Both::new(Rules::without(rule), scope), 5_000);
    assert_ne!(
        (beside.stricter, beside.looser),
        (0, 0),
        "it changes nothing"
    );
}

/// What the protocol takes for granted: that two promotions never take the same timeline. PostgreSQL sees
/// to it as long as the promoted server can read the history files of the others.
#[test]
fn two_promotions_to_one_timeline_deceive_it() {
    let scope = Scope {
        unique_timelines: false,
        ..only(SMALL, &[Failover, Follow, Timeline])
    };
    let found = search(scope, &Model::new(Rules::ALL, scope), 1, 100_000, 300);
    let (trace, violation) = found.expect_err("it may be promised after all");
    println!("{}\n{}", violation.0, show(&trace));
}
