//! A lending library over HTTP.
//!
//! Routes parse and answer, services hold the rules and the transactions, repositories the queries.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::missing_errors_doc,
    reason = "an application: nobody depends on it"
)]

pub mod database;
pub mod entities;
pub mod error;
pub mod repositories;
mod routes;
pub mod schema;
pub mod services;
mod state;

use orm_split::sea_orm::SplitConnection;
use tokio::net::TcpListener;

use crate::state::AppState;

/// Serves until `stop` resolves, finishes the requests it has begun, and closes the database.
pub async fn serve<F>(listener: TcpListener, db: SplitConnection, stop: F) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let router = routes::router(AppState { db: db.clone() });
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(db.close().await?)
}
