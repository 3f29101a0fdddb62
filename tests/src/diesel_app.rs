//! The small application of the suites, in Diesel: rising counters.
//!
//! A counter only ever rises, so a read below what was written or read before is a stale read.

use std::time::Duration;

use anyhow::{Context, Result};
use diesel::backend::Backend;
use diesel::deserialize::{self, QueryableByName};
use diesel::prelude::*;
use diesel::row::NamedRow;
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;
use orm_split::diesel::{
    Hint, Mode, PoolOptions, Role, Route, SplitBuilder, SplitConnection, SplitError, SplitPool,
    Status,
};
use tokio::time::Instant;

use crate::application::{Application, Ran, Settings, Way};
use crate::kit::postgres::Database;

/// A pool of the application.
pub type Pool = SplitPool<AsyncPgConnection>;
/// A connection of the application.
pub type Conn = SplitConnection<AsyncPgConnection>;

/// A pool over an SQLite file.
pub type FilePool = SplitPool<SyncConnectionWrapper<SqliteConnection>>;

/// What `diesel print-schema` would write.
#[allow(missing_docs, clippy::exhaustive_structs, reason = "as generated")]
pub mod schema {
    diesel::table! {
        counter (id) {
            id -> Integer,
            value -> BigInt,
        }
    }
}

/// One counter.
#[derive(
    Clone,
    Copy,
    Debug,
    PartialEq,
    Eq,
    diesel::AsChangeset,
    diesel::Identifiable,
    diesel::Insertable,
    diesel::Queryable,
    diesel::Selectable,
)]
#[diesel(table_name = schema::counter)]
#[allow(
    clippy::exhaustive_structs,
    reason = "an application's model, written as Diesel's guide does"
)]
pub struct Counter {
    /// Key.
    pub id: i32,
    /// Never goes down.
    pub value: i64,
}

/// A builder for a database with all of its replicas.
pub fn builder(database: &Database) -> SplitBuilder<AsyncPgConnection> {
    let replicas = database.replica_urls().iter();
    let mut of_replicas = PoolOptions::default();
    if database.balancer().is_some() {
        // one pool for two servers, twice as large as each would have
        of_replicas.max_size *= 2;
    }
    replicas.fold(
        Pool::builder()
            .primary(database.primary_url())
            .replica_options(of_replicas),
        |builder, url| builder.replica(url.as_str()),
    )
}

/// Makes the table of counters with keys `0..=keys`, all 0, and waits until every replica has it.
///
/// # Errors
/// The primary refuses, or a replica does not catch up within 10 s.
pub async fn create_counters(pool: &Pool, keys: i32) -> Result<()> {
    let mut conn = pool.get().await?;
    let script = format!(
        "CREATE TABLE counter (id int PRIMARY KEY, value bigint NOT NULL); \
         INSERT INTO counter SELECT n, 0 FROM generate_series(0, {keys}) n"
    );
    conn.batch_execute(&script).await?;
    drop(conn);
    wait_until_replicas_serve(pool).await?;
    let have_it = async {
        // every replica in turn: ties are broken at random
        for _ in 0..20 {
            while !has_counters(pool).await? {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        anyhow::Ok(())
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), have_it).await;
    waited.context("the replicas do not have it")?
}

async fn has_counters(pool: &Pool) -> Result<bool> {
    let conn = &mut pool.get().await?;
    let query = "SELECT count(*) > 0 FROM pg_class WHERE relname = 'counter'";
    Ok(diesel::dsl::sql::<diesel::sql_types::Bool>(query)
        .get_result(conn)
        .await?)
}

/// Waits until the current task's reads go to replicas again, which then have what it wrote.
///
/// # Errors
/// They do not within 10 s.
pub async fn wait_until_replicas_serve(pool: &Pool) -> Result<()> {
    let probe = async {
        while pool.explain("SELECT 1").role == Role::Primary {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let waited = tokio::time::timeout(Duration::from_secs(10), probe).await;
    waited.with_context(|| format!("reads stay on the primary: {:?}", pool.status()))
}

/// The one role on which a statement was sent; `None` if it was sent nowhere. Nobody else may use the
/// pool meanwhile.
///
/// # Errors
/// It was sent on both.
pub async fn where_it_ran<T>(
    pool: &Pool,
    sent: impl Future<Output = T>,
) -> Result<(T, Option<Role>)> {
    let before = pool.status();
    let outcome = sent.await;
    let ran = Ran::between(&before, &pool.status());
    anyhow::ensure!(
        ran.on_primary == 0 || ran.on_replicas == 0,
        "on both: {ran:?}"
    );
    Ok((outcome, ran.first_role()))
}

/// A row of which nobody looks at the columns.
#[derive(Debug)]
struct Anything;

impl<DB: Backend> QueryableByName<DB> for Anything {
    fn build<'a>(_: &impl NamedRow<'a, DB>) -> deserialize::Result<Self> {
        Ok(Self)
    }
}

/// How many reads a handle serves before the next one is taken.
const READS_PER_HANDLE: u32 = 20;

/// The same text for each back end, but no generic function: Diesel's bounds would outgrow it.
macro_rules! application {
    ($pool:ty, $create_counters:expr) => {
        impl Application for $pool {
            type Refused = SplitError;

            async fn connect(settings: &Settings) -> Result<Self, SplitError> {
                let mut of_primary = PoolOptions::default();
                of_primary.wait = Some(settings.primary_wait);
                let builder = Self::builder()
                    .primary(&settings.primary)
                    .primary_options(of_primary);
                let replicas = settings.replicas.iter();
                let builder = replicas.fold(builder, |builder, url| builder.replica(url));
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
                    .build()
                    .await
            }

            fn ours(refused: &SplitError) -> Option<&SplitError> {
                Some(refused)
            }

            fn belongs(way: Way, role: Role) -> Role {
                match way {
                    Way::Script => Role::Primary,
                    Way::Execute | Way::QueryOne | Way::QueryAll | Way::Stream => role,
                }
            }

            async fn send(&self, way: Way, sql: &str) -> Result<()> {
                let conn = &mut self.get().await?;
                let query = diesel::sql_query(sql);
                match way {
                    Way::Execute => query.execute(conn).await.map(drop)?,
                    Way::QueryOne => query.get_result::<Anything>(conn).await.map(drop)?,
                    Way::QueryAll => query.load::<Anything>(conn).await.map(drop)?,
                    Way::Stream => {
                        let mut rows = query.load_stream::<Anything>(conn).await?;
                        while let Some(row) = rows.next().await {
                            row?;
                        }
                    }
                    Way::Script => conn.batch_execute(sql).await?,
                }
                Ok(())
            }

            async fn create_counters(&self, keys: i32) -> Result<()> {
                $create_counters(self, keys).await
            }

            async fn read(&self, id: i32) -> Result<i64> {
                let conn = &mut self.get().await?;
                let row = schema::counter::table.find(id);
                Ok(row.select(schema::counter::value).first(conn).await?)
            }

            async fn read_asking(&self, hint: Hint, id: i32) -> Result<i64> {
                let conn = &mut self.get().await?;
                conn.set_hint(hint);
                let row = schema::counter::table.find(id);
                Ok(row.select(schema::counter::value).first(conn).await?)
            }

            async fn write(&self, id: i32, value: i64) -> Result<()> {
                let conn = &mut self.get().await?;
                let row = diesel::update(schema::counter::table.find(id));
                let written = row.set(schema::counter::value.eq(value)).execute(conn);
                anyhow::ensure!(written.await? == 1, "no such counter");
                Ok(())
            }

            async fn read_until(&self, end: Instant) -> (u32, Vec<String>) {
                let (mut reads, mut failures) = (0, Vec::new());
                while Instant::now() < end {
                    let mut conn = match self.get().await {
                        Ok(conn) => conn,
                        Err(error) => return (reads, vec![error.to_string()]),
                    };
                    for _ in 0..READS_PER_HANDLE {
                        reads += 1;
                        let row = schema::counter::table.find(1);
                        if let Err(error) = row.first::<Counter>(&mut conn).await {
                            failures.push(error.to_string());
                        }
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
                Self::close(self).await;
                Ok(())
            }
        }
    };
}

application!(Pool, create_counters);
application!(FilePool, create_counters_in_file);

async fn create_counters_in_file(pool: &FilePool, keys: i32) -> Result<()> {
    let script = format!(
        "PRAGMA journal_mode = WAL; \
         CREATE TABLE counter (id integer PRIMARY KEY, value bigint NOT NULL); \
         WITH RECURSIVE n(id) AS (SELECT 0 UNION ALL SELECT id + 1 FROM n WHERE id < {keys}) \
         INSERT INTO counter SELECT id, 0 FROM n"
    );
    Ok(pool.get().await?.batch_execute(&script).await?)
}
