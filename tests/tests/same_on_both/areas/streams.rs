//! Streams on connections and in transactions.

use anyhow::{Context, Result};
use futures_util::{StreamExt, TryStreamExt};
use sea_orm::{
    ConnectionTrait, DbBackend, DerivePartialModel, EntityTrait, QueryOrder, Statement,
    StreamTrait, TransactionTrait,
};

use super::{Db, Transaction, settle, setup};
use crate::seen::Seen;
use crate::shop::{author, book};

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "book::Entity")]
struct Title {
    title: String,
}

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    on_connection(db, seen).await?;
    settle(db).await?;
    on_connection(db, seen).await?;
    writes(db, seen).await?;
    let transaction = db.begin().await?;
    in_transaction(&transaction, seen).await?;
    transaction.commit().await?;
    let left = book::Entity::find().order_by_asc(book::Column::Id);
    seen.saw("left", left.all(db).await?);
    Ok(())
}

fn plain(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

async fn on_connection(db: &Db, seen: &mut Seen) -> Result<()> {
    let books = || book::Entity::find().order_by_asc(book::Column::Id);
    let all: Vec<_> = books().stream(db).await?.try_collect().await?;
    seen.saw("entity", all);
    let pairs = books().find_also_related(author::Entity).stream(db).await?;
    seen.saw("pairs", pairs.try_collect::<Vec<_>>().await?);
    let titles = books().into_partial_model::<Title>().stream(db).await?;
    let titles = titles.map_ok(|found| found.title);
    seen.saw("partial", titles.try_collect::<Vec<_>>().await?);
    let mut rows = db
        .stream_raw(plain("SELECT id FROM book ORDER BY id"))
        .await?;
    let first = rows.next().await.context("a row")??;
    seen.saw("raw", first.try_get::<i32>("", "id")?);
    // dropped half way
    drop(rows);
    let none = db
        .stream_raw(plain("SELECT id FROM book WHERE false"))
        .await?;
    seen.saw("none", none.count().await);
    let broken = db
        .stream_raw(plain("SELECT 1 / (3 - id) FROM book ORDER BY id"))
        .await;
    let broken = match broken {
        Ok(rows) => rows.try_collect::<Vec<_>>().await.map(|rows| rows.len()),
        Err(error) => Err(error),
    };
    seen.saw("broken", broken.map_err(|error| error.to_string()));
    Ok(())
}

async fn writes(db: &Db, seen: &mut Seen) -> Result<()> {
    let update = "UPDATE book SET pages = 5 WHERE author_id = 1 RETURNING id";
    let rows = db.stream_raw(plain(update)).await?;
    seen.saw("written", rows.count().await);
    let pages = book::Entity::find()
        .order_by_asc(book::Column::Id)
        .all(db)
        .await?;
    seen.saw("read back", pages);
    Ok(())
}

async fn in_transaction(transaction: &Transaction, seen: &mut Seen) -> Result<()> {
    transaction
        .execute_unprepared("UPDATE book SET pages = 6 WHERE id = 1")
        .await?;
    let books = book::Entity::find().order_by_asc(book::Column::Id);
    let stream = books.stream(transaction).await?;
    seen.saw("entity", stream.try_collect::<Vec<_>>().await?);
    let delete = "DELETE FROM book WHERE id > 4 RETURNING id";
    let rows = transaction.stream_raw(plain(delete)).await?;
    seen.saw("deleted", rows.count().await);
    Ok(())
}
