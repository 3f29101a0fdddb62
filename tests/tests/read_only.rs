//! Read-only transactions: on one replica that meets the session's floor, and on the primary wherever
//! a replica could not stand in for it. Also what happens when a replica's schema lags.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use orm_split::sea_orm::{Cause, SplitConnection, SplitError, SplitTransaction, split_error};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{Cluster, Database, Delay, shared};
use sea_orm::{
    AccessMode, ConnectionTrait, DbErr, IsolationLevel, Statement, StreamTrait, TransactionTrait,
};

const READ_ONLY: Option<AccessMode> = Some(AccessMode::ReadOnly);
const REPEATABLE: Option<IsolationLevel> = Some(IsolationLevel::RepeatableRead);

async fn start() -> Result<(Database, SplitConnection)> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 20).await?;
    app::wait_until_replicas_serve(&db).await?;
    Ok((database, db))
}

async fn one<T: sea_orm::TryGetable>(db: &impl ConnectionTrait, sql: &str) -> Result<T, DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?;
    row.ok_or_else(|| DbErr::Custom("no row".into()))?
        .try_get_by_index(0)
}

async fn is_on_replica(db: &impl ConnectionTrait) -> Result<bool, DbErr> {
    // `pg_is_in_recovery` is no plain read for the classifier, this view is
    let sql = "SELECT count(*) > 0 FROM pg_stat_wal_receiver";
    one(db, sql).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_stays_on_one_replica_from_begin_to_commit() -> Result<()> {
    let (_database, db) = start().await?;
    for isolation in [None, Some(IsolationLevel::ReadCommitted), REPEATABLE] {
        let before = db.status().served_by_replicas();
        let transaction: SplitTransaction = db.begin_with_config(isolation, READ_ONLY).await?;
        ensure!(is_on_replica(&transaction).await?, "{isolation:?}");
        let nested = transaction.begin().await?;
        ensure!(is_on_replica(&nested).await?, "{isolation:?}, nested");
        nested.commit().await?;
        let all = "SELECT id FROM counter";
        let statement = Statement::from_string(db.get_database_backend(), all);
        let mut rows = transaction.stream_raw(statement).await?;
        rows.next().await.context("a row")??;
        drop(rows);
        let in_flight: u32 = db.status().nodes.iter().map(|node| node.in_flight).sum();
        ensure!(
            in_flight == 1,
            "a transaction is in flight as long as it lasts"
        );
        transaction.commit().await?;
        ensure!(db.status().served_by_replicas() == before + 1);
        let in_flight: u32 = db.status().nodes.iter().map(|node| node.in_flight).sum();
        ensure!(in_flight == 0);
    }
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_transaction_sees_what_its_session_has_written() -> Result<()> {
    let (_database, db) = start().await?;
    for value in 1..=20_i64 {
        let update = format!("UPDATE counter SET value = {value} WHERE id = 1");
        db.execute_unprepared(&update).await?;
        let read = async |t: &SplitTransaction| {
            one::<i64>(t, "SELECT value FROM counter WHERE id = 1").await
        };
        let seen = db.transaction_with_config_async(read, REPEATABLE, READ_ONLY);
        ensure!(seen.await? == value, "stale");
    }
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn serializable_read_only_transactions_and_those_of_a_primary_handle_are_on_the_primary()
-> Result<()> {
    let (_database, db) = start().await?;
    let serializable = Some(IsolationLevel::Serializable);
    let transaction = db.begin_with_config(serializable, READ_ONLY).await?;
    ensure!(!is_on_replica(&transaction).await?);
    transaction.commit().await?;
    let transaction = db.primary().begin_with_config(None, READ_ONLY).await?;
    ensure!(!is_on_replica(&transaction).await?);
    transaction.rollback().await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lock_in_a_read_only_transaction_is_taken_on_the_primary() -> Result<()> {
    let (_database, db) = start().await?;
    let transaction = db.begin_with_config(None, READ_ONLY).await?;
    ensure!(is_on_replica(&transaction).await?);
    let try_lock = "SELECT pg_try_advisory_xact_lock(42)";
    ensure!(one::<bool>(&transaction, try_lock).await?);
    ensure!(
        !is_on_replica(&transaction).await?,
        "goes on where its lock is"
    );
    ensure!(!one::<bool>(&db, try_lock).await?, "granted twice");
    transaction.commit().await?;
    ensure!(one::<bool>(&db, try_lock).await?, "freed at the end");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeatable_read_transaction_moves_before_its_first_row_and_never_after() -> Result<()> {
    let (_database, db) = start().await?;
    let set = "SET LOCAL statement_timeout = 10000";
    let transaction = db.begin_with_config(REPEATABLE, READ_ONLY).await?;
    transaction.execute_unprepared(set).await?;
    ensure!(!is_on_replica(&transaction).await?);
    ensure!(one::<String>(&transaction, "SHOW statement_timeout").await? == "10s");
    transaction.commit().await?;

    let transaction = db.begin_with_config(REPEATABLE, READ_ONLY).await?;
    ensure!(is_on_replica(&transaction).await?);
    let error = transaction.execute_unprepared(set).await.unwrap_err();
    let Some(SplitError::NeedsPrimary { cause, .. }) = split_error(&error) else {
        anyhow::bail!("another error: {error}");
    };
    ensure!(*cause == Cause::SessionState);
    ensure!(error.to_string().contains("primary()"), "{error}");
    ensure!(
        is_on_replica(&transaction).await?,
        "the transaction goes on"
    );
    transaction.commit().await?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_a_read_only_transaction_is_refused_as_without_the_library() -> Result<()> {
    let (database, db) = start().await?;
    let plain = sea_orm::Database::connect(database.primary_url()).await?;
    let write = "UPDATE counter SET value = 1";
    for isolation in [None, REPEATABLE] {
        let ours = refusal(&db, isolation, write).await;
        let theirs = refusal(&plain, isolation, write).await;
        let is_refused = ours.contains("read-only transaction");
        ensure!(ours == theirs && is_refused, "{ours} / {theirs}");
    }
    db.close().await?;
    plain.close().await?;
    Ok(())
}

async fn refusal<C>(db: &C, isolation: Option<IsolationLevel>, write: &str) -> String
where
    C: TransactionTrait,
{
    let Ok(transaction) = db.begin_with_config(isolation, READ_ONLY).await else {
        return "no transaction".into();
    };
    // takes the snapshot of a transaction that has only one
    let rows = transaction.execute_unprepared("SELECT id FROM counter");
    if let Err(error) = rows.await {
        return error.to_string();
    }
    match transaction.execute_unprepared(write).await {
        Ok(_) => "written".into(),
        Err(error) => error.to_string(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn read_only_transactions_begin_elsewhere_when_a_replica_dies_and_end_when_theirs_does()
-> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 20).await?;
    app::wait_until_replicas_serve(&db).await?;

    let transaction = db.begin_with_config(None, READ_ONLY).await?;
    ensure!(is_on_replica(&transaction).await?);
    let served: Vec<_> = db
        .status()
        .nodes
        .into_iter()
        .map(|node| node.in_flight)
        .collect();
    let mine = served.iter().position(|&n| n > 0).context("on a node")?;
    let replica = cluster.replicas().get(mine - 1).context("a replica")?;
    replica.freeze().await?;
    let lost = tokio::time::timeout(Duration::from_secs(30), is_on_replica(&transaction)).await;
    ensure!(lost.context("waits for a frozen replica")?.is_err());
    let ended = tokio::time::timeout(Duration::from_secs(30), transaction.commit()).await;
    ensure!(ended.context("COMMIT waits for a frozen replica")?.is_err());
    for _ in 0..20 {
        let transaction = db.begin_with_config(None, READ_ONLY).await?;
        one::<i64>(&transaction, "SELECT value FROM counter WHERE id = 1").await?;
        transaction.commit().await?;
    }
    replica.thaw()?;
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_that_a_replicas_schema_is_too_old_for_runs_once_on_the_primary() -> Result<()>
{
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 20).await?;
    app::wait_until_replicas_serve(&db).await?;
    for replica in cluster.replicas() {
        replica.pause_replay().await?;
    }
    let migrations = "CREATE TABLE later (id int, value bigint); \
                      ALTER TABLE counter ADD COLUMN later int DEFAULT 7; \
                      CREATE TYPE mood AS ENUM ('sad', 'ok'); \
                      CREATE SCHEMA newer; CREATE TABLE newer.t (id int)";
    // somebody else migrates: this session has written nothing
    let migrator = sea_orm::Database::connect(database.primary_url()).await?;
    migrator.execute_unprepared(migrations).await?;
    let reads = [
        "SELECT count(*) FROM later",                 // 42P01
        "SELECT count(later) FROM counter",           // 42703
        "SELECT count(*) FROM newer.t",               // 3F000 or 42P01
        "SELECT count(*) FROM (SELECT 'ok'::mood) m", // 42704
    ];
    for sql in reads {
        one::<i64>(&db, sql).await.context(sql)?;
    }
    let counted = || db.status().statements.get("schema_lag").copied();
    ensure!(counted() == Some(4), "{:?}", counted());

    let error = one::<i64>(&db, "SELECT count(*) FROM nowhere")
        .await
        .unwrap_err();
    ensure!(
        split_error(&error).is_none(),
        "the primary's own error: {error}"
    );
    ensure!(error.to_string().contains("nowhere"), "{error}");
    ensure!(counted() == Some(5), "asked once, counted");
    migrator.close().await?;
    db.close().await?;
    Ok(())
}
