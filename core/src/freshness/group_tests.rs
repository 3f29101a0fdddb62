//! The rules of the protocol for an address that leads to several servers, one test each.

use super::tests::{World, at, primary, standby};
use super::*;

impl World {
    /// Primary at 100, and nobody known behind the replica's address.
    fn new() -> Self {
        let mut world = Self {
            state: Freshness::new(1),
            now: 0,
        };
        let now = world.tick();
        world.state.primary_opened(now, &primary(1, 1, 100), now);
        world
    }

    /// The same, with two standbys at 100; also the generations of connections to them.
    fn pair() -> (Self, u64, u64) {
        let mut world = Self::new();
        world.accepted(&standby(2, 100));
        let second = world.accepted(&standby(3, 100));
        let first = world.accepted(&standby(2, 100));
        (world, first, second)
    }

    fn ask_over(&mut self, generation: u64) -> Asked {
        let now = self.tick();
        self.state.ask(0, Some(generation), now).unwrap()
    }

    fn opened(&mut self, asked: Asked, identity: &Identity) -> Verdict {
        let now = self.tick();
        self.state.replica_opened(0, asked, identity, now)
    }

    fn accepted(&mut self, identity: &Identity) -> u64 {
        match self.open(identity) {
            Verdict::Accepted { generation } => generation,
            verdict @ (Verdict::Ambiguous | Verdict::Refused(_)) => panic!("{verdict:?}"),
        }
    }

    fn show_over(&mut self, generation: u64, position: u64) -> Verdict {
        let asked = self.ask_over(generation);
        let now = self.tick();
        self.state.replica_showed(0, asked, at(position), now)
    }

    /// What is known of the server that connections of `generation` lead to.
    fn of(&self, generation: u64) -> Option<Evidence> {
        let members = self.state.group(0)?;
        members.into_iter().find(|one| one.generation == generation)
    }

    fn fresh_over(&self, generation: u64) -> Option<Moment> {
        self.of(generation).and_then(|member| member.fresh_as_of)
    }

    fn is_group(&self) -> bool {
        self.state.group(0).is_some()
    }
}

#[test]
fn a_server_that_answers_again_after_another_did_shows_that_both_are_there() {
    let mut world = World::new();
    let first = world.accepted(&standby(2, 100));
    let second = world.accepted(&standby(3, 100));
    assert!(!world.is_group(), "it may have been replaced");
    assert_eq!(world.show_over(first, 100), Verdict::Ambiguous);
    let again = world.accepted(&standby(2, 100));
    assert!(world.is_group());
    assert!(again != first && again != second);
    assert!(world.of(first).is_none(), "what was void stays void");
    assert!(world.fresh_over(again).is_some() && world.fresh_over(second).is_some());
}

#[test]
fn servers_that_replace_each_other_are_no_group_however_often_they_do() {
    let mut world = World::new();
    for started in 2..50 {
        let generation = world.accepted(&standby(started, 100));
        assert!(!world.is_group());
        assert_eq!(world.state.evidence(0).unwrap().generation, generation);
        // a crash under the same start time
        world.accepted(&standby(started, 90));
        assert!(!world.is_group());
    }
}

#[test]
fn a_late_reply_of_a_server_that_was_replaced_is_no_proof_that_it_runs() {
    let mut world = World::new();
    world.accepted(&standby(2, 100));
    let asked_before = world.ask();
    world.accepted(&standby(3, 100));
    let verdict = world.opened(asked_before, &standby(2, 100));
    assert_eq!(verdict, Verdict::Ambiguous);
    assert!(!world.is_group());
}

#[test]
fn copies_of_one_machine_that_started_in_the_same_microsecond_are_told_apart_by_their_addresses() {
    let mut world = World::new();
    let on = |host: &str| standby(2, 100).on_host(host.parse().ok());
    world.accepted(&on("10.0.0.1"));
    let second = world.accepted(&on("10.0.0.2"));
    let first = world.accepted(&on("10.0.0.1"));
    assert!(world.is_group());
    world.sample(200);
    world.show_over(first, 200);
    assert!(world.fresh_over(first) > world.fresh_over(second));
}

#[test]
fn what_one_member_shows_proves_nothing_of_the_other() {
    let (mut world, first, second) = World::pair();
    let before = world.fresh_over(second);
    let sampled = world.sample(200);
    world.show_over(first, 200);
    assert_eq!(world.fresh_over(first), Some(sampled));
    assert_eq!(world.fresh_over(second), before);
    let best = world.state.evidence(0).unwrap();
    assert_eq!(best.fresh_as_of, Some(sampled));
    assert!(best.generation != first && best.generation != second);
}

#[test]
fn a_member_that_restarts_further_back_loses_its_own_evidence_only() {
    let (mut world, first, second) = World::pair();
    world.sample(200);
    world.show_over(first, 200);
    world.show_over(second, 200);
    let back = world.accepted(&standby(3, 150));
    assert!(world.of(second).is_none(), "its connections are closed");
    assert!(world.fresh_over(back) < world.fresh_over(first));
    assert_eq!(world.of(first).unwrap().position, Some(Lsn(200)));
}

#[test]
fn a_reply_from_before_a_members_crash_that_is_processed_late_proves_nothing() {
    let (mut world, _, second) = World::pair();
    world.sample(200);
    let asked_before = [world.ask(), world.ask_over(second)];
    world.show_over(second, 150);
    let back = world.accepted(&standby(3, 120));
    let opened = world.opened(asked_before[0], &standby(3, 200));
    assert_eq!(opened, Verdict::Ambiguous);
    let now = world.tick();
    let showed = world.state.replica_showed(0, asked_before[1], at(200), now);
    assert_eq!(showed, Verdict::Ambiguous);
    assert_eq!(world.of(back).unwrap().position, Some(Lsn(120)));
}

#[test]
fn what_is_voided_of_one_member_makes_no_connection_to_another_ask_again() {
    let (mut world, _, second) = World::pair();
    let asked = world.ask();
    // the first crashes meanwhile
    world.accepted(&standby(2, 50));
    let verdict = world.opened(asked, &standby(3, 100));
    assert_eq!(verdict, Verdict::Accepted { generation: second });
}

#[test]
fn a_member_that_is_refused_leaves_the_others_and_the_node_in_use() {
    let (mut world, first, second) = World::pair();
    let mut promoted = standby(3, 100);
    promoted.in_recovery = false;
    let refused = Verdict::Refused(Refusal::NotInRecovery);
    assert_eq!(world.open(&promoted), refused);
    assert!(world.of(second).is_none());
    assert_eq!(world.of(first).unwrap().refusal, None);
    assert_eq!(world.state.evidence(0).unwrap().refusal, None);
    let mut promoted = standby(2, 100);
    promoted.in_recovery = false;
    assert_eq!(world.open(&promoted), refused);
    let of_all = world.state.evidence(0).unwrap().refusal;
    assert_eq!(of_all, Some(Refusal::NotInRecovery), "no member is left");
}

#[test]
fn the_primary_behind_a_reader_address_is_recognised_and_refused_alone() {
    let mut world = World::new();
    world.accepted(&standby(2, 100));
    let itself = Verdict::Refused(Refusal::SameServer);
    assert_eq!(world.open(&primary(1, 1, 100)), itself);
    let replica = world.accepted(&standby(2, 100));
    assert!(world.is_group());
    assert_eq!(world.open(&primary(1, 1, 100)), itself);
    assert!(world.fresh_over(replica).is_some());
    assert_eq!(world.state.evidence(0).unwrap().refusal, None);
}

#[test]
fn a_member_ahead_of_the_primary_is_refused_and_the_others_are_not() {
    let (mut world, first, second) = World::pair();
    world.show_over(second, 150);
    world.sample(120);
    assert_eq!(world.of(first).unwrap().refusal, None);
    let refusals: Vec<_> = world
        .state
        .group(0)
        .unwrap()
        .iter()
        .filter_map(|one| one.refusal)
        .collect();
    assert_eq!(refusals, [Refusal::AheadOfPrimary]);
}

#[test]
fn every_member_has_to_prove_itself_again_in_a_new_epoch() {
    let (mut world, first, second) = World::pair();
    let now = world.tick();
    let restarted = primary(9, 1, 100);
    world.state.primary_opened(now, &restarted, now);
    for generation in [first, second] {
        assert_eq!(world.fresh_over(generation), None);
        assert_eq!(world.show_over(generation, 100), Verdict::Ambiguous);
    }
    world.accepted(&standby(2, 100));
    assert!(world.fresh_over(first).is_some());
    assert_eq!(world.fresh_over(second), None);
}

#[test]
fn a_member_that_is_forgotten_is_a_new_one_when_it_answers_again() {
    let (mut world, first, second) = World::pair();
    world.state.forget(0, second);
    assert!(world.of(second).is_none());
    assert_eq!(world.show_over(second, 100), Verdict::Ambiguous);
    let again = world.accepted(&standby(3, 90));
    assert!(again != second && world.of(again).is_some());
    let now = world.tick();
    world.show_over(first, 100);
    world.state.forget_silent(0, now);
    assert!(world.of(first).is_some() && world.of(again).is_none());
}

#[test]
fn no_more_members_are_kept_than_were_decided_and_the_most_silent_goes_first() {
    let (mut world, first, second) = World::pair();
    for started in 10..200 {
        world.accepted(&standby(started, 100));
        world.show_over(first, 100);
        assert!(world.state.group(0).unwrap().len() <= MOST_MEMBERS);
    }
    assert!(world.of(first).is_some() && world.of(second).is_none());
    let newest = world.accepted(&standby(199, 100));
    assert!(world.fresh_over(newest).is_some());
}
