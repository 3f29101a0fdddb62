//! Nodes that fail, return, or all fail at once.

use std::sync::Arc;

use orm_split_core::Fault;
use parking_lot::Mutex;

use super::fake::{AT_ONCE, Answer};
use super::farm::Answers;
use super::load::{Policy, SECOND};
use super::run::Simulation;

const REFUSED: Answer = Answer::Fails(Fault::Unreachable);

#[rstest::rstest]
#[case::unreachable(Fault::Unreachable)]
#[case::shutting_down(Fault::ShuttingDown)]
#[case::timeout(Fault::Timeout)]
fn t5_a_replica_that_fails_fast_and_answers_probes_costs_no_error(#[case] fault: Fault) {
    for policy in Policy::ALL {
        let report = Simulation::of(policy, 4, 4_800.0)
            .answers(SECOND, 1..=1, Answers::Fails(fault), AT_ONCE)
            .run();
        let attempts = report.asked[1] as f64 / report.samples.len() as f64;
        println!(
            "T5, {fault:?}, {policy:?}: {} errors (0), {:.2} % of the reads tried it",
            report.failed(),
            attempts * 100.0
        );
        assert_eq!(report.failed(), 0);
        // a tenth of these were there before it failed
        assert!(attempts < 0.05, "{attempts}");
        assert_eq!(
            report.asked[0], 0,
            "the others took its reads, not the primary"
        );
    }
}

#[test]
fn t6_a_cold_replica_that_returns_is_ramped_not_flooded() {
    let (leaves, returns, warm) = (5 * SECOND, 8 * SECOND, 20 * SECOND);
    let peaks = Arc::new(Mutex::new(Vec::new()));
    let note = |peaks: &Arc<Mutex<Vec<usize>>>| {
        let peaks = Arc::clone(peaks);
        move |farm: &super::farm::Farm, _: &[super::fake::FakeNode]| {
            farm.change(1, |server| {
                peaks
                    .lock()
                    .push(std::mem::take(&mut server.most_in_flight))
            });
        }
    };
    let mut simulation = Simulation::of(Policy::Ours, 4, 8_000.0)
        .then(leaves, note(&peaks))
        .answers(leaves, 1..=1, Answers::Fails(Fault::Unreachable), REFUSED)
        .then(returns, note(&peaks))
        .answers(returns, 1..=1, Answers::Serves, AT_ONCE)
        // its caches are empty
        .slow(returns, 1, 4.0)
        .slow(returns + 8 * SECOND, 1, 1.0)
        .then(warm, note(&peaks));
    simulation.lasts = 25 * SECOND;
    let report = simulation.run();
    let share = |from: u64| report.share(1, from, from + SECOND / 2);
    let halves = |from: u64, to: u64| (from..to).step_by(SECOND as usize / 2);
    let first = halves(returns, warm).find(|at| share(*at) > 0.0).unwrap();
    let half = halves(first, warm).find(|at| share(*at) >= 0.125).unwrap();
    let seconds = (half - first) as f64 / SECOND as f64;
    let [steady, _, returning] = peaks.lock()[..] else {
        panic!("three notes")
    };
    println!(
        "T6: half its share {seconds} s after its first read (10), at most {returning} in flight, steady {steady} (x 2)"
    );
    assert_eq!(report.failed(), 0);
    assert!(share(first) < 0.1, "{}", share(first));
    assert!(seconds <= 10.0);
    assert!(returning <= 2 * steady, "{returning} {steady}");
}

#[rstest::rstest]
#[case::servers_are_gone(REFUSED, 1.1)]
// needs the budget of retries to reach 1.1
#[case::only_statements_fail(AT_ONCE, 1.1)]
fn t10_when_everything_fails_attempts_do_not_multiply(#[case] probes: Answer, #[case] most: f64) {
    let (fails, well) = (2 * SECOND, 8 * SECOND);
    let asked = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&asked);
    let report = Simulation::of(Policy::Ours, 4, 2_000.0)
        .then(fails, |farm, _| {
            for node in 0..=4 {
                farm.change(node, |server| server.asked = 0);
            }
        })
        .answers(fails, 0..=4, Answers::Fails(Fault::Unreachable), probes)
        .then(well, move |farm, _| {
            *counted.lock() = (0..=4)
                .map(|node| farm.see(node, |server| server.asked))
                .sum();
        })
        .answers(well, 0..=4, Answers::Serves, AT_ONCE)
        .run();
    let during = report.samples.iter();
    let requests = during
        .filter(|sample| (fails..well).contains(&sample.due))
        .count();
    let ratio = f64::from(*asked.lock() as u32) / requests as f64;
    println!(
        "T10, probes {probes:?}: {ratio:.3} attempts for each of {requests} requests ({most})"
    );
    assert!(report.failed() >= requests);
    assert!(ratio <= most, "{ratio}");
}
