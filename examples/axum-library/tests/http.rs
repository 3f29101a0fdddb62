//! The library as its visitors use it: the program runs, requests come over HTTP.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    reason = "a field that a JSON value lacks reads as null"
)]

mod visitor;

use std::time::Duration;

use anyhow::{Context, Result};
use orm_split_tests::kit::postgres::{Delay, shared};
use orm_split_tests::kit::program::Program;
use tokio::time::sleep;

use crate::visitor::Visitor;

/// The running service, and somebody at its door.
async fn open(environment: &[(&str, &str)]) -> Result<(Program, Visitor)> {
    let mut all = vec![("LISTEN", "127.0.0.1:0")];
    all.extend(environment);
    let program = Program::start(env!("CARGO_BIN_EXE_axum-library"), &all)?;
    let line = program.line_with("listening on ").await?;
    let address = line.rsplit(' ').next().context("an address")?;
    let visitor = Visitor::at(address)?;
    visitor.is_well().await?;
    Ok((program, visitor))
}

#[tokio::test]
async fn a_visit_without_any_configuration_ends_well_on_a_sqlite_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().to_str().context("a path")?;
    let (program, visitor) = open(&[("TMPDIR", folder)]).await?;
    for number in 100..103 {
        visitor.visit(number).await?;
    }
    let log = program.stop().await?;
    assert!(log.iter().any(|line| line.ends_with("stopped")), "{log:#?}");
    Ok(())
}

#[tokio::test]
async fn visits_to_a_library_on_one_postgres_end_well() -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let (program, visitor) = open(&[("DATABASE_URL", database.primary_url())]).await?;
    for number in 100..103 {
        visitor.visit(number).await?;
    }
    program.stop().await.map(drop)
}

#[tokio::test]
async fn no_visit_sees_stale_data_although_the_replicas_lag_by_half_a_second() -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let replicas = database.replica_urls().join(",");
    let urls = [
        ("DATABASE_URL", database.primary_url()),
        ("REPLICA_URLS", &replicas),
    ];
    let (program, visitor) = open(&urls).await?;
    for number in 100..103 {
        visitor.visit(number).await?;
        // until the replicas have it, more or less
        sleep(Duration::from_millis(700)).await;
        for _ in 0..5 {
            visitor.looks_around(2 * (number - 99)).await?;
        }
    }
    let on_replicas = program.reads_on_replicas();
    println!("statements on replicas: {on_replicas}");
    assert!(on_replicas > 0);
    program.stop().await.map(drop)
}
