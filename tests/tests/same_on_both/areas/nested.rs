//! Nested models: one save writes a tree, in a transaction of its own.

use anyhow::{Context, Result};
use sea_orm::{ActiveHasMany, EntityTrait, ModelTrait, QueryOrder, Set};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::{address, author, book, tag};

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::tables(db).await?;
    let mut ada = author::ActiveModel::builder()
        .set_name("Ada")
        .set_address(address::ActiveModel::builder().set_street("Main"))
        .add_book(
            book::ActiveModel::builder()
                .set_title("One")
                .add_tag(tag::ActiveModel::builder().set_label("new")),
        )
        .add_book(book::ActiveModel::builder().set_title("Two"))
        .save(db)
        .await?;
    seen.saw("saved", &ada);
    load(db, seen).await?;
    settle(db).await?;
    load(db, seen).await?;

    ada.books.as_mut_vec().push(book::ActiveModelEx {
        title: Set("Three".to_owned()),
        ..Default::default()
    });
    ada.address.as_mut().context("an address")?.street = Set("High".to_owned());
    let mut ada = ada.save(db).await?;
    load(db, seen).await?;
    ada.books = ActiveHasMany::Replace(vec![book::ActiveModelEx {
        title: Set("Only".to_owned()),
        ..Default::default()
    }]);
    let replaced = ada.save(db).await;
    seen.saw("replaced", replaced.map_err(|error| error.to_string()));
    load(db, seen).await?;

    let of_new = book::ActiveModel::builder()
        .set_title("Four")
        .set_author(author::ActiveModel::builder().set_name("Bob"))
        .save(db)
        .await?;
    seen.saw("with its author", of_new);
    load(db, seen).await?;
    let ada = author::Entity::find_by_id(1)
        .one(db)
        .await?
        .context("Ada")?;
    let deleted = ada.into_ex().delete(db).await;
    seen.saw("deleted", deleted.map_err(|error| error.to_string()));
    load(db, seen).await
}

async fn load(db: &Db, seen: &mut Seen) -> Result<()> {
    let authors = author::Entity::load()
        .with(address::Entity)
        .with((book::Entity, tag::Entity))
        .order_by_asc(author::Column::Id);
    seen.saw("loaded", authors.all(db).await?);
    if let Some(first) = author::Entity::find_by_id(1).one(db).await? {
        let books = first
            .find_related(book::Entity)
            .order_by_asc(book::Column::Id);
        seen.saw("books", books.all(db).await?);
    }
    Ok(())
}
