//! The guest book as guests use it: the program runs, requests come over HTTP.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    reason = "a field that a JSON value lacks reads as null"
)]

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split_tests::kit::postgres::{APP_PASSWORD, Cluster, Database, Delay, Stop, shared};
use orm_split_tests::kit::program::Program;
use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};
use tokio::time::timeout;

/// How long anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// Somebody at the door of the running service.
struct Guest {
    client: Client,
    base: String,
}

/// What was answered: the status and the body.
type Answer = (u16, Value);

impl Guest {
    async fn writes(&self, name: &str) -> Result<Answer> {
        let request = self.client.post(format!("{}/entries", self.base));
        ask(request.json(&json!({ "guest": name }))).await
    }

    async fn reads(&self, path: &str) -> Result<Answer> {
        ask(self.client.get(format!("{}/entries{path}", self.base))).await
    }

    /// Signs as the `number`th guest, and insists on what was answered.
    async fn signs(&self, number: i64) -> Result<()> {
        let name = format!("guest {number}");
        let (status, signed) = self.writes(&name).await?;
        ensure!(status == 201 && signed["entries"] == number, "{signed}");
        let entry = &signed["entry"];
        ensure!(entry["guest"] == name.as_str(), "{signed}");
        let found = self.reads(&format!("/{}", entry["id"])).await?;
        ensure!(found == (200, entry.clone()), "{found:?}, not {entry}");
        self.finds(number).await
    }

    /// There are so many entries, and each is the right one.
    async fn finds(&self, number: i64) -> Result<()> {
        let (status, found) = self.reads("").await?;
        let names = found.as_array().context("a list")?.iter();
        let names: Vec<_> = names.map(|entry| entry["guest"].clone()).collect();
        let expected = (1..=number).map(|number| json!(format!("guest {number}")));
        let expected: Vec<_> = expected.collect();
        ensure!(status == 200 && names == expected, "{found}");
        Ok(())
    }
}

async fn ask(request: RequestBuilder) -> Result<Answer> {
    let answer = request.send().await?;
    Ok((answer.status().as_u16(), answer.json().await?))
}

async fn open(environment: &[(&str, &str)]) -> Result<(Program, Guest)> {
    let mut all = vec![("LISTEN", "127.0.0.1:0")];
    all.extend(environment);
    let program = Program::start(env!("CARGO_BIN_EXE_axum-diesel"), &all)?;
    let line = program.line_with("listening on ").await?;
    let address = line.rsplit(' ').next().context("an address")?;
    // each request comes over a connection of its own, as from behind a balancer
    let client = Client::builder().pool_max_idle_per_host(0).build()?;
    let base = format!("http://{address}");
    Ok((program, Guest { client, base }))
}

async fn open_on(database: &Database) -> Result<(Program, Guest)> {
    let replicas = database.replica_urls().join(",");
    let urls = [
        ("DATABASE_URL", database.primary_url()),
        ("REPLICA_URLS", &replicas),
    ];
    open(&urls).await
}

/// Until a list comes from a replica, and on that way never misses an entry.
async fn replicas_serve(program: &Program, guest: &Guest, number: i64) -> Result<()> {
    let before = program.reads_on_replicas();
    let looked = async {
        while program.reads_on_replicas() == before {
            guest.finds(number).await?;
        }
        anyhow::Ok(())
    };
    let looked = timeout(PATIENCE, looked).await;
    looked.context("no list came from a replica")?
}

#[tokio::test]
async fn without_any_configuration_the_guest_book_is_an_sqlite_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().to_str().context("a path")?;
    let (program, guest) = open(&[("TMPDIR", folder)]).await?;
    for number in 1..=3 {
        guest.signs(number).await?;
    }
    let (status, _) = guest.reads("/77").await?;
    assert_eq!(status, 404);
    assert!(program.reads_on_replicas() > 0);
    program.stop().await.map(drop)
}

#[tokio::test]
async fn an_answer_holds_what_was_posted_although_the_replicas_lag_by_half_a_second() -> Result<()>
{
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let (program, guest) = open_on(&database).await?;
    for number in 1..=3 {
        guest.signs(number).await?;
        replicas_serve(&program, &guest, number).await?;
    }
    program.stop().await.map(drop)
}

#[tokio::test]
async fn an_answer_names_the_server_that_is_down_and_no_password() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let (program, guest) = open_on(&database).await?;
    guest.signs(1).await?;
    replicas_serve(&program, &guest, 1).await?;
    cluster.primary().stop(Stop::Fast).await?;
    guest.finds(1).await?;
    let named = async {
        // a connection that breaks under its statement says less than one that cannot be opened
        loop {
            let (status, answer) = guest.writes("too late").await?;
            let error = answer["error"].as_str().context("an error")?;
            ensure!(status == 503, "{status}: {answer}");
            ensure!(!error.contains(APP_PASSWORD), "{error}");
            if error.contains("primary") {
                return Ok(());
            }
        }
    };
    let named = timeout(PATIENCE, named).await;
    named.context("no answer named the primary")??;
    let log = program.stop().await?;
    let told = log.iter().any(|line| line.contains(APP_PASSWORD));
    assert!(!told, "{log:#?}");
    Ok(())
}
