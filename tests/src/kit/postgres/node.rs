//! A handle to one node: where it is, and what can be asked of it.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use parking_lot::Mutex;
use tokio_postgres::Client;
use tokio_postgres::types::{FromSqlOwned, ToSql};

use super::server::Server;
use super::{APP_PASSWORD, APP_ROLE, sql};
use crate::kit::ports::Port;
use crate::kit::wait;

/// The bound of every wait that has no better one.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// One server of a [`Cluster`](super::Cluster), running or not.
///
/// Its port stays its own while it is stopped. Every method opens its own
/// session, so a node may be used from any runtime; every wait is bounded, and
/// the error of a wait that ran out ends with the server's log.
#[derive(Debug)]
pub struct Node {
    pub(super) name: String,
    pub(super) server: Server,
    pub(super) port: Port,
    pub(super) standing: Mutex<Standing>,
}

/// What a replica was last told.
#[derive(Debug, Clone, Copy)]
pub(super) struct Standing {
    pub(super) upstream: Option<u16>,
    pub(super) delay: Duration,
}

impl Node {
    /// `primary`, `replica_1`, … : what it was at the start, and the
    /// `application_name` it streams under.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The port on 127.0.0.1; the same after a restart.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port.number()
    }

    /// The application's URL of `database` on this node, password included.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        format!(
            "postgres://{APP_ROLE}:{APP_PASSWORD}@127.0.0.1:{}/{database}",
            self.port()
        )
    }

    /// The URL as it may be shown.
    #[must_use]
    pub fn url_without_password(&self, database: &str) -> String {
        format!("postgres://{APP_ROLE}@127.0.0.1:{}/{database}", self.port())
    }

    /// Opens a superuser's session. It lives as long as the client and the
    /// runtime that opened it.
    ///
    /// # Errors
    /// When the node does not let us in within ten seconds.
    pub async fn admin(&self, database: &str) -> Result<Client> {
        sql::connect(self.port(), database)
            .await
            .with_context(|| self.name.clone())
    }

    /// Opens a session of the application's role, outside of any pool.
    ///
    /// # Errors
    /// When the node does not let us in within ten seconds.
    pub async fn app(&self, database: &str) -> Result<Client> {
        sql::connect_app(self.port(), database)
            .await
            .with_context(|| self.name.clone())
    }

    /// Runs statements, separated by semicolons, as superuser in the database `postgres`.
    ///
    /// # Errors
    /// When one fails, or all take more than ten seconds.
    pub async fn sql(&self, statements: &str) -> Result<()> {
        self.sql_in("postgres", statements).await
    }

    /// Like [`sql`](Self::sql), in another database.
    ///
    /// # Errors
    /// When one fails, or all take more than ten seconds.
    pub async fn sql_in(&self, database: &str, statements: &str) -> Result<()> {
        sql::execute(self.port(), database, statements)
            .await
            .with_context(|| self.name.clone())
    }

    /// The process ids of `role`'s sessions on this node, in all databases.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn backend_pids(&self, role: &str) -> Result<Vec<i32>> {
        self.sessions(role, None).await
    }

    /// The process ids of `role`'s sessions in one database: on a
    /// [`shared`](super::shared) cluster other tests have theirs elsewhere.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn backend_pids_in(&self, database: &str, role: &str) -> Result<Vec<i32>> {
        self.sessions(role, Some(database)).await
    }

    /// How many sessions `role` has on this node, in all databases.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn connections_of(&self, role: &str) -> Result<usize> {
        Ok(self.backend_pids(role).await?.len())
    }

    /// Whether the node is a replica now.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn in_recovery(&self) -> Result<bool> {
        self.value("SELECT pg_is_in_recovery()", &[]).await
    }

    /// All the server has logged since the cluster was made.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn log(&self) -> Result<String> {
        self.server.log()
    }

    /// Waits until the node accepts sessions.
    ///
    /// # Errors
    /// At once when the server has ended, else after thirty seconds.
    pub async fn wait_ready(&self) -> Result<()> {
        let ready = wait::until(
            format!("{} accepts sessions", self.name),
            PATIENCE,
            || async {
                if self.server.exited()?.is_some() {
                    return Ok(true);
                }
                self.value::<i32>("SELECT 1", &[]).await.map(|_| true)
            },
        );
        ready.await.map_err(|error| self.server.explain(error))?;
        if let Some(status) = self.server.exited()? {
            let error = anyhow::anyhow!("{} ended with {status} while starting", self.name);
            return Err(self.server.explain(error));
        }
        Ok(())
    }

    async fn sessions(&self, role: &str, database: Option<&str>) -> Result<Vec<i32>> {
        let rows = sql::query(self.port(), SESSIONS, &[&role, &database]).await;
        let rows = rows.with_context(|| self.name.clone())?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// The first column of the only row.
    pub(super) async fn value<T: FromSqlOwned>(
        &self,
        query: &str,
        values: &[&(dyn ToSql + Sync)],
    ) -> Result<T> {
        let rows = sql::query(self.port(), query, values).await;
        match rows.with_context(|| self.name.clone())?.as_slice() {
            [row] => Ok(row.try_get(0)?),
            rows => bail!("{}: {} rows instead of one: {query}", self.name, rows.len()),
        }
    }
}

const SESSIONS: &str = "SELECT pid FROM pg_stat_activity \
    WHERE usename = $1::text AND datname = coalesce($2::text, datname) \
    AND backend_type = 'client backend'";
