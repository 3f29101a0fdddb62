//! A shop with a little stock.

use anyhow::Result;
use sea_orm::ActiveValue::Set;
use sea_orm::EntityTrait;

use super::Db;
use crate::shop::{address, author, book, book_tag, tag};

/// The tables, empty.
pub(crate) async fn tables(db: &Db) -> Result<()> {
    let schema = db
        .get_schema_builder()
        .register(author::Entity)
        .register(address::Entity)
        .register(book::Entity)
        .register(tag::Entity)
        .register(book_tag::Entity);
    Ok(schema.apply(db).await?)
}

/// Three authors, six books, two tags.
pub(crate) async fn stock(db: &Db) -> Result<()> {
    tables(db).await?;
    let authors = ["Ada", "Bob", "Cleo"].map(|name| author::ActiveModel {
        name: Set(name.to_owned()),
        ..Default::default()
    });
    author::Entity::insert_many(authors).exec(db).await?;
    let address = address::ActiveModel {
        street: Set("Main".to_owned()),
        author_id: Set(1),
        ..Default::default()
    };
    address::Entity::insert(address).exec(db).await?;
    let books = (1..=6).map(|n| book::ActiveModel {
        author_id: Set(1 + n % 2),
        title: Set(format!("Book {n}")),
        pages: Set((n != 4).then_some(n * 100)),
        ..Default::default()
    });
    book::Entity::insert_many(books).exec(db).await?;
    let tags = ["new", "old"].map(|label| tag::ActiveModel {
        label: Set(label.to_owned()),
        ..Default::default()
    });
    tag::Entity::insert_many(tags).exec(db).await?;
    let tagged = [(1, 1), (1, 2), (2, 1), (5, 2)].map(|(book_id, tag_id)| book_tag::ActiveModel {
        book_id: Set(book_id),
        tag_id: Set(tag_id),
    });
    book_tag::Entity::insert_many(tagged).exec(db).await?;
    Ok(())
}
