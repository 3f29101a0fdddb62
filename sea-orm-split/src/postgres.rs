//! PostgreSQL: the questions that are asked of a server, the prober's connection, and pools.
//!
//! Every question works as an ordinary role, takes one round trip, and goes through the simple
//! protocol, so that a pooler without prepared statements lets it pass.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use orm_split_core::postgres::{
    CATALOGUE_COLUMNS, IDENTIFY, READ_CATALOGUE, READ_POSITION, Speaks, Unreadable, catalogue_of,
    identity_of, position_of, wait_for,
};
use orm_split_core::{
    Catalogue, Connected, Fault, Identity, Lsn, Node, ProbeConnection, ProbeError, Prober, Reading,
    Splitter,
};
use sea_orm::{
    ConnectionTrait, DatabaseConnection, DatabaseTransaction, DbBackend, DbErr, Statement,
};
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Row, SqlSafeStr};

use crate::assembly::Assembled;
use crate::error::{host_error, probe_error, query_error};
use crate::node_options::NodeOptions;
use crate::node_pool::{NodePool, Ours, QUESTIONS, unstable};

/// Asks a server who it is.
pub(crate) async fn identify(connection: &mut PgConnection) -> Result<Identity, sqlx::Error> {
    let row = sqlx::raw_sql(IDENTIFY).fetch_one(connection).await?;
    Ok(identity_of(column(&row))?.0)
}

fn catalogue_row(row: &PgRow) -> Result<[Option<&str>; CATALOGUE_COLUMNS], sqlx::Error> {
    Ok([
        row.try_get(0)?,
        row.try_get(1)?,
        row.try_get(2)?,
        row.try_get(3)?,
    ])
}

/// Asks over a transaction that SeaORM has begun on a connection that it had to open.
pub(crate) async fn identify_inside(
    splitter: &Splitter,
    node: &Node,
    transaction: &DatabaseTransaction,
) -> Result<Connected, DbErr> {
    for _ in 0..QUESTIONS {
        let question = splitter.identify(node);
        let ask = Statement::from_string(DbBackend::Postgres, IDENTIFY);
        let row = transaction.query_one_raw(ask).await?;
        let identity = identity_of(|index| {
            let row = row
                .as_ref()
                .ok_or(Unread::Driver(sqlx::Error::RowNotFound))?;
            row.try_get_by_index(index)
                .map_err(|error| Unread::Driver(sqlx::Error::Protocol(error.to_string())))
        });
        let (identity, _) = identity.map_err(|error| query_error(error.into()))?;
        if let Some(judged) = question.answered(&identity).judge(node) {
            let connected = judged.map_err(host_error)?;
            // the question took the snapshot, before which alone SET TRANSACTION may stand
            transaction.execute_unprepared("ROLLBACK AND CHAIN").await?;
            return Ok(connected);
        }
    }
    Err(host_error(unstable(node)))
}

/// A column of an answer, or why it cannot be read.
enum Unread {
    Driver(sqlx::Error),
    Answer(Unreadable),
}

impl From<Unreadable> for Unread {
    fn from(error: Unreadable) -> Self {
        Self::Answer(error)
    }
}

impl From<Unread> for sqlx::Error {
    fn from(error: Unread) -> Self {
        match error {
            Unread::Driver(error) => error,
            Unread::Answer(error) => Self::Protocol(error.to_string()),
        }
    }
}

fn column(row: &PgRow) -> impl Fn(usize) -> Result<Option<String>, Unread> {
    |index| row.try_get(index).map_err(Unread::Driver)
}

/// Opens the monitor's connections with the options that the node's pool has at that time.
#[derive(Debug)]
struct PostgresProber {
    options: Arc<NodeOptions>,
}

#[async_trait]
impl Prober for PostgresProber {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        let opened = self.options.open(|options| {
            options
                .application_name("orm-split monitor")
                .disable_statement_logging()
        });
        let connection = opened.await.map_err(|e| probe_error(&e))?;
        Ok(Box::new(PostgresProbe {
            connection,
            speaks: Speaks::default(),
        }))
    }
}

struct PostgresProbe {
    connection: PgConnection,
    speaks: Speaks,
}

impl PostgresProbe {
    async fn ask(&mut self, question: impl SqlSafeStr) -> Result<PgRow, ProbeError> {
        let row = sqlx::raw_sql(question).fetch_one(&mut self.connection);
        row.await.map_err(|e| probe_error(&e))
    }
}

#[async_trait]
impl ProbeConnection for PostgresProbe {
    async fn identify(&mut self) -> Result<Identity, ProbeError> {
        let row = self.ask(IDENTIFY).await?;
        let (identity, speaks) = identity_of(column(&row)).map_err(|e| probe_error(&e.into()))?;
        self.speaks = speaks;
        Ok(identity)
    }

    async fn read_position(&mut self) -> Result<Reading, ProbeError> {
        let row = self.ask(READ_POSITION).await?;
        let read = position_of(column(&row), self.speaks.segment);
        let (in_recovery, position) = read.map_err(|e| probe_error(&e.into()))?;
        if in_recovery != self.speaks.in_recovery {
            let message = "the server has been promoted or demoted";
            return Err(ProbeError::new(Fault::ShuttingDown, message));
        }
        Ok(Reading::Position(position))
    }

    async fn wait_for(&mut self, position: Lsn, limit: Duration) -> Result<bool, ProbeError> {
        if self.speaks.waits {
            self.ask(AssertSqlSafe(wait_for(position, limit))).await?;
        }
        Ok(self.speaks.waits)
    }

    async fn read_catalogue(&mut self) -> Result<Option<Catalogue>, ProbeError> {
        let rows = sqlx::raw_sql(READ_CATALOGUE).fetch_all(&mut self.connection);
        let rows = rows.await.map_err(|e| probe_error(&e))?;
        let texts: Result<Vec<_>, _> = rows.iter().map(catalogue_row).collect();
        Ok(Some(catalogue_of(texts.map_err(|e| probe_error(&e))?)))
    }

    async fn close(self: Box<Self>) {
        // the server notices either way
        drop(self.connection.close().await);
    }
}

/// A node whose pool was made elsewhere.
pub(crate) fn handed_in(
    splitter: &Arc<Splitter>,
    node: &Arc<Node>,
    connection: DatabaseConnection,
) -> Assembled {
    let pool = connection.get_postgres_connection_pool().clone();
    let options = Arc::new(NodeOptions::of_pool(splitter, node, &pool));
    assembled(connection, options, None)
}

/// A node whose connections are opened with `options`.
pub(crate) fn assembled(
    connection: DatabaseConnection,
    options: Arc<NodeOptions>,
    ours: Option<Ours>,
) -> Assembled {
    let pool = connection.get_postgres_connection_pool().clone();
    Assembled {
        prober: Arc::new(PostgresProber {
            options: Arc::clone(&options),
        }),
        pool: NodePool::postgres(pool, options, ours),
        connection,
        after_connect: None,
    }
}
