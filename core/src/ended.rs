//! How an attempt ends that yields nothing.
//!
//! Decides nothing: what follows from it stands in `attempt.rs`.

use crate::clock::Moment;
use crate::error::Phase;
use crate::fallback::Full;
use crate::fault::Fault;

/// How one attempt ended without a result.
pub(crate) enum Ended<E> {
    /// The replica is no longer fresh enough; nothing was sent.
    NotFresh,
    /// No replica is up, and the primary takes no more of their reads.
    Full(Full),
    Failed(Failure<E>),
}

impl<E> Ended<E> {
    pub(crate) fn gave_up(
        phase: Phase,
        fault: Fault,
        since: Moment,
        generation: Option<u64>,
    ) -> Self {
        let error = None;
        Self::Failed(Failure {
            phase,
            fault,
            since,
            error,
            generation,
        })
    }
}

pub(crate) struct Failure<E> {
    pub(crate) phase: Phase,
    pub(crate) fault: Fault,
    /// When the connection was opened; before there is one, when its checkout began.
    pub(crate) since: Moment,
    /// The host's error, unless we gave up waiting.
    pub(crate) error: Option<E>,
    /// Of the connection, if there was one.
    pub(crate) generation: Option<u64>,
}
