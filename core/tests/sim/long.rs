//! A day of random faults, one seed after the other.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use orm_split_core::{Asks, Fault, HealthState, Hint, Options, SessionKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{Instant, sleep, timeout};

use super::fake::{self, AT_ONCE, Answer, Fake, World};

const REPLICAS: usize = 3;
const USERS: u64 = 2;
const DAY: Duration = Duration::from_secs(86_400);

/// What a day came to.
#[derive(Debug, Default)]
struct Day {
    reads: Cell<u64>,
    on_replicas: Cell<u64>,
    given_up: Cell<u64>,
    faults: Cell<u64>,
    /// The primary is not well, or was a minute ago.
    primary_suffers: Cell<bool>,
}

fn add(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

fn is_well(fake: &Fake) -> bool {
    [fake.probes, fake.checkouts, fake.statements]
        .into_iter()
        .all(|answer| matches!(answer, Answer::After(_)))
}

/// Reads and writes; a statement that takes half a minute is given up.
async fn user(world: Rc<World>, seed: u64, day: Rc<Day>) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut asks = Asks::from(Hint::None);
    let key = SessionKey::made();
    asks.session = Some(key);
    let mut wrote = 0;
    let until = Instant::now() + DAY;
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.random_range(0..20_000))).await;
        let suffered = day.primary_suffers.get();
        let is_write = rng.random_ratio(1, 30);
        let sql = if is_write {
            "UPDATE t SET a = 1"
        } else {
            "SELECT 1"
        };
        if is_write {
            world.primary().set(|primary| primary.position += 10);
        }
        let outcome = timeout(Duration::from_secs(30), world.see(sql, asks)).await;
        let may_fail = suffered || day.primary_suffers.get();
        match outcome {
            Ok(Ok((_, position))) if is_write => wrote = position,
            Ok(Ok((node, position))) => {
                add(&day.reads);
                if node != "primary" {
                    add(&day.on_replicas);
                }
                assert!(
                    position >= wrote,
                    "seed {seed}: {node} at {position}, wrote {wrote}"
                );
            }
            Ok(Err(error)) => assert!(may_fail || is_write, "seed {seed}: {error:?}"),
            // sent into a hole that has closed since: nobody will ever answer
            Err(_) => add(&day.given_up),
        }
    }
    world.splitter.end_session(key);
}

/// Something befalls a node.
fn befalls(rng: &mut StdRng, fake: &mut Fake) {
    let unreachable = Answer::Fails(Fault::Unreachable);
    let slow = Answer::After(Duration::from_millis(rng.random_range(1..900)));
    match rng.random_range(0..7) {
        // refused
        0 => {
            (fake.probes, fake.checkouts, fake.statements) = (unreachable, unreachable, unreachable)
        }
        // a black hole
        1 => {
            (fake.probes, fake.checkouts, fake.statements) =
                (Answer::Never, Answer::Never, Answer::Never)
        }
        2 => fake.statements = unreachable,
        3 => fake.statements = Answer::Fails(Fault::Conflict),
        4 => fake.probes = unreachable,
        5 => fake.checkouts = Answer::Never,
        _ => (fake.probes, fake.statements) = (slow, slow),
    }
}

async fn trouble(world: Rc<World>, seed: u64, day: Rc<Day>) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xDEAD);
    let until = Instant::now() + DAY - Duration::from_secs(600);
    while Instant::now() < until {
        sleep(Duration::from_secs(rng.random_range(5..240))).await;
        let number = match rng.random_ratio(1, 8) {
            true => 0,
            false => rng.random_range(1..=REPLICAS),
        };
        add(&day.faults);
        day.primary_suffers
            .set(day.primary_suffers.get() || number == 0);
        let node = &world.nodes[number];
        let position = node.fake.lock().position;
        match rng.random_ratio(1, 4) && number > 0 {
            true => node.crash(position.saturating_sub(rng.random_range(0..100))),
            false => node.set(|fake| befalls(&mut rng, fake)),
        }
        sleep(Duration::from_secs(rng.random_range(1..120))).await;
        for node in &world.nodes {
            node.set(|fake| {
                (fake.probes, fake.checkouts, fake.statements) = (AT_ONCE, AT_ONCE, AT_ONCE)
            });
        }
        sleep(Duration::from_secs(60)).await;
        assert!(world.nodes.iter().all(|node| is_well(&node.fake.lock())));
        day.primary_suffers.set(false);
    }
}

/// Replicas catch up, some of them late.
async fn replay(world: Rc<World>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xBEEF);
    loop {
        sleep(Duration::from_millis(rng.random_range(1_000..20_000))).await;
        let newest = world.primary().fake.lock().position;
        let replica = world.replica(rng.random_range(1..=REPLICAS));
        replica.set(|fake| fake.position = fake.position.max(newest));
    }
}

async fn a_day(seed: u64) -> Rc<Day> {
    let mut options = Options::default();
    options.sample_slow = Duration::from_secs(30);
    options.max_staleness = Some(Duration::from_secs(120));
    options.sample_fast = Duration::from_millis(100);
    options.probe_reconnect = Duration::from_secs(120);
    let nodes = fake::fakes(REPLICAS);
    let world = Rc::new(World::seeded(nodes, options, seed).await);
    world.pool_connections();
    let metrics = tokio::runtime::Handle::current().metrics();
    let tasks_before = metrics.num_alive_tasks();
    let day = Rc::new(Day::default());
    let users =
        (0..USERS).map(|number| user(Rc::clone(&world), seed << 8 | number, Rc::clone(&day)));
    let all = futures_util::future::join(
        futures_util::future::join_all(users),
        trouble(Rc::clone(&world), seed, Rc::clone(&day)),
    );
    tokio::select! {
        _ = all => {}
        () = replay(Rc::clone(&world), seed) => {}
    }
    for node in &world.nodes {
        let newest = world.primary().fake.lock().position;
        node.set(|fake| fake.position = newest);
    }
    sleep(Duration::from_secs(200)).await;
    let status = world.splitter.status();
    assert!(
        status
            .nodes
            .iter()
            .all(|node| node.health == HealthState::Up),
        "seed {seed}: {status:?}"
    );
    assert_eq!(world.in_flight(), 0, "seed {seed}");
    assert_eq!(status.sessions, 0, "seed {seed}");
    assert_eq!(metrics.num_alive_tasks(), tasks_before, "seed {seed}");
    world.splitter.shut_down().await;
    day
}

#[rstest::rstest]
fn t16_a_day_of_random_faults_leaves_nothing_behind(#[values(0, 5, 10, 15)] first: u64) {
    for seed in first..first + 5 {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .build()
            .unwrap();
        let day = runtime.block_on(a_day(seed));
        let (reads, on_replicas) = (day.reads.get(), day.on_replicas.get());
        println!(
            "T16, seed {seed}: {} faults, {reads} reads, {on_replicas} on replicas, {} statements given up",
            day.faults.get(),
            day.given_up.get()
        );
        assert!(on_replicas * 2 > reads, "{day:?}");
        assert!(day.given_up.get() * 100 < reads, "{day:?}");
    }
}
