//! SQLite in WAL mode under Diesel: one connection writes, others read the same file.

use std::path::Path;

use anyhow::{Result, ensure};
use diesel::prelude::*;
use diesel::result::Error;
use diesel_async::{AsyncConnection, RunQueryDsl, SimpleAsyncConnection};
use futures_util::future::try_join_all;
use orm_split::diesel::Role;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::schema::counter;
use orm_split_tests::diesel_app::{Counter, FilePool};

async fn start(folder: &Path) -> Result<FilePool> {
    let file = folder.join("shop.sqlite").display().to_string();
    let readers = [file.clone(), file.clone()];
    let pool = FilePool::connect(&Settings::new(file, &readers)).await?;
    pool.create_counters(0).await?;
    Ok(pool)
}

/// Makes a counter; a macro, since the connections inside and outside of transactions are alike.
macro_rules! insert {
    ($conn:expr, $id:expr) => {
        diesel::insert_into(counter::table)
            .values(Counter { id: $id, value: 1 })
            .execute($conn)
            .await
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_written_is_read_back_at_once_from_a_reader() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pool = start(folder.path()).await?;
    for id in 1..=200 {
        let conn = &mut pool.get().await?;
        match id % 3 {
            0 => {
                insert!(conn, id)?;
            }
            1 => {
                conn.transaction::<_, Error, _>(async move |conn| insert!(conn, id))
                    .await?;
            }
            _ => {
                insert!(conn, id)?;
                let update =
                    format!("UPDATE counter SET value = 2 WHERE id = {id} RETURNING value");
                let update = diesel::dsl::sql::<diesel::sql_types::BigInt>(&update);
                ensure!(update.get_result::<i64>(conn).await? == 2);
            }
        }
        let found: Counter = counter::table.find(id).first(conn).await?;
        ensure!(found.value == if id % 3 == 2 { 2 } else { 1 }, "{found:?}");
    }
    let status = pool.status();
    ensure!(status.served_by_replicas() >= 200, "{status:?}");
    pool.close().await;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_and_the_writer_work_at_the_same_time() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pool = start(folder.path()).await?;
    let conn = &mut pool.get().await?;
    let readers = pool.clone();
    conn.transaction::<_, anyhow::Error, _>(async move |conn| {
        insert!(conn, 1)?;
        let reads = (0..20).map(|_| async {
            let conn = &mut readers.get().await?;
            Ok::<i64, anyhow::Error>(counter::table.count().get_result(conn).await?)
        });
        for found in try_join_all(reads).await? {
            ensure!(found == 1, "an uncommitted row is visible");
        }
        let inside: i64 = counter::table.count().get_result(conn).await?;
        ensure!(inside == 2, "a transaction sees its own write");
        Ok(())
    })
    .await?;
    let after: i64 = counter::table.count().get_result(conn).await?;
    ensure!(after == 2);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_takes_no_write() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let pool = start(folder.path()).await?;
    let conn = &mut pool.get().await?;
    counter::table.load::<Counter>(conn).await?;
    ensure!(conn.explain("SELECT 1").role == Role::Replica);
    let raw = conn.replica().await?;
    let refused = raw.batch_execute("UPDATE counter SET value = 5").await;
    let text = refused.err().map(|error| error.to_string());
    ensure!(
        text.as_deref()
            .is_some_and(|text| text.contains("readonly")),
        "{text:?}"
    );
    let found: Counter = counter::table.find(0).first(conn).await?;
    ensure!(found.value == 0);
    Ok(())
}
