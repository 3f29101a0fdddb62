//! A small SeaORM application that the suites run: rising counters.
//!
//! A counter only ever rises, so a read below what was written or read before is a stale read.

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::StreamExt;
use futures_util::future::{BoxFuture, FutureExt};
use orm_split::sea_orm::{
    Hint, Mode, Role, Route, SplitBuilder, SplitConnection, SplitError, Status, split_error,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectOptions, ConnectionTrait, DbErr, EntityTrait,
    Statement, StreamTrait,
};
use tokio::time::Instant;

use crate::application::{Application, Settings, Way};
use crate::kit::postgres::{Cluster, Database, Delay, shared};

/// Rising integers by key.
#[allow(
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    reason = "an application's entity, written as SeaORM's guide does"
)]
pub mod counter {
    use sea_orm::entity::prelude::*;

    /// One counter.
    #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
    #[sea_orm(table_name = "counter")]
    pub struct Model {
        /// Key.
        #[sea_orm(primary_key, auto_increment = false)]
        pub id: i32,
        /// Never goes down.
        pub value: i64,
    }

    /// Counters have no relations.
    #[derive(Clone, Copy, Debug, EnumIter, DeriveRelation)]
    pub enum Relation {}

    impl ActiveModelBehavior for ActiveModel {}
}

/// An empty database on the cluster that all tests of this process share.
///
/// Boxed here: starting servers nests deeper than what is under test, and one suite bounds how deep that
/// nests.
pub fn empty_database(delay: Delay) -> BoxFuture<'static, Result<Database>> {
    async move { shared(delay).await?.create_database().await }.boxed()
}

/// A builder for a database with all of its replicas.
pub fn builder(database: &Database) -> SplitBuilder {
    let replicas = database.replica_urls().iter();
    replicas.fold(
        SplitConnection::builder().primary(database.primary_url()),
        |builder, url| {
            let mut replica = ConnectOptions::new(url);
            if database.balancer().is_some() {
                // one pool for two servers, twice as large as each would have
                replica.max_connections(20);
            }
            builder.replica(replica)
        },
    )
}

/// Makes the table of counters with keys `0..keys`, all 0, and waits until every replica has it.
///
/// # Errors
/// The primary refuses, or a replica does not catch up within 10 s.
pub async fn create_counters(db: &SplitConnection, keys: i32) -> Result<()> {
    db.execute_unprepared("CREATE TABLE counter (id int PRIMARY KEY, value bigint NOT NULL)")
        .await?;
    let fill = format!("INSERT INTO counter SELECT n, 0 FROM generate_series(0, {keys}) n");
    db.execute_unprepared(&fill).await?;
    wait_until_replicas_serve(db).await?;
    let arrived = "SELECT 1 FROM pg_class WHERE relname = 'counter'";
    Box::pin(wait_until_replicas_have(db, arrived)).await
}

/// Waits until the current task's reads go to replicas again.
///
/// # Errors
/// They do not within 10 s.
pub async fn wait_until_replicas_serve(db: &SplitConnection) -> Result<()> {
    let probe = async {
        while db.explain("SELECT 1").role == Role::Primary {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), probe).await;
    waited.with_context(|| format!("reads stay on the primary: {:?}", db.status()))
}

/// Waits until a query yields a row on a replica.
///
/// # Errors
/// It does not within 10 s.
pub async fn wait_until_replicas_have(db: &SplitConnection, query: &str) -> Result<()> {
    let has_row = async {
        // every replica in turn: ties are broken at random
        for _ in 0..20 {
            let query = Statement::from_string(db.get_database_backend(), query);
            while db.query_one_raw(query.clone()).await?.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        anyhow::Ok(())
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), has_row).await;
    waited.context("the replicas do not have it")?
}

/// Makes a view of the settings of the session that reads it: as a function they are for the primary.
///
/// # Errors
/// The primary refuses, or a replica does not catch up.
pub async fn create_settings(cluster: &Cluster, database: &Database) -> Result<()> {
    let primary = cluster.primary();
    let sql = "CREATE VIEW settings AS SELECT name, current_setting(name, true) AS value \
               FROM unnest('{app.hooked,search_path,default_transaction_read_only}'::text[]) name";
    primary
        .app(database.name())
        .await?
        .batch_execute(sql)
        .await?;
    for replica in cluster.replicas() {
        replica.wait_caught_up(primary).await?;
    }
    Ok(())
}

impl Application for SplitConnection {
    type Refused = DbErr;

    async fn connect(settings: &Settings) -> Result<Self, DbErr> {
        let mut primary = ConnectOptions::new(&settings.primary);
        primary.acquire_timeout(settings.primary_wait);
        let replicas = settings.replicas.iter();
        let builder = replicas.fold(Self::builder().primary(primary), |builder, url| {
            builder.replica(url.as_str())
        });
        let builder = settings
            .token_keys
            .iter()
            .fold(builder, |builder, keys| builder.token_keys(keys.clone()));
        builder
            .consistency(settings.consistency)
            .max_staleness(settings.max_staleness)
            .probe_deadline(settings.probe_deadline)
            .read_wait(settings.read_wait)
            .sample_intervals(settings.sample_slow, Duration::from_millis(5))
            .mode(settings.mode)
            .connect()
            .await
    }

    fn ours(refused: &DbErr) -> Option<&SplitError> {
        split_error(refused)
    }

    fn belongs(_: Way, role: Role) -> Role {
        role
    }

    async fn send(&self, way: Way, sql: &str) -> Result<()> {
        let statement = Statement::from_string(self.get_database_backend(), sql);
        match way {
            Way::Execute => self.execute_raw(statement).await.map(drop)?,
            Way::QueryOne => self.query_one_raw(statement).await.map(drop)?,
            Way::QueryAll => self.query_all_raw(statement).await.map(drop)?,
            Way::Stream => {
                let mut rows = self.stream_raw(statement).await?;
                while let Some(row) = rows.next().await {
                    row?;
                }
            }
            Way::Script => self.execute_unprepared(sql).await.map(drop)?,
        }
        Ok(())
    }

    async fn create_counters(&self, keys: i32) -> Result<()> {
        create_counters(self, keys).await
    }

    async fn read(&self, id: i32) -> Result<i64> {
        let found = counter::Entity::find_by_id(id).one(self).await?;
        Ok(found.context("no such counter")?.value)
    }

    async fn read_asking(&self, hint: Hint, id: i32) -> Result<i64> {
        self.with(hint).read(id).await
    }

    async fn write(&self, id: i32, value: i64) -> Result<()> {
        let model = counter::ActiveModel {
            id: Set(id),
            value: Set(value),
        };
        model.update(self).await?;
        Ok(())
    }

    async fn read_until(&self, end: Instant) -> (u32, Vec<String>) {
        let (mut reads, mut failures) = (0, Vec::new());
        while Instant::now() < end {
            reads += 1;
            if let Err(error) = self.read(1).await {
                failures.push(format!("{error:#}"));
            }
        }
        (reads, failures)
    }

    async fn token(&self) -> Result<String> {
        Ok(Self::token(self).await?.to_string())
    }

    async fn resume(&self, token: &str) -> Result<()> {
        Ok(Self::resume(self, token).await?)
    }

    fn status(&self) -> Status {
        Self::status(self)
    }

    fn set_mode(&self, mode: Mode) {
        Self::set_mode(self, mode);
    }

    fn set_read_share(&self, percent: u8) -> Result<()> {
        Ok(Self::set_read_share(self, percent)?)
    }

    fn explain(&self, sql: &str) -> Route {
        Self::explain(self, sql)
    }

    async fn close(&self) -> Result<()> {
        Ok(self.close_by_ref().await?)
    }
}
