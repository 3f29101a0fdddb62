//! How many reads leave the primary: sessions that stick by position, as here, against what is common
//! practice, sticking for two seconds and sticking for the rest of the request.
//!
//! 200 users on replicas that lag by 20 ms; one statement in five is a write; a user pauses for 20 to 180 ms
//! between two statements, and ten of these are a request. Prints the share of reads on replicas and the
//! stale ones. With `--gate` it fails unless ours are 85 % and five times those of the two seconds, none of
//! them stale.

#![allow(clippy::print_stdout, reason = "a benchmark reports")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{Consistency, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::Cluster;
use rand::RngExt;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectOptions, EntityTrait};
use tokio::time::{Instant, sleep};

const USERS: i32 = 200;
const RUN: Duration = Duration::from_secs(8);
const LAG: Duration = Duration::from_millis(20);
const PIN: Duration = Duration::from_secs(2);
const STATEMENTS: u32 = 10;

/// How a user's reads are kept fresh enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sticks {
    ByPosition,
    ForTwoSeconds,
    ForTheRequest,
}

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    reads: u64,
    stale: u64,
}

/// What one user does, as a task of its own.
async fn user(db: SplitConnection, sticks: Sticks, id: i32) -> Result<Counts> {
    let (primary, any) = (db.primary(), db.with(Consistency::Eventual));
    let started = Instant::now();
    let mut counts = Counts::default();
    let (mut value, mut wrote_at, mut wrote_in_request) = (0, None::<Instant>, false);
    for statement in 0_u32.. {
        let pause = rand::rng().random_range(20..180);
        sleep(Duration::from_millis(pause)).await;
        if started.elapsed() > RUN {
            break;
        }
        if statement.is_multiple_of(STATEMENTS) {
            wrote_in_request = false;
        }
        if rand::rng().random_ratio(1, 5) {
            value += 1;
            let row = counter::ActiveModel {
                id: Set(id),
                value: Set(value),
            };
            row.update(&db).await?;
            (wrote_at, wrote_in_request) = (Some(Instant::now()), true);
            continue;
        }
        let from = match sticks {
            Sticks::ByPosition => &db,
            Sticks::ForTwoSeconds if wrote_at.is_some_and(|at| at.elapsed() < PIN) => &primary,
            Sticks::ForTheRequest if wrote_in_request => &primary,
            Sticks::ForTwoSeconds | Sticks::ForTheRequest => &any,
        };
        let found = counter::Entity::find_by_id(id).one(from).await?;
        counts.reads += 1;
        counts.stale += u64::from(found.context("the counter")?.value < value);
    }
    Ok(counts)
}

/// The share of reads on replicas, and how many were stale.
#[expect(clippy::disallowed_methods, reason = "a user is a task")]
async fn run(db: &SplitConnection, sticks: Sticks) -> Result<(f64, u64)> {
    let reset = counter::Entity::update_many()
        .col_expr(counter::Column::Value, 0.into())
        .exec(db);
    reset.await?;
    // the replicas have that, and nobody sticks any more
    sleep(PIN).await;
    let before = db.status().served_by_replicas();
    let users = (0..USERS).map(|id| tokio::spawn(user(db.clone(), sticks, id)));
    let mut sum = Counts::default();
    for counts in try_join_all(users).await? {
        let counts = counts?;
        sum.reads += counts.reads;
        sum.stale += counts.stale;
    }
    let on_replicas = db.status().served_by_replicas() - before;
    let share = on_replicas as f64 / sum.reads.max(1) as f64;
    let (reads, stale) = (sum.reads, sum.stale);
    println!(
        "{sticks:?}: {:.1} % of {reads} reads on replicas, {stale} stale",
        share * 100.0
    );
    Ok((share, stale))
}

#[tokio::main]
async fn main() -> Result<()> {
    let cluster = Cluster::builder()
        .replicas(2)
        .apply_delay(LAG)
        .start()
        .await?;
    let database = cluster.create_database().await?;
    let options = |url: &str| {
        let mut options = ConnectOptions::new(url);
        options.max_connections(30);
        options
    };
    let replicas = database.replica_urls().iter();
    let builder = replicas.fold(
        SplitConnection::builder().primary(options(database.primary_url())),
        |builder, url| builder.replica(options(url)),
    );
    let db = builder
        .checkout_deadline(Duration::from_secs(10))
        .connect()
        .await?;
    app::create_counters(&db, USERS).await?;
    let (ours, stale) = run(&db, Sticks::ByPosition).await?;
    let (pinned, _) = run(&db, Sticks::ForTwoSeconds).await?;
    run(&db, Sticks::ForTheRequest).await?;
    db.close().await?;
    let is_gate = std::env::args().any(|argument| argument == "--gate");
    ensure!(
        !is_gate || (ours >= 0.85 && ours >= pinned * 5.0 && stale == 0),
        "{ours} of the reads on replicas, {pinned} with a pin, {stale} stale"
    );
    Ok(())
}
