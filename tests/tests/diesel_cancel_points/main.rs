//! A future that is dropped at whichever await leaves nothing behind: no slot lost, nothing in flight, no
//! transaction and no statement on a connection that the next user gets.
//!
//! The points are counted in polls, so that a future is dropped while it waits for a place in the pool,
//! for the server to let it in, for the answer to BEGIN, to the statement, to COMMIT, and between them.

mod ops;

use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use ops::{OPS, Op, number, perform, read};
use orm_split::diesel::{Consistency, Hint, PoolKind, PoolOptions, Role};
use orm_split_tests::diesel_app::{self, Pool};
use orm_split_tests::kit::postgres::{APP_ROLE, Cluster, Database, Delay, Node, shared};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio::sync::Mutex;
use tokio::time::{sleep, timeout};

/// A future that has waited for so long waits for that; it is dropped there.
const SLEEPS: Duration = Duration::from_millis(500);

/// What everything else may take at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many futures are dropped.
const CASES: u32 = 64;

#[derive(Clone, Copy, Debug)]
struct Case {
    op: Op,
    /// How often it is polled before it is dropped.
    polls: u32,
    kind: PoolKind,
    /// Connections of each pool, all of which are asked afterwards.
    size: u32,
    /// No connection has been opened yet.
    is_cold: bool,
    /// Whether the same handle runs another statement.
    goes_on: bool,
}

fn cases() -> impl Strategy<Value = Case> {
    let raw = prop::sample::select(vec![Op::OnRawPrimary, Op::OnRawReplica]);
    // a raw connection is asked whether it is idle, for some seconds
    let op = prop_oneof![19 => prop::sample::select(OPS.as_slice()), 1 => raw];
    let kind = prop_oneof![Just(PoolKind::Bb8), Just(PoolKind::Deadpool)];
    let rare = prop::bool::weighted(0.25);
    (op, 0..24_u32, kind, 1..=2_u32, rare, any::<bool>()).prop_map(
        |(op, polls, kind, size, is_cold, goes_on)| Case {
            op,
            polls,
            kind,
            size,
            is_cold,
            goes_on: goes_on && op.leaves_its_handle_usable(),
        },
    )
}

/// Drops `future` after so many polls, wherever it is then.
async fn dropped_after<F: Future>(polls: u32, future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut left = polls;
    poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match future.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}

/// Pools that live as long as the test does, so that what one case loses the next ones miss.
struct World {
    cluster: &'static Cluster,
    database: Database,
    pool: Option<Pool>,
    kind: PoolKind,
    size: u32,
}

impl World {
    async fn new(kind: PoolKind, size: u32) -> Result<Self> {
        let cluster = shared(Delay::None).await?;
        Ok(Self {
            cluster,
            database: cluster.create_database().await?,
            pool: None,
            kind,
            size,
        })
    }

    async fn build(&self) -> Result<Pool> {
        let mut options = PoolOptions::default();
        options.max_size = self.size;
        // so that the server notices soon that nobody waits for a statement any longer
        let hasty = |url: &str| format!("{url}?options=-cclient_connection_check_interval%3D100");
        let replica = self.database.replica_urls().first().context("a replica")?;
        let pool = Pool::builder()
            .primary(hasty(self.database.primary_url()))
            .replica(hasty(replica))
            .pool_kind(self.kind)
            .primary_options(options.clone())
            .replica_options(options)
            // what was written is no matter here, and nobody is to be taken for down on a busy machine
            .consistency(Consistency::Eventual)
            .max_staleness(None)
            .probe_deadline(PATIENCE)
            .checkout_deadline(PATIENCE)
            .build()
            .await?;
        if self.pool.is_none() {
            diesel_app::create_counters(&pool, 10).await?;
        }
        diesel_app::wait_until_replicas_serve(&pool).await?;
        Ok(pool)
    }

    async fn pool(&mut self, is_cold: bool) -> Result<Pool> {
        if let Some(old) = self.pool.clone().filter(|_| !is_cold) {
            return Ok(old);
        }
        let new = self.build().await?;
        if let Some(old) = self.pool.replace(new.clone()) {
            old.close().await;
        }
        if is_cold {
            return Ok(new);
        }
        // opens all connections
        self.all_slots_answer(&new).await?;
        Ok(new)
    }

    async fn check(&mut self, case: Case) -> Result<()> {
        let pool = self.pool(case.is_cold).await?;
        let mut conn = pool.get().await?;
        let dropped = dropped_after(case.polls, perform(&mut conn, case.op));
        drop(timeout(SLEEPS, dropped).await);
        if case.goes_on {
            let next = timeout(PATIENCE, number(&mut conn, "SELECT 7")).await;
            let next =
                next.context("the next statement of the handle waits for the dropped one")?;
            ensure!(next? == 7, "the handle got another statement's answer");
        }
        drop(conn);
        let status = pool.status();
        ensure!(
            status.nodes.iter().all(|node| node.in_flight == 0),
            "{status:?}"
        );
        let route = pool.explain("SELECT 1");
        ensure!(
            route.role == Role::Replica,
            "the replica is blamed: {route:?}"
        );
        // also if nobody takes the connections again
        self.nobody_is_left().await?;
        self.all_slots_answer(&pool).await
    }

    /// Every connection of both pools answers, at the same time, each to its own question, and none of them
    /// is in somebody's transaction.
    async fn all_slots_answer(&self, pool: &Pool) -> Result<()> {
        let slots = (0..self.size).map(|slot| async move {
            let mut conn = pool.get().await?;
            let slot = i32::try_from(slot)?;
            for hint in [Hint::None, Hint::Primary] {
                conn.set_hint(hint);
                // prepared by everybody, and by nobody
                for id in [slot + 3, slot + 4] {
                    ensure!(read(&mut conn, id).await?.id == id);
                    ensure!(number(&mut conn, &format!("SELECT {id} + 100")).await? == id + 100);
                }
            }
            Ok(conn)
        });
        let held = timeout(PATIENCE, try_join_all(slots)).await;
        let held = held.with_context(|| format!("a slot is lost: {:?}", pool.state()))??;
        self.nobody_is_left().await?;
        drop(held);
        Ok(())
    }

    async fn nobody_is_left(&self) -> Result<()> {
        let nodes: Vec<_> = self.cluster.nodes().take(2).collect();
        let waits = async {
            for node in nodes {
                while !self.is_alone(node).await? {
                    sleep(Duration::from_millis(20)).await;
                }
            }
            anyhow::Ok(())
        };
        let alone = timeout(PATIENCE, waits).await;
        alone.context("a transaction, or more sessions than there are slots, stay open")?
    }

    /// Whether a node has no more sessions than the pool's places and a prober, and none in a transaction.
    async fn is_alone(&self, node: &Node) -> Result<bool> {
        let admin = node.admin(self.database.name()).await?;
        let sql = "SELECT count(*), count(*) FILTER (WHERE state LIKE 'idle in transaction%') \
                   FROM pg_stat_activity WHERE usename = $1::text AND datname = current_database()";
        let row = admin.query_one(sql, &[&APP_ROLE]).await?;
        let (sessions, in_transaction): (i64, i64) = (row.try_get(0)?, row.try_get(1)?);
        Ok(sessions <= i64::from(self.size) + 1 && in_transaction == 0)
    }
}

#[test]
fn a_future_dropped_at_any_await_leaves_nothing_behind() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let mut worlds = Vec::new();
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        for size in [1, 2] {
            worlds.push(Mutex::new(runtime.block_on(World::new(kind, size))?));
        }
    }
    let config = Config {
        cases: CASES,
        failure_persistence: None,
        max_shrink_iters: 8,
        ..Config::default()
    };
    let run = |case: Case| {
        let checked = runtime.block_on(async {
            for world in &worlds {
                let mut world = world.lock().await;
                if (world.kind, world.size) == (case.kind, case.size) {
                    return Box::pin(world.check(case)).await;
                }
            }
            anyhow::bail!("no such pool")
        });
        checked.map_err(|error| TestCaseError::fail(format!("{error:#}")))
    };
    let outcome = TestRunner::new(config).run(&cases(), run);
    outcome.map_err(|error| anyhow::anyhow!("{error}"))
}
