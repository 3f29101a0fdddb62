//! The price of choosing a replica, alone: what the policy does with a set of candidates.
//!
//! With `-- --gate` it fails if the choice among 16 takes longer than classifying a statement of 200 characters
//! does in the same run, or that among 4 more than four tenths of it:
//! ratios, since times depend on the machine.

#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_types,
    clippy::disallowed_methods,
    reason = "a benchmark prints, and measures real time"
)]

#[path = "../tests/fake/mod.rs"]
mod fake;

use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fake::{Answer, World};
use orm_split_core::{
    Adaptive, Candidate, Candidates, Dialect, Hint, LeastInFlight, Options, RoundRobin, Select,
    Splitter, classify,
};
use parking_lot::Mutex;
use rand::Rng;

/// The median of many batches, in nanoseconds.
fn nanoseconds(mut run: impl FnMut()) -> f64 {
    const BATCH: u32 = 10_000;
    let mut batches: Vec<f64> = (0..101)
        .map(|_| {
            let started = Instant::now();
            (0..BATCH).for_each(|_| run());
            started.elapsed().as_secs_f64() * 1e9 / f64::from(BATCH)
        })
        .collect();
    batches.sort_by(f64::total_cmp);
    batches.get(50).copied().unwrap_or(f64::NAN)
}

/// Takes turns, until it is to measure the others.
#[derive(Debug, Default)]
struct Stopwatch {
    turns: RoundRobin,
    measures: AtomicBool,
    measured: Mutex<[f64; 2]>,
}

impl Select for Stopwatch {
    fn select<'a>(&self, candidates: Candidates<'a>, rng: &mut dyn Rng) -> Candidate<'a> {
        if self.measures.load(Ordering::Relaxed) {
            let mut of = |policy: &dyn Select| {
                nanoseconds(|| {
                    black_box(policy.select(black_box(candidates), rng));
                })
            };
            *self.measured.lock() = [of(&Adaptive), of(&LeastInFlight)];
        }
        self.turns.select(candidates, rng)
    }
}

/// Of the adaptive policy and of least-in-flight, among so many replicas of which so many are slow.
fn measure(runtime: &tokio::runtime::Runtime, replicas: usize, slow: usize) -> [f64; 2] {
    let stopwatch = Arc::new(Stopwatch::default());
    let (policy, names) = (Arc::clone(&stopwatch), fake::names(replicas));
    let options = Options::default();
    let splitter = Splitter::new(Dialect::Postgres, options, policy, "primary", &names);
    let world = World::around(splitter.expect("valid options"), fake::fakes(replicas));
    let world = runtime.block_on(world);
    for number in 1..=slow {
        let takes = Answer::After(Duration::from_millis(20));
        world.replica(number).set(|fake| fake.statements = takes);
    }
    for _ in 0..replicas * 3 {
        runtime.block_on(world.read()).expect("a read");
    }
    stopwatch.measures.store(true, Ordering::Relaxed);
    let _route = world.splitter.explain("SELECT 1", Hint::None);
    *stopwatch.measured.lock()
}

fn main() {
    let gate = std::env::args().any(|argument| argument == "--gate");
    let sql = include_str!("../tests/select_200.sql").trim();
    let classifies = nanoseconds(|| {
        black_box(classify(Dialect::Postgres, black_box(sql)));
    });
    println!("classify, 200 characters: {classifies:.0} ns");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    let runtime = runtime.expect("a runtime");
    for (replicas, slow, most) in [(4, 0, 0.4), (4, 2, 0.4), (16, 0, 1.0), (16, 8, 1.0)] {
        let [adaptive, least] = measure(&runtime, replicas, slow);
        let ratio = adaptive / classifies;
        println!(
            "{replicas} replicas, {slow} of them slow: adaptive {adaptive:.0} ns ({ratio:.2} of classify), \
             least-in-flight {least:.0} ns"
        );
        assert!(
            !gate || ratio <= most,
            "{ratio:.2} of classify, at most {most}"
        );
    }
}
