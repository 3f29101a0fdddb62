//! How slow a node is, as an average over the latencies of its statements.
//!
//! Decides nothing. Must never learn from failures: a node that fails fast would look like the fastest
//! of all and draw every read.
//!
//! The average is of *logarithms*, because statements differ by a factor of a thousand: one report of
//! 200 ms among reads of 2 ms moves it by a seventh, not by a hundred. It forgets over time. Without samples
//! it counts for less and less, so that a node that was slow once is tried again; but what was measured stays
//! until something else is, so that one read finds out that it still is, and not a dozen.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use crate::clock::Moment;

/// Samples that count alike at first; later ones count for one in so many, at least.
const SETTLED: u32 = 32;
/// A sample after so long a pause replaces 63 % of what was known, in seconds.
const FORGETS: f32 = 10.0;
/// Without samples 63 % of the distance to the fleet's best is gone after so many seconds.
const DRIFTS: f32 = 5.0;
/// Nodes that differ by less, about a fifth, are equally fast: it is noise.
pub(crate) const DEAD_ZONE: f32 = 0.2;
/// What [`exp`] may be wrong by, as a part of what lies in doubt.
const ROUNDING: f32 = 0.01;

/// The running average of one node.
///
/// Two words that are not read together: between the two stores of [`Slowness::record`] another thread
/// may see the new average with the old instant, or two threads may leave the older of two instants that
/// lie nanoseconds apart. Either shifts a pause that is measured in seconds by less than a statement
/// takes, and no other memory is published through them, so the relaxed order suffices.
#[derive(Debug, Default)]
pub(crate) struct Slowness {
    /// The average as the bits of an `f32`, above the number of samples up to [`SETTLED`]; 0 without any.
    average: AtomicU64,
    sampled_at: AtomicU64,
}

fn packed(average: f32, samples: u32) -> u64 {
    u64::from(average.to_bits()) << 32 | u64::from(samples)
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the two halves of the word"
)]
fn unpacked(word: u64) -> Option<(f32, u32)> {
    let samples = word as u32;
    (samples > 0).then(|| (f32::from_bits((word >> 32) as u32), samples))
}

impl Slowness {
    /// A statement took `elapsed`.
    pub(crate) fn record(&self, elapsed: Duration, now: Moment) {
        self.sample(now, |_| ln_of(elapsed));
    }

    /// A statement was given up after `elapsed`: it would have taken longer, and longer than usual or not
    /// nobody knows.
    pub(crate) fn record_at_least(&self, elapsed: Duration, now: Moment) {
        self.sample(now, |average| ln_of(elapsed).max(average));
    }

    fn sample(&self, now: Moment, sample: impl Fn(f32) -> f32) {
        let pause = now.since(self.sampled_at());
        let next = |word| {
            let Some((average, samples)) = unpacked(word) else {
                return packed(sample(f32::MIN), 1);
            };
            let samples = (samples + 1).min(SETTLED);
            #[expect(clippy::cast_precision_loss, reason = "at most 32")]
            let least = 1.0 / samples as f32;
            let weight = match samples {
                SETTLED => least.max(1.0 - (-pause.as_secs_f32() / FORGETS).exp()),
                _ => least,
            };
            packed(average + weight * (sample(average) - average), samples)
        };
        let order = Ordering::Relaxed;
        let mut known = self.average.load(order);
        while let Err(changed) =
            self.average
                .compare_exchange_weak(known, next(known), order, order)
        {
            known = changed;
        }
        self.sampled_at.store(now.0, order);
    }

    /// Nothing that was learned before counts any longer: the node is as fast as the fleet's best, until
    /// it shows otherwise over several statements.
    pub(crate) fn reset(&self, best: Option<f32>, now: Moment) {
        let word = best.map_or(0, |best| packed(best, SETTLED));
        self.average.store(word, Ordering::Relaxed);
        self.sampled_at.store(now.0, Ordering::Relaxed);
    }

    /// The average of the logarithms at the last sample; `None` before the first.
    pub(crate) fn average(&self) -> Option<f32> {
        unpacked(self.average.load(Ordering::Relaxed)).map(|(average, _)| average)
    }

    fn sampled_at(&self) -> Moment {
        Moment(self.sampled_at.load(Ordering::Relaxed))
    }

    /// Times the fleet's best: 1 within the dead zone, or if nothing is known.
    pub(crate) fn over(&self, best: f32, now: Moment) -> f32 {
        let Some(average) = self.average() else {
            return 1.0;
        };
        // drift only ever brings it nearer: what is near already needs no look at the clock
        if average - best < DEAD_ZONE {
            return 1.0;
        }
        let above = (average - best) * exp(-self.drift(now));
        if above < DEAD_ZONE { 1.0 } else { exp(above) }
    }

    /// Whether [`over`](Self::over) is above 1, as far as that can be told without an exponential: 1 - x is
    /// never more than e^-x.
    pub(crate) fn is_beyond_doubt(&self, best: f32, now: Moment) -> bool {
        let average = self.average();
        average.is_some_and(|average| {
            (average - best) * (1.0 - self.drift(now)) > DEAD_ZONE + ROUNDING
        })
    }

    /// The time since the last sample, in that of [`DRIFTS`].
    fn drift(&self, now: Moment) -> f32 {
        #[expect(clippy::cast_precision_loss, reason = "seconds in nanoseconds")]
        let pause = now.0.saturating_sub(self.sampled_at().0) as f32;
        pause * (1e-9 / DRIFTS)
    }
}

/// In nanoseconds, at least one.
fn ln_of(elapsed: Duration) -> f32 {
    (elapsed.as_secs_f32() * 1e9).max(1.0).ln()
}

/// The latency that an average stands for.
pub(crate) fn latency_of(average: f32) -> Duration {
    Duration::from_secs_f64(f64::from(average).exp() / 1e9)
}

/// e^x to within a thousandth. The choice of a node takes two for each slow one, and the library's own
/// costs as much as all the rest of that choice.
fn exp(x: f32) -> f32 {
    let exponent = (x * std::f32::consts::LOG2_E).clamp(-126.0, 126.0);
    // cutting off after the point rounds down what is positive, and costs less than `floor`
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "clamped to -126..=126, so the biased exponent lies in 1..=253"
    )]
    let biased = (exponent + 127.0) as u32;
    #[expect(clippy::cast_precision_loss, reason = "at most 253")]
    let part = exponent - (biased as f32 - 127.0);
    // 2^part by the polynomial of third degree that is exact at both ends, so that there are no steps
    let mantissa = 1.0 + part * (0.695_556_8 + part * (0.226_173_3 + part * 0.078_269_9));
    mantissa * f32::from_bits(biased << 23)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    fn at(seconds: f64) -> Moment {
        Moment(1).after(Duration::from_secs_f64(seconds))
    }

    /// One that has measured `latency` for long enough.
    fn measured(latency: Duration) -> Slowness {
        let slowness = Slowness::default();
        for _ in 0..100 {
            slowness.record(latency, at(0.0));
        }
        slowness
    }

    fn best(slowness: &Slowness) -> f32 {
        slowness.average().unwrap()
    }

    #[test]
    fn the_exponential_is_right_to_a_thousandth_and_one_at_zero() {
        for step in -400..=400 {
            #[expect(clippy::cast_precision_loss, reason = "a small number")]
            let x = step as f32 / 10.0;
            assert!((exp(x) / x.exp() - 1.0).abs() < 1e-3, "{x}");
        }
        assert!((exp(0.0) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn a_node_that_takes_ten_times_as_long_is_ten_times_as_slow() {
        let (fast, slow) = (measured(MS), measured(10 * MS));
        let over = slow.over(best(&fast), at(0.0));
        assert!((over - 10.0).abs() < 0.1, "{over}");
        assert!((fast.over(best(&fast), at(0.0)) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn one_report_of_200_ms_does_not_mark_a_replica_of_2_ms_slow() {
        let (fast, other) = (measured(2 * MS), measured(2 * MS));
        other.record(200 * MS, at(0.001));
        assert!((other.over(best(&fast), at(0.001)) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn without_samples_a_slow_node_drifts_back_to_the_fleets_best() {
        let (fast, slow) = (measured(MS), measured(10 * MS));
        let over = |seconds| slow.over(best(&fast), at(seconds));
        assert!((over(5.0) - 2.333).abs() < 0.01, "{}", over(5.0));
        assert!(over(12.0) > 1.0);
        assert!((over(12.5) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn who_is_slow_beyond_doubt_is_slow_and_who_was_measured_lately_is_in_no_doubt() {
        let fast = measured(MS);
        for tenths in 10..200 {
            let slow = measured(MS * tenths / 10);
            for tick in 0..400 {
                let now = at(f64::from(tick) / 20.0);
                let is_slow = slow.over(best(&fast), now) > 1.0;
                assert!(is_slow || !slow.is_beyond_doubt(best(&fast), now));
            }
            let is_slow = slow.over(best(&fast), at(0.0)) > 1.25;
            assert!(!is_slow || slow.is_beyond_doubt(best(&fast), at(0.0)));
        }
    }

    #[test]
    fn after_a_pause_one_sample_tells_more() {
        let (fast, slow) = (measured(MS), measured(10 * MS));
        slow.record(MS, at(5.0));
        let over = slow.over(best(&fast), at(5.0));
        // 61 % of the distance are kept
        assert!((over - 4.041).abs() < 0.01, "{over}");
    }

    #[test]
    fn one_sample_that_shows_it_still_slow_undoes_the_drift() {
        let (fast, slow) = (measured(MS), measured(10 * MS));
        slow.record(10 * MS, at(12.0));
        let over = slow.over(best(&fast), at(12.0));
        assert!((over - 10.0).abs() < 0.1, "{over}");
    }

    #[test]
    fn what_was_given_up_early_says_nothing_and_what_was_given_up_late_says_slow() {
        let (fast, other) = (measured(10 * MS), measured(10 * MS));
        other.record_at_least(MS, at(0.0));
        assert!((best(&other) - best(&fast)).abs() < 0.001);
        for _ in 0..32 {
            other.record_at_least(1_000 * MS, at(0.0));
        }
        assert!(other.over(best(&fast), at(0.0)) > 10.0);
    }

    #[test]
    fn a_reset_node_is_as_fast_as_the_best_and_one_slow_statement_changes_little() {
        let (fast, back) = (measured(MS), measured(100 * MS));
        back.reset(Some(best(&fast)), at(60.0));
        assert!((back.over(best(&fast), at(60.0)) - 1.0).abs() < f32::EPSILON);
        back.record(100 * MS, at(60.0));
        assert!((back.over(best(&fast), at(60.0)) - 1.0).abs() < f32::EPSILON);
    }

    #[test]
    fn latencies_come_out_as_they_went_in() {
        let shown = latency_of(best(&measured(7 * MS)));
        assert!(shown.abs_diff(7 * MS) < MS / 100, "{shown:?}");
    }
}
