//! The one number: `fresh_as_of`.
//!
//! For every replica this module decides the latest instant T of this process such that everything
//! committed on the primary before T is known to be visible on the replica. It is a pure state
//! machine over the replies of samplers, probers and newly opened connections; it does no I/O, reads
//! no clock and must never guess: what is not proved is unknown.
//!
//! How a value is proved:
//!
//! 1. the primary is asked for its position; `taken_at` is read *before* the question is sent, so
//!    every commit acknowledged before it lies at or below the answer;
//! 2. the replica is asked for its replayed position;
//! 3. the newest sample at or below what the replica has replayed gives the instant.
//!
//! What voids it (each rule is there because its absence has a counterexample, see the tests):
//!
//! - *Evidence belongs to a running server.* A standby whose backend crashes restarts further back
//!   than it was, at the same address and under the same start time. Every connection is killed by
//!   such a restart, so the reply to the first question on each new connection is compared with
//!   what the node has shown: another server, or a position below it, starts a new *generation* and
//!   connections of older generations are closed.
//! - *A late reply proves nothing.* A reply of the server as it was before a crash can be processed
//!   after a reply of the restarted one. It is recognised by a later question with a smaller answer,
//!   or by the generation in which it was asked.
//! - *Evidence belongs to an epoch*: one primary on one history. Another server, another timeline
//!   or a position that goes backwards starts a new one, in which every replica has to prove itself
//!   again before floors accept it.
//! - *A replica ahead of the primary* is on another history.
//!
//! Where one address leads to several running servers, all of this holds for each of them: what voids the
//! evidence of one leaves that of the others alone. `members.rs` says how they are told apart.

#[cfg(test)]
mod group_tests;
mod members;
mod samples;
mod shown;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::clock::Moment;
use crate::identity::{Identity, Reading, Server};
use crate::position::Lsn;
use crate::refusal::Refusal;
use members::{Judged, Members};
use samples::{Sample, Samples};
pub(crate) use shown::{Asked, Evidence, MOST_MEMBERS, Verdict};

/// The state of the protocol: one primary, its samples, and what each replica has shown.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))] // the model looks at what could come of each state
pub(crate) struct Freshness {
    epoch: u64,
    began_at: Moment,
    primary: Option<Server>,
    /// Goes up with each epoch, and when the primary's address stops or starts leading to a primary.
    primary_generation: u64,
    primary_since: Moment,
    primary_refusal: Option<Refusal>,
    samples: Samples,
    /// When the answer of the newest sample was there: only a later question can show a step back.
    sampled_until: Moment,
    replicas: Vec<Members>,
}

impl Freshness {
    pub(crate) fn new(replicas: usize) -> Self {
        Self {
            epoch: 0,
            began_at: Moment::NEVER,
            primary: None,
            primary_generation: 0,
            primary_since: Moment::NEVER,
            primary_refusal: None,
            samples: Samples::default(),
            sampled_until: Moment::NEVER,
            replicas: (0..replicas).map(|_| Members::default()).collect(),
        }
    }

    /// One that drops samples all the time.
    #[cfg(test)]
    pub(crate) fn keeping_samples(mut self, capacity: usize) -> Self {
        self.samples = Samples::keeping(capacity);
        self
    }

    pub(crate) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether the server that a connection of `generation` leads to was identified in the current epoch.
    pub(crate) fn is_identified(&self, replica: usize, generation: u64) -> bool {
        let members = self.replicas.get(replica);
        members.is_some_and(|members| members.is_identified(generation))
    }

    pub(crate) fn newest_position(&self) -> Option<Lsn> {
        self.samples.newest().map(|sample| sample.position)
    }

    /// See [`Samples::reached`].
    pub(crate) fn reached(&self, position: Lsn) -> Option<Moment> {
        self.samples.reached(position)
    }

    /// Whether the newest sample was taken after `instant`.
    pub(crate) fn is_sampled_after(&self, instant: Moment) -> bool {
        let newest = self.samples.newest();
        newest.is_some_and(|sample| sample.taken_at > instant)
    }

    /// A position that covers everything committed before `instant`, see [`Samples::after`].
    pub(crate) fn position_after(&self, instant: Moment) -> Option<Lsn> {
        self.samples.after(instant)
    }

    pub(crate) fn primary(&self) -> Option<Server> {
        self.primary
    }

    /// A connection to the primary was opened; the question was sent at `taken_at`, answered by `now`.
    pub(crate) fn primary_opened(
        &mut self,
        taken_at: Moment,
        identity: &Identity,
        now: Moment,
    ) -> Verdict {
        if taken_at < self.began_at {
            return Verdict::Ambiguous; // perhaps the server as it was before it restarted
        }
        if let Some(refusal) = self.primary_refusal_of(identity) {
            self.refuse_primary(refusal, now);
            return Verdict::Refused(refusal);
        }
        if self.primary != Some(identity.server) {
            self.begin_epoch(taken_at, identity.server);
        } else if self.primary_refusal.take().is_some() {
            self.begin_primary_generation(taken_at);
        }
        self.sampled(self.primary_generation, taken_at, identity.reading, now);
        Verdict::Accepted {
            generation: self.primary_generation,
        }
    }

    fn primary_refusal_of(&self, identity: &Identity) -> Option<Refusal> {
        if identity.in_recovery {
            return Some(Refusal::InRecovery);
        }
        let known = self.primary?;
        if known.system != identity.server.system {
            return Some(Refusal::ForeignCluster);
        }
        (identity.server.timeline < known.timeline).then_some(Refusal::OtherTimeline)
    }

    /// The primary's address leads to no primary. Connections that were opened before this was seen
    /// may lead there too: none of them is used again.
    fn refuse_primary(&mut self, refusal: Refusal, now: Moment) {
        if self.primary_refusal.is_none() {
            self.begin_primary_generation(now);
        }
        self.primary_refusal = Some(refusal);
    }

    fn begin_primary_generation(&mut self, since: Moment) {
        self.primary_generation += 1;
        self.primary_since = since;
    }

    /// What the router reads of the primary.
    pub(crate) fn primary_evidence(&self) -> Evidence {
        Evidence {
            fresh_as_of: None,
            stale_as_of: None,
            shared: self.primary_refusal.is_none(),
            generation: self.primary_generation,
            since: self.primary_since,
            refusal: self.primary_refusal,
            position: self.newest_position(),
            lag: Duration::ZERO,
        }
    }

    /// The primary, asked at `taken_at` over a connection of `generation`, was at this position; the
    /// answer was there by `now`.
    pub(crate) fn sampled(
        &mut self,
        generation: u64,
        taken_at: Moment,
        reading: Reading,
        now: Moment,
    ) {
        let Reading::Position(position) = reading else {
            return;
        };
        if generation != self.primary_generation || taken_at < self.began_at {
            return;
        }
        // two questions under way at once may be answered in either order
        let asked_afterwards = taken_at >= self.sampled_until;
        let is_lower = self
            .newest_position()
            .is_some_and(|newest| position < newest);
        if let (true, true, Some(primary)) = (asked_afterwards, is_lower, self.primary) {
            self.begin_epoch(taken_at, primary);
        }
        self.samples.push(Sample { taken_at, position });
        self.sampled_until = self.sampled_until.max(now);
        for members in &mut self.replicas {
            members.sampled(position, taken_at, &self.samples);
        }
    }

    /// To be called right before a question is sent to a replica, over a connection of the given
    /// generation or, for the first question on a new connection, `None`.
    pub(crate) fn ask(
        &self,
        replica: usize,
        generation: Option<u64>,
        now: Moment,
    ) -> Option<Asked> {
        let members = self.replicas.get(replica)?;
        Some(members.ask(generation, now))
    }

    /// The first reply on a newly opened connection to a replica.
    pub(crate) fn replica_opened(
        &mut self,
        replica: usize,
        asked: Asked,
        identity: &Identity,
        now: Moment,
    ) -> Verdict {
        let judged = Judged {
            refusal: self.refusal_of(replica, identity),
            epoch_began_at: self.began_at,
            newest: self.newest_position(),
        };
        let Some(members) = self.replicas.get_mut(replica) else {
            return Verdict::Ambiguous;
        };
        let verdict = members.opened(asked, identity, judged, now);
        if !matches!(verdict, Verdict::Accepted { .. }) {
            return verdict;
        }
        members.advance(&self.samples);
        // of two nodes that are one server the one that was given first stays
        for later in self.replicas.iter_mut().skip(replica + 1) {
            later.refuse_run(&identity.server, now);
        }
        verdict
    }

    /// A later reply of a replica, over a connection that was accepted when it was opened.
    pub(crate) fn replica_showed(
        &mut self,
        replica: usize,
        asked: Asked,
        reading: Reading,
        now: Moment,
    ) -> Verdict {
        let in_epoch = (self.began_at, &self.samples);
        let Some(members) = self.replicas.get_mut(replica) else {
            return Verdict::Ambiguous;
        };
        members.showed(asked, reading, in_epoch, now)
    }

    pub(crate) fn evidence(&self, replica: usize) -> Option<Evidence> {
        self.replicas.get(replica).map(Members::evidence)
    }

    /// What is known of each server that the replica's address leads to, if it leads to several.
    pub(crate) fn group(&self, replica: usize) -> Option<Vec<Evidence>> {
        self.replicas.get(replica).and_then(Members::group)
    }

    /// A member of a group does not answer any more, over its connections of `generation`.
    pub(crate) fn forget(&mut self, replica: usize, generation: u64) {
        if let Some(members) = self.replicas.get_mut(replica) {
            members.forget(generation);
        }
    }

    /// Forgets the members of a group that have not answered since.
    pub(crate) fn forget_silent(&mut self, replica: usize, since: Moment) {
        if let Some(members) = self.replicas.get_mut(replica) {
            members.forget_silent(since);
        }
    }

    fn begin_epoch(&mut self, now: Moment, primary: Server) {
        self.epoch += 1;
        self.began_at = now;
        self.primary = Some(primary);
        self.primary_refusal = None;
        self.begin_primary_generation(now);
        self.samples.clear();
        for members in &mut self.replicas {
            members.epoch_began();
        }
    }

    fn refusal_of(&self, replica: usize, identity: &Identity) -> Option<Refusal> {
        let is_primary = self
            .primary
            .is_some_and(|primary| primary.is_same_run(&identity.server));
        if !identity.in_recovery {
            return Some(if is_primary {
                Refusal::SameServer
            } else {
                Refusal::NotInRecovery
            });
        }
        let Some(primary) = self.primary else {
            return self.refusal_without_primary(replica, identity);
        };
        if primary.system != identity.server.system {
            return Some(Refusal::ForeignCluster);
        }
        let is_listed_before = self
            .replicas
            .iter()
            .take(replica)
            .any(|members| members.is_run_of(&identity.server));
        if is_listed_before {
            return Some(Refusal::SameServer);
        }
        (primary.timeline != identity.server.timeline).then_some(Refusal::OtherTimeline)
    }

    /// As long as no primary was seen, replicas are held against those listed before them.
    fn refusal_without_primary(&self, replica: usize, identity: &Identity) -> Option<Refusal> {
        let mut before = self.replicas.iter().take(replica);
        let differs = before.any(|members| members.is_of_another_system(&identity.server));
        differs.then_some(Refusal::ForeignCluster)
    }
}
