//! An axum router that shows how the database is, to programs, load balancers and people.
//!
//! Decides what counts as healthy. Must never show a URL, a user name, a host or a driver's message unless asked
//! to, nor call something healthy of which nothing is known.

mod answers;
mod judged;
mod page;
mod source;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use serde::Serialize;

pub use crate::recent::StalenessLately;
use judged::Judged;
pub use source::StatusSource;
use source::Watched;

/// How far behind replicas may be for `/health/database`, unless told otherwise.
const HEALTHY_LAG: Duration = Duration::from_secs(5);
/// And for `/database/replica/health` and `/database/replica/lag`.
const LAG_LIMIT: Duration = Duration::from_secs(30);

/// The endpoints of one database, to be mounted where the application wants them.
///
/// | `GET` | shows | 503 if |
/// |---|---|---|
/// | `/health/database` | whether it can be written and read, and how far the replicas are behind | either cannot be, or a replica in use is behind by more than [`healthy_lag`](Self::healthy_lag) |
/// | `/database/info` | whether the primary is connected, and how many replicas there are | it is not |
/// | `/database/replica/health` | each replica | there are replicas, and none is healthy |
/// | `/database/replica/lag` | how far each is behind | the same |
/// | `/database/replica/stats` | connections and statements of each | |
/// | `/database/replica/pool-stats` | connections of each node | |
/// | `/database/status.json` | all of it, with the staleness of the last minutes | |
/// | `/database/status` | a page that shows it | |
/// | `/metrics` | Prometheus' text format, see [`metrics`](Self::metrics) | |
///
/// What is unknown is `null`, never 0. A lag is an upper bound: every older commit is visible. A replica is
/// healthy if it takes reads and is known to be behind by no more than [`lag_limit`](Self::lag_limit). One that
/// is not while others are makes nothing answer 503: reads run on the others, and a load balancer that took the
/// process away for it would make an outage of it.
///
/// ```
/// use axum::Router;
/// use orm_split_core::endpoints::{Endpoints, StatusSource};
///
/// fn router(db: impl StatusSource) -> Router {
///     Router::new().nest("/internal", Endpoints::of(db).router())
/// }
/// ```
#[derive(Clone)]
pub struct Endpoints {
    shown: Arc<Shown>,
}

/// What all answers are made of.
#[derive(Clone)]
struct Shown {
    source: Arc<Watched>,
    healthy_lag: Duration,
    lag_limit: Duration,
    shows_messages: bool,
    metrics: Option<Arc<dyn Fn() -> String + Send + Sync>>,
}

impl Endpoints {
    /// The endpoints of what `source` shows: a `SplitConnection` of SeaORM, a `SplitPool` of Diesel, or a closure
    /// that yields a [`Status`](crate::Status).
    #[must_use]
    pub fn of(source: impl StatusSource) -> Self {
        Self {
            shown: Arc::new(Shown {
                source: Arc::new(Watched::over(source)),
                healthy_lag: HEALTHY_LAG,
                lag_limit: LAG_LIMIT,
                shows_messages: false,
                metrics: None,
            }),
        }
    }

    /// How far replicas may be behind for `/health/database` to call replication healthy. Default 5 s.
    #[must_use]
    pub fn healthy_lag(mut self, lag: Duration) -> Self {
        Arc::make_mut(&mut self.shown).healthy_lag = lag;
        self
    }

    /// How far a replica may be behind and be called healthy elsewhere. Default 30 s, as is that of
    /// `max_staleness`, from which on it takes no reads.
    #[must_use]
    pub fn lag_limit(mut self, lag: Duration) -> Self {
        Arc::make_mut(&mut self.shown).lag_limit = lag;
        self
    }

    /// Shows the drivers' messages and our remarks about nodes, too, in `/database/status.json` and on the page.
    /// Messages may name hosts, databases and users; passwords they never do. Default off.
    #[must_use]
    pub fn shows_messages(mut self) -> Self {
        Arc::make_mut(&mut self.shown).shows_messages = true;
        self
    }

    /// What `/metrics` answers with; without it that is 404. With `metrics-exporter-prometheus` it is
    /// `move || handle.render()`, where the handle is that of the installed recorder.
    #[must_use]
    pub fn metrics(mut self, render: impl Fn() -> String + Send + Sync + 'static) -> Self {
        Arc::make_mut(&mut self.shown).metrics = Some(Arc::new(render));
        self
    }

    /// The router. It asks nobody who they are: mount it where only those can reach it who may see it.
    pub fn router<S: Clone + Send + Sync + 'static>(self) -> Router<S> {
        Router::new()
            .route("/health/database", get(health))
            .route("/database/info", get(info))
            .route("/database/replica/health", get(replica_health))
            .route("/database/replica/lag", get(replica_lag))
            .route("/database/replica/stats", get(replica_stats))
            .route("/database/replica/pool-stats", get(pool_stats))
            .route("/database/status.json", get(status))
            .route("/database/status", get(page::page))
            .route("/metrics", get(metrics))
            .with_state(self.shown)
    }
}

impl fmt::Debug for Endpoints {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoints")
            .field("healthy_lag", &self.shown.healthy_lag)
            .field("lag_limit", &self.shown.lag_limit)
            .field("shows_messages", &self.shown.shows_messages)
            .field("metrics", &self.shown.metrics.is_some())
            .finish_non_exhaustive()
    }
}

type Endpoint = State<Arc<Shown>>;

async fn health(State(shown): Endpoint) -> Response {
    let judged = Judged::now(&shown).await;
    let health = answers::Health::of(&judged, shown.healthy_lag);
    json(health.is_healthy(), &health)
}

async fn info(State(shown): Endpoint) -> Response {
    let judged = Judged::now(&shown).await;
    json(judged.writes, &answers::Info::of(&judged))
}

async fn replica_health(State(shown): Endpoint) -> Response {
    let judged = Judged::now(&shown).await;
    json(
        judged.has_healthy_replica(),
        &answers::ReplicaHealth::of(&judged),
    )
}

async fn replica_lag(State(shown): Endpoint) -> Response {
    let judged = Judged::now(&shown).await;
    json(
        judged.has_healthy_replica(),
        &answers::ReplicaLag::of(&judged),
    )
}

async fn replica_stats(State(shown): Endpoint) -> Response {
    json(true, &answers::ReplicaStats::of(&Judged::now(&shown).await))
}

async fn pool_stats(State(shown): Endpoint) -> Response {
    json(true, &answers::PoolStats::of(&Judged::now(&shown).await))
}

async fn status(State(shown): Endpoint) -> Response {
    let judged = Judged::now(&shown).await;
    let recent = shown.source.recent();
    let status = answers::Everything::of(&judged, &recent, shown.shows_messages);
    json(true, &status)
}

async fn metrics(State(shown): Endpoint) -> Response {
    let Some(render) = &shown.metrics else {
        return (StatusCode::NOT_FOUND, "no metrics are recorded").into_response();
    };
    // what the format's specification asks for
    let kind = [(
        header::CONTENT_TYPE,
        "text/plain; version=0.0.4; charset=utf-8",
    )];
    (kind, render()).into_response()
}

fn json(is_healthy: bool, answer: &impl Serialize) -> Response {
    let status = match is_healthy {
        true => StatusCode::OK,
        false => StatusCode::SERVICE_UNAVAILABLE,
    };
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        // a proxy between us and whoever judges by it must not answer for us
        (header::CACHE_CONTROL, "no-store"),
    ];
    match serde_json::to_vec(answer) {
        Ok(body) => (status, headers, body).into_response(),
        Err(error) => {
            tracing::error!(%error, "a status was not written");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}
