//! How often something happens: in all, and per second of late.
//!
//! Decides nothing. Bounded: ten seconds are remembered, however much happens in them.

use std::collections::VecDeque;

use parking_lot::Mutex;

use crate::clock::Moment;

/// Whole seconds that a rate is the mean of.
const SECONDS: u8 = 10;

/// Counts events. For what happens some hundred times a second, not for every statement.
#[derive(Debug, Default)]
pub(crate) struct Rate(Mutex<Counts>);

#[derive(Debug, Default)]
struct Counts {
    total: u64,
    /// Counts of the latest seconds in which there were any, each with the number of its second.
    by_second: VecDeque<(u64, u64)>,
}

impl Rate {
    pub(crate) fn count(&self, now: Moment) {
        let second = second_of(now);
        let mut counts = self.0.lock();
        counts.total += 1;
        match counts.by_second.back_mut() {
            Some((of, count)) if *of == second => *count += 1,
            _ => counts.by_second.push_back((second, 1)),
        }
        if counts.by_second.len() > usize::from(SECONDS) + 1 {
            counts.by_second.pop_front();
        }
    }

    pub(crate) fn total(&self) -> u64 {
        self.0.lock().total
    }

    /// Mean of the last ten whole seconds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "counts of ten seconds are small"
    )]
    pub(crate) fn per_second(&self, now: Moment) -> f64 {
        let current = second_of(now);
        let counts = self.0.lock();
        let recent = counts.by_second.iter();
        let recent = recent.filter(|(of, _)| *of < current && *of + u64::from(SECONDS) >= current);
        recent.map(|(_, count)| *count).sum::<u64>() as f64 / f64::from(SECONDS)
    }
}

fn second_of(now: Moment) -> u64 {
    now.since(Moment::NEVER).as_secs()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::NEVER.after(Duration::from_millis(millis))
    }

    #[test]
    fn a_rate_is_the_mean_of_ten_whole_seconds() {
        let rate = Rate::default();
        for millis in (0..20_000).step_by(5) {
            rate.count(at(millis));
        }
        assert_eq!(rate.total(), 4_000);
        assert!((rate.per_second(at(20_000)) - 200.0).abs() < 1e-9);
        // half of those ten seconds were quiet, then all
        assert!((rate.per_second(at(25_500)) - 100.0).abs() < 1e-9);
        assert!(rate.per_second(at(40_000)).abs() < 1e-9);
    }
}
