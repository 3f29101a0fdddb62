//! The kit's own sessions: one per call, opened, used and closed.
//!
//! Each test has its own runtime, and a connection dies with the runtime that
//! opened it; so nothing that outlives a call may hold one.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::timeout;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Config, NoTls, Row};

use super::{ADMIN_ROLE, APP_PASSWORD, APP_ROLE};

/// A frozen server accepts connections and then says nothing.
const LIMIT: Duration = Duration::from_secs(10);

/// Opens a superuser's session.
pub(super) async fn connect(port: u16, database: &str) -> Result<Client> {
    open(port, Config::new().user(ADMIN_ROLE).dbname(database)).await
}

/// Opens a session of the application's role.
pub(super) async fn connect_app(port: u16, database: &str) -> Result<Client> {
    open(
        port,
        Config::new()
            .user(APP_ROLE)
            .password(APP_PASSWORD)
            .dbname(database),
    )
    .await
}

async fn open(port: u16, config: &mut Config) -> Result<Client> {
    config
        .host("127.0.0.1")
        .port(port)
        .application_name("orm-split-kit");
    let (client, connection) = timeout(LIMIT, config.connect(NoTls))
        .await
        .with_context(|| format!("port {port} did not let us in within {LIMIT:?}"))?
        .with_context(|| format!("cannot connect to port {port}"))?;
    drive(connection);
    Ok(client)
}

#[expect(
    clippy::disallowed_methods,
    reason = "ends with its client; the kit has no monitor"
)]
fn drive<F: Future<Output: Send> + Send + 'static>(connection: F) {
    drop(tokio::spawn(connection));
}

/// Runs statements, separated by semicolons, and ignores their rows.
pub(super) async fn execute(port: u16, database: &str, statements: &str) -> Result<()> {
    let client = connect(port, database).await?;
    let done = timeout(LIMIT, client.batch_execute(statements)).await;
    done.with_context(|| format!("not within {LIMIT:?}: {statements}"))?
        .with_context(|| format!("failed: {statements}"))
}

/// Runs a query in the database `postgres`.
pub(super) async fn query(
    port: u16,
    text: &str,
    values: &[&(dyn ToSql + Sync)],
) -> Result<Vec<Row>> {
    let client = connect(port, ADMIN_ROLE).await?;
    let rows = timeout(LIMIT, client.query(text, values)).await;
    rows.with_context(|| format!("not within {LIMIT:?}: {text}"))?
        .with_context(|| format!("failed: {text}"))
}
