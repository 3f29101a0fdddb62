//! Two ways of doing the same, measured in turn in one run.
//!
//! Decides nothing about what they do. The ratio of the medians comes with the interval that holds 95 %
//! of the ratios of resampled runs (bootstrap): one run on a busy machine says little without it.

#![allow(clippy::print_stdout, reason = "a benchmark reports")]

use anyhow::Result;
use rand::RngExt;
use tokio::time::Instant;

const RESAMPLES: usize = 1_000;

/// Seconds that the plain and the other way took, round by round.
pub(crate) struct Pairs(Vec<(f64, f64)>);

impl Pairs {
    /// Each is first as often as the other; the first eighth only warms up.
    pub(crate) async fn measured(
        rounds: usize,
        mut plain: impl AsyncFnMut(i32) -> Result<()>,
        mut other: impl AsyncFnMut(i32) -> Result<()>,
    ) -> Result<Self> {
        let warm_up = rounds / 8;
        let mut pairs = Vec::with_capacity(rounds);
        for round in 0..warm_up + rounds {
            let id = i32::try_from(round % 100)?;
            let pair = if round % 2 == 0 {
                let plain = time(&mut plain, id).await?;
                (plain, time(&mut other, id).await?)
            } else {
                let other = time(&mut other, id).await?;
                (time(&mut plain, id).await?, other)
            };
            if round >= warm_up {
                pairs.push(pair);
            }
        }
        Ok(Self(pairs))
    }

    /// Prints the ratio; returns the interval's lower end, which a gate can rely on.
    pub(crate) fn report(&self, name: &str) -> f64 {
        let (low, high) = self.interval();
        let plain = median(self.0.iter().map(|pair| pair.0).collect()) * 1e6;
        let ratio = ratio(&self.0);
        println!("{name}: ratio {ratio:.3} [{low:.3}, {high:.3}], plain median {plain:.1} us");
        low
    }

    fn interval(&self) -> (f64, f64) {
        let mut rng = rand::rng();
        let pairs = &self.0;
        let mut ratios: Vec<f64> = (0..RESAMPLES)
            .map(|_| {
                let draw =
                    (0..pairs.len()).filter_map(|_| pairs.get(rng.random_range(0..pairs.len())));
                ratio(&draw.copied().collect::<Vec<_>>())
            })
            .collect();
        ratios.sort_by(f64::total_cmp);
        let at = |share: usize| ratios.get(RESAMPLES * share / 1_000).copied();
        (at(25).unwrap_or(f64::NAN), at(975).unwrap_or(f64::NAN))
    }
}

/// Whether `--gate` was given.
pub(crate) fn is_gate() -> bool {
    std::env::args().any(|argument| argument == "--gate")
}

async fn time(work: &mut impl AsyncFnMut(i32) -> Result<()>, id: i32) -> Result<f64> {
    let started = Instant::now();
    work(id).await?;
    Ok(started.elapsed().as_secs_f64())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn ratio(pairs: &[(f64, f64)]) -> f64 {
    let plain = median(pairs.iter().map(|pair| pair.0).collect());
    median(pairs.iter().map(|pair| pair.1).collect()) / plain
}
