//! Two processes of one application, each with an ORM, a splitter and pools of its own, on replicas that lag
//! by half a second: what one writes the other reads, for a token in a header or in a job, and not without.

#![cfg(target_os = "linux")]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Session, SplitConnection, TokenKeys};
use orm_split_tests::app;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::jobs::{Job, Queue};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use orm_split_tests::kit::program::Program;
use orm_split_tests::served::HEADER;
use reqwest::Client;
use rstest::rstest;
use tokio::time::{sleep, timeout};

const COUNTERS: &str = env!("CARGO_BIN_EXE_counters");
const SECRET: &str = "a secret of at least thirty-two bytes";
const ROUNDS: i64 = 20;
const PATIENCE: Duration = Duration::from_secs(30);

async fn database() -> Result<Database> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 2).await?;
    db.close().await?;
    Ok(database)
}

fn start(orm: &str, work: &str, database: &Database) -> Result<Program> {
    let environment = [
        ("ORM", orm),
        ("WORK", work),
        ("SECRET", SECRET),
        ("DATABASE_URL", database.primary_url()),
        ("REPLICA_URLS", &database.replica_urls().join(",")),
    ];
    Program::start(COUNTERS, &environment)
}

/// A process that serves HTTP, and where.
async fn server(orm: &str, database: &Database) -> Result<(Program, String)> {
    let program = start(orm, "http", database)?;
    let line = program.line_with("listening on ").await?;
    let address = line.rsplit(' ').next().context("an address")?;
    let url = format!("http://{address}");
    Ok((program, url))
}

async fn get(client: &Client, url: &str, token: Option<&str>) -> Result<i64> {
    let mut request = client.get(url);
    if let Some(token) = token {
        request = request.header(HEADER, token);
    }
    let answer = request.send().await?.error_for_status()?;
    Ok(answer.text().await?.parse()?)
}

#[rstest]
#[case::sea_orm_writes("sea-orm", "diesel")]
#[case::diesel_writes("diesel", "sea-orm")]
#[tokio::test]
async fn a_token_in_a_header_shows_one_process_what_another_one_wrote(
    #[case] writer: &str,
    #[case] reader: &str,
) -> Result<()> {
    let database = database().await?;
    let (_writing, writer) = server(writer, &database).await?;
    let (reading, reader) = server(reader, &database).await?;
    let client = Client::new();
    let (mut without, mut last) = (0, String::new());
    for value in 1..=ROUNDS {
        let written = client.post(format!("{writer}/{value}")).send().await?;
        let token = written.error_for_status_ref()?.headers().get(HEADER);
        last = token.context("a token")?.to_str()?.to_owned();
        without += i64::from(get(&client, &reader, None).await? < value);
        let seen = get(&client, &reader, Some(&last)).await?;
        assert_eq!(seen, value, "with the token");
    }
    ensure!(
        without > ROUNDS / 4,
        "{without} stale reads without a token"
    );
    let read = async || get(&client, &reader, Some(&last)).await;
    sees_it_on_a_replica(&reading, ROUNDS, read).await
}

/// A token keeps nobody on the primary: soon a replica serves the read, which sees the same.
async fn sees_it_on_a_replica(
    program: &Program,
    value: i64,
    read: impl AsyncFn() -> Result<i64>,
) -> Result<()> {
    let before = program.reads_on_replicas();
    let served = async {
        while program.reads_on_replicas() == before {
            assert_eq!(read().await?, value);
            sleep(Duration::from_millis(50)).await;
        }
        anyhow::Ok(())
    };
    timeout(PATIENCE, served).await?
}

async fn seen(queue: &Queue, job: &Job) -> Result<i64> {
    let done = async {
        loop {
            if let Some(seen) = queue.seen(job).await? {
                return anyhow::Ok(seen);
            }
            sleep(Duration::from_millis(2)).await;
        }
    };
    timeout(PATIENCE, done).await?
}

/// How many jobs a worker did with older data than the job tells of.
async fn missed<A: Application>(
    (app, queue): (&A, &Queue),
    values: std::ops::RangeInclusive<i64>,
) -> Result<i64> {
    let mut missed = 0;
    for value in values {
        // as a request does
        let set = Session::new().scope(queue.set(app, value));
        missed += i64::from(seen(queue, &set.await?).await? < value);
    }
    Ok(missed)
}

async fn worker_sees_all<A: Application>(orm_of_worker: &str) -> Result<()> {
    let database = database().await?;
    let mut settings = Settings::of(&database);
    settings.token_keys = Some(TokenKeys::new(SECRET)?);
    let app = A::connect(&settings).await?;
    let queue = Queue::open(database.primary_url()).await?;

    let without = start(orm_of_worker, "jobs-without-tokens", &database)?;
    without.line_with("working").await?;
    let missed_without = missed((&app, &queue), 1..=ROUNDS).await?;
    ensure!(missed_without > ROUNDS / 4, "{missed_without} missed");
    drop(without);

    let worker = start(orm_of_worker, "jobs", &database)?;
    worker.line_with("working").await?;
    let missed = missed((&app, &queue), ROUNDS + 1..=2 * ROUNDS).await?;
    assert_eq!(missed, 0);
    let token = Session::new()
        .scope(queue.set(&app, 2 * ROUNDS + 1))
        .await?
        .token;
    let read = async || seen(&queue, &queue.put(2 * ROUNDS + 1, &token).await?).await;
    sees_it_on_a_replica(&worker, 2 * ROUNDS + 1, read).await?;
    app.close().await
}

#[tokio::test]
async fn a_worker_on_diesel_misses_nothing_that_a_job_of_a_sea_orm_process_tells_of() -> Result<()>
{
    worker_sees_all::<SplitConnection>("diesel").await
}

#[tokio::test]
async fn a_worker_on_sea_orm_misses_nothing_that_a_job_of_a_diesel_process_tells_of() -> Result<()>
{
    worker_sees_all::<Pool>("sea-orm").await
}
