//! Where reads go, and what that does to the slowest of them.
//!
//! The load leaves the replicas that are well, or all of them, 50 to 60 % busy, by statements whose times are
//! exponentially distributed, the worst that is common: less load or less noise gives better figures.

use super::load::{Policy, SECOND, Work};
use super::report::Report;
use super::run::Simulation;

/// Runs the same load under each policy.
fn compare(what: &str, simulation: impl Fn(Policy) -> Simulation) -> [Report; 4] {
    Policy::ALL.map(|policy| {
        let report = simulation(policy).run();
        println!(
            "{what}, {policy:?}: p99 {:.2} ms, largest share {:.3} of fair, {} statements",
            report.p99(),
            report.unfairness(),
            report.samples.len()
        );
        report
    })
}

#[rstest::rstest]
#[case::one_process(1)]
#[case::sixteen_processes(16)]
fn t1_on_healthy_replicas_the_policy_is_as_good_as_least_in_flight_and_fair(
    #[case] processes: usize,
) {
    let what = format!("T1, {processes} processes");
    let [ours, least, _, _] = compare(&what, |policy| Simulation {
        processes,
        ..Simulation::of(policy, 4, 8_000.0)
    });
    let ratio = ours.p99() / least.p99();
    println!("{what}: p99 {ratio:.3} of least-in-flight (1.02)");
    assert!(ratio <= 1.02, "{ratio}");
    assert!(ours.unfairness() <= 1.1, "{}", ours.unfairness());
}

#[test]
fn t2_one_slow_replica_of_four_is_hardly_noticed() {
    let rate = 6_400.0;
    let healthy = Simulation::of(Policy::Ours, 4, rate).run();
    let [ours, ..] = compare("T2, 1 of 4 slow", |policy| {
        Simulation::of(policy, 4, rate).slow(0, 1, 10.0)
    });
    let ratio = ours.p99() / healthy.p99();
    let share = ours.share(1, SECOND, u64::MAX);
    println!(
        "T2: p99 {ratio:.3} of healthy (1.1), {:.2} % on the slow one (1 %)",
        share * 100.0
    );
    assert!(ratio <= 1.1, "{ratio}");
    assert!(share <= 0.01, "{share}");
}

#[rstest::rstest]
#[case::two_of_four(2, 4, 4_800.0)]
#[case::two_of_three(2, 3, 2_400.0)]
#[case::one_of_two(1, 2, 2_400.0)]
fn t3_half_or_more_of_the_replicas_slow(#[case] slow: usize, #[case] of: usize, #[case] rate: f64) {
    let healthy = Simulation::of(Policy::Ours, of, rate).run();
    let what = format!("T3, {slow} of {of} slow");
    let [ours, _, _, p2c] = compare(&what, |policy| {
        Simulation::of(policy, of, rate).slow(0, slow, 10.0)
    });
    let ratio = ours.p99() / healthy.p99();
    let ratio_p2c = p2c.p99() / healthy.p99();
    println!("{what}: p99 {ratio:.3} of healthy (1.5), p2c {ratio_p2c:.3}");
    assert!(ratio <= 1.5, "{ratio}");
    assert!(slow == 1 || ratio_p2c > 1.5, "{ratio_p2c}");
}

#[test]
fn t4_long_statements_do_not_mark_replicas_slow_for_short_ones() {
    let [ours, least, ..] = compare("T4, mixed", |policy| Simulation {
        work: Work::Mixed,
        ..Simulation::of(policy, 4, 6_400.0)
    });
    let ratio = ours.p99() / least.p99();
    println!("T4: p99 of short ones {ratio:.3} of least-in-flight (1.1)");
    assert!(ratio <= 1.1, "{ratio}");
}

#[test]
fn the_penalty_of_a_replica_that_was_slow_does_not_outlive_the_fault() {
    let (slow_at, well_at) = (SECOND, 21 * SECOND);
    let mut simulation = Simulation::of(Policy::Ours, 4, 4_800.0);
    simulation.lasts = 40 * SECOND;
    let report = simulation
        .slow(slow_at, 1, 10.0)
        .slow(well_at, 1, 1.0)
        .run();
    assert!(report.share(1, 11 * SECOND, well_at) < 0.01);
    let share = |second| {
        report.share(
            1,
            well_at + second * SECOND,
            well_at + (second + 1) * SECOND,
        )
    };
    let back = (0..15).find(|second| share(*second) >= 0.125);
    println!("dark replica: half its share again in second {back:?} after the fault (5)");
    assert!(back.is_some_and(|second| second < 5), "{back:?}");
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let run = |seed| {
        let mut simulation = Simulation::of(Policy::Ours, 4, 4_800.0).slow(SECOND, 2, 10.0);
        (simulation.lasts, simulation.seed) = (3 * SECOND, seed);
        simulation.run().samples
    };
    assert!(run(7) == run(7));
    assert!(run(7) != run(8));
}
