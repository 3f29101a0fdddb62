//! The protocol in its smallest form, with every rule in one place.
//!
//! What `freshness/`, `session/reads.rs`, `route.rs` and `carry.rs` decide, without what they do for
//! speed, for messages, or for servers that are no part of the cluster.

use super::protocol::{Conn, Judged};
use super::rules::{Rule, Rules};
use super::system::Scope;
use crate::clock::Moment;
use crate::identity::{Identity, Reading, Server};
use crate::position::Lsn;

#[derive(Clone, Debug)]
pub(super) struct Model {
    pub(super) rules: Rules,
    /// Staler replicas take no reads, in ticks.
    pub(super) bound: Option<u64>,
    pub(super) primary: Option<Server>,
    pub(super) generation: u64,
    /// When the first question of this epoch was sent.
    pub(super) began_at: Moment,
    pub(super) refused: bool,
    pub(super) samples: Vec<Sample>,
    /// Few, so that samples are dropped all the time.
    pub(super) capacity: usize,
    /// When the answer of the newest sample was there.
    pub(super) sampled_until: Moment,
    pub(super) replicas: Vec<Shown>,
    pub(super) sessions: Vec<Session>,
}

/// Everything committed before `taken_at` lies at or below `position`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sample {
    pub(super) taken_at: Moment,
    pub(super) position: Lsn,
}

/// What a replica has shown.
#[derive(Clone, Debug, Default)]
pub(super) struct Shown {
    pub(super) generation: u64,
    pub(super) server: Option<Server>,
    /// In the current epoch.
    pub(super) identified: bool,
    pub(super) refused: bool,
    pub(super) position: Option<Lsn>,
    /// The latest question that was answered, and its answer.
    pub(super) latest: Option<(Moment, Lsn)>,
    /// For floors.
    pub(super) fresh: Moment,
    /// For bounds, which accept evidence of an earlier epoch.
    pub(super) fresh_at_all: Moment,
}

/// What a question was asked with.
#[derive(Clone, Copy, Debug)]
pub(super) struct Asked {
    pub(super) sent_at: Moment,
    pub(super) generation: u64,
    pub(super) shown: Option<Lsn>,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Session {
    pub(super) wrote_at: Moment,
    pub(super) reads: Option<Reads>,
}

/// The reads that a session made on one server in a row, and the latest elsewhere.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reads {
    pub(super) node: usize,
    pub(super) generation: u64,
    pub(super) first_at: Moment,
    pub(super) at: Moment,
    pub(super) elsewhere_at: Moment,
}

fn position_of(said: &Identity) -> Lsn {
    match said.reading {
        Reading::Position(position) => position,
        Reading::Shared => Lsn::default(),
    }
}

impl Shown {
    pub(super) fn void(&mut self) {
        *self = Self {
            generation: self.generation + 1,
            server: self.server,
            identified: self.identified,
            ..Self::default()
        };
    }

    pub(super) fn judge(&mut self, rules: Rules, asked: Asked, said: &Identity) -> Judged<u64> {
        let position = position_of(said);
        let below_before = asked.shown.is_some_and(|shown| position < shown);
        let below_since = self.position.is_some_and(|shown| position < shown);
        let overtaken = self
            .latest
            .is_some_and(|(sent_at, shown)| sent_at > asked.sent_at && shown < position);
        if below_before {
            if !rules.keep(Rule::StepBackVoids) {
                return Judged::Usable(self.generation);
            }
            self.void();
        } else if below_since {
            return match rules.keep(Rule::AmbiguousAsksAgain) {
                true => Judged::AskAgain,
                false => Judged::Usable(self.generation),
            };
        } else if overtaken && rules.keep(Rule::OvertakenAnswers) {
            return Judged::AskAgain;
        }
        self.position = Some(position);
        if self
            .latest
            .is_none_or(|(sent_at, _)| sent_at <= asked.sent_at)
        {
            self.latest = Some((asked.sent_at, position));
        }
        Judged::Usable(self.generation)
    }
}

impl Model {
    pub(super) fn new(rules: Rules, scope: Scope) -> Self {
        Self {
            rules,
            bound: scope.bound,
            primary: None,
            generation: 0,
            began_at: Moment::NEVER,
            refused: false,
            samples: Vec::new(),
            capacity: 4,
            sampled_until: Moment::NEVER,
            replicas: vec![Shown::default(); scope.standbys],
            sessions: vec![Session::default(); scope.sessions],
        }
    }

    /// Drops no sample, as the real one does not in so short a trace.
    pub(super) fn dropping_nothing(self) -> Self {
        Self {
            capacity: usize::MAX,
            ..self
        }
    }

    pub(super) fn keep(&self, rule: Rule) -> bool {
        self.rules.keep(rule)
    }

    pub(super) fn is_of_epoch(&self, asked_at: Moment) -> bool {
        asked_at >= self.began_at || !self.keep(Rule::AnswersOfAnEpoch)
    }

    pub(super) fn begin_epoch(&mut self, primary: Server, asked_at: Moment) {
        self.primary = Some(primary);
        self.began_at = asked_at;
        self.refused = false;
        self.generation += 1;
        if self.keep(Rule::EpochVoids) {
            self.samples.clear();
        }
        let (voids, asks) = (
            self.keep(Rule::EpochVoids),
            self.keep(Rule::IdentifiedInEpoch),
        );
        for shown in &mut self.replicas {
            if voids {
                (shown.fresh, shown.position, shown.latest) = (Moment::NEVER, None, None);
            }
            shown.identified &= !asks;
        }
    }

    pub(super) fn sample(&mut self, asked_at: Moment, said: &Identity, now: Moment) {
        let taken_at = match self.keep(Rule::StampedBeforeAsking) {
            true => asked_at,
            false => now,
        };
        let position = position_of(said);
        let newest = self.samples.last().map(|newest| newest.position);
        let is_back = asked_at >= self.sampled_until && Some(position) < newest;
        if let (true, true, Some(primary)) =
            (is_back, self.keep(Rule::StepBackBegins), self.primary)
        {
            self.begin_epoch(primary, asked_at);
        }
        self.sampled_until = self.sampled_until.max(now);
        let in_order = self
            .samples
            .last()
            .is_none_or(|newest| taken_at > newest.taken_at && position >= newest.position);
        if in_order || !self.keep(Rule::SamplesInOrder) {
            self.samples.push(Sample { taken_at, position });
        }
        if self.samples.len() > self.capacity {
            self.samples.remove(1); // any of them may go
        }
        for replica in 0..self.replicas.len() {
            self.advance(replica);
        }
    }

    pub(super) fn proved_by(&self, replayed: Lsn) -> Option<Moment> {
        let below = |sample: &&Sample| sample.position <= replayed;
        let newest = self.samples.iter().filter(below).map(|s| s.taken_at).max();
        if self.keep(Rule::AtOrBelow) {
            return newest;
        }
        let above = self.samples.iter().filter(|s| s.position > replayed);
        above.map(|s| s.taken_at).min().or(newest)
    }

    pub(super) fn advance(&mut self, replica: usize) {
        let shown = &self.replicas[replica];
        if !shown.identified || shown.refused {
            return;
        }
        if let Some(proved) = shown.position.and_then(|shown| self.proved_by(shown)) {
            let shown = &mut self.replicas[replica];
            shown.fresh = shown.fresh.max(proved);
            shown.fresh_at_all = shown.fresh_at_all.max(proved);
        }
    }

    pub(super) fn is_refused(&self, said: &Identity) -> bool {
        let other = self
            .primary
            .is_some_and(|primary| primary.timeline != said.server.timeline);
        !said.in_recovery || other && self.keep(Rule::SameTimeline)
    }

    pub(super) fn has_passed(&self, fresh: Moment, floor: Moment) -> bool {
        match self.keep(Rule::StrictlyGreater) {
            true => floor == Moment::NEVER || fresh > floor,
            false => fresh >= floor,
        }
    }

    pub(super) fn serves(
        &self,
        node: usize,
        conn: Option<&Conn<u64>>,
        session: usize,
        now: Moment,
    ) -> Option<()> {
        let shown = &self.replicas[node - 1];
        let session = &self.sessions[session];
        let generation = conn.map_or(shown.generation, |conn| conn.mark);
        let bound_holds = self.bound.is_none_or(|bound| {
            shown.fresh_at_all != Moment::NEVER && now.0 - shown.fresh_at_all.0 <= bound
        });
        let reads_admit = session.reads.is_none_or(|reads| {
            let is_same = (reads.node, reads.generation) == (node, generation);
            let is_older = conn.is_none_or(|conn| conn.opened_at <= reads.first_at);
            let passed = reads.elsewhere_at == Moment::NEVER
                || self.has_passed(shown.fresh, reads.elsewhere_at);
            self.has_passed(shown.fresh, reads.at.max(reads.elsewhere_at))
                || is_same
                    && (is_older || !self.keep(Rule::OpenBeforeFirstRead))
                    && (passed || !self.keep(Rule::PassedElsewhere))
        });
        let serves = !shown.refused
            && shown.generation == generation
            && bound_holds
            && reads_admit
            && self.has_passed(shown.fresh, session.wrote_at);
        serves.then_some(())
    }

    /// What any replica that is newer may serve.
    pub(super) fn floor(&self, session: usize) -> Moment {
        let session = &self.sessions[session];
        let read = session.reads.map(|reads| reads.at.max(reads.elsewhere_at));
        session.wrote_at.max(read.unwrap_or_default())
    }
}
