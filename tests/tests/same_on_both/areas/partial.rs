//! Parts of rows: partial models, tuples, JSON, custom results, expressions.

use anyhow::Result;
use sea_orm::prelude::Expr;
use sea_orm::sea_query::ExprTrait;
use sea_orm::{
    ColumnTrait, DeriveColumn, DerivePartialModel, EntityTrait, EnumIter, FromQueryResult,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::{author, book};

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "author::Entity")]
struct Name {
    name: String,
}

#[derive(Debug, DerivePartialModel)]
#[sea_orm(entity = "book::Entity")]
struct Cover {
    title: String,
    #[sea_orm(from_expr = "book::Column::Pages.if_null(0)")]
    pages: i32,
    #[sea_orm(nested)]
    author: Option<Name>,
}

#[derive(Debug, FromQueryResult)]
struct Total {
    author_id: i32,
    pages: Option<i64>,
}

#[derive(Clone, Copy, Debug, EnumIter, DeriveColumn)]
enum Query {
    Title,
}

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    parts(db, seen).await?;
    settle(db).await?;
    parts(db, seen).await
}

async fn parts(db: &Db, seen: &mut Seen) -> Result<()> {
    let books = || book::Entity::find().order_by_asc(book::Column::Id);
    let covers = books()
        .left_join(author::Entity)
        .into_partial_model::<Cover>();
    for cover in covers.all(db).await? {
        let author = cover.author.map(|author| author.name);
        seen.saw("cover", (cover.title, cover.pages, author));
    }
    let names = author::Entity::find().order_by_asc(author::Column::Id);
    let name = names.into_partial_model::<Name>().one(db).await?;
    seen.saw("name", name.map(|name| name.name));
    let tuples = books()
        .select_only()
        .columns([book::Column::Id, book::Column::AuthorId])
        .into_tuple::<(i32, i32)>();
    seen.saw("tuples", tuples.all(db).await?);
    let titles = books().select_only().column(book::Column::Title);
    let titles = titles.into_values::<String, Query>();
    seen.saw("values", titles.all(db).await?);
    let totals = book::Entity::find()
        .select_only()
        .column(book::Column::AuthorId)
        .column_as(book::Column::Pages.sum(), "pages")
        .group_by(book::Column::AuthorId)
        .having(Expr::col(book::Column::AuthorId).gt(0))
        .order_by_asc(book::Column::AuthorId)
        .into_model::<Total>();
    for total in totals.all(db).await? {
        seen.saw("total", (total.author_id, total.pages));
    }
    seen.saw("json", books().into_json().all(db).await?);
    let pair = books().find_also_related(author::Entity).into_json();
    seen.saw("json pair", pair.one(db).await?);
    let some = books().filter(book::Column::Id.is_in([2, 3]));
    seen.saw("some", some.into_json().one(db).await?);
    Ok(())
}
