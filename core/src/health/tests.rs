//! The state machine by cases, and against a model.

use proptest::prelude::*;

use super::*;
use HealthEvent::{OpeningFailed, ProbeFailed, ProbeSucceeded, StatementFailed};

/// A node, told what happens to it at which second.
struct Told {
    health: Health,
    seen: Seen,
}

impl Told {
    fn up() -> Self {
        let seen = Seen {
            now: Moment(1),
            successes: 0,
            may_eject: true,
            jitter: 0.0,
        };
        let mut told = Self {
            health: Health::of(Role::Replica),
            seen,
        };
        told.then(ProbeSucceeded);
        told
    }

    fn then(&mut self, event: HealthEvent) -> HealthState {
        self.health.step(event, &self.seen)
    }

    /// A statement fails over a connection that was opened just now.
    fn fails(&mut self, fault: Fault) -> HealthState {
        let since = self.seen.now;
        self.then(StatementFailed { fault, since })
    }

    fn after(&mut self, seconds: f64) -> &mut Self {
        self.seen.now = self.seen.now.after(Duration::from_secs_f64(seconds));
        self
    }

    fn goes_down(&mut self) {
        while self.then(ProbeFailed(Fault::Unreachable)) != HealthState::Down {}
    }

    /// How long it is not probed.
    fn pause(&self) -> Duration {
        let next = self.health.next_probe();
        let NextProbe::NotBefore(at) = next else {
            panic!("{next:?}");
        };
        at.since(self.seen.now)
    }
}

#[test]
fn a_hard_error_keeps_reads_away_until_a_probe_has_settled_it() {
    let mut node = Told::up();
    assert_eq!(node.fails(Fault::Unreachable), HealthState::Suspect);
    assert_eq!(node.health.admission(), Admission::No);
    assert_eq!(node.health.next_probe(), NextProbe::Soon);
    assert_eq!(node.then(ProbeSucceeded), HealthState::Up);
    assert_eq!(node.health.admission(), Admission::Yes);
}

#[test]
fn a_refused_probe_is_sent_once_more_at_once() {
    let mut node = Told::up();
    assert_eq!(
        node.then(ProbeFailed(Fault::Unreachable)),
        HealthState::Suspect
    );
    assert_eq!(node.health.next_probe(), NextProbe::Now);
    assert_eq!(
        node.then(ProbeFailed(Fault::Unreachable)),
        HealthState::Down
    );
}

#[test]
fn two_silent_probes_are_no_outage_but_three_in_a_row_are() {
    let silent = ProbeFailed(Fault::Timeout);
    let mut node = Told::up();
    for _ in 0..2 {
        assert_eq!(node.then(silent), HealthState::Suspect);
        assert_eq!(node.health.admission(), Admission::Reluctantly);
    }
    assert_eq!(node.then(ProbeSucceeded), HealthState::Up);
    node.then(silent);
    node.then(silent);
    assert_eq!(node.then(silent), HealthState::Down);
}

#[test]
fn a_node_that_never_answered_is_down_not_unknown() {
    let mut node = Told::up();
    node.health = Health::of(Role::Replica);
    assert_eq!(node.then(ProbeFailed(Fault::Timeout)), HealthState::Down);
}

#[test]
fn a_thousand_syntax_errors_leave_a_node_up() {
    let mut node = Told::up();
    for _ in 0..1_000 {
        assert_eq!(node.fails(Fault::Query), HealthState::Up);
    }
}

#[test]
fn connections_that_die_at_once_are_one_event() {
    let mut node = Told::up();
    let opened = node.seen.now;
    node.after(5.0);
    for _ in 0..32 {
        let state = node.then(StatementFailed {
            fault: Fault::Unreachable,
            since: opened,
        });
        assert_eq!(state, HealthState::Suspect);
    }
    assert_eq!(node.health.failed_statements, 1);
}

#[test]
fn statements_that_time_out_together_are_one_event() {
    let mut node = Told::up();
    let began = node.seen.now;
    for _ in 0..50 {
        let fault = Fault::Timeout;
        let since = began;
        let state = node.after(0.001).then(StatementFailed { fault, since });
        assert_eq!(state, HealthState::Suspect);
    }
    assert_eq!(node.health.failed_statements, 1);
}

#[test]
fn five_statements_in_a_row_that_find_it_unreachable_eject_a_node_that_answers_probes() {
    let mut node = Told::up();
    for _ in 0..4 {
        assert_eq!(
            node.after(0.3).fails(Fault::Unreachable),
            HealthState::Suspect
        );
        assert_eq!(node.then(ProbeSucceeded), HealthState::Up);
    }
    assert_eq!(
        node.after(0.3).fails(Fault::Unreachable),
        HealthState::Ejected
    );
}

#[test]
fn a_success_in_between_ends_the_row() {
    let mut node = Told::up();
    for round in 0..18 {
        node.seen.successes = round * 10;
        assert_eq!(node.after(0.3).fails(Fault::Timeout), HealthState::Suspect);
    }
}

#[test]
fn more_than_a_fifth_of_failures_within_ten_seconds_eject_a_node() {
    let mut node = Told::up();
    // 3 of 4 succeed: 15 of 20 statements are the first that count
    for round in 1..=4 {
        node.seen.successes = round * 3;
        assert_eq!(node.after(1.0).fails(Fault::Timeout), HealthState::Suspect);
    }
    node.seen.successes = 15;
    assert_eq!(node.after(1.0).fails(Fault::Timeout), HealthState::Ejected);
}

#[test]
fn failures_that_lie_back_more_than_ten_seconds_are_forgotten() {
    let mut node = Told::up();
    for round in 1..=4 {
        node.seen.successes = round * 2;
        node.after(1.0).fails(Fault::Timeout);
    }
    node.after(9.0).then(ProbeSucceeded);
    node.seen.successes = 50;
    node.after(9.0).then(ProbeSucceeded);
    assert_eq!(node.fails(Fault::Timeout), HealthState::Suspect);
}

#[test]
fn the_last_replica_is_never_ejected_but_goes_down() {
    let mut node = Told::up();
    node.seen.may_eject = false;
    for _ in 0..100 {
        assert_eq!(
            node.after(0.3).fails(Fault::Unreachable),
            HealthState::Suspect
        );
        assert_eq!(node.then(ProbeSucceeded), HealthState::Up);
    }
    node.goes_down();
}

#[test]
fn a_node_that_is_down_comes_back_by_two_good_probes_and_a_ramp() {
    let mut node = Told::up();
    node.goes_down();
    assert_eq!(node.after(1.0).then(ProbeSucceeded), HealthState::Probation);
    assert_eq!(node.health.admission(), Admission::No);
    assert_eq!(node.then(ProbeSucceeded), HealthState::Ramping);
    let since = node.seen.now;
    assert_eq!(node.health.admission(), Admission::Ramping(since));
    assert_eq!(node.after(9.9).then(ProbeSucceeded), HealthState::Ramping);
    assert_eq!(node.after(0.2).then(ProbeSucceeded), HealthState::Up);
}

#[test]
fn a_suspicion_does_not_cut_the_ramp_short() {
    let mut node = Told::up();
    node.goes_down();
    node.after(1.0).then(ProbeSucceeded);
    node.then(ProbeSucceeded);
    assert_eq!(
        node.after(2.0).fails(Fault::Unreachable),
        HealthState::Suspect
    );
    assert_eq!(node.then(ProbeSucceeded), HealthState::Ramping);
}

#[test]
fn probation_ends_with_the_first_probe_that_fails() {
    let mut node = Told::up();
    node.goes_down();
    node.after(1.0).then(ProbeSucceeded);
    assert_eq!(node.then(ProbeFailed(Fault::Timeout)), HealthState::Down);
    assert_eq!(node.pause(), Duration::from_secs(2));
}

#[test]
fn an_ejected_node_stays_away_for_its_pause_although_it_answers() {
    let mut node = Told::up();
    for _ in 0..5 {
        node.after(0.3).fails(Fault::Timeout);
    }
    assert_eq!(node.after(0.9).then(ProbeSucceeded), HealthState::Ejected);
    assert_eq!(node.after(0.2).then(ProbeSucceeded), HealthState::Probation);
}

#[test]
fn the_pause_doubles_to_half_a_minute_and_shrinks_only_after_a_healthy_time() {
    let mut node = Told::up();
    let mut pauses = Vec::new();
    for _ in 0..7 {
        node.goes_down();
        pauses.push(node.pause().as_secs());
    }
    assert_eq!(pauses, [1, 2, 4, 8, 16, 30, 30]);
    let comes_back = |node: &mut Told| {
        node.after(30.0).then(ProbeSucceeded);
        node.then(ProbeSucceeded);
        node.after(10.0).then(ProbeSucceeded);
    };
    comes_back(&mut node);
    node.after(59.0).goes_down();
    assert_eq!(node.pause().as_secs(), 30);
    comes_back(&mut node);
    node.after(60.0).goes_down();
    assert_eq!(node.pause().as_secs(), 16);
}

#[test]
fn the_pause_is_left_to_chance_by_a_fifth() {
    for (jitter, millis) in [(-1.0, 800), (1.0, 1_200)] {
        let mut node = Told::up();
        node.seen.jitter = jitter;
        node.goes_down();
        assert_eq!(node.pause().as_millis(), millis);
    }
}

#[test]
fn the_primary_is_up_as_soon_as_it_answers_and_never_probed_less_than_once_a_second() {
    let mut node = Told::up();
    node.health = Health::of(Role::Primary);
    node.then(ProbeSucceeded);
    for _ in 0..5 {
        node.goes_down();
        assert_eq!(node.pause(), Duration::from_secs(1));
    }
    assert_eq!(node.then(ProbeSucceeded), HealthState::Up);
}

#[test]
fn what_could_not_be_opened_makes_suspect_and_counts_for_nothing() {
    let mut node = Told::up();
    for _ in 0..100 {
        assert_eq!(
            node.then(OpeningFailed(Fault::Unreachable)),
            HealthState::Suspect
        );
    }
    assert_eq!(node.then(ProbeSucceeded), HealthState::Up);
}

/// What the machine must do, as far as that can be said from the events alone: how often in a row each of
/// the things has happened that make a node leave or come back.
#[derive(Debug, Default)]
struct Model {
    away: bool,
    silent: u32,
    refused: u32,
    failed: u32,
    good: u32,
}

impl Model {
    fn step(&mut self, event: HealthEvent) {
        match event {
            ProbeSucceeded => {
                self.good = if self.away { self.good + 1 } else { 0 };
                (self.silent, self.refused) = (0, 0);
                if self.good == 2 {
                    *self = Self::default();
                }
            }
            ProbeFailed(Fault::Timeout) => (self.silent, self.good) = (self.silent + 1, 0),
            ProbeFailed(_) => (self.refused, self.good) = (self.refused + 1, 0),
            StatementFailed { .. } if !self.away => self.failed += 1,
            StatementFailed { .. } | OpeningFailed(_) => {}
        }
        if self.silent == 3 || self.refused == 2 || self.failed == 5 {
            *self = Self {
                away: true,
                ..Self::default()
            };
        }
    }
}

fn events() -> impl Strategy<Value = HealthEvent> {
    let since = Moment(u64::MAX);
    prop_oneof![
        3 => Just(ProbeSucceeded),
        2 => Just(ProbeFailed(Fault::Timeout)),
        1 => Just(ProbeFailed(Fault::Unreachable)),
        2 => Just(StatementFailed { fault: Fault::Timeout, since }),
        1 => Just(StatementFailed { fault: Fault::Unreachable, since }),
        1 => Just(OpeningFailed(Fault::Unreachable)),
    ]
}

proptest! {
    #[test]
    fn it_leaves_and_comes_back_when_the_model_does(events in proptest::collection::vec(events(), 0..60)) {
        let mut node = Told::up();
        let mut model = Model::default();
        for event in events {
            // longer than any pause: a probe is always due
            node.after(40.0).then(event);
            model.step(event);
            let away = !matches!(
                node.health.state,
                HealthState::Up | HealthState::Suspect | HealthState::Ramping
            );
            prop_assert_eq!(away, model.away, "{:?} {:?}", event, node.health);
            prop_assert!(!away || node.health.admission() == Admission::No);
        }
    }
}
