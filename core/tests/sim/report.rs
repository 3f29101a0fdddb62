//! What came of a simulation.

use super::fake::World;
use super::farm::Farm;
use super::load::{MS, SECOND};

/// One statement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sample {
    /// When it was due to be sent.
    pub due: u64,
    /// From then to its end.
    pub took: u64,
    /// What a healthy server needs for it.
    pub work: u64,
    /// The server that served it.
    pub served: Option<usize>,
}

#[derive(Debug)]
pub struct Report {
    pub samples: Vec<Sample>,
    pub replicas: usize,
    /// Statements that the servers were asked to run, the primary's first.
    pub asked: Vec<u64>,
    pub most_in_flight: Vec<usize>,
    /// Statements that never ended.
    pub stuck: usize,
    /// Of the splitters, at the end.
    pub in_flight: u32,
}

/// Statements before are not counted: nobody has measured anything yet.
const WARM: u64 = SECOND;

impl Report {
    pub fn new(replicas: usize) -> Self {
        Self {
            samples: Vec::new(),
            replicas,
            asked: Vec::new(),
            most_in_flight: Vec::new(),
            stuck: 0,
            in_flight: 0,
        }
    }

    pub fn add(&mut self, sample: Sample) {
        self.samples.push(sample);
    }

    pub fn ended(&mut self, farm: &Farm, worlds: &[World], stuck: usize) {
        let servers = 0..=self.replicas;
        self.asked = servers.clone().map(|s| farm.see(s, |s| s.asked)).collect();
        let most = |server| farm.see(server, |server| server.most_in_flight);
        self.most_in_flight = servers.map(most).collect();
        self.stuck = stuck;
        self.in_flight = worlds.iter().map(World::in_flight).sum();
    }

    fn counted(&self, from: u64, to: u64) -> impl Iterator<Item = &Sample> {
        let all = self.samples.iter();
        all.filter(move |sample| (from..to).contains(&sample.due))
    }

    /// In milliseconds: what 99 of 100 statements take at most, of those that take a healthy server less
    /// than 100 ms.
    pub fn p99(&self) -> f64 {
        self.p99_from(WARM, u64::MAX)
    }

    #[expect(clippy::cast_precision_loss, reason = "seconds in nanoseconds")]
    pub fn p99_from(&self, from: u64, to: u64) -> f64 {
        let short = self.counted(from, to).filter(|s| s.work < 100 * MS);
        let mut took: Vec<u64> = short.map(|sample| sample.took).collect();
        let rank = took.len() * 99 / 100;
        assert!(took.len() > 100, "{} statements", took.len());
        let (_, p99, _) = took.select_nth_unstable(rank);
        *p99 as f64 / MS as f64
    }

    /// Of the statements that were due in a time, the part that a server served.
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    pub fn share(&self, server: usize, from: u64, to: u64) -> f64 {
        let (mut all, mut here) = (0_u64, 0_u64);
        for sample in self.counted(from, to) {
            all += 1;
            here += u64::from(sample.served == Some(server));
        }
        here as f64 / all.max(1) as f64
    }

    /// The largest share of any replica, times the number of replicas.
    #[expect(clippy::cast_precision_loss, reason = "a few replicas")]
    pub fn unfairness(&self) -> f64 {
        let shares = (1..=self.replicas).map(|server| self.share(server, WARM, u64::MAX));
        shares.fold(0.0, f64::max) * self.replicas as f64
    }

    pub fn failed(&self) -> usize {
        self.samples.iter().filter(|s| s.served.is_none()).count()
    }
}
