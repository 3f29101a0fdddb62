//! Counterexamples that chance finds late, written down.

use super::rules::Rule;
use super::system::Action::{self, *};

/// The one process, and the lane of its one session.
const P: usize = 0;
const L: usize = 0;

fn asked(question: Action) -> Vec<Action> {
    let slot = 0;
    vec![question, answers(slot), arrives(slot)]
}

fn answered(slot: usize) -> Vec<Action> {
    vec![answers(slot), arrives(slot)]
}

fn begun(statement: Action, pooled: Option<usize>) -> Vec<Action> {
    let checkout = Checkout {
        process: P,
        lane: L,
        pooled,
    };
    vec![statement, checkout]
}

fn ended() -> Vec<Action> {
    vec![
        Execute {
            process: P,
            lane: L,
        },
        Finish {
            process: P,
            lane: L,
        },
    ]
}

fn read(node: usize) -> Action {
    Read {
        process: P,
        lane: L,
        node,
    }
}

fn write() -> Action {
    Write {
        process: P,
        lane: L,
    }
}

fn ask(node: usize) -> Action {
    Ask { process: P, node }
}

fn probe(node: usize) -> Action {
    Probe { process: P, node }
}

/// The session reads the newest on the primary, the primary is sampled, and node 1 is read over the
/// connection that was opened last.
fn then_reads_the_primary_and_node_1() -> Vec<Action> {
    [
        begun(read(0), Some(0)),
        ended(),
        asked(ask(0)),
        begun(read(1), Some(1)),
        ended(),
    ]
    .concat()
}

/// The standby has replayed a commit and says so, but crashes before the answer arrives; a read connects.
fn an_answer_from_before_a_crash() -> Vec<Action> {
    let crash = Crash {
        server: 1,
        back: 1,
        entirely: false,
    };
    let until_crash = vec![
        Commit(0),
        Flush(0),
        ask(1),
        Replay(1),
        Answer {
            process: P,
            slot: 0,
        },
        crash,
    ];
    [until_crash, begun(read(1), None)].concat()
}

fn arrives(slot: usize) -> Action {
    Deliver { process: P, slot }
}

fn answers(slot: usize) -> Action {
    Answer { process: P, slot }
}

/// It arrives after that of a question that was sent later.
fn overtaken() -> Vec<Vec<Action>> {
    vec![
        an_answer_from_before_a_crash(),
        answered(1),
        ended(),
        vec![arrives(0)],
        then_reads_the_primary_and_node_1(),
    ]
}

/// It arrives before that of the new connection.
fn ambiguous() -> Vec<Vec<Action>> {
    vec![
        an_answer_from_before_a_crash(),
        vec![answers(1), arrives(0), arrives(1)],
        ended(),
        then_reads_the_primary_and_node_1(),
    ]
}

/// The prober still asks the server that was at the address before.
fn of_the_server_before() -> Vec<Vec<Action>> {
    let repoint = Repoint { node: 1, server: 2 };
    vec![
        vec![Commit(0), Flush(0), Replay(1), repoint],
        begun(read(1), None),
        vec![ask(1), answers(1)],
        answered(0),
        ended(),
        vec![arrives(1)],
        then_reads_the_primary_and_node_1(),
    ]
}

fn node_2_follows_node_1() -> Vec<Action> {
    let (server, upstream) = (2, 1);
    let follow = Follow { server, upstream };
    vec![follow, Replay(server), LearnTimeline(server)]
}

/// A read sees the new timeline before the primary's address does.
fn seen_too_early() -> Vec<Vec<Action>> {
    vec![
        vec![Promote(1), Commit(1), Commit(1), Flush(1)],
        node_2_follows_node_1(),
        begun(read(1), Some(0)),
        ended(),
        vec![Commit(0)],
        asked(ask(0)),
        vec![Repoint { node: 0, server: 1 }],
        asked(probe(0)),
        asked(probe(2)),
        begun(read(2), Some(0)),
        ended(),
    ]
}

/// The prober still asks the old primary.
fn of_the_primary_before() -> Vec<Vec<Action>> {
    vec![
        vec![Promote(1), Commit(1), Flush(1), Commit(0)],
        node_2_follows_node_1(),
        vec![Repoint { node: 0, server: 1 }],
        begun(write(), None),
        answered(0),
        ended(),
        asked(ask(0)),
        asked(probe(2)),
        begun(read(2), Some(0)),
        ended(),
    ]
}

/// Of two questions to the primary the one that was sent first is answered last.
fn out_of_order() -> Vec<Vec<Action>> {
    let (process, lane, session) = (P, L, 0);
    let token = vec![
        Export { process, session },
        Forget { process, session },
        BeginImport { process, session },
        EndImport { process, session },
    ];
    vec![
        vec![Commit(0), Flush(0), Replay(1)],
        asked(ask(1)),
        vec![ask(0)],
        begun(write(), None),
        answered(1),
        vec![Execute { process, lane }],
        answered(0),
        vec![Finish { process, lane }],
        asked(ask(0)),
        token,
        begun(read(1), Some(0)),
        ended(),
    ]
}

type Traced = (Rule, fn() -> Vec<Vec<Action>>);

const TRACES: [Traced; 6] = [
    (Rule::OvertakenAnswers, overtaken),
    (Rule::AmbiguousAsksAgain, ambiguous),
    (Rule::AnswersOfAGeneration, of_the_server_before),
    (Rule::EpochVoids, seen_too_early),
    (Rule::SamplesOfAGeneration, of_the_primary_before),
    (Rule::SamplesInOrder, out_of_order),
];

/// The trace that shows what a rule is for; `None` if random ones do.
pub(super) fn trace(rule: Rule) -> Option<Vec<Action>> {
    let (_, parts) = TRACES.iter().find(|(of, _)| *of == rule)?;
    Some(parts().concat())
}
