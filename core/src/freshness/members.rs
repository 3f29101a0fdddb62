//! The running servers behind one node's address, and whose reply is whose.
//!
//! Decides whether an address leads to one server or to several of them (a group: a Kubernetes service,
//! a balancer, a reader endpoint). Must never hold the reply of one server against another.
//!
//! - *As long as one server answers at a time* it is the node: another one that answers has taken its
//!   place, and voids what was known, as a restart or a moved address does.
//! - *A server that answers again after another one did* has not been replaced: both run, and the
//!   address leads to either. From then on each is a member, with evidence and generations of its own. A
//!   replaced server cannot do that: it would have another start time, its connections are dead, and a late
//!   reply of its own was asked before the other answered, which is no proof and not taken for one.
//! - *A group stays one*. If its address comes to lead to one server after all, nothing is lost: evidence
//!   is of the member that a connection leads to, and a member that is gone is forgotten.

use super::samples::Samples;
use super::shown::{Asked, Evidence, Generations, MOST_MEMBERS, Shown, Verdict};
use crate::clock::Moment;
use crate::identity::{Identity, Reading, Run, Server};
use crate::position::Lsn;
use crate::refusal::Refusal;

/// Replaced servers that are remembered, so that they are recognised if they answer again.
const MOST_REPLACED: usize = 4;

/// What the reply of a new connection is judged by, besides what its server has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Judged {
    pub(super) refusal: Option<Refusal>,
    pub(super) epoch_began_at: Moment,
    /// The newest position of the primary.
    pub(super) newest: Option<Lsn>,
}

/// What one node leads to.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))] // see `Freshness`
pub(super) struct Members {
    /// Of a node that is no group exactly one, whoever it is.
    known: Vec<Shown>,
    generations: Generations,
    /// What the node itself shows as its generation while it is a group: that of no connection.
    group: Option<u64>,
    /// Who answered before another took its place, the latest last.
    replaced: Vec<Run>,
    /// Who answered in between and is not to be used.
    interrupted_by: Option<Run>,
}

impl Default for Members {
    fn default() -> Self {
        Self {
            known: vec![Shown::default()],
            generations: Generations::default(),
            group: None,
            replaced: Vec::new(),
            interrupted_by: None,
        }
    }
}

impl Members {
    pub(super) fn ask(&self, generation: Option<u64>, now: Moment) -> Asked {
        let mut shown = [None; MOST_MEMBERS];
        for (place, member) in shown.iter_mut().zip(&self.known) {
            *place = member.shown();
        }
        Asked {
            sent_at: now,
            generation: generation.unwrap_or(self.generations.newest()),
            shown,
        }
    }

    /// The first reply on a new connection.
    pub(super) fn opened(
        &mut self,
        asked: Asked,
        identity: &Identity,
        judged: Judged,
        now: Moment,
    ) -> Verdict {
        if asked.sent_at < judged.epoch_began_at {
            return Verdict::Ambiguous;
        }
        let run = Run::of(identity);
        if self.group.is_none() {
            let newest = self.generations.newest();
            if asked.generation != newest {
                return Verdict::Ambiguous; // something was voided since it was asked
            }
            if !self.shows_several(&run, identity.reading, judged.refusal) {
                return self.opened_alone(asked, identity, judged, now);
            }
            self.become_group(now);
        }
        let known = self.known.iter().position(|member| member.is_of(&run));
        if known.is_none() {
            self.make_room();
            let generation = self.generations.draw();
            self.known.push(Shown::of(run, generation, now));
        }
        let last = self.known.len().saturating_sub(1);
        let Some(member) = self.known.get_mut(known.unwrap_or(last)) else {
            return Verdict::Ambiguous;
        };
        if known.is_some() && member.generation() > asked.generation {
            return Verdict::Ambiguous;
        }
        judge(member, asked, identity, judged, now, &mut self.generations)
    }

    /// Whether the answer of `run` proves that the node leads to several servers.
    fn shows_several(&self, run: &Run, reading: Reading, refusal: Option<Refusal>) -> bool {
        if reading == Reading::Shared {
            return false; // a file, not a server
        }
        let is_back = self.replaced.iter().any(|replaced| replaced.is_same(run));
        let goes_on = self.known.iter().any(|known| known.is_of(run));
        is_back || goes_on && refusal.is_none() && self.interrupted_by.is_some()
    }

    /// The reply of the one server that the node leads to now.
    fn opened_alone(
        &mut self,
        asked: Asked,
        identity: &Identity,
        judged: Judged,
        now: Moment,
    ) -> Verdict {
        let Some(shown) = self.known.first_mut() else {
            return Verdict::Ambiguous;
        };
        let run = Run::of(identity);
        let is_other = shown.is_other_than(&run);
        match judged.refusal {
            // nobody knows what else an address may lead to that leads to another cluster
            Some(Refusal::ForeignCluster) => {}
            Some(_) => self.interrupted_by = is_other.then_some(run),
            None => {
                self.interrupted_by = None;
                let replaced = shown.run().filter(|_| is_other);
                if let Some(replaced) = replaced {
                    if self.replaced.len() >= MOST_REPLACED {
                        self.replaced.remove(0);
                    }
                    self.replaced.push(replaced);
                }
            }
        }
        judge(shown, asked, identity, judged, now, &mut self.generations)
    }

    fn become_group(&mut self, now: Moment) {
        self.group = Some(self.generations.draw());
        self.replaced.clear();
        if let Some(run) = self.interrupted_by.take() {
            let generation = self.generations.draw();
            let mut member = Shown::of(run, generation, now);
            member.answered(now);
            self.known.push(member);
        }
    }

    /// Whoever has not answered for longest makes room for another.
    fn make_room(&mut self) {
        if self.known.len() < MOST_MEMBERS {
            return;
        }
        let members = self.known.iter().enumerate();
        let longest_ago = members.min_by_key(|(_, member)| member.answered_at());
        if let Some((index, _)) = longest_ago {
            self.known.swap_remove(index);
        }
    }

    /// A later reply, over a connection that was accepted when it was opened.
    pub(super) fn showed(
        &mut self,
        asked: Asked,
        reading: Reading,
        (epoch_began_at, samples): (Moment, &Samples),
        now: Moment,
    ) -> Verdict {
        if let (None, Some(refusal)) = (self.group, self.refusal()) {
            return Verdict::Refused(refusal);
        }
        let mut known = self.known.iter_mut();
        let Some(member) = known.find(|member| member.generation() == asked.generation) else {
            return Verdict::Ambiguous;
        };
        if let Some(refusal) = member.refusal() {
            return Verdict::Refused(refusal);
        }
        if asked.sent_at < epoch_began_at || !member.is_identified() {
            return Verdict::Ambiguous;
        }
        let verdict = member.take(asked, reading, now, &mut self.generations);
        member.advance(samples);
        verdict
    }

    /// Raises what is proved by what was shown.
    pub(super) fn advance(&mut self, samples: &Samples) {
        for member in &mut self.known {
            member.advance(samples);
        }
    }

    /// The primary was at `position` at `taken_at`.
    pub(super) fn sampled(&mut self, position: Lsn, taken_at: Moment, samples: &Samples) {
        for member in &mut self.known {
            if member.is_ahead_of(position, taken_at) {
                let refusal = Refusal::AheadOfPrimary;
                member.refuse(refusal, taken_at, &mut self.generations);
            } else {
                member.advance(samples);
            }
        }
    }

    pub(super) fn epoch_began(&mut self) {
        for member in &mut self.known {
            member.epoch_began();
        }
    }

    /// What the router reads of the node: of a group the best that any member offers.
    pub(super) fn evidence(&self) -> Evidence {
        let mut members = self.known.iter().map(Shown::evidence);
        let Some(generation) = self.group else {
            return members.next().unwrap_or(Evidence::NOTHING);
        };
        let best = Evidence {
            generation,
            refusal: self.refusal(),
            ..Evidence::NOTHING
        };
        let in_use = members.filter(|member| member.refusal.is_none());
        let best = Evidence {
            lag: in_use.clone().map(|one| one.lag).min().unwrap_or_default(),
            ..best
        };
        in_use.fold(best, |best, member| Evidence {
            fresh_as_of: best.fresh_as_of.max(member.fresh_as_of),
            stale_as_of: best.stale_as_of.max(member.stale_as_of),
            position: best.position.max(member.position),
            ..best
        })
    }

    /// What is known of each member; `None` if the node is no group.
    pub(super) fn group(&self) -> Option<Vec<Evidence>> {
        self.group?;
        Some(self.known.iter().map(Shown::evidence).collect())
    }

    /// Why the node is refused: every server that it leads to is.
    fn refusal(&self) -> Option<Refusal> {
        let mut refusals = self.known.iter().map(Shown::refusal);
        let first = refusals.next().flatten();
        first.filter(|_| refusals.all(|refusal| refusal.is_some()))
    }

    /// Whether the server that a connection of `generation` leads to was identified in this epoch.
    pub(super) fn is_identified(&self, generation: u64) -> bool {
        let mut known = self.known.iter();
        known.any(|member| member.generation() == generation && member.is_identified())
    }

    /// A member is gone, or may be: what it showed does not count, nor do connections that lead to it. It
    /// is a new one if it answers again.
    pub(super) fn forget(&mut self, generation: u64) {
        if self.group.is_some() {
            self.known
                .retain(|member| member.generation() != generation);
        }
    }

    /// Forgets members that have not answered since.
    pub(super) fn forget_silent(&mut self, since: Moment) {
        if self.group.is_some() {
            self.known.retain(|member| member.answered_at() >= since);
        }
    }

    /// Whether a server that is in use here is this running one.
    pub(super) fn is_run_of(&self, server: &Server) -> bool {
        self.known.iter().any(|member| member.is_run_of(server))
    }

    /// Whether a server that is in use here belongs to another cluster.
    pub(super) fn is_of_another_system(&self, server: &Server) -> bool {
        let mut known = self.known.iter();
        known.any(|member| member.is_of_another_system(server))
    }

    /// A node that was given before this one leads to this server, too.
    pub(super) fn refuse_run(&mut self, server: &Server, now: Moment) {
        for member in &mut self.known {
            if member.is_run_of(server) {
                member.refuse(Refusal::SameServer, now, &mut self.generations);
            }
        }
    }
}

/// Holds a reply against what `member` has shown.
fn judge(
    member: &mut Shown,
    asked: Asked,
    identity: &Identity,
    judged: Judged,
    now: Moment,
    generations: &mut Generations,
) -> Verdict {
    member.answered(now);
    if let Some(refusal) = judged.refusal {
        member.refuse(refusal, now, generations);
        return Verdict::Refused(refusal);
    }
    if member.is_still_ahead(identity.reading, judged.newest) {
        return Verdict::Refused(Refusal::AheadOfPrimary);
    }
    member.opened(asked, identity, now, generations)
}
