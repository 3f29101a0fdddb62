//! What one replica has shown, and which replies count.
//!
//! Decides when evidence is voided. Must never let a reply raise what is known unless the very
//! server that would serve the next statement has shown it.

use std::time::Duration;

use super::samples::Samples;
use crate::clock::Moment;
use crate::identity::{Identity, Reading, Run, Server};
use crate::position::Lsn;
use crate::refusal::Refusal;

/// Running servers behind one node of which evidence is kept.
pub(crate) const MOST_MEMBERS: usize = 16;

/// What a question was asked with; handed back together with the answer.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Asked {
    pub(super) sent_at: Moment,
    /// Of the connection; for the first question on a new one the newest of the node.
    pub(super) generation: u64,
    /// What had been shown by then, under which generation.
    pub(super) shown: [Option<(u64, Lsn)>; MOST_MEMBERS],
}

impl Asked {
    fn shown_by(&self, generation: u64) -> Option<Lsn> {
        let mut shown = self.shown.iter().flatten();
        shown.find_map(|(of, position)| (*of == generation).then_some(*position))
    }
}

/// Draws the generations of one node: whatever is void never comes back under the same number.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))] // see `Freshness`
pub(super) struct Generations(u64);

impl Generations {
    pub(super) fn newest(&self) -> u64 {
        self.0
    }

    pub(super) fn draw(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// What a reply meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It was taken into account; the connection belongs to this generation.
    Accepted { generation: u64 },
    /// It cannot be told whether the server has restarted since: ask again on the same connection.
    Ambiguous,
    /// The node must not be used.
    Refused(Refusal),
}

/// What the hot path reads of one replica.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Evidence {
    /// Accepted by floors.
    pub(crate) fresh_as_of: Option<Moment>,
    /// Accepted by staleness bounds: evidence of an earlier epoch counts too.
    pub(crate) stale_as_of: Option<Moment>,
    /// The node reads the primary's own file: always as of now.
    pub(crate) shared: bool,
    pub(crate) generation: u64,
    /// Connections opened before this instant belong to an older generation.
    pub(crate) since: Moment,
    pub(crate) refusal: Option<Refusal>,
    pub(crate) position: Option<Lsn>,
    /// How far it is known to have lagged, at least, when it was asked last.
    pub(crate) lag: Duration,
}

impl Evidence {
    pub(crate) const NOTHING: Self = Self {
        fresh_as_of: None,
        stale_as_of: None,
        shared: false,
        generation: 0,
        since: Moment::NEVER,
        refusal: None,
        position: None,
        lag: Duration::ZERO,
    };
}

/// What is known of one running server, or of whichever a node of one server leads to.
#[derive(Debug, Default)]
#[cfg_attr(test, derive(Clone))] // the model looks at what could come of each state
pub(super) struct Shown {
    generation: u64,
    since: Moment,
    run: Option<Run>,
    /// When it answered last, whatever came of that.
    answered_at: Moment,
    /// Whether the server was identified in the current epoch.
    identified: bool,
    /// It reads the primary's own file.
    shared: bool,
    position: Option<Lsn>,
    received_at: Moment,
    /// The latest question that was answered, and its answer.
    latest: Option<(Moment, Lsn)>,
    lag: Duration,
    refusal: Option<Refusal>,
    fresh_in_epoch: Option<Moment>,
    fresh_at_all: Option<Moment>,
}

impl Shown {
    /// A server that answers for the first time.
    pub(super) fn of(run: Run, generation: u64, now: Moment) -> Self {
        Self {
            generation,
            since: now,
            run: Some(run),
            ..Self::default()
        }
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation
    }

    pub(super) fn answered_at(&self) -> Moment {
        self.answered_at
    }

    /// What it has shown, for a question that is about to be sent.
    pub(super) fn shown(&self) -> Option<(u64, Lsn)> {
        self.position.map(|position| (self.generation, position))
    }

    pub(super) fn evidence(&self) -> Evidence {
        Evidence {
            fresh_as_of: self.fresh_in_epoch,
            stale_as_of: self.fresh_at_all,
            shared: self.shared,
            generation: self.generation,
            since: self.since,
            refusal: self.refusal,
            position: self.position,
            lag: self.lag,
        }
    }

    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal
    }

    pub(super) fn is_identified(&self) -> bool {
        self.identified
    }

    /// Whether `run` is another server than the one that is known here.
    pub(super) fn is_other_than(&self, run: &Run) -> bool {
        self.run.is_some_and(|known| !known.is_same(run))
    }

    pub(super) fn run(&self) -> Option<Run> {
        self.run
    }

    pub(super) fn is_of(&self, run: &Run) -> bool {
        self.run.is_some_and(|known| known.is_same(run))
    }

    /// Whether another node that is in use is this running server. Nodes that share the primary's
    /// file are many views of one thing on purpose.
    pub(super) fn is_run_of(&self, server: &Server) -> bool {
        let same = self
            .run
            .is_some_and(|known| known.server.is_same_run(server));
        same && self.identified && self.refusal.is_none() && !self.shared
    }

    /// Whether this node is in use and belongs to another cluster than `server`.
    pub(super) fn is_of_another_system(&self, server: &Server) -> bool {
        let in_use = self.identified && self.refusal.is_none();
        in_use
            && self
                .run
                .is_some_and(|known| known.server.system != server.system)
    }

    /// More replayed than the primary had written at an instant after the reply came.
    pub(super) fn is_ahead_of(&self, primary: Lsn, taken_at: Moment) -> bool {
        let ahead = self.position.is_some_and(|position| position > primary);
        ahead && self.received_at < taken_at
    }

    /// A node refused as being ahead stays refused until the primary has passed it.
    pub(super) fn is_still_ahead(&self, reading: Reading, primary: Option<Lsn>) -> bool {
        let Reading::Position(position) = reading else {
            return false;
        };
        self.refusal == Some(Refusal::AheadOfPrimary) && Some(position) > primary
    }

    pub(super) fn opened(
        &mut self,
        asked: Asked,
        identity: &Identity,
        now: Moment,
        generations: &mut Generations,
    ) -> Verdict {
        let run = Run::of(identity);
        if self.is_other_than(&run) {
            self.void(now, generations);
        }
        self.run = Some(run);
        self.identified = true;
        self.refusal = None;
        self.take(asked, identity.reading, now, generations)
    }

    /// Judges a reply against everything that the server has shown.
    pub(super) fn take(
        &mut self,
        asked: Asked,
        reading: Reading,
        now: Moment,
        generations: &mut Generations,
    ) -> Verdict {
        self.answered_at = now;
        let Reading::Position(position) = reading else {
            self.shared = true;
            return self.accepted();
        };
        let shown_before = asked.shown_by(self.generation);
        let below_what_was_shown_before = shown_before.is_some_and(|shown| position < shown);
        let below_what_was_shown_since = self.position.is_some_and(|shown| position < shown);
        let above_what_a_later_question_saw = self
            .latest
            .is_some_and(|(sent_at, shown)| sent_at > asked.sent_at && shown < position);
        if below_what_was_shown_before {
            self.void(now, generations);
        } else if below_what_was_shown_since || above_what_a_later_question_saw {
            return Verdict::Ambiguous;
        }
        self.position = Some(position);
        self.received_at = now;
        if self
            .latest
            .is_none_or(|(sent_at, _)| sent_at <= asked.sent_at)
        {
            self.latest = Some((asked.sent_at, position));
        }
        self.accepted()
    }

    /// Raises what is proved by what was shown.
    pub(super) fn advance(&mut self, samples: &Samples) {
        if !self.identified || self.refusal.is_some() {
            return;
        }
        let proved = self.position.and_then(|position| samples.proves(position));
        self.fresh_in_epoch = self.fresh_in_epoch.max(proved);
        self.fresh_at_all = self.fresh_at_all.max(proved);
        if let Some((asked, position)) = self.latest {
            let since = samples.lacks_since(position, asked);
            self.lag = since.map_or(Duration::ZERO, |since| asked.since(since));
        }
    }

    /// Floors accept nothing of an earlier epoch; bounds do, or a failover would send every read
    /// to the new primary at once.
    pub(super) fn epoch_began(&mut self) {
        self.fresh_in_epoch = None;
        self.identified = false;
        self.position = None;
        self.latest = None;
        if let Some(Refusal::AheadOfPrimary | Refusal::OtherTimeline) = self.refusal {
            self.refusal = None;
        }
    }

    pub(super) fn refuse(&mut self, refusal: Refusal, now: Moment, generations: &mut Generations) {
        if self.refusal != Some(refusal) {
            self.void(now, generations);
            self.refusal = Some(refusal);
        }
    }

    /// It answered, and is refused for what it said.
    pub(super) fn answered(&mut self, now: Moment) {
        self.answered_at = now;
    }

    fn accepted(&self) -> Verdict {
        Verdict::Accepted {
            generation: self.generation,
        }
    }

    /// Nothing that was shown counts any more, from `now` on.
    fn void(&mut self, now: Moment, generations: &mut Generations) {
        *self = Self {
            generation: generations.draw(),
            since: now,
            run: self.run,
            answered_at: self.answered_at,
            identified: self.identified,
            ..Self::default()
        };
    }
}
