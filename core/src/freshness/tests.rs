//! The rules of the freshness protocol, one test each.

use super::*;

const SYSTEM: u64 = 42;

pub(super) fn primary(started: i64, timeline: u32, position: u64) -> Identity {
    identity(SYSTEM, started, timeline, false, position)
}

pub(super) fn standby(started: i64, position: u64) -> Identity {
    identity(SYSTEM, started, 1, true, position)
}

fn identity(system: u64, started: i64, timeline: u32, recovery: bool, position: u64) -> Identity {
    let server = Server::new(system, started, timeline, 5432);
    Identity::new(server, recovery, Reading::Position(Lsn(position)))
}

pub(super) fn at(position: u64) -> Reading {
    Reading::Position(Lsn(position))
}

/// A protocol with one replica; every call moves its clock on by one.
pub(super) struct World {
    pub(super) state: Freshness,
    pub(super) now: u64,
}

impl World {
    /// Primary at 100, replica opened at 100.
    fn settled() -> Self {
        let mut world = Self {
            state: Freshness::new(1),
            now: 0,
        };
        world.primary_opens(&primary(1, 1, 100));
        assert_eq!(world.open(&standby(2, 100)), generation(0));
        world
    }

    pub(super) fn tick(&mut self) -> Moment {
        self.now += 1;
        Moment(self.now)
    }

    fn primary_opens(&mut self, identity: &Identity) -> Verdict {
        let asked_at = self.tick();
        let now = self.tick();
        self.state.primary_opened(asked_at, identity, now)
    }

    pub(super) fn sample(&mut self, position: u64) -> Moment {
        let asked_at = self.tick();
        let now = self.tick();
        let generation = self.state.primary_evidence().generation;
        self.state.sampled(generation, asked_at, at(position), now);
        asked_at
    }

    pub(super) fn ask(&mut self) -> Asked {
        let now = self.tick();
        self.state.ask(0, None, now).unwrap()
    }

    pub(super) fn open(&mut self, identity: &Identity) -> Verdict {
        let asked = self.ask();
        let now = self.tick();
        self.state.replica_opened(0, asked, identity, now)
    }

    fn show(&mut self, position: u64) -> Verdict {
        let asked = self.ask();
        self.answer(asked, position)
    }

    fn answer(&mut self, asked: Asked, position: u64) -> Verdict {
        let now = self.tick();
        self.state.replica_showed(0, asked, at(position), now)
    }

    fn fresh(&self) -> Option<Moment> {
        self.evidence().fresh_as_of
    }

    fn evidence(&self) -> Evidence {
        self.state.evidence(0).unwrap()
    }
}

fn generation(generation: u64) -> Verdict {
    Verdict::Accepted { generation }
}

#[test]
fn a_replica_is_as_fresh_as_the_newest_sample_that_it_has_replayed() {
    let mut world = World::settled();
    let first = world.sample(200);
    world.sample(300);
    world.show(299);
    assert_eq!(world.fresh(), Some(first));
    world.show(300);
    assert!(world.fresh() > Some(first));
}

#[test]
fn an_idle_primary_keeps_an_idle_replica_fresh() {
    let mut world = World::settled();
    for _ in 0..100 {
        let sampled = world.sample(100);
        assert_eq!(world.fresh(), Some(sampled));
    }
}

#[test]
fn nothing_is_known_before_the_first_sample_and_reply() {
    let mut world = World {
        state: Freshness::new(1),
        now: 0,
    };
    assert_eq!(world.fresh(), None);
    world.open(&standby(2, 100));
    assert_eq!(world.fresh(), None, "no sample to compare with");
}

#[test]
fn a_standby_that_restarts_further_back_under_the_same_start_time_loses_its_evidence() {
    let mut world = World::settled();
    world.sample(200);
    world.show(200);
    assert_eq!(world.open(&standby(2, 150)), generation(1));
    let evidence = world.evidence();
    assert!(evidence.fresh_as_of < Some(Moment(6)), "{evidence:?}");
    assert_eq!(evidence.generation, 1);
}

#[test]
fn another_server_at_the_address_starts_a_generation_even_if_it_is_ahead() {
    let mut world = World::settled();
    world.sample(200);
    assert_eq!(world.open(&standby(3, 150)), generation(1));
    assert_eq!(world.evidence().generation, 1);
}

#[test]
fn a_reply_from_before_a_crash_that_is_processed_late_proves_nothing() {
    let mut world = World::settled();
    world.sample(200);
    let asked_before_the_crash = world.ask();
    assert_eq!(world.open(&standby(2, 150)), generation(0));
    assert_eq!(
        world.answer(asked_before_the_crash, 200),
        Verdict::Ambiguous
    );
    assert!(world.fresh() < Some(Moment(6)), "{:?}", world.fresh());
}

#[test]
fn a_new_connection_below_what_was_shown_meanwhile_has_to_ask_again() {
    let mut world = World::settled();
    let asked = world.ask();
    world.show(200);
    let now = world.tick();
    let verdict = world.state.replica_opened(0, asked, &standby(2, 150), now);
    assert_eq!(verdict, Verdict::Ambiguous);
    assert_eq!(world.open(&standby(2, 200)), generation(0));
}

#[test]
fn a_reply_over_a_connection_of_an_older_generation_is_not_taken() {
    let mut world = World::settled();
    world.open(&standby(3, 100));
    let now = world.tick();
    let old = world.state.ask(0, Some(0), now).unwrap();
    world.sample(200);
    assert_eq!(world.answer(old, 200), Verdict::Ambiguous);
}

#[test]
fn a_new_timeline_at_the_primary_voids_floors_but_not_bounds() {
    let mut world = World::settled();
    let before = world.sample(100);
    world.primary_opens(&primary(1, 2, 100));
    assert_eq!(world.fresh(), None);
    assert_eq!(world.evidence().stale_as_of, Some(before));
    assert_eq!(
        world.open(&standby(2, 120)),
        Verdict::Refused(Refusal::OtherTimeline),
        "it still follows the old timeline; its larger position proves nothing"
    );
}

#[test]
fn a_restarted_primary_makes_every_replica_prove_itself_again() {
    let mut world = World::settled();
    world.sample(100);
    world.primary_opens(&primary(9, 1, 100));
    assert_eq!(world.fresh(), None);
    assert_eq!(
        world.show(100),
        Verdict::Ambiguous,
        "it is asked who it is first"
    );
    assert_eq!(world.open(&standby(2, 100)), generation(0));
    assert!(world.fresh().is_some());
}

#[test]
fn a_reply_asked_before_the_epoch_is_not_taken_into_it() {
    let mut world = World::settled();
    let asked = world.ask();
    world.primary_opens(&primary(9, 1, 90));
    let now = world.tick();
    let verdict = world.state.replica_opened(0, asked, &standby(2, 100), now);
    assert_eq!(verdict, Verdict::Ambiguous);
    assert_eq!(world.fresh(), None);
}

#[test]
fn a_sample_over_a_connection_of_an_earlier_epoch_is_ignored() {
    let mut world = World::settled();
    let old = world.state.primary_evidence().generation;
    world.primary_opens(&primary(9, 1, 100));
    let newest = world.state.newest_position();
    let now = world.tick();
    world.state.sampled(old, now, at(500), now);
    assert_eq!(world.state.newest_position(), newest);
}

#[test]
fn a_replica_ahead_of_the_primary_is_refused_until_the_primary_has_passed_it() {
    let mut world = World::settled();
    world.show(150);
    world.sample(120);
    assert_eq!(world.evidence().refusal, Some(Refusal::AheadOfPrimary));
    assert_eq!(world.fresh(), None);
    assert_eq!(
        world.open(&standby(2, 150)),
        Verdict::Refused(Refusal::AheadOfPrimary)
    );
    world.sample(160);
    assert!(matches!(
        world.open(&standby(2, 150)),
        Verdict::Accepted { .. }
    ));
}

#[test]
fn strangers_are_refused_by_name() {
    let mut world = World::settled();
    let foreign = identity(7, 2, 1, true, 100);
    assert_eq!(
        world.open(&foreign),
        Verdict::Refused(Refusal::ForeignCluster)
    );
    let promoted = identity(SYSTEM, 2, 2, false, 100);
    assert_eq!(
        world.open(&promoted),
        Verdict::Refused(Refusal::NotInRecovery)
    );
    let itself = primary(1, 1, 100);
    assert_eq!(world.open(&itself), Verdict::Refused(Refusal::SameServer));
    assert_eq!(world.fresh(), None);
    assert!(matches!(
        world.open(&standby(2, 100)),
        Verdict::Accepted { .. }
    ));
}

#[test]
fn the_second_of_two_nodes_that_are_one_server_is_refused_whoever_answers_first() {
    for order in [[0, 1], [1, 0]] {
        let mut state = Freshness::new(2);
        state.primary_opened(Moment(1), &primary(1, 1, 100), Moment(1));
        for replica in order {
            let asked = state.ask(replica, None, Moment(2)).unwrap();
            state.replica_opened(replica, asked, &standby(2, 100), Moment(3));
        }
        let refusals = [0, 1].map(|replica| state.evidence(replica).unwrap().refusal);
        assert_eq!(refusals, [None, Some(Refusal::SameServer)], "{order:?}");
    }
}

#[test]
fn the_primary_address_must_lead_to_a_primary_of_the_same_cluster_and_no_older_timeline() {
    let mut world = World::settled();
    world.primary_opens(&primary(1, 2, 100));
    let refused = [
        (identity(SYSTEM, 1, 1, true, 100), Refusal::InRecovery),
        (identity(7, 1, 2, false, 100), Refusal::ForeignCluster),
        (primary(1, 1, 100), Refusal::OtherTimeline),
    ];
    for (claims, refusal) in refused {
        assert_eq!(world.primary_opens(&claims), Verdict::Refused(refusal));
    }
}

#[test]
fn a_primary_that_was_refused_and_returns_is_of_another_generation_each_time() {
    let mut world = World::settled();
    let before = world.state.primary_evidence();
    world.primary_opens(&identity(SYSTEM, 1, 1, true, 100));
    let refused = world.state.primary_evidence();
    assert_eq!(refused.refusal, Some(Refusal::InRecovery));
    assert!(refused.generation > before.generation);
    world.primary_opens(&primary(1, 1, 100));
    let back = world.state.primary_evidence();
    assert_eq!(back.refusal, None);
    assert!(back.generation > refused.generation && back.since > refused.since);
    assert_eq!(
        world.state.epoch(),
        1,
        "the same primary on the same history"
    );
}

#[test]
fn answers_to_overlapping_questions_start_no_epoch_in_either_order() {
    for positions in [[200, 150], [150, 200]] {
        let mut world = World::settled();
        let generation = world.state.primary_evidence().generation;
        let (first, second, now) = (world.tick(), world.tick(), world.tick());
        world
            .state
            .sampled(generation, first, at(positions[0]), now);
        world
            .state
            .sampled(generation, second, at(positions[1]), now);
        assert_eq!(world.state.epoch(), 1, "{positions:?}");
        let later = world.tick();
        world.state.sampled(generation, later, at(120), later);
        assert_eq!(world.state.epoch(), 2, "asked afterwards it did go back");
    }
}

#[test]
fn a_late_answer_of_the_primary_before_its_restart_starts_no_epoch() {
    let mut world = World::settled();
    let asked_before = world.tick();
    world.primary_opens(&primary(9, 1, 100));
    let now = world.tick();
    let verdict = world
        .state
        .primary_opened(asked_before, &primary(1, 1, 100), now);
    assert_eq!(verdict, Verdict::Ambiguous);
    assert_eq!(world.state.epoch(), 2);
}

#[test]
fn replicas_of_two_clusters_do_not_both_serve_before_a_primary_was_seen() {
    let mut state = Freshness::new(2);
    for (replica, system) in [(0, SYSTEM), (1, 7)] {
        let asked = state.ask(replica, None, Moment(1)).unwrap();
        let standby = identity(system, 2, 1, true, 100);
        state.replica_opened(replica, asked, &standby, Moment(2));
    }
    let refusals = [0, 1].map(|replica| state.evidence(replica).unwrap().refusal);
    assert_eq!(refusals, [None, Some(Refusal::ForeignCluster)]);
}
