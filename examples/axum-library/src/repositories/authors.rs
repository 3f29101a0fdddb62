//! Queries about authors.

use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, ModelTrait,
};

use crate::entities::{author, book};

pub async fn insert<C: ConnectionTrait>(db: &C, name: String) -> Result<author::Model, DbErr> {
    let author = author::ActiveModel {
        name: Set(name),
        ..Default::default()
    };
    author.insert(db).await
}

pub async fn exists<C: ConnectionTrait>(db: &C, id: i32) -> Result<bool, DbErr> {
    let found = author::Entity::find_by_id(id).one(db).await?;
    Ok(found.is_some())
}

pub async fn with_books<C: ConnectionTrait>(
    db: &C,
    id: i32,
) -> Result<Option<(author::Model, Vec<book::Model>)>, DbErr> {
    let Some(author) = author::Entity::find_by_id(id).one(db).await? else {
        return Ok(None);
    };
    let books = author.find_related(book::Entity).all(db).await?;
    Ok(Some((author, books)))
}
