//! MySQL: every statement runs on the primary.
//!
//! Replicas may be given already; no connection is opened to them and no read goes there, since their
//! positions are not compared yet. `status()` says so.

use std::sync::Arc;

use async_trait::async_trait;
use orm_split_core::{Fault, Identity, Node, ProbeConnection, ProbeError, Prober, Reading, Server};
use sea_orm::{Database, DatabaseConnection, DbErr};
use sqlx::mysql::MySqlConnection;
use sqlx::{ConnectOptions, Connection, MySqlPool};

use crate::assembly::{Assembled, without_after_connect};
use crate::error::probe_error;
use crate::node_pool::NodePool;

/// Asks whether the primary is there.
#[derive(Debug)]
struct MySqlProber {
    pool: MySqlPool,
}

#[async_trait]
impl Prober for MySqlProber {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        let options = (*self.pool.connect_options()).clone();
        let connection = options.disable_statement_logging().connect().await;
        let connection = connection.map_err(|e| probe_error(&e))?;
        Ok(Box::new(MySqlProbe { connection }))
    }
}

struct MySqlProbe {
    connection: MySqlConnection,
}

#[async_trait]
impl ProbeConnection for MySqlProbe {
    async fn identify(&mut self) -> Result<Identity, ProbeError> {
        let reading = self.read_position().await?;
        // one server, whoever it is: nothing is compared with it
        Ok(Identity::new(Server::new(0, 0, 0, 0), false, reading))
    }

    async fn read_position(&mut self) -> Result<Reading, ProbeError> {
        let answered = self.connection.ping().await;
        answered.map_err(|e| probe_error(&e))?;
        Ok(Reading::Shared)
    }

    async fn close(self: Box<Self>) {
        // the server notices either way
        drop(self.connection.close().await);
    }
}

/// Stands for a replica: nothing is asked.
#[derive(Debug)]
struct NotFollowed;

#[async_trait]
impl Prober for NotFollowed {
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
        let message = "replicas of MySQL are not followed yet: every statement runs on the primary";
        Err(ProbeError::new(Fault::Query, message))
    }
}

/// A node whose pool SeaORM makes: the primary as `Database::connect` would, a replica without opening
/// a connection.
pub(crate) async fn connected(
    node: &Node,
    options: &sea_orm::ConnectOptions,
) -> Result<Assembled, DbErr> {
    let mut options = options.clone();
    if !node.is_primary() {
        options.connect_lazy(true).min_connections(0);
        without_after_connect(&mut options);
    }
    Database::connect(options)
        .await
        .map(|connection| of(connection, node))
}

/// A node whose pool SeaORM made.
pub(crate) fn of(connection: DatabaseConnection, node: &Node) -> Assembled {
    let pool = connection.get_mysql_connection_pool().clone();
    let prober: Arc<dyn Prober> = if node.is_primary() {
        Arc::new(MySqlProber { pool: pool.clone() })
    } else {
        Arc::new(NotFollowed)
    };
    Assembled {
        prober,
        pool: NodePool::mysql(pool),
        connection,
        after_connect: None,
    }
}
