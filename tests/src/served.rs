//! The counters over HTTP, as either ORM serves them.

use std::net::SocketAddr;

use anyhow::Result;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderName, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use orm_split::sea_orm::tower::SessionLayer;
use tokio::net::TcpListener;

use crate::application::Application;

/// The header that carries tokens where no cookie does.
pub const HEADER: &str = "x-session";

/// The counter that is served.
pub const COUNTER: i32 = 1;

/// Any failure, as an answer.
#[derive(Debug)]
pub struct Failed(anyhow::Error);

impl<E: Into<anyhow::Error>> From<E> for Failed {
    fn from(error: E) -> Self {
        Self(error.into())
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        (StatusCode::INTERNAL_SERVER_ERROR, format!("{:#}", self.0)).into_response()
    }
}

async fn read<A: Application>(State(app): State<A>) -> Result<String, Failed> {
    Ok(app.read(COUNTER).await?.to_string())
}

async fn write<A: Application>(State(app): State<A>, Path(value): Path<i64>) -> Result<(), Failed> {
    Ok(app.write(COUNTER, value).await?)
}

/// `GET /` reads the counter, `POST /7` sets it.
pub fn routes<A: Application>(app: A) -> Router {
    Router::new()
        .route("/", get(read::<A>))
        .route("/{value}", axum::routing::post(write::<A>))
        .with_state(app)
}

/// The layer, with tokens in the header.
#[must_use]
pub fn by_header(layer: SessionLayer) -> SessionLayer {
    layer.header(HeaderName::from_static(HEADER))
}

/// Serves on a port of its own, and never ends. Its address is told as soon as it listens.
///
/// # Errors
/// No port can be listened on.
pub async fn serve(router: Router, listening: impl FnOnce(SocketAddr)) -> Result<()> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    listening(listener.local_addr()?);
    Ok(axum::serve(listener, router).await?)
}
