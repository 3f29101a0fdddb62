//! The history checker, in virtual time: sessions that write and read on replicas which replay in fits and
//! starts, answer slowly, and crash back to an older state.
//!
//! The primary's position only rises, so a read below what its session wrote or read before is a violation.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "helpers of tests fail them; the sums are what a reader wants to see"
)]

mod fake;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use fake::{AT_ONCE, Answer, World};
use orm_split_core::{Asks, Consistency, Fault, Hint, Mode, Options, Session, SessionKey};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep, timeout};

const REPLICAS: usize = 3;
const SESSIONS: u64 = 5;
/// How long anybody waits for a read.
const PATIENCE: Duration = Duration::from_secs(3);
/// Of virtual time.
const RUN: Duration = Duration::from_secs(20);

/// How a session is made.
#[derive(Clone, Copy, Debug)]
enum Made {
    Handle,
    Scope,
    /// None is: the task is the session, which promises its own writes only.
    Task,
}

/// Where the address of the first replica leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leads {
    ToOne,
    /// Each connection to another one, in turn.
    ToSeveral,
}

/// What happens beside what happens to the servers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Besides {
    Nothing,
    /// Modes and the share of reads are switched.
    Switches,
    /// The network fails.
    Network,
}

#[derive(Debug, Default)]
struct Seen {
    violations: Cell<u64>,
    reads: Cell<u64>,
    on_replicas: Cell<u64>,
}

fn add(counter: &Cell<u64>) {
    counter.set(counter.get() + 1);
}

/// What a session may rely on from now on.
#[derive(Debug, Default)]
struct Known {
    wrote: Cell<u64>,
    read: Cell<u64>,
}

impl Known {
    fn promised(&self, made: Made) -> u64 {
        match made {
            Made::Handle | Made::Scope => self.wrote.get().max(self.read.get()),
            Made::Task => self.wrote.get(),
        }
    }
}

/// One of those who share a session. Each read is held against what the session knew when it began.
async fn user(world: Rc<World>, made: Made, asks: Asks, seed: u64, of: (Rc<Known>, Rc<Seen>)) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (known, seen) = of;
    // where nobody waits, nodes are asked rarely, and what they show is old
    let writes_one_in = if seed.is_multiple_of(2) { 6 } else { 60 };
    let until = Instant::now() + RUN;
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.random_range(0..60))).await;
        if rng.random_ratio(1, writes_one_in) {
            world.primary().set(|primary| primary.position += 10);
            if let Ok((_, position)) = world.see("UPDATE t SET a = 1", asks).await {
                known.wrote.set(known.wrote.get().max(position));
            }
            continue;
        }
        let promised = known.promised(made);
        // who is in a black hole gives up some time
        let seen_by = timeout(PATIENCE, world.see("SELECT 1", asks)).await;
        if let Ok(Ok((node, position))) = seen_by {
            add(&seen.reads);
            if node != "primary" {
                add(&seen.on_replicas);
            }
            if position < promised {
                add(&seen.violations);
            }
            known.read.set(known.read.get().max(position));
        }
    }
}

/// A session, and those who share it.
fn spawn_session(tasks: &LocalSet, world: &Rc<World>, made: Made, seed: u64, seen: &Rc<Seen>) {
    let known = Rc::new(Known::default());
    let mut asks = Asks::from(Hint::None);
    if matches!(made, Made::Handle) {
        asks.session = Some(SessionKey::made());
    }
    let session = Session::new();
    let users = match made {
        Made::Handle | Made::Scope => 2,
        Made::Task => 1,
    };
    for number in 0..users {
        let of = (Rc::clone(&known), Rc::clone(seen));
        let run = user(Rc::clone(world), made, asks, seed ^ number << 48, of);
        match made {
            Made::Scope => drop(tasks.spawn_local(session.clone().scope(run))),
            Made::Handle | Made::Task => drop(tasks.spawn_local(run)),
        }
    }
}

/// What happens to the servers, whatever address leads to them.
async fn trouble(world: Rc<World>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let until = Instant::now() + RUN;
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.random_range(0..40))).await;
        let newest = world.primary().fake.lock().position;
        let replica = world.replica(rng.random_range(1..=REPLICAS));
        let members = replica.members();
        let server = &members[rng.random_range(0..members.len())];
        let position = server.lock().position;
        match rng.random_range(0..40) {
            0 | 6 => {
                let back = rng.random_range(0..100);
                replica.crash_one(server, position.saturating_sub(back));
            }
            1 => server.lock().statements = Answer::After(Duration::from_millis(30)),
            2 => server.lock().statements = AT_ONCE,
            3 => server.lock().probes = Answer::After(Duration::from_millis(80)),
            4 => server.lock().probes = AT_ONCE,
            5 => replica.lose_connection(),
            // a backend is taken out, and another one put in
            7 if members.len() > 1 => {
                replica.part(server);
                replica.join();
            }
            _ => server.lock().position = rng.random_range(position..=newest.max(position)),
        }
    }
}

/// What befalls the network in front of a node: nothing arrives, or everything fails, or takes long; of probes, of
/// connections that are opened, of statements, or of all.
async fn network_trouble(world: Rc<World>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xFA17);
    let until = Instant::now() + RUN;
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.random_range(0..400))).await;
        // the primary is only slow: nobody else has what was just written
        let number = rng.random_range(0..=REPLICAS);
        let slow = Answer::After(Duration::from_millis(rng.random_range(1..200)));
        let answer = match rng.random_range(0..4) {
            0 if number > 0 => Answer::Never,
            1 | 2 if number > 0 => Answer::Fails(Fault::Unreachable),
            _ => slow,
        };
        let node = &world.nodes[number];
        let which = rng.random_range(0..4);
        for server in node.members() {
            let mut fake = server.lock();
            match which {
                0 => fake.probes = answer,
                1 => fake.checkouts = answer,
                2 => fake.statements = answer,
                _ => (fake.probes, fake.checkouts, fake.statements) = (answer, answer, answer),
            }
        }
        if which == 3 && answer == Answer::Fails(Fault::Unreachable) {
            node.lose_connection();
        }
        sleep(Duration::from_millis(rng.random_range(0..2_500))).await;
        for server in node.members() {
            let mut fake = server.lock();
            (fake.probes, fake.checkouts, fake.statements) = (AT_ONCE, AT_ONCE, AT_ONCE);
        }
    }
}

/// An operator who cannot decide.
async fn switches(world: Rc<World>, seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let until = Instant::now() + RUN;
    while Instant::now() < until {
        sleep(Duration::from_millis(rng.random_range(0..300))).await;
        let modes = [Mode::Automatic, Mode::OptIn, Mode::Shadow];
        match modes.get(rng.random_range(0..6)) {
            Some(mode) => world.splitter.set_mode(*mode),
            None => drop(world.splitter.set_read_share(rng.random_range(0..=100))),
        }
    }
}

/// Runs the sessions and the trouble under one seed.
fn history(consistency: Consistency, of: (Made, Leads), besides: Besides, seed: u64) -> Seen {
    let (made, leads) = of;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    let seen = Rc::new(Seen::default());
    let run = async {
        let mut options = Options::default();
        options.consistency = consistency;
        let world = Rc::new(World::start(REPLICAS, options).await);
        world.pool_connections();
        if leads == Leads::ToSeveral {
            let group = world.replica(1);
            drop([group.join(), group.join()]);
        }
        let tasks = LocalSet::new();
        for number in 0..SESSIONS {
            spawn_session(&tasks, &world, made, seed ^ number << 32, &seen);
        }
        match besides {
            Besides::Nothing => {}
            Besides::Switches => drop(tasks.spawn_local(switches(Rc::clone(&world), seed))),
            Besides::Network => drop(tasks.spawn_local(network_trouble(Rc::clone(&world), seed))),
        }
        drop(tasks.spawn_local(trouble(world, seed)));
        tasks.await;
    };
    runtime.block_on(run);
    drop(runtime);
    Rc::into_inner(seen).unwrap()
}

fn all(consistency: Consistency, of: (Made, Leads), besides: Besides) -> (u64, u64, u64) {
    let mut sums = (0, 0, 0);
    for seed in 0..20 {
        let seen = history(consistency, of, besides, seed);
        let violations = seen.violations.get();
        if consistency != Consistency::Eventual {
            assert_eq!(violations, 0, "seed {seed}, {of:?}");
        }
        sums.0 += violations;
        sums.1 += seen.reads.get();
        sums.2 += seen.on_replicas.get();
    }
    println!("{consistency:?}, {of:?}, {besides:?}: {sums:?} violations, reads, on replicas");
    sums
}

#[rstest::rstest]
fn no_session_reads_what_is_older_than_it_wrote_or_read(
    #[values(Made::Handle, Made::Scope, Made::Task)] made: Made,
    #[values(Leads::ToOne, Leads::ToSeveral)] leads: Leads,
) {
    let (_, reads, on_replicas) = all(Consistency::Session, (made, leads), Besides::Nothing);
    assert!(on_replicas * 10 > reads, "{on_replicas} of {reads}");
}

#[rstest::rstest]
fn nor_does_it_while_modes_and_the_share_of_reads_are_switched(
    #[values(Made::Handle, Made::Scope, Made::Task)] made: Made,
    #[values(Leads::ToOne, Leads::ToSeveral)] leads: Leads,
) {
    let (_, reads, on_replicas) = all(Consistency::Session, (made, leads), Besides::Switches);
    assert!(on_replicas * 50 > reads, "{on_replicas} of {reads}");
}

#[rstest::rstest]
fn t13_nor_does_it_while_the_network_fails_in_front_of_any_node(
    #[values(Made::Handle, Made::Scope, Made::Task)] made: Made,
    #[values(Leads::ToOne, Leads::ToSeveral)] leads: Leads,
) {
    let (_, reads, on_replicas) = all(Consistency::Session, (made, leads), Besides::Network);
    assert!(on_replicas * 50 > reads, "{on_replicas} of {reads}");
}

#[rstest::rstest]
fn without_consistency_the_same_runs_show_violations(
    #[values(Leads::ToOne, Leads::ToSeveral)] leads: Leads,
) {
    let (violations, _, _) = all(
        Consistency::Eventual,
        (Made::Handle, leads),
        Besides::Nothing,
    );
    assert!(violations > 100, "{violations}");
}
