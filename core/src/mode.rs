//! How many reads leave the primary: modes, the share of reads, and what callers ask for.
//!
//! Decides whether a read that a replica could serve is kept on the primary all the same. Must never let
//! anything else leave it. Both settings are one word that each statement loads once.

use std::sync::atomic::{AtomicU32, Ordering};

use serde::Serialize;

use crate::config::ConfigError;
use crate::reason::Reason;

/// Which reads leave the primary.
///
/// Set by the builder, changed by `set_mode` while the application runs; the next statement of every handle
/// goes by it. What is under way ends where it is, a read-only transaction on a replica included.
///
/// | a read that … | `Automatic` | `OptIn` | `Shadow` |
/// |---|---|---|---|
/// | asks for the primary ([`Hint::Primary`], of its handle or scope) | primary: `hint` | primary: `hint` | primary: `hint` |
/// | has to be there (a pin, `Consistency::Strong`, a listing that stays, a misrouted statement, no replicas) | primary, by that reason | primary, by that reason | primary, by that reason |
/// | asks for replicas ([`Hint::Replica`], of its handle or scope) | routed | routed | primary: `shadow` |
/// | asks for nothing, in a session within the share of reads | routed | primary: `opt_in` | primary: `shadow` |
/// | asks for nothing, in a session outside the share of reads | primary: `share` | primary: `opt_in` | primary: `shadow` |
/// | is a transaction declared read-only | as any read, by what its handle or scope asks for | the same | primary: `shadow` |
///
/// *Routed* means that it goes to a replica that is fresh enough for its session, else to the primary, with
/// every promise kept: a read that was asked to replicas waits for nobody's lag either. Writes, locks and
/// whatever is not known to read run on the primary in each mode and with each hint.
///
/// So the share of reads is of those that nobody asked for, and 0 % of them is `OptIn` by another name; what
/// takes *every* read off the replicas is `Shadow`. In `Shadow` the share does not count: what is recorded is
/// what `Automatic` would do with all reads. `explain()` tells what happens, and in `Shadow` also what would
/// ([`Route::would`](crate::Route::would)).
///
/// ```
/// use orm_split_core::{Mode, Options};
///
/// assert_eq!(Options::default().mode, Mode::Automatic);
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Mode {
    /// Reads go to replicas, as many as the share of reads says. The default.
    #[default]
    Automatic,
    /// Reads stay on the primary unless their handle or scope asks for replicas.
    OptIn,
    /// Everything runs on the primary. What would have gone where is recorded, see
    /// [`ShadowStatus`](crate::ShadowStatus). Also the switch that takes every read off the replicas.
    Shadow,
}

impl Mode {
    /// The mode as it appears in `status()` and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Automatic => "automatic",
            Self::OptIn => "opt_in",
            Self::Shadow => "shadow",
        }
    }
}

/// A wish of the caller that the text of the statement does not show; the stricter ones last.
///
/// Of a handle, or of a scope (as a [`ReadConcern`](crate::ReadConcern)). Where both ask for something the
/// stricter counts, unless the wish was made inside the scope.
///
/// ```
/// use orm_split_core::{Hint, Splitter};
///
/// fn balance_is_read_from(splitter: &Splitter) -> String {
///     splitter.explain("SELECT balance FROM account", Hint::Primary).node.to_string()
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Default)]
#[non_exhaustive]
pub enum Hint {
    /// None: the text decides, and the [`Mode`].
    #[default]
    None,
    /// Replicas, for reads: also those that [`Mode::OptIn`] or the share of reads would keep on the primary.
    /// One that is fresh enough for the session; if there is none the primary. Everything else is routed
    /// as without it: this makes a read of nothing.
    Replica,
    /// The primary, also for reads.
    Primary,
}

/// The share of reads, in percent, is of this many.
const ALL: u8 = 100;

/// Checks a share of reads, in percent.
pub(crate) fn check_share(percent: u8) -> Result<(), ConfigError> {
    if percent > ALL {
        let value = format!("{percent} %");
        return Err(ConfigError::new("read_share", value, "0 to 100 %"));
    }
    Ok(())
}

/// The mode and the share of reads as they are now: 0 as long as all reads may leave the primary.
#[derive(Debug)]
pub(crate) struct Rollout(AtomicU32);

const MODE_SHIFT: u32 = 8;
const SHARE_BITS: u32 = 0xff;

impl Rollout {
    /// `percent` was checked.
    pub(crate) fn new(mode: Mode, percent: u8) -> Self {
        Self(AtomicU32::new(bits_of_mode(mode) | bits_of_share(percent)))
    }

    pub(crate) fn mode(&self) -> Mode {
        mode_of(self.0.load(Ordering::Relaxed))
    }

    /// The share of reads, in percent.
    pub(crate) fn share(&self) -> u8 {
        share_of(self.0.load(Ordering::Relaxed))
    }

    /// Yields the mode until now.
    pub(crate) fn set_mode(&self, mode: Mode) -> Mode {
        mode_of(self.replace(SHARE_BITS, bits_of_mode(mode)))
    }

    /// Yields the share until now. `percent` was checked.
    pub(crate) fn set_share(&self, percent: u8) -> u8 {
        share_of(self.replace(!SHARE_BITS, bits_of_share(percent)))
    }

    fn replace(&self, keeps: u32, bits: u32) -> u32 {
        let replaced = |old: u32| Some(old & keeps | bits);
        let (set, fetched) = (Ordering::Relaxed, Ordering::Relaxed);
        let old = self.0.fetch_update(set, fetched, replaced);
        old.unwrap_or_else(|unchanged| unchanged)
    }

    /// Why a read is kept on the primary though a replica might serve it. `hint` is what its handle and
    /// scope ask for, `draw` a number below 100 that its session has drawn for good.
    pub(crate) fn keeps(
        &self,
        hint: impl FnOnce() -> Hint,
        draw: impl FnOnce() -> u8,
    ) -> Option<Reason> {
        let bits = self.0.load(Ordering::Relaxed);
        if bits == 0 {
            return None;
        }
        match mode_of(bits) {
            Mode::Shadow => Some(Reason::Shadow),
            _ if hint() == Hint::Replica => None,
            Mode::OptIn => Some(Reason::OptIn),
            Mode::Automatic => (draw() >= share_of(bits)).then_some(Reason::Share),
        }
    }
}

const fn bits_of_mode(mode: Mode) -> u32 {
    let number = match mode {
        Mode::Automatic => 0,
        Mode::OptIn => 1,
        Mode::Shadow => 2,
    };
    number << MODE_SHIFT
}

const fn mode_of(bits: u32) -> Mode {
    match bits >> MODE_SHIFT {
        0 => Mode::Automatic,
        1 => Mode::OptIn,
        // no other number is ever stored
        _ => Mode::Shadow,
    }
}

fn bits_of_share(percent: u8) -> u32 {
    u32::from(ALL.saturating_sub(percent))
}

fn share_of(bits: u32) -> u8 {
    let kept = u8::try_from(bits & SHARE_BITS).unwrap_or(ALL);
    ALL.saturating_sub(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MODES: [Mode; 3] = [Mode::Automatic, Mode::OptIn, Mode::Shadow];

    #[test]
    fn mode_and_share_change_without_each_other() {
        let rollout = Rollout::new(Mode::Automatic, 100);
        for mode in MODES {
            rollout.set_mode(mode);
            for percent in 0..=100 {
                rollout.set_share(percent);
                assert_eq!((rollout.mode(), rollout.share()), (mode, percent));
            }
        }
        assert_eq!(rollout.set_share(7), 100);
        assert_eq!(rollout.set_mode(Mode::OptIn), Mode::Shadow);
        assert_eq!((rollout.mode(), rollout.share()), (Mode::OptIn, 7));
    }

    #[test]
    fn all_reads_in_automatic_mode_are_one_comparison_with_zero() {
        assert_eq!(Rollout::new(Mode::default(), 100).0.into_inner(), 0);
    }

    #[test]
    fn whoever_is_in_the_share_stays_in_it_while_it_is_raised() {
        let rollout = Rollout::new(Mode::Automatic, 0);
        for percent in 0..=100 {
            rollout.set_share(percent);
            let kept = |draw| rollout.keeps(|| Hint::None, || draw);
            assert!((0..percent).all(|draw| kept(draw).is_none()));
            assert!((percent..100).all(|draw| kept(draw) == Some(Reason::Share)));
        }
    }

    #[test]
    fn the_table_of_the_modes_holds() {
        let kept = |mode, hint, draw| Rollout::new(mode, 50).keeps(|| hint, || draw);
        for (draw, by_share) in [(49, None), (50, Some(Reason::Share))] {
            assert_eq!(kept(Mode::Automatic, Hint::None, draw), by_share);
            assert_eq!(kept(Mode::Automatic, Hint::Replica, draw), None);
            assert_eq!(kept(Mode::OptIn, Hint::None, draw), Some(Reason::OptIn));
            assert_eq!(kept(Mode::OptIn, Hint::Replica, draw), None);
            for hint in [Hint::None, Hint::Replica] {
                assert_eq!(kept(Mode::Shadow, hint, draw), Some(Reason::Shadow));
            }
        }
    }

    #[test]
    fn a_share_beyond_all_is_refused_by_name() {
        let refused = check_share(101).expect_err("refused").to_string();
        assert_eq!(refused, "read_share: 101 % is not accepted; use 0 to 100 %");
        assert_eq!((check_share(0), check_share(100)), (Ok(()), Ok(())));
    }
}
