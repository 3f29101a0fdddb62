//! What Diesel users pay: rows by key through a `SplitPool` against a plain bb8 pool of
//! `AsyncPgConnection` to the same server on loopback, interleaved in one run, with one statement for each
//! checkout and with ten.
//!
//! Prints the ratio of the medians with a 95 % bootstrap interval. With `--gate` it fails if a checkout
//! costs more than 1.15 times what it costs with diesel-async's defaults, or more than 1.30 times without
//! the statement that its pool sends first.
//!
//! All of it, the servers too, is on one processor: two connections cost the same only if the processes at
//! their other ends are equally far, and elsewhere the same code took 0.8 to 1.9 times as long.

mod paired;

use anyhow::{Context, Result, ensure};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel_async::pooled_connection::bb8;
use diesel_async::pooled_connection::{
    AsyncDieselConnectionManager, ManagerConfig, RecyclingMethod,
};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use orm_split::diesel::Role;
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Counter, Pool};
use orm_split_tests::kit::postgres::Cluster;
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

use paired::Pairs;

type Plain = bb8::Pool<AsyncPgConnection>;

/// Statements for each checkout, and how often both are measured.
const RUNS: [(usize, usize); 2] = [(1, 4_000), (10, 1_000)];
const GATE: f64 = 1.15;
const GATE_WITHOUT_TEST: f64 = 1.30;

/// As diesel-async makes it, with this way of looking at a connection before it is handed out.
async fn pool(url: &str, recycling: RecyclingMethod<AsyncPgConnection>) -> Result<Plain> {
    let mut config = ManagerConfig::default();
    config.recycling_method = recycling;
    let manager = AsyncDieselConnectionManager::new_with_config(url, config);
    Ok(Plain::builder().build(manager).await?)
}

async fn find<C>(conn: &mut C, id: i32, statements: usize) -> Result<()>
where
    C: AsyncConnection<Backend = Pg>,
{
    for _ in 0..statements {
        let found: Counter = counter::table.find(id).first(conn).await?;
        ensure!(found.id == id);
    }
    Ok(())
}

/// Returns the highest of the lower ends.
async fn report(name: &str, plain: &Plain, split: &Pool) -> Result<f64> {
    let mut highest: f64 = 0.0;
    for (statements, rounds) in RUNS {
        let through_plain = async |id| find(&mut *plain.get().await?, id, statements).await;
        let through_split = async |id| find(&mut split.get().await?, id, statements).await;
        let pairs = Pairs::measured(rounds, through_plain, through_split).await?;
        let name = format!("against {name}, {statements} for each checkout");
        highest = highest.max(pairs.report(&name));
    }
    Ok(highest)
}

/// Keeps this thread, and whatever it starts from now on, on one of the processors that it may use.
fn stay_on_one_processor() -> Result<()> {
    let allowed = sched_getaffinity(None)?;
    let last = (0..CpuSet::MAX_CPU).rfind(|number| allowed.is_set(*number));
    let mut one = CpuSet::new();
    one.set(last.context("a processor")?);
    Ok(sched_setaffinity(None, &one)?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    stay_on_one_processor()?;
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let split = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&split, 100).await?;
    let url = database.replica_urls().first().context("a replica")?;
    let tested = pool(url, RecyclingMethod::default()).await?;
    // the strictest comparison: without the statement that is sent at every checkout by default
    let untested = pool(url, RecyclingMethod::Fast).await?;

    let route = split.explain("SELECT 1");
    ensure!(route.role == Role::Replica, "{route:?}");
    let with_test = report("a bb8 pool with its defaults", &tested, &split).await?;
    let without = report("one that does not test connections", &untested, &split).await?;
    split.close().await;
    ensure!(
        !paired::is_gate() || (with_test <= GATE && without <= GATE_WITHOUT_TEST),
        "slower than the gates of {GATE} and, without test, {GATE_WITHOUT_TEST}"
    );
    Ok(())
}
