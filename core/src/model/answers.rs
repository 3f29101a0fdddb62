//! The model as a process uses it: what it makes of answers, statements and tokens.

use super::protocol::{Answered, Claims, Conn, Import, Judged, Protocol};
use super::rules::Rule;
use super::smallest::{Asked, Model, Reads, Session};
use crate::clock::Moment;
use crate::identity::Identity;

impl Protocol for Model {
    type Mark = u64;
    type Asked = Asked;

    fn primary_opened(&mut self, asked_at: Moment, said: &Identity, now: Moment) -> Judged<u64> {
        if !self.is_of_epoch(asked_at) {
            return Judged::AskAgain;
        }
        let falls = self
            .primary
            .is_some_and(|primary| said.server.timeline < primary.timeline);
        let is_none = said.in_recovery && self.keep(Rule::PrimaryWrites);
        if is_none || falls && self.keep(Rule::TimelineNeverFalls) {
            self.generation += u64::from(!self.refused);
            self.refused = true;
            return Judged::Refused;
        }
        if self.primary != Some(said.server) {
            self.begin_epoch(said.server, asked_at);
        } else if self.refused {
            self.refused = false;
            self.generation += 1;
        }
        self.sample(asked_at, said, now);
        Judged::Usable(self.generation)
    }

    fn sampled(&mut self, mark: u64, asked_at: Moment, said: &Identity, now: Moment) {
        let is_current = mark == self.generation || !self.keep(Rule::SamplesOfAGeneration);
        if is_current && self.is_of_epoch(asked_at) {
            self.sample(asked_at, said, now);
        }
    }

    fn ask(&self, replica: usize, mark: Option<u64>, now: Moment) -> Asked {
        let shown = &self.replicas[replica - 1];
        Asked {
            sent_at: now,
            generation: mark.unwrap_or(shown.generation),
            shown: shown.position,
        }
    }

    fn replica_opened(
        &mut self,
        replica: usize,
        asked: Asked,
        said: &Identity,
        _now: Moment,
    ) -> Judged<u64> {
        let rules = self.rules;
        let refused = self.is_refused(said);
        if !self.is_of_epoch(asked.sent_at) {
            return Judged::AskAgain;
        }
        let shown = &mut self.replicas[replica - 1];
        if asked.generation != shown.generation && rules.keep(Rule::AnswersOfAGeneration) {
            return Judged::AskAgain;
        }
        if refused {
            if !shown.refused {
                shown.void();
                shown.refused = true;
            }
            return Judged::Refused;
        }
        let other = shown.server.is_some_and(|known| {
            !known.is_same_run(&said.server) && rules.keep(Rule::OtherServerVoids)
        });
        if other {
            shown.void();
        }
        let asked = match other {
            true => Asked {
                shown: None,
                ..asked
            },
            false => asked,
        };
        shown.server = Some(said.server);
        shown.identified = true;
        shown.refused = false;
        let judged = shown.judge(rules, asked, said);
        self.advance(replica - 1);
        judged
    }

    fn replica_showed(
        &mut self,
        replica: usize,
        asked: Asked,
        said: &Identity,
        _now: Moment,
    ) -> Judged<u64> {
        let rules = self.rules;
        let is_late = !self.is_of_epoch(asked.sent_at);
        let shown = &mut self.replicas[replica - 1];
        if shown.refused {
            return Judged::Refused;
        }
        let is_current = asked.generation == shown.generation;
        if is_late || !shown.identified || !is_current && rules.keep(Rule::AnswersOfAGeneration) {
            return Judged::AskAgain;
        }
        let judged = shown.judge(rules, asked, said);
        self.advance(replica - 1);
        judged
    }

    fn trusted(&self, node: usize) -> Option<u64> {
        let generation = match node {
            0 => self.generation,
            _ => self.replicas[node - 1].generation,
        };
        (!self.keep(Rule::ConnectionsAreAsked)).then_some(generation)
    }

    fn checkout(&self, node: usize, conn: &Conn<u64>) -> Option<u64> {
        let (generation, refused, rule) = match node {
            0 => (self.generation, self.refused, Rule::OldPrimaryCloses),
            _ => {
                let shown = &self.replicas[node - 1];
                (shown.generation, shown.refused, Rule::OldConnectionsClose)
            }
        };
        if !self.keep(rule) {
            return Some(generation);
        }
        (!refused && conn.mark == generation).then_some(generation)
    }

    fn admits(&self, node: usize, session: usize, now: Moment) -> bool {
        self.serves(node, None, session, now).is_some()
    }

    fn still_serves(&self, node: usize, conn: &Conn<u64>, session: usize, now: Moment) -> bool {
        !self.keep(Rule::LookAgain) || self.serves(node, Some(conn), session, now).is_some()
    }

    fn wrote(&mut self, session: usize, sent_at: Moment, now: Moment, is_known: bool) {
        let at = match self.keep(Rule::WritesCountAtOutcome) {
            true => now,
            false => sent_at,
        };
        if is_known || self.keep(Rule::UnknownCounts) {
            self.resume(session, at);
        }
    }

    fn read(&mut self, session: usize, read: Answered<u64>) {
        let at = match self.keep(Rule::ReadsCountAtAnswer) {
            true => read.answered_at,
            false => read.sent_at,
        };
        let new = Reads {
            node: read.node,
            generation: read.mark,
            first_at: read.sent_at,
            at,
            elsewhere_at: Moment::NEVER,
        };
        let reads = &mut self.sessions[session].reads;
        *reads = Some(match *reads {
            Some(before) if (before.node, before.generation) == (read.node, read.mark) => Reads {
                first_at: before.first_at.min(read.sent_at),
                at: before.at.max(at),
                ..before
            },
            Some(before) => Reads {
                elsewhere_at: before.at.max(before.elsewhere_at),
                ..new
            },
            None => new,
        });
    }

    fn forget(&mut self, session: usize) {
        self.sessions[session] = Session::default();
    }

    fn export(&self, session: usize, _now: Moment) -> Option<Claims> {
        let timeline = self.primary?.timeline;
        let floor = self.floor(session);
        if floor == Moment::NEVER {
            return Some(Claims {
                timeline,
                position: None,
            });
        }
        let mut after = self.samples.iter().filter(|sample| {
            let is_after = sample.taken_at > floor;
            is_after || !self.keep(Rule::TokenAfterFloor)
        });
        let position = Some(after.next()?.position);
        Some(Claims { timeline, position })
    }

    fn import(&self, claims: Claims, started: Moment) -> Import {
        let Some(primary) = self.primary else {
            return Import::NotYet;
        };
        if primary.timeline != claims.timeline && self.keep(Rule::TokenOfTimeline) {
            return Import::Refused;
        }
        let Some(position) = claims.position else {
            return Import::Floor(Moment::NEVER);
        };
        let mut samples = self.samples.iter();
        let found = match self.keep(Rule::TokenAtOrAbove) {
            true => samples.find(|sample| sample.position >= position),
            false => samples.rfind(|sample| sample.position <= position),
        };
        match found {
            Some(sample) => Import::Floor(sample.taken_at.just_before()),
            None if self.samples.last().is_some_and(|s| s.taken_at > started) => Import::Refused,
            None => Import::NotYet,
        }
    }

    fn resume(&mut self, session: usize, floor: Moment) {
        let wrote_at = &mut self.sessions[session].wrote_at;
        *wrote_at = (*wrote_at).max(floor);
    }
}
