//! Instants of this process as plain integers, so that the hot path compares two numbers.
//!
//! Never looks at a server's clock or at the wall clock: every guarantee of the library is a
//! comparison of two [`Moment`]s of one process. Based on [`tokio::time::Instant`], so that tests
//! run in virtual time.

use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

/// An instant on the monotonic clock of this process, in nanoseconds since its [`Clock`] started.
///
/// [`Moment::NEVER`] stands before every instant.
///
/// ```
/// use orm_split_core::{Clock, Moment};
///
/// let clock = Clock::start();
/// assert!(clock.now() > Moment::NEVER);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize)]
#[serde(transparent)]
pub struct Moment(pub(crate) u64);

impl Moment {
    /// Before every instant: nothing was written, nothing is known.
    pub const NEVER: Self = Self(0);

    /// This instant and `duration` more, saturating.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }

    /// The instant `duration` before this one, never before the clock's start.
    pub(crate) fn before(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)).max(1))
    }

    /// The last instant before this one, never [`NEVER`](Self::NEVER).
    pub(crate) fn just_before(self) -> Self {
        Self(self.0.saturating_sub(1).max(1))
    }

    /// How long before `self` the instant `earlier` was; zero if it was not earlier.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// The clock that [`Moment`]s are read from.
///
/// ```
/// use orm_split_core::Clock;
///
/// let clock = Clock::start();
/// let before = clock.now();
/// assert!(clock.now() >= before);
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    anchor: Instant,
}

impl Clock {
    /// Starts a clock. Its first reading is already greater than [`Moment::NEVER`].
    #[must_use]
    pub fn start() -> Self {
        Self {
            anchor: Instant::now(),
        }
    }

    /// The current instant.
    #[must_use]
    pub fn now(&self) -> Moment {
        Moment(nanos(self.anchor.elapsed()).saturating_add(1))
    }

    /// The instant `age` ago, never before the clock's start.
    #[must_use]
    pub fn ago(&self, age: Duration) -> Moment {
        self.now().before(age)
    }
}

/// 2^64 nanoseconds are 584 years: saturating is only for arithmetic on absurd settings.
pub(crate) fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}
