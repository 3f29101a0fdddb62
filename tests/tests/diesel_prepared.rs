//! What Diesel's connections have prepared: no more through a `SplitPool` than through a plain pool.

use anyhow::{Context, Result, ensure};
use diesel::pg::Pg;
use diesel::prelude::*;
use diesel::sql_types::Text;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use orm_split::diesel::PoolOptions;
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Counter, Pool};
use orm_split_tests::kit::postgres::{Delay, shared};

type Plain = bb8::Pool<AsyncPgConnection>;

/// Checkouts; each sends the same queries again.
const ROUNDS: i32 = 5;

async fn reads<C: AsyncConnection<Backend = Pg>>(conn: &mut C, round: i32) -> Result<()> {
    let _: Counter = counter::table.find(round).first(conn).await?;
    let some = counter::table.filter(counter::id.eq_any(0..round));
    drop(some.load::<Counter>(conn).await?);
    let _: i64 = counter::table.count().get_result(conn).await?;
    let mut query = counter::table.into_boxed();
    if round % 2 == 0 {
        query = query.order(counter::value);
    }
    drop(query.limit(3).load::<Counter>(conn).await?);
    diesel::sql_query("SELECT value FROM counter")
        .execute(conn)
        .await?;
    Ok(())
}

async fn writes<C: AsyncConnection<Backend = Pg>>(conn: &mut C, round: i32) -> Result<()> {
    let update = diesel::update(counter::table.find(round));
    update.set(counter::value.eq(7)).execute(conn).await?;
    let new = |id| Counter { id, value: 1 };
    let two = vec![new(1_000 + 2 * round), new(1_001 + 2 * round)];
    diesel::insert_into(counter::table)
        .values(two)
        .on_conflict_do_nothing()
        .execute(conn)
        .await?;
    conn.transaction::<_, diesel::result::Error, _>(async |conn| {
        let _: Counter = counter::table.find(round).first(conn).await?;
        diesel::delete(counter::table.find(1_000 + 2 * round))
            .execute(conn)
            .await
    })
    .await?;
    Ok(())
}

/// The statements that a server keeps for a connection.
async fn prepared(conn: &mut AsyncPgConnection) -> Result<Vec<String>> {
    let ask = "SELECT statement FROM pg_prepared_statements ORDER BY statement";
    let found: Vec<String> = diesel::dsl::sql::<Text>(ask).load(conn).await?;
    let ours = found.into_iter();
    Ok(ours.filter(|statement| statement != ask).collect())
}

/// One of them holds `kept`: caches were used.
fn compare(ours: &[String], plain: &[String], kept: &str) -> Result<()> {
    ensure!(ours.iter().any(|sql| sql.contains(kept)), "{ours:#?}");
    ensure!(
        ours.len() <= plain.len() && ours.iter().all(|sql| plain.contains(sql)),
        "{ours:#?} against {plain:#?}"
    );
    Ok(())
}

async fn one_connection_to(url: &str) -> Result<Plain> {
    let manager = AsyncDieselConnectionManager::new(url);
    Ok(Plain::builder().max_size(1).build(manager).await?)
}

fn one() -> PoolOptions {
    let mut options = PoolOptions::default();
    options.max_size = 1;
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_prepares_no_more_statements_than_one_of_a_plain_pool() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let replica = database.replica_urls().first().context("a replica")?;
    let split = Pool::builder()
        .primary(database.primary_url())
        .primary_options(one())
        .replica(replica)
        .replica_options(one())
        .build()
        .await?;
    diesel_app::create_counters(&split, 100).await?;
    let plain_primary = one_connection_to(database.primary_url()).await?;
    let plain_replica = one_connection_to(replica).await?;
    for round in 0..ROUNDS {
        reads(&mut *plain_replica.get().await?, round).await?;
        reads(&mut split.get().await?, round).await?;
    }
    let plain = prepared(&mut *plain_replica.get().await?).await?;
    let ours = prepared(split.get().await?.replica().await?).await?;
    compare(&ours, &plain, "ANY($1)")?;
    for round in 0..ROUNDS {
        writes(&mut *plain_primary.get().await?, round).await?;
        writes(&mut split.get().await?, round).await?;
    }
    let plain = prepared(&mut *plain_primary.get().await?).await?;
    let ours = prepared(split.get().await?.primary().await?).await?;
    compare(&ours, &plain, "DELETE")
}
