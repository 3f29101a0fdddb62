//! Futures that are given up at random instants on real servers, while the network is slow or swallows
//! everything: nothing stays in flight, and no place in a pool is lost.

#![allow(
    clippy::print_stdout,
    reason = "the figures are what a reader wants to see"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::join_all;
use orm_split::sea_orm::{Role, SplitConnection};
use orm_split_tests::application::{Application, Way};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::faults::Network;
use orm_split_tests::kit::postgres::{APP_ROLE, Node};
use orm_split_tests::kit::proxy::Fault;
use orm_split_tests::load::open_loop;
use orm_split_tests::outages::wait_for_returning_replicas;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::time::{sleep, timeout};

/// Connections that both adapters' pools hold.
const SLOTS: i64 = 10;
const PER_SECOND: u32 = 80;
const LASTS: Duration = Duration::from_secs(6);
/// What anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// Sends one of the ways of the application; `number` decides which, and when it is given up.
async fn given_up<A: Application>(app: A, seed: u64, number: u32) -> Result<()> {
    let mut rng = StdRng::seed_from_u64(seed ^ u64::from(number));
    let patience = Duration::from_micros(rng.random_range(0..60_000));
    let way = Way::ALL.get(rng.random_range(0..Way::ALL.len()));
    let way = way.copied().unwrap_or(Way::QueryAll);
    let sent = async {
        match rng.random_range(0..3) {
            0 => app.write(1, i64::from(number)).await,
            1 => app.read(1).await.map(drop),
            _ => app.send(way, "SELECT id, value FROM counter").await,
        }
    };
    match timeout(patience, sent).await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(error.context("failed")),
        Err(_) => anyhow::bail!("given up"),
    }
}

async fn trouble(network: &Network) -> Result<()> {
    let slow = Fault::Delay(Duration::from_millis(3));
    let all = || network.replicas.iter().chain([&network.primary]);
    for fault in [slow.clone(), Fault::BlackHole, slow, Fault::BlackHole] {
        for proxy in all() {
            proxy.befall(fault.clone()).await?;
        }
        let is_hole = fault == Fault::BlackHole;
        sleep(Duration::from_millis(if is_hole { 300 } else { 2_500 })).await;
    }
    for proxy in all() {
        proxy.heal().await?;
    }
    Ok(())
}

/// Every connection of the pool runs a statement at the same time, as the server says itself.
async fn all_slots_are_used<A: Application>(app: &A, node: &Node, role: Role) -> Result<()> {
    let sql = match role {
        Role::Replica => "SELECT 1 FROM pg_sleep(2)",
        Role::Primary => "SELECT txid_current() FROM pg_sleep(2)",
    };
    ensure!(app.explain(sql).role == role, "{:?}", app.explain(sql));
    let admin = node.admin("postgres").await?;
    let all_at_once = async {
        let active = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1::text \
                      AND state = 'active' AND query LIKE '%pg_sleep(2)%'";
        while admin
            .query_one(active, &[&APP_ROLE])
            .await?
            .try_get::<_, i64>(0)?
            != SLOTS
        {
            sleep(Duration::from_millis(5)).await;
        }
        anyhow::Ok(())
    };
    let keep_asking = async {
        loop {
            join_all((0..SLOTS).map(|_| app.send(Way::QueryOne, sql))).await;
        }
    };
    let used = async {
        tokio::select! {
            used = all_at_once => used,
            () = keep_asking => Ok(()),
        }
    };
    let used = timeout(PATIENCE, used).await;
    used.with_context(|| format!("not all {SLOTS} connections of the {role:?} are used"))?
}

async fn nothing_is_lost<A: Application>(orm: &str, seed: u64) -> Result<()> {
    let network = Network::start(1).await?;
    let mut settings = network.settings()?;
    // a node that is taken for down moves its statements itself: not what is asked here
    settings.probe_deadline = Duration::from_secs(10);
    let app: A = network.application(&settings).await?;
    let load = open_loop(PER_SECOND, LASTS, |number| {
        given_up(app.clone(), seed, number)
    });
    let (requests, trouble) = tokio::join!(load, trouble(&network));
    let (requests, ()) = (requests?, trouble?);
    let failures = requests.failures();
    let given_up = failures.iter().filter(|why| **why == "given up").count();
    let left = app.status().nodes.into_iter().map(|node| node.in_flight);
    let left = left.sum::<u32>();
    println!(
        "T12, {orm}, seed {seed}: {given_up} of {} statements given up, {} failed; {left} in flight afterwards (0)",
        requests.count(),
        failures.len() - given_up
    );
    assert_eq!(left, 0);
    // of 480; a busy machine is slower than the patience of most
    ensure!(given_up > 100, "too few were given up");
    ensure!(requests.count() - failures.len() > 10, "too few were not");
    wait_for_returning_replicas(&app, 1).await?;
    let replica = network.cluster.replicas().first().context("a replica")?;
    all_slots_are_used(&app, replica, Role::Replica).await?;
    all_slots_are_used(&app, network.cluster.primary(), Role::Primary).await?;
    let left = app.status().nodes.into_iter().map(|node| node.in_flight);
    assert_eq!(left.sum::<u32>(), 0, "those were dropped too");
    app.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_statements_of_seaorm_given_up_at_any_instant_leave_nothing_in_flight_and_lose_no_slot()
-> Result<()> {
    nothing_is_lost::<SplitConnection>("SeaORM", rand::random()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn t12_statements_of_diesel_given_up_at_any_instant_leave_nothing_in_flight_and_lose_no_slot()
-> Result<()> {
    nothing_is_lost::<Pool>("Diesel", rand::random()).await
}
