//! What can be asked.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, Result};
use orm_split::sea_orm::SplitConnection;
use sea_orm::{EntityTrait, QueryOrder, QuerySelect};

use crate::entities::product;
use crate::loaders::Products;
use crate::objects::Product;

pub struct Query;

#[Object]
impl Query {
    /// The first products by name; at most 100.
    async fn products(&self, context: &Context<'_>, first: u64) -> Result<Vec<Product>> {
        let db = context.data::<SplitConnection>()?;
        let products = product::Entity::find().order_by_asc(product::Column::Name);
        let products = products.limit(first.min(100)).all(db).await?;
        Ok(products.into_iter().map(Product).collect())
    }

    async fn product(&self, context: &Context<'_>, id: i32) -> Result<Option<Product>> {
        let loader = context.data::<DataLoader<Products>>()?;
        Ok(loader.load_one(id).await?.map(Product))
    }
}
