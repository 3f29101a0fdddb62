//! Queries about members.

use sea_orm::{ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait};

use crate::entities::member;

pub async fn insert<C: ConnectionTrait>(
    db: &C,
    name: String,
    email: String,
) -> Result<member::Model, DbErr> {
    let member = member::ActiveModel {
        name: Set(name),
        email: Set(email),
        ..Default::default()
    };
    member.insert(db).await
}

pub async fn find<C: ConnectionTrait>(db: &C, id: i32) -> Result<Option<member::Model>, DbErr> {
    member::Entity::find_by_id(id).one(db).await
}
