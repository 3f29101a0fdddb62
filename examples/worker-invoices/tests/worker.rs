//! The worker as it is run: a program that works until it is stopped, or is done.

#![cfg(target_os = "linux")]

use std::time::Duration;

use anyhow::{Context, Result};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use orm_split_tests::kit::program::{Program, count};
use sea_orm::{ActiveValue::Set, DatabaseConnection, EntityTrait};
use tokio::time::{sleep, timeout};
use worker_invoices::entities::job;
use worker_invoices::queue;
use worker_invoices::report::{Report, report};

const WORKER: &str = env!("CARGO_BIN_EXE_worker-invoices");

/// The number behind `name=` in each line that has one.
fn numbers(log: &[String], name: &str) -> Vec<u64> {
    let prefix = format!(" {name}=");
    let number = |line: &String| {
        let rest = line.split_once(&prefix)?.1;
        let end = rest.find(|c: char| !c.is_ascii_digit());
        rest.get(..end.unwrap_or(rest.len()))?.parse().ok()
    };
    log.iter().filter_map(number).collect()
}

/// After each batch the report has all that the worker has done, and more only where others work too.
fn assert_no_report_is_stale(log: &[String]) {
    let mut done = 0;
    let reports = numbers(log, "invoices");
    assert!(!reports.is_empty(), "{log:#?}");
    for (billed, reported) in numbers(log, "billed").into_iter().zip(reports) {
        done += billed;
        assert!(reported >= done, "{reported} of {done}: {log:#?}");
    }
}

#[tokio::test]
async fn a_worker_without_any_configuration_does_its_jobs_on_a_sqlite_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().to_str().context("a path")?;
    for all in [12, 24] {
        let environment = [("TMPDIR", folder), ("ENQUEUE", "12"), ("JOBS", "12")];
        let log = Program::start(WORKER, &environment)?.ended().await?;
        assert_eq!(numbers(&log, "billed"), [5, 5, 2]);
        assert_eq!(numbers(&log, "invoices").last(), Some(&all));
        assert_eq!(numbers(&log, "done"), [12]);
    }
    Ok(())
}

/// A database that somebody else puts jobs in.
struct Office {
    database: Database,
    db: DatabaseConnection,
}

impl Office {
    async fn open() -> Result<Self> {
        let database = shared(Delay::Ms500).await?.create_database().await?;
        let db = sea_orm::Database::connect(database.primary_url()).await?;
        Ok(Self { database, db })
    }

    /// A worker that waits for jobs.
    async fn worker(&self, replicas: &str) -> Result<Program> {
        let urls = [
            ("DATABASE_URL", self.database.primary_url()),
            ("REPLICA_URLS", replicas),
        ];
        let worker = Program::start(WORKER, &urls)?;
        worker.line_with("working").await?;
        Ok(worker)
    }

    async fn until_all_is_done(&self) -> Result<()> {
        let done = async {
            while queue::backlog(&self.db).await? > 0 {
                sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        timeout(Duration::from_secs(60), done).await?
    }

    async fn requeues_everything(&self) -> Result<()> {
        let queued = job::ActiveModel {
            state: Set(job::State::Queued),
            ..Default::default()
        };
        let again = job::Entity::update_many().set(queued);
        again.exec(&self.db).await?;
        self.until_all_is_done().await
    }

    async fn has_invoices(&self, invoices: i64) -> Result<()> {
        let amount = Some(invoices * 900);
        assert_eq!(report(&self.db).await?, Report { invoices, amount });
        Ok(())
    }
}

#[tokio::test]
async fn two_workers_on_one_postgres_bill_each_job_once_however_often_it_is_queued() -> Result<()> {
    let office = Office::open().await?;
    let workers = [office.worker("").await?, office.worker("").await?];
    queue::enqueue(&office.db, 1..=300, 1).await?;
    office.until_all_is_done().await?;
    office.has_invoices(300).await?;
    for worker in &workers {
        assert_no_report_is_stale(&worker.log());
    }
    office.requeues_everything().await?;
    office.has_invoices(300).await?;
    let mut done = 0;
    for worker in workers {
        let log = worker.stop().await?;
        done += numbers(&log, "done").into_iter().sum::<u64>();
    }
    assert_eq!(done, 600);
    Ok(())
}

#[tokio::test]
async fn no_report_misses_what_its_worker_did_although_the_replicas_lag() -> Result<()> {
    let office = Office::open().await?;
    let replicas = office.database.replica_urls().join(",");
    let worker = office.worker(&replicas).await?;
    for lot in 1..=3 {
        queue::enqueue(&office.db, 1..=40, 1).await?;
        office.until_all_is_done().await?;
        office.has_invoices(lot * 40).await?;
        // until the replicas have it, more or less; the worker looks for jobs meanwhile
        sleep(Duration::from_secs(2)).await;
    }
    let log = worker.stop().await?;
    assert_no_report_is_stale(&log);
    assert_eq!(numbers(&log, "invoices").last(), Some(&120));
    let on_replicas = count(&log, r#"role="replica""#);
    println!("statements on replicas: {on_replicas}");
    assert!(on_replicas > 0, "{log:#?}");
    Ok(())
}
