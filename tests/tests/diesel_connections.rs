//! What Diesel's connections cost and leave behind: leases, dropped futures, pools that were handed in,
//! custom types, bad input, TLS.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::prelude::*;
use diesel::sql_types::Integer;
use diesel_async::pooled_connection::{AsyncDieselConnectionManager, bb8, deadpool};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::StreamExt;
use futures_util::future::{join_all, try_join_all};
use orm_split::diesel::{ExistingPool, PoolKind, PoolOptions, Role, SplitPool};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{self, Conn, Counter, Pool};
use orm_split_tests::kit::postgres::{APP_PASSWORD, APP_ROLE, Cluster, Database, Delay, shared};
use tokio::time::timeout;

async fn database() -> Result<Database> {
    shared(Delay::None).await?.create_database().await
}

fn of(max_size: u32) -> PoolOptions {
    let mut options = PoolOptions::default();
    options.max_size = max_size;
    options
}

async fn number(conn: &mut Conn, sql: &str) -> QueryResult<i32> {
    diesel::dsl::sql::<Integer>(sql).get_result(conn).await
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a hundred tasks are the point")]
async fn a_hundred_reading_tasks_never_ask_the_primarys_pool() -> Result<()> {
    let database = database().await?;
    let builder = diesel_app::builder(&database).primary_options(of(5));
    // forty connections are opened at once, on a machine that has other things to do
    let builder = builder.checkout_deadline(Duration::from_secs(20));
    let pool = builder.replica_options(of(20)).build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    let before = pool.status();
    let reader = |id: i32| {
        let pool = pool.clone();
        tokio::spawn(async move {
            for _ in 0..20 {
                let conn = &mut pool.get().await?;
                let row = counter::table.find(id % 10);
                let _: Counter = row.first(conn).await?;
            }
            anyhow::Ok(())
        })
    };
    for task in try_join_all((0..100).map(reader)).await? {
        task?;
    }
    let after = pool.status();
    assert_eq!(after.served_by_primary(), before.served_by_primary());
    assert_eq!(
        after.served_by_replicas() - before.served_by_replicas(),
        2000
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_kept_between_statements_and_statements_are_prepared_once() -> Result<()> {
    let database = database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&pool, 10).await?;
    let conn = &mut pool.get().await?;
    for id in 0..20 {
        let row = counter::table.find(id % 10);
        let _: Counter = row.first(conn).await?;
    }
    let replica = conn.replica().await?;
    let count = diesel::dsl::sql::<diesel::sql_types::BigInt>(
        "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%FROM \"counter\"%' AND statement NOT LIKE '%pg_prepared%'",
    );
    assert_eq!(count.get_result::<i64>(replica).await?, 1);
    let states = pool.state();
    let open: u32 = states
        .iter()
        .skip(1)
        .map(|(_, state)| state.connections)
        .sum();
    assert!(open <= 2, "{states:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_future_dropped_at_any_moment_loses_no_slot_and_poisons_no_connection() -> Result<()> {
    let database = database().await?;
    for kind in [PoolKind::Bb8, PoolKind::Deadpool] {
        let builder = diesel_app::builder(&database).pool_kind(kind);
        let builder = builder.primary_options(of(3)).replica_options(of(3));
        let pool = builder.build().await?;
        let mut conn = pool.get().await?;
        let script = "CREATE TABLE IF NOT EXISTS counter (id int PRIMARY KEY, value bigint NOT NULL); \
                      INSERT INTO counter VALUES (1, 0) ON CONFLICT DO NOTHING";
        conn.batch_execute(script).await?;
        drop(conn);
        diesel_app::wait_until_replicas_serve(&pool).await?;
        for round in 0..40_u64 {
            // at another moment each time: while connecting, sending, waiting, committing
            let patience = Duration::from_micros(round * 700);
            let reads = (0..3).map(|_| drop_half_way(&pool, patience));
            let writes = (0..3).map(|_| drop_a_transaction(&pool, patience));
            let (reads, writes) = futures_util::join!(join_all(reads), join_all(writes));
            drop((reads, writes));
            let conn = &mut pool.get().await?;
            let answer = number(conn, "SELECT 7 FROM counter LIMIT 1").await?;
            ensure!(answer == 7, "round {round}: answered with {answer}");
        }
        let conn = &mut pool.get().await?;
        let open = "SELECT count(*)::int FROM pg_stat_activity WHERE datname = current_database() \
                    AND state LIKE 'idle in transaction%'";
        let deadline = Duration::from_secs(10);
        let idle = async {
            while diesel::dsl::sql::<Integer>(open)
                .get_result::<i32>(conn.primary().await?)
                .await?
                > 0
            {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            anyhow::Ok(())
        };
        timeout(deadline, idle)
            .await
            .context("a transaction stays open")??;
        let all_slots = (0..3).map(|n| {
            let pool = &pool;
            async move {
                let conn = &mut pool.get().await?;
                anyhow::Ok(number(conn, &format!("SELECT {n} FROM pg_sleep(0.1)")).await?)
            }
        });
        let answers = timeout(Duration::from_secs(5), try_join_all(all_slots)).await??;
        assert_eq!(answers, [0, 1, 2]);
        let in_flight: u32 = pool.status().nodes.iter().map(|node| node.in_flight).sum();
        assert_eq!(in_flight, 0);
        pool.close().await;
        assert!(pool.get().await.is_err());
    }
    Ok(())
}

async fn drop_half_way(pool: &Pool, patience: Duration) -> Result<()> {
    let conn = &mut pool.get().await?;
    let read = number(conn, "SELECT 1000 FROM pg_sleep(0.01)");
    timeout(patience, read).await??;
    Ok(())
}

async fn drop_a_transaction(pool: &Pool, patience: Duration) -> Result<()> {
    let conn = &mut pool.get().await?;
    let transaction = conn.transaction::<_, diesel::result::Error, _>(async |conn| {
        let update = "UPDATE counter SET value = value + 1 WHERE id = 1 RETURNING 2000";
        number(conn, update).await?;
        number(conn, "SELECT 3000 FROM pg_sleep(0.005)").await
    });
    timeout(patience, transaction).await??;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn large_results_stream_and_may_be_dropped_early() -> Result<()> {
    let database = database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    diesel_app::create_counters(&pool, 20_000).await?;
    let conn = &mut pool.get().await?;
    let mut rows = counter::table
        .order(counter::id)
        .load_stream::<Counter>(conn)
        .await?;
    let mut seen = 0;
    while let Some(row) = rows.next().await {
        assert_eq!(row?.id, seen);
        seen += 1;
        if seen == 1000 {
            break;
        }
    }
    drop(rows);
    let all: Vec<Counter> = counter::table.load(conn).await?;
    assert_eq!(all.len(), 20_001);
    let in_flight: u32 = pool.status().nodes.iter().map(|node| node.in_flight).sum();
    assert_eq!(in_flight, 0);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn pools_that_were_made_elsewhere_can_be_handed_in() -> Result<()> {
    let database = database().await?;
    let replica = database.replica_urls().first().context("a replica")?;
    let manager = |url: &str| AsyncDieselConnectionManager::<AsyncPgConnection>::new(url);
    let primary = bb8::Pool::builder()
        .max_size(3)
        .build(manager(database.primary_url()))
        .await?;
    let replica = deadpool::Pool::builder(manager(replica))
        .max_size(3)
        .build()?;
    let builder = SplitPool::<AsyncPgConnection>::builder();
    let builder = builder.primary_pool(ExistingPool::from(primary));
    let pool = builder
        .replica_pool(ExistingPool::from(replica))
        .build()
        .await?;
    diesel_app::create_counters(&pool, 10).await?;
    let conn = &mut pool.get().await?;
    let (found, role) =
        diesel_app::where_it_ran(&pool, counter::table.load::<Counter>(conn)).await?;
    assert_eq!((found?.len(), role), (11, Some(Role::Replica)));
    for _ in 0..5 {
        drop(drop_half_way(&pool, Duration::from_millis(2)).await);
    }
    assert_eq!(number(&mut pool.get().await?, "SELECT 7").await?, 7);
    Ok(())
}

/// What an application writes for an enum of its own.
#[allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::wildcard_enum_match_arm,
    reason = "as Diesel's guide writes it"
)]
mod moods {
    #[derive(diesel::sql_types::SqlType, diesel::query_builder::QueryId)]
    #[diesel(postgres_type(name = "mood"))]
    pub struct MoodType;

    #[derive(
        Clone,
        Copy,
        Debug,
        PartialEq,
        Eq,
        diesel::expression::AsExpression,
        diesel::deserialize::FromSqlRow,
    )]
    #[diesel(sql_type = MoodType)]
    pub enum Mood {
        Happy,
        Sad,
    }

    impl diesel::serialize::ToSql<MoodType, diesel::pg::Pg> for Mood {
        fn to_sql<'b>(
            &'b self,
            out: &mut diesel::serialize::Output<'b, '_, diesel::pg::Pg>,
        ) -> diesel::serialize::Result {
            use std::io::Write;
            out.write_all(match self {
                Self::Happy => b"happy",
                Self::Sad => b"sad",
            })?;
            Ok(diesel::serialize::IsNull::No)
        }
    }

    impl diesel::deserialize::FromSql<MoodType, diesel::pg::Pg> for Mood {
        fn from_sql(value: diesel::pg::PgValue<'_>) -> diesel::deserialize::Result<Self> {
            match value.as_bytes() {
                b"happy" => Ok(Self::Happy),
                b"sad" => Ok(Self::Sad),
                _ => Err("another mood".into()),
            }
        }
    }

    diesel::table! {
        use diesel::sql_types::{Array, Integer};
        use super::MoodType;

        person (id) {
            id -> Integer,
            mood -> MoodType,
            past -> Array<MoodType>,
        }
    }
}
use moods::{Mood, person};

#[tokio::test(flavor = "multi_thread")]
async fn enums_and_arrays_of_them_are_bound_and_read_on_every_node() -> Result<()> {
    let database = database().await?;
    let pool = diesel_app::builder(&database).build().await?;
    let script = "CREATE TYPE mood AS ENUM ('happy', 'sad'); \
                  CREATE TABLE person (id int PRIMARY KEY, mood mood NOT NULL, past mood[] NOT NULL)";
    pool.get().await?.batch_execute(script).await?;
    let conn = &mut pool.get().await?;
    let past = vec![Mood::Sad, Mood::Happy];
    diesel::insert_into(person::table)
        .values((
            person::id.eq(1),
            person::mood.eq(Mood::Happy),
            person::past.eq(&past),
        ))
        .execute(conn)
        .await?;
    diesel_app::wait_until_replicas_serve(&pool).await?;
    for _ in 0..3 {
        let conn = &mut pool.get().await?;
        let query = person::table
            .filter(person::mood.eq(Mood::Happy))
            .filter(person::past.eq(&past));
        let (found, role) = diesel_app::where_it_ran(&pool, query.first(conn)).await?;
        let found: (i32, Mood, Vec<Mood>) = found?;
        assert_eq!(found, (1, Mood::Happy, past.clone()));
        assert_eq!(role, Some(Role::Replica));
    }
    // the type is dropped and made again: its identifier is another one
    let again = "DROP TABLE person; DROP TYPE mood; CREATE TYPE mood AS ENUM ('sad', 'happy'); \
                 CREATE TABLE person (id int PRIMARY KEY, mood mood NOT NULL, past mood[] NOT NULL)";
    pool.get().await?.batch_execute(again).await?;
    let insert = || {
        diesel::insert_into(person::table).values((
            person::id.eq(2),
            person::mood.eq(Mood::Sad),
            person::past.eq(vec![Mood::Sad]),
        ))
    };
    let conn = &mut pool.get().await?;
    drop(insert().execute(conn).await);
    drop(diesel::delete(person::table).execute(conn).await);
    let conn = &mut pool.get().await?;
    insert().execute(conn).await?;
    Ok(())
}

async fn error_of(url: String) -> Result<String> {
    let replica = database().await?;
    let replica = replica.replica_urls().first().context("a replica")?.clone();
    let builder = Pool::builder().primary(url).replica(replica);
    let built = timeout(Duration::from_secs(20), builder.build()).await?;
    let error = built.err().context("it was built")?.to_string();
    ensure!(!error.contains(APP_PASSWORD), "{error}");
    Ok(error)
}

#[tokio::test(flavor = "multi_thread")]
async fn bad_input_is_told_by_node_and_cause_without_the_password() -> Result<()> {
    let good = database().await?;
    let url = good.primary_url();
    let cases = [
        (
            format!("postgres://app:{APP_PASSWORD}@db:port/app"),
            "primary",
            "cannot be parsed",
        ),
        (
            format!("oracle://app:{APP_PASSWORD}@db/app"),
            "primary",
            "scheme `oracle`",
        ),
        (APP_PASSWORD.to_owned(), "primary", "cannot be parsed"),
        (
            format!("postgres://{APP_ROLE}:{APP_PASSWORD}@127.0.0.1:1/app"),
            "primary",
            "refused",
        ),
        (
            url.replace(APP_PASSWORD, "wrong-password"),
            "primary",
            "password authentication failed",
        ),
        (
            url.replace(good.name(), "no_such_database"),
            "primary",
            "does not exist",
        ),
    ];
    for (url, node, cause) in cases {
        let error = error_of(url).await?;
        ensure!(
            error.contains(node) && error.contains(cause),
            "{cause}: {error}"
        );
        ensure!(!error.contains("wrong-password"), "{error}");
        println!("{error}");
    }
    let stranger = Cluster::builder().replicas(1).own_identifier();
    let stranger = stranger.start().await?;
    let foreign = stranger.create_database().await?;
    let foreign = foreign.replica_urls().first().context("a replica")?;
    let builder = Pool::builder().primary(url).replica(foreign);
    let error = builder.build().await.err().context("it was built")?;
    let text = error.to_string();
    ensure!(
        text.contains("replica-1") && text.contains("another cluster"),
        "{text}"
    );
    Ok(())
}
