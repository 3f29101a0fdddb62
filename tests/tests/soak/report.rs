//! What came of a soak, and what must have.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split_tests::history::Seen;
use orm_split_tests::load::Requests;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::journal::Journal;
use super::stage::Stage;

/// What the process holds.
#[derive(Clone, Copy, Debug)]
pub struct Resources {
    pub memory: u64,
    tasks: usize,
}

impl Resources {
    pub fn now() -> Result<Self> {
        let status = std::fs::read_to_string("/proc/self/status")?;
        let line = status.lines().find(|line| line.starts_with("VmRSS:"));
        let kilobytes = line.and_then(|line| line.split_whitespace().nth(1));
        let kilobytes: u64 = kilobytes.context("resident memory")?.parse()?;
        Ok(Self {
            memory: kilobytes * 1_024,
            tasks: Handle::current().metrics().num_alive_tasks(),
        })
    }

    /// Waits until no task is left that was not there then.
    pub async fn tasks_return_to(before: &Self) -> Result<()> {
        let started = Instant::now();
        loop {
            let now = Self::now()?;
            if now.tasks <= before.tasks {
                return Ok(());
            }
            ensure!(
                started.elapsed() < Duration::from_secs(20),
                "{now}, before {before}"
            );
            sleep(Duration::from_millis(50)).await;
        }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabytes = self.memory / (1_024 * 1_024);
        write!(f, "{megabytes} MiB, {} tasks", self.tasks)
    }
}

/// Processes that are ready to run for each processor beyond which nobody can expect an answer in time.
const OVERLOAD: f64 = 3.0;

/// Looks every other second, and never ends by itself, whether the machine has far more to do than it can.
pub async fn watch_load(most: &mut f64) -> Result<()> {
    let processors = u32::try_from(std::thread::available_parallelism()?.get())?;
    loop {
        let load = std::fs::read_to_string("/proc/loadavg")?;
        let load: f64 = load.split(' ').next().context("a load")?.parse()?;
        *most = most.max(load / f64::from(processors));
        sleep(Duration::from_secs(2)).await;
    }
}

pub fn is_overload(most: f64) -> bool {
    most > OVERLOAD
}

/// What one ORM came to.
#[derive(Debug)]
pub struct Half {
    reads: Requests,
    writes: Requests,
    held: [u64; 6],
    acknowledged: usize,
    lost: usize,
    twice: usize,
    read_back: usize,
}

impl Half {
    pub fn of(
        (reads, writes): (Requests, Requests),
        seen: &Seen,
        journal: &Journal,
        truth: &HashMap<i32, i64>,
        read_back: usize,
    ) -> Self {
        let of = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Self {
            reads,
            writes,
            held: [
                of(&seen.reads),
                of(&seen.violations),
                of(&seen.failed_reads),
                of(&seen.excused_reads),
                of(&seen.writes),
                of(&seen.failed_writes),
            ],
            acknowledged: journal.count(),
            lost: journal.lost(truth),
            twice: journal.twice(truth),
            read_back,
        }
    }

    /// On a machine that is `overloaded` healthy servers do not answer in time either: reads may fail then.
    pub fn holds(&self, overloaded: bool) -> Result<()> {
        let failures = self.reads.failures();
        let [reads, violations, failed, ..] = self.held;
        ensure!(violations == 0, "{violations} violations");
        if overloaded {
            if failed > 0 || !failures.is_empty() {
                println!("the machine was overloaded: failed reads are not held against anybody");
            }
        } else {
            ensure!(failures.is_empty(), "reads failed: {failures:?}");
            ensure!(failed == 0, "{failed} reads of sessions failed");
        }
        ensure!(self.twice == 0, "{} writes are there twice", self.twice);
        ensure!(self.read_back == self.acknowledged - self.lost);
        ensure!(self.read_back > 100 && reads > 100, "there was no load");
        Ok(())
    }
}

/// Prints the table, and what happened.
pub fn print(halves: &[Half], stage: &Stage, connections: &[usize]) {
    let row = |what: &str, of: &dyn Fn(&Half) -> String| {
        let cells: Vec<String> = halves.iter().map(of).collect();
        println!("| {what} | {} |", cells.join(" | "));
    };
    println!("| | SeaORM | Diesel |\n|---|---|---|");
    row("reads", &|half| half.reads.count().to_string());
    row("of them failed", &|half| {
        half.reads.failures().len().to_string()
    });
    row("reads p50, p99, slowest", &|half| times(&half.reads));
    row("writes", &|half| half.writes.count().to_string());
    row("of them failed", &|half| {
        half.writes.failures().len().to_string()
    });
    row("writes p50, p99, slowest", &|half| times(&half.writes));
    row("acknowledged", &|half| half.acknowledged.to_string());
    row("of them lost with a primary", &|half| half.lost.to_string());
    row("read back of the others", &|half| {
        half.read_back.to_string()
    });
    row("there twice", &|half| half.twice.to_string());
    let held = [
        "sessions' reads",
        "violations",
        "failed",
        "failed while the primary was away",
        "sessions' writes",
        "of them failed",
    ];
    for (number, what) in held.into_iter().enumerate() {
        row(what, &|half| half.held[number].to_string());
    }
    println!("troubles: {:?}", stage.troubles);
    println!(
        "promotions, each until writes are taken: {:.1?}",
        stage.promotions
    );
    println!("connections of the nodes at the end: {connections:?}");
    let mut causes = BTreeMap::<String, u32>::new();
    for failure in halves.iter().flat_map(|half| half.writes.failures()) {
        *causes
            .entry(failure.chars().take(120).collect())
            .or_default() += 1;
    }
    println!("writes failed with: {causes:#?}");
}

fn times(requests: &Requests) -> String {
    let [p50, p99, slowest] = [500, 990, 1_000].map(|part| requests.at_most(part));
    format!("{p50:.1?}, {p99:.1?}, {slowest:.1?}")
}
