//! Relations: related, linked, joined, loaded in batches, loaded by the entity loader.

use anyhow::{Context, Result};
use sea_orm::{
    ColumnTrait, EntityLoaderTrait, EntityTrait, JoinType, LoaderTrait, ModelTrait, QueryFilter,
    QueryOrder, QuerySelect, RelationTrait,
};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::{TagsOfAuthor, address, author, book, tag};

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    everything(db, seen).await?;
    settle(db).await?;
    everything(db, seen).await
}

async fn everything(db: &Db, seen: &mut Seen) -> Result<()> {
    related(db, seen).await?;
    linked(db, seen).await?;
    batches(db, seen).await?;
    entity_loader(db, seen).await
}

async fn related(db: &Db, seen: &mut Seen) -> Result<()> {
    let ada = author::Entity::find_by_id(1)
        .one(db)
        .await?
        .context("Ada")?;
    seen.saw("has_one", ada.find_related(address::Entity).one(db).await?);
    let books = ada
        .find_related(book::Entity)
        .order_by_asc(book::Column::Id);
    seen.saw("has_many", books.all(db).await?);
    let with_author = book::Entity::find().find_also_related(author::Entity);
    let with_author = with_author.order_by_asc(book::Column::Id);
    seen.saw("also", with_author.all(db).await?);
    let with_books = author::Entity::find().find_with_related(book::Entity);
    let with_books = with_books
        .order_by_asc(author::Column::Id)
        .order_by_asc(book::Column::Id);
    seen.saw("with", with_books.all(db).await?);
    let both = book::Entity::find().find_both_related(author::Entity);
    seen.saw("both", both.order_by_asc(book::Column::Id).one(db).await?);
    let joined = book::Entity::find()
        .join(JoinType::InnerJoin, book::Relation::Author.def())
        .filter(author::Column::Name.eq("Bob"))
        .order_by_asc(book::Column::Id);
    seen.saw("join", joined.all(db).await?);
    Ok(())
}

async fn linked(db: &Db, seen: &mut Seen) -> Result<()> {
    let bob = author::Entity::find_by_id(2)
        .one(db)
        .await?
        .context("Bob")?;
    let tags = bob.find_linked(TagsOfAuthor).order_by_asc(tag::Column::Id);
    seen.saw("linked", tags.all(db).await?);
    let also = author::Entity::find().find_also_linked(TagsOfAuthor);
    seen.saw(
        "also linked",
        also.order_by_asc(author::Column::Id).all(db).await?.len(),
    );
    let with = author::Entity::find().find_with_linked(TagsOfAuthor);
    seen.saw(
        "with linked",
        with.order_by_asc(author::Column::Id).all(db).await?.len(),
    );
    Ok(())
}

async fn batches(db: &Db, seen: &mut Seen) -> Result<()> {
    let authors = author::Entity::find()
        .order_by_asc(author::Column::Id)
        .all(db)
        .await?;
    seen.saw("load_one", authors.load_one(address::Entity, db).await?);
    let books = book::Entity::find().order_by_asc(book::Column::Id);
    seen.saw("load_many", authors.load_many(books.clone(), db).await?);
    let books = books.all(db).await?;
    let tags = tag::Entity::find().order_by_asc(tag::Column::Id);
    seen.saw("many to many", books.load_many(tags, db).await?);
    seen.saw("belongs_to", books.load_one(author::Entity, db).await?);
    Ok(())
}

async fn entity_loader(db: &Db, seen: &mut Seen) -> Result<()> {
    let all = author::Entity::load()
        .with(address::Entity)
        .with((book::Entity, tag::Entity))
        .order_by_asc(author::Column::Id);
    let mut all = all.all(db).await?;
    for author in &mut all {
        seen.saw(
            "author",
            (&author.name, &author.address, author.books.len()),
        );
    }
    let one = book::Entity::load()
        .filter_by_id(1)
        .with(author::Entity)
        .with(tag::Entity);
    seen.saw("book", one.one(db).await?);
    let page = book::Entity::load()
        .with(author::Entity)
        .order_by_asc(book::Column::Id);
    seen.saw("page", page.paginate(db, 2).fetch_page(1).await?);
    Ok(())
}
