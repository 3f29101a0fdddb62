//! Positions of the primary, each with the instant before which everything committed is covered.
//!
//! Decides which instant a replayed position proves. Must never be cut at its old end: a replica
//! that lags more than the ring spans would stay unknown for ever.

use crate::clock::Moment;
use crate::position::Lsn;

/// One sample: everything committed before `taken_at` lies at or below `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) taken_at: Moment,
    pub(crate) position: Lsn,
}

/// Samples of one epoch in the order of both their instants and their positions.
///
/// Bounded: when full, every second sample of the older half goes, so that the past is kept ever
/// more coarsely but never forgotten.
#[derive(Debug)]
#[cfg_attr(test, derive(Clone))] // the model looks at what could come of each state
pub(crate) struct Samples {
    ring: Vec<Sample>,
    capacity: usize,
}

/// 512 samples are 8 KiB; at one per second the newer half spans four minutes exactly.
const CAPACITY: usize = 512;

impl Default for Samples {
    fn default() -> Self {
        Self::keeping(CAPACITY)
    }
}

impl Samples {
    /// So many at most.
    pub(super) fn keeping(capacity: usize) -> Self {
        Self {
            ring: Vec::new(),
            capacity,
        }
    }

    pub(crate) fn clear(&mut self) {
        self.ring.clear();
    }

    pub(crate) fn newest(&self) -> Option<Sample> {
        self.ring.last().copied()
    }

    /// Adds a sample. One that arrives out of order adds nothing and is left out: a later sample
    /// with the same or a smaller position proves more.
    pub(crate) fn push(&mut self, sample: Sample) {
        let in_order = self.newest().is_none_or(|newest| {
            sample.taken_at > newest.taken_at && sample.position >= newest.position
        });
        if !in_order {
            return;
        }
        self.drop_superseded(sample.position);
        if self.ring.len() >= self.capacity {
            self.thin();
        }
        self.ring.push(sample);
    }

    /// The instant of the newest sample at or below `replayed`.
    pub(crate) fn proves(&self, replayed: Lsn) -> Option<Moment> {
        let after = self
            .ring
            .partition_point(|sample| sample.position <= replayed);
        let newest = after.checked_sub(1)?;
        self.ring.get(newest).map(|sample| sample.taken_at)
    }

    /// The instant of the oldest sample at or above `position`: whatever is as fresh has replayed that
    /// position, also if samples before it were thinned out. `None` if no sample is.
    pub(crate) fn reached(&self, position: Lsn) -> Option<Moment> {
        let before = self
            .ring
            .partition_point(|sample| sample.position < position);
        self.ring.get(before).map(|sample| sample.taken_at)
    }

    /// The position of the oldest sample that was taken after `instant`.
    pub(crate) fn after(&self, instant: Moment) -> Option<Lsn> {
        let before = self
            .ring
            .partition_point(|sample| sample.taken_at <= instant);
        self.ring.get(before).map(|sample| sample.position)
    }

    /// The instant of the oldest sample above `replayed` that was taken before `asked`: at `asked` the
    /// replica lagged at least since then. `None` if it is not known to have lagged.
    pub(crate) fn lacks_since(&self, replayed: Lsn, asked: Moment) -> Option<Moment> {
        let at_or_below = self
            .ring
            .partition_point(|sample| sample.position <= replayed);
        let oldest = self.ring.get(at_or_below)?;
        (oldest.taken_at < asked).then_some(oldest.taken_at)
    }

    /// Of the samples at one position only the first, since when a replica lacks it, and the last, until when
    /// it has everything, say something: an idle primary costs two entries, however long it idles.
    fn drop_superseded(&mut self, position: Lsn) {
        if let [.., first, last] = self.ring.as_slice()
            && first.position == position
            && last.position == position
        {
            self.ring.pop();
        }
    }

    fn thin(&mut self) {
        let older = self.ring.len() / 2;
        let mut index = 0;
        self.ring.retain(|_| {
            let keep = index >= older || index % 2 == 0;
            index += 1;
            keep
        });
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn sample(taken_at: u64, position: u64) -> Sample {
        Sample {
            taken_at: Moment(taken_at),
            position: Lsn(position),
        }
    }

    /// Samples so much later and further than the one before: as they are kept, and all of them.
    fn pushed(steps: Vec<(u64, u64)>) -> (Samples, Vec<Sample>) {
        let (mut at, mut position) = (0, 0);
        let (mut samples, mut all) = (Samples::default(), Vec::new());
        for (later, further) in steps {
            at += later;
            position += further;
            samples.push(sample(at, position));
            all.push(sample(at, position));
        }
        (samples, all)
    }

    #[test]
    fn an_idle_primary_keeps_its_first_and_its_newest_sample_only() {
        let mut samples = Samples::default();
        for at in 1..1_000 {
            samples.push(sample(at, 7));
        }
        assert_eq!(samples.ring, [sample(1, 7), sample(999, 7)]);
        assert_eq!(samples.proves(Lsn(7)), Some(Moment(999)));
        assert_eq!(samples.proves(Lsn(6)), None);
        assert_eq!(samples.reached(Lsn(7)), Some(Moment(1)));
        assert_eq!(samples.lacks_since(Lsn(6), Moment(500)), Some(Moment(1)));
        assert_eq!(samples.lacks_since(Lsn(7), Moment(500)), None);
    }

    #[test]
    fn a_replica_that_lags_more_than_the_ring_holds_is_not_unknown() {
        let mut samples = Samples::default();
        for at in 1..100_000 {
            samples.push(sample(at, at));
        }
        assert!(samples.ring.len() <= CAPACITY);
        let proved = samples.proves(Lsn(50)).expect("the old end is kept");
        assert!(proved <= Moment(50));
        assert_eq!(samples.proves(Lsn(99_999)), Some(Moment(99_999)));
    }

    proptest! {
        #[test]
        fn whatever_is_as_fresh_as_when_a_position_was_reached_has_replayed_it(
            steps in proptest::collection::vec((1_u64..5, 0_u64..5), 1..3_000),
            asked in 0_u64..12_000,
        ) {
            let (samples, all) = pushed(steps);
            let reached = samples.reached(Lsn(asked));
            let newest = all.last().map_or(0, |newest| newest.position.0);
            prop_assert_eq!(reached.is_some(), newest >= asked);
            let as_fresh = all.iter().filter(|s| reached.is_some_and(|at| s.taken_at >= at));
            for s in as_fresh {
                prop_assert!(s.position.0 >= asked);
            }
        }

        #[test]
        fn what_is_proved_was_sampled_at_or_below_the_replayed_position(
            steps in proptest::collection::vec((1_u64..5, 0_u64..5), 1..3_000),
            replayed in 0_u64..12_000,
        ) {
            let (samples, all) = pushed(steps);
            let best = all.iter().filter(|s| s.position.0 <= replayed).map(|s| s.taken_at).max();
            let proved = samples.proves(Lsn(replayed));
            prop_assert!(proved <= best);
            prop_assert_eq!(proved.is_some(), best.is_some());
        }
    }
}
