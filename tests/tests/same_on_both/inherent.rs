//! Each inherent method of a `DatabaseConnection` stands on ours: found through `Deref`, it would bypass
//! routing, read-your-writes, or both.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{Reason, SplitConnection, SplitTransaction};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Database, Delay};
use sea_orm::ActiveValue::Set;
use sea_orm::rbac::{RbacEngine, RbacSnapshot, RbacUserId};
use sea_orm::{
    AccessMode, ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IntoDatabaseExecutor,
    IsolationLevel, RestrictedConnection, TransactionTrait,
};
use sea_orm_migration::SchemaManager;

use crate::spans::spans_in;

const PIN: Duration = Duration::from_millis(300);

/// Counters on replicas that lag by 150 ms; the session's reads go to them.
async fn start() -> Result<(Database, SplitConnection)> {
    let database = app::empty_database(Delay::Ms150).await?;
    let often = Duration::from_millis(50);
    let builder = app::builder(&database).raw_pin(PIN);
    let db = builder
        .sample_intervals(often, often / 10)
        .connect()
        .await?;
    app::create_counters(&db, 10).await?;
    app::wait_until_replicas_serve(&db).await?;
    Ok((database, db))
}

async fn set(db: &impl ConnectionTrait, value: i64) -> Result<(), DbErr> {
    let (id, value) = (Set(1), Set(value));
    counter::ActiveModel { id, value }
        .update(db)
        .await
        .map(drop)
}

async fn get(db: &impl ConnectionTrait) -> Result<i64> {
    let found = counter::Entity::find_by_id(1).one(db).await?;
    Ok(found.context("the counter")?.value)
}

fn reason(db: &SplitConnection) -> Reason {
    db.explain("SELECT 1").reason
}

#[tokio::test(flavor = "multi_thread")]
async fn methods_that_write_nothing_leave_reads_on_replicas() -> Result<()> {
    let (_database, mut db) = start().await?;
    db.ping().await?;
    let _backend = db.get_database_backend();
    let _schema = db.get_schema_builder();
    let _schema = db.get_schema_registry("same_on_both::shop::*");
    sea_orm::rbac::schema::create_tables(&db, Default::default()).await?;
    db.load_rbac().await?;
    // reading new tables leaves records of clean-up in the log that only the next commit writes out
    set(&db, 1).await?;
    app::wait_until_replicas_serve(&db).await?;
    db.load_rbac().await?;
    db.replace_rbac(RbacEngine::from_snapshot(
        RbacSnapshot::danger_unrestricted(),
    ));
    let restricted = db.restricted_for(RbacUserId(0))?;
    let _user = (restricted.user_id(), restricted.roles_and_ranks()?);
    db.set_metric_callback(|_| {});
    let copy = db.clone();
    ensure!(reason(&db) == Reason::Read, "{:?}", reason(&db));
    ensure!(reason(&copy) == Reason::Read);
    let before = db.status().served_by_replicas();
    get(&restricted).await?;
    ensure!(db.status().served_by_replicas() == before + 1);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn handles_that_bypass_us_pin_the_session() -> Result<()> {
    fn taken<T>(_: T) {}
    let (_database, db) = start().await?;
    db.replace_rbac(RbacEngine::from_snapshot(
        RbacSnapshot::danger_unrestricted(),
    ));
    let restricted = db.restricted_for(RbacUserId(0))?;
    let handles: [(&str, &dyn Fn()); 4] = [
        ("pool", &|| taken(db.get_postgres_connection_pool())),
        ("deref", &|| taken(&*db)),
        ("executor", &|| taken((&db).into_database_executor())),
        ("restricted", &|| {
            taken::<&RestrictedConnection>(&restricted)
        }),
    ];
    for (name, take) in handles {
        app::wait_until_replicas_serve(&db).await?;
        take();
        ensure!(
            reason(&db) == Reason::RawHandle,
            "{name}: {:?}",
            reason(&db)
        );
    }
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_method_that_writes_is_read_back_at_once() -> Result<()> {
    let (_database, db) = start().await?;
    db.replace_rbac(RbacEngine::from_snapshot(
        RbacSnapshot::danger_unrestricted(),
    ));
    let user = db.restricted_for(RbacUserId(0))?;
    let failed = |error| anyhow::anyhow!("{error:?}");
    let level = Some(IsolationLevel::RepeatableRead);
    let mode = Some(AccessMode::ReadWrite);
    for round in 0..2 {
        let value = 10 * round;
        db.transaction_async(async |t| set(t, value + 1).await)
            .await
            .map_err(failed)?;
        ensure!(get(&db).await? == value + 1);
        let ended =
            db.transaction_with_config_async(async |t| set(t, value + 2).await, level, mode);
        ended.await.map_err(failed)?;
        ensure!(get(&db).await? == value + 2);
        let outer: SplitTransaction = db.begin().await?;
        outer
            .transaction_async(async |t| set(t, value + 3).await)
            .await
            .map_err(failed)?;
        outer.commit().await?;
        ensure!(get(&db).await? == value + 3);
        set(&user, value + 4).await?;
        ensure!(get(&db).await? == value + 4 && get(&user).await? == value + 4);
        user.transaction_async(async |t| set(t, value + 5).await)
            .await
            .map_err(failed)?;
        ensure!(get(&db).await? == value + 5 && get(&user).await? == value + 5);
        let transaction = user.begin().await?;
        set(&transaction, value + 6).await?;
        transaction.commit().await?;
        ensure!(get(&db).await? == value + 6);
        app::wait_until_replicas_serve(&db).await?;
    }
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_schema_is_synced_against_the_primary() -> Result<()> {
    let (database, db) = start().await?;
    // another process has just made the table: the replicas will not have it for 150 ms
    let other = sea_orm::Database::connect(database.primary_url()).await?;
    let author = || {
        db.get_schema_builder()
            .register(crate::shop::author::Entity)
    };
    author().apply(&other).await?;
    let before = db.status().served_by_replicas();
    author().sync(&db).await?;
    ensure!(
        db.status().served_by_replicas() == before,
        "read from a replica"
    );
    let transaction = db.begin().await?;
    author().sync(&transaction).await?;
    transaction.commit().await?;
    other.close().await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_migration_commits_in_a_transaction_it_was_given_is_read_back() -> Result<()> {
    let (_database, db) = start().await?;
    for value in 1..=3 {
        let manager = SchemaManager::new(db.begin().await?);
        // beyond the pin that taking it sets: the statement itself must renew it
        app::wait_until_replicas_serve(&db).await?;
        set(manager.get_connection(), value).await?;
        manager.commit().await?;
        ensure!(get(&db).await? == value, "stale after COMMIT");
    }
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn callbacks_and_spans_show_what_the_application_sends_and_nothing_else() -> Result<()> {
    let (database, db) = start().await?;
    db.close().await?;
    let mut db = app::builder(&database).connect().await?;
    let count = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&count);
    db.set_metric_callback(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
    });
    // at once, so that most transactions need a connection that is opened, and asked, for them
    let transactions = (0..8).map(async |n| {
        let mode = if n % 2 == 0 {
            AccessMode::ReadOnly
        } else {
            AccessMode::ReadWrite
        };
        let transaction = db.begin_with_config(None, Some(mode)).await?;
        get(&transaction).await?;
        anyhow::Ok(transaction.commit().await?)
    });
    let (ended, spans) = spans_in(try_join_all(transactions)).await;
    ended?;
    ensure!(count.load(Ordering::Relaxed) == 8);
    let mut names: Vec<_> = spans.into_iter().map(|(name, _)| name).collect();
    names.sort_unstable();
    let expected = ["sea_orm.begin", "sea_orm.commit", "sea_orm.query_one"].map(|name| [name; 8]);
    ensure!(names == expected.concat(), "{names:?}");
    db.close().await?;
    Ok(())
}
