//! SQLite in WAL mode: one file, one connection that writes, many that read.
//!
//! Decides nothing: which file a connection has opened, and whether its path still leads there, is
//! core's to judge.

use std::sync::Arc;

use async_trait::async_trait;
use orm_split_core::sqlite::{OpenedFile, TOUCH};
use orm_split_core::{Identity, ProbeConnection, ProbeError, Prober, Reading};
use sea_orm::DatabaseConnection;
use sqlx::sqlite::SqliteConnection;
use sqlx::{ConnectOptions, Connection, SqlitePool};

use crate::assembly::Assembled;
use crate::error::probe_error;
use crate::node_pool::{NodePool, Ours};

/// Asks a connection which file it has opened.
pub(crate) async fn identify(
    connection: &mut SqliteConnection,
    file: &OpenedFile,
) -> Result<Identity, sqlx::Error> {
    sqlx::raw_sql(TOUCH).fetch_one(connection).await?;
    Ok(file.identify()?)
}

/// Opens the monitor's connections to the file.
#[derive(Debug)]
struct SqliteProber {
    pool: SqlitePool,
    file: Arc<OpenedFile>,
}

#[async_trait]
impl Prober for SqliteProber {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        let options = (*self.pool.connect_options()).clone();
        let options = options.read_only(true).create_if_missing(false);
        let connection = options.disable_statement_logging().connect().await;
        Ok(Box::new(SqliteProbe {
            connection: connection.map_err(|e| probe_error(&e))?,
            file: self.file.again(),
        }))
    }
}

struct SqliteProbe {
    connection: SqliteConnection,
    file: OpenedFile,
}

#[async_trait]
impl ProbeConnection for SqliteProbe {
    async fn identify(&mut self) -> Result<Identity, ProbeError> {
        let identity = identify(&mut self.connection, &self.file).await;
        identity.map_err(|e| probe_error(&e))
    }

    async fn read_position(&mut self) -> Result<Reading, ProbeError> {
        self.file.read_position()
    }

    async fn close(self: Box<Self>) {
        // read-only: there is nothing to lose
        drop(self.connection.close().await);
    }
}

/// The file that a pool's connections open.
pub(crate) fn opened_by(pool: &SqlitePool, is_primary: bool) -> Arc<OpenedFile> {
    let path = pool.connect_options().get_filename().to_owned();
    Arc::new(OpenedFile::at(path, is_primary))
}

/// The primary, with a pool that was made elsewhere.
pub(crate) fn handed_in(connection: DatabaseConnection) -> Assembled {
    let file = opened_by(connection.get_sqlite_connection_pool(), true);
    assembled(connection, file, None)
}

/// A node whose connections open `file`.
pub(crate) fn assembled(
    connection: DatabaseConnection,
    file: Arc<OpenedFile>,
    ours: Option<Ours>,
) -> Assembled {
    let pool = connection.get_sqlite_connection_pool().clone();
    let prober = Arc::new(SqliteProber {
        pool: pool.clone(),
        file: Arc::clone(&file),
    });
    Assembled {
        prober,
        pool: NodePool::sqlite(pool, file, ours),
        connection,
        after_connect: None,
    }
}
