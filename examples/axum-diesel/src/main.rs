//! A guest book over HTTP, whose requests are handed routed Diesel connections by an extractor.
//!
//! `DATABASE_URL` says where its data is, and `REPLICA_URLS`, separated by commas, where it is read; without
//! them it is in an SQLite file in the folder for temporary files. `LISTEN` says where it is reached.

#![allow(
    unreachable_pub,
    reason = "a program has no outside: `pub` is what a module offers to the others"
)]
#![expect(
    clippy::duplicate_mod,
    reason = "Diesel's queries are typed by their database: one source is compiled for each of the two"
)]

mod conn;
mod failed;
mod on_postgres;
mod on_sqlite;

use std::env;

use anyhow::{Context, Result};
use axum::Router;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<()> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    if let Ok(primary) = env::var("DATABASE_URL") {
        let replicas = env::var("REPLICA_URLS").unwrap_or_default();
        let replicas = replicas.split(',').filter(|url| !url.is_empty());
        let pool = on_postgres::pool(&primary, &replicas.collect::<Vec<_>>()).await?;
        serve(on_postgres::guests::router(pool.clone())).await?;
        pool.close().await;
    } else {
        let file = env::temp_dir().join("axum-diesel.db");
        let pool = on_sqlite::pool(file.to_str().context("the path is no text")?).await?;
        serve(on_sqlite::guests::router(pool.clone())).await?;
        pool.close().await;
    }
    tracing::info!("stopped");
    Ok(())
}

/// Until the process is asked to end.
async fn serve(router: Router) -> Result<()> {
    let address = env::var("LISTEN").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(address).await?;
    tracing::info!("listening on {}", listener.local_addr()?);
    let mut terminate = signal(SignalKind::terminate())?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = tokio::signal::ctrl_c() => {}
        }
    };
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(())
}
