//! The small application of the suites, in Diesel: rising counters.
//!
//! A counter only ever rises, so a read below what was written or read before is a stale read.

use std::time::Duration;

use anyhow::{Context, Result};
use diesel_async::{AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use orm_split::diesel::{Role, SplitBuilder, SplitConnection, SplitPool};

use crate::kit::postgres::Database;

/// A pool of the application.
pub type Pool = SplitPool<AsyncPgConnection>;
/// A connection of the application.
pub type Conn = SplitConnection<AsyncPgConnection>;

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
    replicas.fold(
        Pool::builder().primary(database.primary_url()),
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
    let after = pool.status();
    let on_primary = after.served_by_primary() - before.served_by_primary();
    let on_replicas = after.served_by_replicas() - before.served_by_replicas();
    let role = match (on_primary, on_replicas) {
        (0, 0) => None,
        (1.., 0) => Some(Role::Primary),
        (0, 1..) => Some(Role::Replica),
        (1.., 1..) => anyhow::bail!("on both: {on_primary} and {on_replicas}"),
    };
    Ok((outcome, role))
}
