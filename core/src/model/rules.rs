//! The rules of the protocol by name, so that each can be left out.

/// One rule. What it prevents is told in `docs/freshness.md`, with the trace that shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub(super) enum Rule {
    /// The instant of a sample is read before its question is sent.
    StampedBeforeAsking,
    /// A replica is as fresh as the newest sample *at or below* what it has replayed.
    AtOrBelow,
    /// A sample that arrives out of order is left out.
    SamplesInOrder,
    /// Evidence is compared strictly, since instants tie.
    StrictlyGreater,
    /// Every connection is asked whom it leads to before it is used.
    ConnectionsAreAsked,
    /// Another server at a replica's address voids what its predecessor has shown.
    OtherServerVoids,
    /// A server that is further back than it was voids what it has shown.
    StepBackVoids,
    /// Connections of an older generation are closed.
    OldConnectionsClose,
    /// An answer counts only in the generation in which its question was asked.
    AnswersOfAGeneration,
    /// An answer above what a later question saw proves nothing.
    OvertakenAnswers,
    /// A new connection whose answer is below what was shown since has to be asked again.
    AmbiguousAsksAgain,
    /// What routing saw is looked at again after checkout.
    LookAgain,
    /// A new primary, or a new timeline, voids all evidence for floors.
    EpochVoids,
    /// A primary that is further back than it was begins an epoch. Not for safety: samples below the
    /// newest are left out, and evidence would stand still until the primary has passed its old position.
    StepBackBegins,
    /// An answer counts only in the epoch in which its question was asked. Not for safety: it keeps a
    /// late answer of a primary that is gone from beginning an epoch of its own.
    AnswersOfAnEpoch,
    /// In a new epoch a replica has to be identified again.
    IdentifiedInEpoch,
    /// A replica has to be on the primary's timeline.
    SameTimeline,
    /// A sample counts only over a connection to the current primary.
    SamplesOfAGeneration,
    /// A server in recovery is not the primary.
    PrimaryWrites,
    /// A primary of an older timeline is not the primary.
    TimelineNeverFalls,
    /// Connections to an earlier primary are closed.
    OldPrimaryCloses,
    /// A write counts from when its outcome arrived, not from when it was sent.
    WritesCountAtOutcome,
    /// A write whose outcome is unknown counts.
    UnknownCounts,
    /// A read counts from when it was answered, not from when it was sent.
    ReadsCountAtAnswer,
    /// The server read last serves again only over a connection older than the first read there.
    OpenBeforeFirstRead,
    /// … and only if it has passed what was read elsewhere.
    PassedElsewhere,
    /// A token holds the position of a sample that was taken *after* everything it tells of.
    TokenAfterFloor,
    /// A token asks for the oldest sample at or above its position.
    TokenAtOrAbove,
    /// A token of another timeline is refused.
    TokenOfTimeline,
}

/// The rules that are kept: all but at most one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rules {
    without: Option<Rule>,
}

impl Rules {
    pub(super) const ALL: Self = Self { without: None };

    pub(super) fn without(rule: Rule) -> Self {
        Self {
            without: Some(rule),
        }
    }

    pub(super) fn keep(self, rule: Rule) -> bool {
        self.without != Some(rule)
    }
}
