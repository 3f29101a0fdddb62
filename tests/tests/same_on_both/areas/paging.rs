//! Pages, cursors and counts.

use anyhow::Result;
use futures_util::TryStreamExt;
use sea_orm::{ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, raw_sql};

use tokio::runtime::Handle;

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::{author, book};

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    pages(db, seen).await?;
    cursors(db, seen).await?;
    settle(db).await?;
    pages(db, seen).await?;
    cursors(db, seen).await
}

async fn pages(db: &Db, seen: &mut Seen) -> Result<()> {
    let books = book::Entity::find().order_by_asc(book::Column::Id);
    let mut pages = books.clone().paginate(db, 4);
    seen.saw("items", pages.num_items().await?);
    seen.saw("pages", pages.num_pages().await?);
    let both = pages.num_items_and_pages().await?;
    seen.saw("both", (both.number_of_items, both.number_of_pages));
    seen.saw("page", pages.fetch_page(1).await?);
    while let Some(page) = pages.fetch_and_next().await? {
        seen.saw("next", page);
    }
    // SeaORM's own stream of pages is not Send, so a task that may move cannot hold it
    let streamed = tokio::task::block_in_place(|| {
        let stream = books.clone().paginate(db, 5).into_stream();
        Handle::current().block_on(stream.try_collect::<Vec<_>>())
    });
    seen.saw("stream", streamed?);
    let pairs = books.find_also_related(author::Entity).paginate(db, 3);
    seen.saw("pairs", pairs.fetch_page(0).await?);
    let limit = 100;
    let raw = raw_sql!(
        Postgres,
        "SELECT * FROM book WHERE pages > {limit} ORDER BY id"
    );
    let raw = book::Entity::find().from_raw_sql(raw).paginate(db, 2);
    seen.saw("raw", raw.fetch_page(1).await?);
    seen.saw("count", book::Entity::find().count(db).await?);
    Ok(())
}

async fn cursors(db: &Db, seen: &mut Seen) -> Result<()> {
    let mut cursor = book::Entity::find().cursor_by(book::Column::Id);
    seen.saw("first", cursor.first(2).all(db).await?);
    seen.saw("after", cursor.after(2).first(2).all(db).await?);
    seen.saw("before", cursor.before(6).last(2).all(db).await?);
    let mut cursor = book::Entity::find()
        .filter(book::Column::Pages.is_not_null())
        .cursor_by((book::Column::AuthorId, book::Column::Id));
    seen.saw(
        "two columns",
        cursor.after((1, 2)).desc().first(3).all(db).await?,
    );
    let mut cursor = book::Entity::find()
        .find_also_related(author::Entity)
        .cursor_by(book::Column::Id);
    seen.saw("also related", cursor.first(2).all(db).await?);
    Ok(())
}
