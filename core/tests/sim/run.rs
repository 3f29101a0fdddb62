//! One simulation: a farm, processes that each have a splitter of their own, a load, and what goes wrong when.

use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use orm_split_core::{Dialect, Hint, Options, Splitter};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use super::fake::{self, Answer, FakeNode, World};
use super::farm::{Answers, Event, Farm};
use super::load::{MS, Policy, SECOND, Work, waits};
use super::report::{Report, Sample};
use super::statement::SimStatement;

/// What changes at an instant: servers, and what probes see of them.
pub type Change = Box<dyn Fn(&Farm, &[FakeNode])>;

pub struct Simulation {
    pub policy: Policy,
    pub replicas: usize,
    pub workers: usize,
    pub processes: usize,
    /// Statements a second, of all processes.
    pub rate: f64,
    pub work: Work,
    /// How long statements are sent, in nanoseconds.
    pub lasts: u64,
    pub changes: Vec<(u64, Change)>,
    pub seed: u64,
}

impl Simulation {
    /// One process, 8 workers a server, 10 s of statements of about 2 ms.
    pub fn of(policy: Policy, replicas: usize, rate: f64) -> Self {
        Self {
            policy,
            replicas,
            workers: 8,
            processes: 1,
            rate,
            work: Work::Around(2 * MS),
            lasts: 10 * SECOND,
            changes: Vec::new(),
            seed: 1,
        }
    }

    /// At `at`, the first replicas become so many times as slow.
    pub fn slow(self, at: u64, replicas: usize, times: f64) -> Self {
        self.then(at, move |farm, _| {
            for replica in 1..=replicas {
                farm.change(replica, |server| server.slow = times);
            }
        })
    }

    /// From `at` on, statements are treated so, and probes of these nodes get `probes` for an answer.
    pub fn answers(
        self,
        at: u64,
        nodes: std::ops::RangeInclusive<usize>,
        answers: Answers,
        probes: Answer,
    ) -> Self {
        self.then(at, move |farm, fakes| {
            for node in nodes.clone() {
                farm.change(node, |server| server.answers = answers);
                fakes[node].set(|fake| fake.probes = probes);
            }
        })
    }

    pub fn then(mut self, at: u64, change: impl Fn(&Farm, &[FakeNode]) + 'static) -> Self {
        self.changes.push((at, Box::new(change)));
        self
    }

    /// The processes: each with its own view of the same nodes.
    async fn worlds(&self) -> Vec<World> {
        let nodes = fake::fakes(self.replicas);
        for node in &nodes {
            node.set(|fake| fake.pools = true);
        }
        let mut worlds = Vec::new();
        for process in 0..self.processes {
            let names = fake::names(self.replicas);
            let (dialect, policy) = (Dialect::Postgres, self.policy.make());
            let splitter = Splitter::new(dialect, Options::default(), policy, "primary", &names);
            let splitter = splitter.expect("valid options");
            splitter.seed(self.seed << 8 | process as u64);
            let nodes = nodes.iter().map(FakeNode::seen_anew).collect();
            worlds.push(World::around(splitter, nodes).await);
        }
        worlds
    }

    /// Runs it on a runtime of its own.
    pub fn run(self) -> Report {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build();
        runtime.expect("a runtime").block_on(self.go())
    }

    async fn go(self) -> Report {
        let farm = Arc::new(Farm::new(self.replicas + 1, self.workers));
        let worlds = self.worlds().await;
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut report = Report::new(self.replicas);
        for (number, (at, _)) in self.changes.iter().enumerate() {
            farm.enter(*at, Event::Change(number));
        }
        farm.enter(0, Event::Arrival);
        let mut running = FuturesUnordered::new();
        let mut before = 0;
        while let Some((now, event)) = farm.next() {
            tokio::time::advance(Duration::from_nanos(now - before)).await;
            before = now;
            match event {
                Event::Done(server) => farm.done(server),
                Event::Change(number) => self.changes[number].1(&farm, &worlds[0].nodes),
                Event::Arrival => {
                    let world = &worlds[rng.random_range(0..worlds.len())];
                    let work = self.work.draw(&mut rng);
                    running.push(ask(world, &farm, work, now));
                    if now < self.lasts {
                        let pause = waits(&mut rng) * SECOND as f64 / self.rate;
                        farm.enter(now + pause as u64, Event::Arrival);
                    }
                }
            }
            settle(&mut running, &mut report).await;
        }
        report.ended(&farm, &worlds, running.len());
        for world in &worlds {
            world.splitter.shut_down().await;
        }
        report
    }
}

/// One statement, from the instant at which it was due.
async fn ask(world: &World, farm: &Farm, work: u64, due: u64) -> Sample {
    let statement = SimStatement::of(world, farm, work);
    let served = world.splitter.run("SELECT 1", Hint::None, &statement).await;
    Sample {
        due,
        took: farm.now() - due,
        work,
        served: served.ok(),
    }
}

/// Lets everything happen that can happen at this instant.
async fn settle(running: &mut FuturesUnordered<impl Future<Output = Sample>>, report: &mut Report) {
    let ready = std::future::poll_fn(|context| {
        let mut ready = Vec::new();
        while let Poll::Ready(Some(sample)) = running.poll_next_unpin(context) {
            ready.push(sample);
        }
        Poll::Ready(ready)
    });
    for sample in pin!(ready).await {
        report.add(sample);
    }
}
