//! What is on the shelves.

use sea_orm::entity::prelude::*;

#[sea_orm::model]
#[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
#[sea_orm(table_name = "book")]
pub struct Model {
    #[sea_orm(primary_key)]
    pub id: i32,
    pub title: String,
    /// In cents.
    pub price: i32,
    /// Copies on the shelf.
    pub stock: i32,
    pub author_id: i32,
    #[sea_orm(belongs_to, from = "author_id", to = "id")]
    pub author: BelongsTo<super::author::Entity>,
    #[sea_orm(has_many)]
    pub sales: HasMany<super::sale::Entity>,
}

impl ActiveModelBehavior for ActiveModel {}
