//! An application that is watched: its endpoints are served, its metrics recorded, its log kept.

use std::io;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use axum::Router;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use orm_split::sea_orm::DURATION_BUCKETS;
use orm_split::sea_orm::endpoints::{Endpoints, StatusSource};
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::kit::postgres::{Cluster, Database};
use orm_split_tests::served;
use parking_lot::Mutex;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::{Layer as _, SubscriberExt as _};

use crate::spans::Spans;

/// Where the router is mounted.
pub(crate) const PREFIX: &str = "/ops/db";

/// Everything that this process has logged.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock()).into_owned()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The process's recorder, log and spans: there is one of each, and they must be there before a connection is.
pub(crate) struct Observers {
    pub(crate) metrics: PrometheusHandle,
    pub(crate) log: Log,
    pub(crate) spans: Spans,
}

#[expect(clippy::expect_used, reason = "without them no test can say anything")]
pub(crate) static OBSERVERS: LazyLock<Observers> = LazyLock::new(|| {
    let duration = Matcher::Suffix("_duration_seconds".to_owned());
    let metrics = PrometheusBuilder::new()
        .set_buckets_for_metric(duration, &DURATION_BUCKETS)
        .and_then(PrometheusBuilder::install_recorder)
        .expect("the recorder of the process");
    let (log, spans) = (Log::default(), Spans::default());
    let filter = EnvFilter::new(
        "info,orm_split=trace,orm_split_core=trace,sea_orm_split=trace,diesel_split=trace",
    );
    let layer = tracing_subscriber::fmt::layer()
        .with_ansi(false)
        .with_writer(log.clone())
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry()
        .with(layer)
        .with(spans.clone());
    tracing::subscriber::set_global_default(subscriber).expect("the subscriber of the process");
    Observers {
        metrics,
        log,
        spans,
    }
});

/// An application and its endpoints.
pub(crate) struct Watched<A> {
    pub(crate) app: A,
    pub(crate) url: String,
    server: JoinHandle<Result<()>>,
}

impl<A> Drop for Watched<A> {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl<A: Application + StatusSource> Watched<A> {
    #[expect(clippy::disallowed_methods, reason = "a server is a task")]
    pub(crate) async fn start(settings: &Settings) -> Result<Self> {
        let metrics = &OBSERVERS.metrics;
        let app = A::connect(settings).await?;
        let endpoints = Endpoints::of(app.clone()).metrics(move || metrics.render());
        let router = Router::new().nest(PREFIX, endpoints.router());
        let (listening, address) = oneshot::channel();
        let told = |address| assert!(listening.send(address).is_ok(), "nobody waits");
        let server = tokio::spawn(served::serve(router, told));
        let url = format!("http://{}{PREFIX}", address.await?);
        Ok(Self { app, url, server })
    }

    pub(crate) async fn close(self) -> Result<()> {
        self.app.close().await
    }

    pub(crate) async fn text(&self, path: &str) -> Result<(u16, String)> {
        let answer = reqwest::get(format!("{}{path}", self.url)).await?;
        Ok((answer.status().as_u16(), answer.text().await?))
    }

    pub(crate) async fn get(&self, path: &str) -> Result<(u16, Value)> {
        let (status, text) = self.text(path).await?;
        let json = serde_json::from_str(&text).with_context(|| format!("{path}: {text}"))?;
        Ok((status, json))
    }

    /// Waits until an endpoint answers with this status.
    pub(crate) async fn answers(&self, path: &str, expected: u16) -> Result<Value> {
        let mut last = Value::Null;
        let answered = async {
            loop {
                let (status, json) = self.get(path).await?;
                if status == expected {
                    return Ok(json);
                }
                last = json;
                sleep(Duration::from_millis(20)).await;
            }
        };
        let waited = timeout(Duration::from_secs(30), answered).await;
        waited.unwrap_or_else(|_| Err(anyhow::anyhow!("{path} is never {expected}: {last:#}")))
    }
}

/// A cluster of so many replicas, and a database on it with counters.
pub(crate) async fn cluster(replicas: usize) -> Result<(Cluster, Database)> {
    let cluster = Cluster::builder().replicas(replicas).start().await?;
    let database = cluster.create_database().await?;
    ensure!(database.replica_urls().len() == replicas);
    Ok((cluster, database))
}
