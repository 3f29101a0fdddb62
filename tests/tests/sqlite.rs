//! SQLite in WAL mode: one connection writes, others read the same file.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join_all;
use orm_split::sea_orm::{Refusal, Role, SplitConnection};
use orm_split_tests::app::counter;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, Database, EntityTrait, Statement,
    TransactionTrait,
};

async fn start(folder: &Path) -> Result<SplitConnection> {
    let url = |mode: &str| {
        format!(
            "sqlite://{}?mode={mode}",
            folder.join("shop.sqlite").display()
        )
    };
    let db = SplitConnection::builder()
        .primary(url("rwc"))
        .replica(url("ro"))
        .replica(url("ro"))
        .connect()
        .await?;
    db.execute_unprepared("PRAGMA journal_mode = WAL").await?;
    db.execute_unprepared("CREATE TABLE counter (id integer PRIMARY KEY, value bigint NOT NULL)")
        .await?;
    Ok(db)
}

async fn insert(db: &impl ConnectionTrait, id: i32) -> Result<()> {
    let model = counter::ActiveModel {
        id: Set(id),
        value: Set(1),
    };
    model.insert(db).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_back_at_once_from_a_reader() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let db = start(folder.path()).await?;
    for id in 1..=200 {
        if id % 2 == 0 {
            insert(&db, id).await?;
        } else {
            let transaction = db.begin().await?;
            insert(&transaction, id).await?;
            transaction.commit().await?;
        }
        ensure!(
            counter::Entity::find_by_id(id).one(&db).await?.is_some(),
            "{id} is missing"
        );
    }
    let status = db.status();
    ensure!(status.served_by_replicas() >= 200, "{status:?}");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_the_writer_work_at_the_same_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let db = start(folder.path()).await?;
    insert(&db, 1).await?;
    let transaction = db.begin().await?;
    insert(&transaction, 2).await?;
    // the only writing connection is busy
    let reads = (0..20).map(|_| counter::Entity::find().all(&db));
    for found in try_join_all(reads).await? {
        ensure!(found.len() == 1, "an uncommitted row is visible");
    }
    transaction.commit().await?;
    ensure!(counter::Entity::find().all(&db).await?.len() == 2);
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_is_exchanged_under_its_readers_is_not_read() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let db = start(folder.path()).await?;
    insert(&db, 1).await?;
    ensure!(counter::Entity::find().all(&db).await?.len() == 1);

    let other = folder.path().join("other.sqlite");
    let stranger = Database::connect(format!("sqlite://{}?mode=rwc", other.display())).await?;
    stranger
        .execute_unprepared("CREATE TABLE counter (id integer PRIMARY KEY, value bigint)")
        .await?;
    stranger.close().await?;
    for suffix in ["", "-wal", "-shm"] {
        let name = format!("shop.sqlite{suffix}");
        std::fs::rename(
            folder.path().join(&name),
            folder.path().join(format!("old-{name}")),
        )?;
    }
    std::fs::rename(other, folder.path().join("shop.sqlite"))?;

    // neither the old file nor the stranger's: an error is right, an empty answer would not be
    if let Ok(found) = counter::Entity::find().all(&db).await {
        ensure!(found.len() == 1, "it read the exchanged file: {found:?}");
    }
    let deadline = tokio::time::Instant::now() + std::time::Duration::from_secs(10);
    loop {
        let status = db.status();
        let replicas = status
            .nodes
            .iter()
            .filter(|node| node.role == Role::Replica);
        if replicas
            .into_iter()
            .all(|node| node.refusal == Some(Refusal::ForeignCluster))
        {
            break;
        }
        ensure!(tokio::time::Instant::now() < deadline, "{status:?}");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_however_dressed_run_on_the_primary() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let db = start(folder.path()).await?;
    insert(&db, 1).await?;
    for sql in [
        "CREATE TEMPORARY TABLE scratch (a integer)",
        "UPDATE counter SET value = value + 1 RETURNING value",
        "WITH c AS (SELECT 1) INSERT INTO counter SELECT 2, 2 FROM c",
    ] {
        let route = db.explain(sql);
        ensure!(route.role == Role::Primary, "{sql}: {route:?}");
        db.execute_unprepared(sql).await?;
    }
    let sum = Statement::from_string(
        db.get_database_backend(),
        "SELECT SUM(value) AS s FROM counter",
    );
    let row = db.query_one_raw(sum).await?.context("a row")?;
    ensure!(row.try_get::<i64>("", "s")? == 4);
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_replica_of_another_file_is_refused() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let url = |name: &str| format!("sqlite://{}?mode=rwc", folder.path().join(name).display());
    for name in ["a.sqlite", "b.sqlite"] {
        let db = Database::connect(url(name)).await?;
        db.execute_unprepared("CREATE TABLE t (a integer)").await?;
        db.close().await?;
    }
    let refused = SplitConnection::builder()
        .primary(url("a.sqlite"))
        .replica(url("b.sqlite"))
        .connect()
        .await;
    let error = refused.err().context("it connected")?.to_string();
    ensure!(error.contains("another cluster"), "{error}");
    Ok(())
}

#[tokio::test]
async fn an_in_memory_database_has_no_replicas() -> Result<()> {
    let refused = SplitConnection::builder()
        .primary("sqlite::memory:")
        .replica("sqlite::memory:")
        .connect()
        .await;
    let error = refused.err().context("it connected")?.to_string();
    ensure!(
        error.starts_with("Connection Error: ") || error.contains("memory"),
        "{error}"
    );
    ensure!(error.contains("a file"), "{error}");
    Ok(())
}
