//! The endpoints: their JSON, and when they answer 503.

#![cfg(feature = "axum")]
#![allow(
    clippy::unwrap_used,
    reason = "an answer that cannot be read fails the test"
)]

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::{Body, to_bytes};
use http::{Request, Response, StatusCode};
use orm_split_core::endpoints::{Endpoints, StatusSource};
use orm_split_core::{HealthState, NodeStatus, PoolUse, Refusal, Role, Status};
use rstest::rstest;
use serde_json::{Value, json};
use tower_service::Service;

/// Every endpoint that answers with JSON.
const ALL: [&str; 7] = [
    "/health/database",
    "/database/info",
    "/database/replica/health",
    "/database/replica/lag",
    "/database/replica/stats",
    "/database/replica/pool-stats",
    "/database/status.json",
];

fn node(name: &str, role: Role, staleness: Option<f64>) -> NodeStatus {
    let mut node = Status::without_replicas().nodes.remove(0);
    name.clone_into(&mut node.name);
    node.role = role;
    node.health = HealthState::Up;
    node.staleness = staleness.map(Duration::from_secs_f64);
    node.lag_at_least = node.staleness.map(|_| Duration::ZERO);
    node.lag_bytes = staleness.map(|_| 0);
    node
}

/// A primary and replicas that are so many seconds behind.
fn status(replicas: &[Option<f64>]) -> Status {
    let mut status = Status::without_replicas();
    let named = (1..).zip(replicas);
    let replicas = named.map(|(number, staleness)| {
        let name = match replicas.len() {
            1 => "read_replica".to_owned(),
            _ => format!("replica-{number}"),
        };
        node(&name, Role::Replica, *staleness)
    });
    status.nodes = vec![node("primary", Role::Primary, Some(0.0))];
    status.nodes.extend(replicas);
    status
}

fn endpoints(status: Status) -> Endpoints {
    Endpoints::of(move || status.clone())
}

async fn response(router: &mut Router, path: &str) -> Response<Body> {
    let request = Request::get(path).body(Body::empty()).unwrap();
    router.call(request).await.unwrap()
}

async fn get(endpoints: Endpoints, path: &str) -> (StatusCode, Value) {
    let response = response(&mut endpoints.router(), path).await;
    let status = response.status();
    let body = to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, serde_json::from_slice(&body).unwrap())
}

/// Whether `answer` holds all that `expected` does, with the same values but for timestamps.
fn holds(answer: &Value, expected: &Value) -> bool {
    match (answer, expected) {
        (Value::Object(answer), Value::Object(expected)) => expected.iter().all(|(key, value)| {
            let found = answer.get(key);
            found.is_some_and(|found| key == "timestamp" || holds(found, value))
        }),
        (Value::Array(answer), Value::Array(expected)) => {
            answer.len() == expected.len() && answer.iter().zip(expected).all(|(a, e)| holds(a, e))
        }
        (Value::Number(answer), Value::Number(expected)) => answer.as_f64() == expected.as_f64(),
        (answer, expected) => answer == expected,
    }
}

#[rstest]
#[case("/database/replica/health", json!(
    { "healthy": true, "replicas": [ { "name": "read_replica", "healthy": true } ], "timestamp": "" }
))]
#[case("/database/replica/stats", json!(
    { "replicaCount": 1, "currentReplicaIndex": 0,
      "replicas": { "read_replica": { "status": "healthy", "connectionCount": 30 } } }
))]
#[case("/database/replica/lag", json!(
    { "replicas": [ { "name": "read_replica", "lagSeconds": 2, "status": "healthy" } ],
      "maxLag": 2, "avgLag": 2, "timestamp": "" }
))]
#[case("/database/replica/pool-stats", json!(
    { "primary": { "total_connections": 45, "active_connections": 12, "idle_connections": 33 },
      "replicas": { "read_replica":
        { "total_connections": 30, "active_connections": 8, "idle_connections": 22 } },
      "timestamp": "" }
))]
#[case("/database/info", json!(
    { "primaryConnected": true, "replicasEnabled": true, "replicaCount": 1, "hasReadReplicas": true,
      "timestamp": "" }
))]
#[case("/health/database", json!(
    { "write": true, "read": true, "replication": { "healthy": true, "lagSeconds": 2 } }
))]
#[tokio::test]
async fn the_answers_are_those_that_existing_programs_read(
    #[case] path: &str,
    #[case] expected: Value,
) {
    let mut status = status(&[Some(2.0)]);
    status.nodes[0].pool = Some(PoolUse::new(45, 33, 50));
    status.nodes[1].pool = Some(PoolUse::new(30, 22, 30));
    let (code, answer) = get(endpoints(status), path).await;
    assert_eq!(code, StatusCode::OK);
    assert!(holds(&answer, &expected), "{answer:#} is not {expected:#}");
    let timestamp = answer["timestamp"].as_str().unwrap();
    assert!(
        timestamp.parse::<jiff::Timestamp>().is_ok() && timestamp.ends_with('Z'),
        "{timestamp}"
    );
}

#[tokio::test]
async fn what_is_unknown_is_null_and_never_zero_nor_healthy() {
    let unknown = || endpoints(status(&[None]));
    let (code, lag) = get(unknown(), "/database/replica/lag").await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    let expected = json!({ "replicas": [ { "lagSeconds": null, "lagAtLeastSeconds": null, "lagBytes": null,
        "status": "unhealthy", "state": "lag_unknown" } ], "maxLag": null, "avgLag": null, "unknown": 1 });
    assert!(holds(&lag, &expected), "{lag:#}");
    let (code, health) = get(unknown(), "/health/database").await;
    assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
    let expected = json!({ "replication": { "healthy": false, "lagSeconds": null } });
    assert!(holds(&health, &expected), "{health:#}");
    // one that is known says nothing of the other
    let (_, health) = get(endpoints(status(&[None, Some(1.0)])), "/health/database").await;
    assert!(holds(&health, &expected), "{health:#}");
    let (_, stats) = get(unknown(), "/database/replica/stats").await;
    assert!(
        stats["replicas"]["read_replica"]["connectionCount"].is_null(),
        "{stats:#}"
    );
    let (_, pools) = get(unknown(), "/database/replica/pool-stats").await;
    assert!(pools["primary"]["total_connections"].is_null(), "{pools:#}");
}

#[rstest]
#[case::lag_over_what_was_asked_for("/health/database", &[Some(5.1)], StatusCode::SERVICE_UNAVAILABLE)]
#[case::lag_within("/health/database", &[Some(4.9), Some(0.1)], StatusCode::OK)]
#[case::one_of_two_lags("/health/database", &[Some(5.1), Some(0.1)], StatusCode::SERVICE_UNAVAILABLE)]
#[case::no_replicas("/health/database", &[], StatusCode::OK)]
#[case::all_lag("/database/replica/health", &[Some(31.0), Some(40.0)], StatusCode::SERVICE_UNAVAILABLE)]
#[case::some_do("/database/replica/health", &[Some(31.0), Some(1.0)], StatusCode::OK)]
#[case::none_could("/database/replica/health", &[], StatusCode::OK)]
#[case::no_verdict("/database/replica/stats", &[None], StatusCode::OK)]
#[tokio::test]
async fn what_is_unhealthy_answers_503(
    #[case] path: &str,
    #[case] lags: &[Option<f64>],
    #[case] code: StatusCode,
) {
    assert_eq!(get(endpoints(status(lags)), path).await.0, code);
}

#[tokio::test]
async fn limits_are_the_operators() {
    let lags = || endpoints(status(&[Some(7.0)]));
    let health = get(
        lags().healthy_lag(Duration::from_secs(8)),
        "/health/database",
    )
    .await;
    assert_eq!(health.0, StatusCode::OK);
    let health = get(
        lags().lag_limit(Duration::from_secs(6)),
        "/database/replica/health",
    )
    .await;
    assert_eq!(health.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_primary_that_is_down_or_refused_takes_no_writes() {
    let mut down = status(&[Some(0.1)]);
    down.nodes[0].health = HealthState::Down;
    let mut refused = status(&[Some(0.1)]);
    refused.nodes[0].refusal = Some(Refusal::InRecovery);
    for status in [down, refused] {
        let (code, health) = get(endpoints(status.clone()), "/health/database").await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            holds(&health, &json!({ "write": false, "read": true })),
            "{health:#}"
        );
        let (code, info) = get(endpoints(status), "/database/info").await;
        assert_eq!(code, StatusCode::SERVICE_UNAVAILABLE);
        assert!(
            holds(&info, &json!({ "primaryConnected": false })),
            "{info:#}"
        );
    }
}

#[rstest]
#[case(HealthState::Down, None, "down")]
#[case(HealthState::Ejected, None, "ejected")]
#[case(HealthState::Up, Some(Refusal::ForeignCluster), "refused")]
#[tokio::test]
async fn a_replica_that_takes_no_reads_is_unhealthy_whatever_it_lags(
    #[case] health: HealthState,
    #[case] refusal: Option<Refusal>,
    #[case] state: &str,
) {
    let mut status = status(&[Some(0.1), Some(0.2)]);
    status.nodes[1].health = health;
    status.nodes[1].refusal = refusal;
    let (code, answer) = get(endpoints(status.clone()), "/database/replica/health").await;
    assert_eq!(code, StatusCode::OK, "the other one is");
    let expected = json!({ "healthy": true, "degraded": true,
        "replicas": [ { "healthy": false, "state": state }, { "healthy": true, "state": "up" } ] });
    assert!(holds(&answer, &expected), "{answer:#}");
    let (_, stats) = get(endpoints(status), "/database/replica/stats").await;
    assert_eq!(stats["currentReplicaIndex"], 1, "{stats:#}");
}

#[tokio::test]
async fn messages_of_drivers_are_shown_only_if_asked_to() {
    let mut status = status(&[Some(0.1)]);
    let message = "password authentication failed for user \"app\" at db-main.internal";
    for node in &mut status.nodes {
        node.last_error = Some(message.to_owned());
        node.remark = Some("its pool was handed in".to_owned());
    }
    for path in ALL {
        let (_, answer) = get(endpoints(status.clone()), path).await;
        let text = answer.to_string();
        assert!(
            !text.contains("db-main") && !text.contains("handed in"),
            "{path}: {text}"
        );
    }
    let asked = endpoints(status).shows_messages();
    let (_, answer) = get(asked, "/database/status.json").await;
    assert_eq!(answer["nodes"][1]["lastError"], message);
}

#[tokio::test]
async fn metrics_are_there_if_somebody_renders_them() {
    let without = response(&mut endpoints(status(&[])).router(), "/metrics").await;
    assert_eq!(without.status(), StatusCode::NOT_FOUND);
    let rendered = endpoints(status(&[])).metrics(|| "up 1\n".to_owned());
    let with = response(&mut rendered.router(), "/metrics").await;
    let kind = with
        .headers()
        .get("content-type")
        .unwrap()
        .to_str()
        .unwrap();
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    let body = to_bytes(with.into_body(), usize::MAX).await.unwrap();
    assert_eq!(body, "up 1\n");
}

#[tokio::test]
async fn the_router_works_under_any_prefix_and_keeps_answers_out_of_caches() {
    for prefix in ["/internal", "/a/b/c"] {
        let mut router: Router = Router::new().nest(prefix, endpoints(status(&[])).router());
        for path in ALL {
            let answer = response(&mut router, &format!("{prefix}{path}")).await;
            assert_eq!(answer.status(), StatusCode::OK, "{prefix}{path}");
            assert_eq!(answer.headers()["cache-control"], "no-store");
        }
        let page = response(&mut router, &format!("{prefix}/database/status")).await;
        let policy = page.headers()["content-security-policy"].to_str().unwrap();
        assert!(
            policy.starts_with("default-src 'none'; script-src 'sha256-"),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
    }
}

/// A database without replicas, and how often its primary was asked.
struct Alone {
    asked: Arc<AtomicUsize>,
    answers: bool,
}

#[async_trait]
impl StatusSource for Alone {
    fn status(&self) -> Status {
        Status::without_replicas()
    }

    async fn primary_answers(&self) -> bool {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.answers
    }
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_nobody_watches_is_asked_once_a_second_at_most() {
    for answers in [true, false] {
        let asked = Arc::new(AtomicUsize::new(0));
        let (alone, code) = (
            Alone {
                asked: Arc::clone(&asked),
                answers,
            },
            match answers {
                true => StatusCode::OK,
                false => StatusCode::SERVICE_UNAVAILABLE,
            },
        );
        let mut router: Router = Endpoints::of(alone).router();
        let mut seen = BTreeSet::new();
        for _ in 0..100 {
            seen.insert(response(&mut router, "/health/database").await.status());
        }
        assert_eq!(
            (seen, asked.load(Ordering::Relaxed)),
            (BTreeSet::from([code]), 1)
        );
        tokio::time::advance(Duration::from_millis(1_001)).await;
        response(&mut router, "/database/info").await;
        assert_eq!(asked.load(Ordering::Relaxed), 2);
    }
}
