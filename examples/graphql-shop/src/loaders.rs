//! Data loaders: what a list of objects needs is fetched with one query, in a task of the loader.

use std::collections::HashMap;
use std::sync::Arc;

use async_graphql::dataloader::{DataLoader, Loader};
use orm_split::sea_orm::SplitConnection;
use sea_orm::{ColumnTrait, DbErr, EntityTrait, QueryFilter, QueryOrder};

use crate::entities::{customer, product, review};

/// Products by their key.
pub struct Products(pub SplitConnection);

/// Customers by their key.
pub struct Customers(pub SplitConnection);

/// Reviews by the key of their product.
pub struct ReviewsOfProduct(pub SplitConnection);

impl Loader<i32> for Products {
    type Value = product::Model;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[i32]) -> Result<HashMap<i32, product::Model>, Arc<DbErr>> {
        let wanted = product::Column::Id.is_in(keys.iter().copied());
        let found = product::Entity::find().filter(wanted).all(&self.0).await?;
        Ok(found.into_iter().map(|found| (found.id, found)).collect())
    }
}

impl Loader<i32> for Customers {
    type Value = customer::Model;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[i32]) -> Result<HashMap<i32, customer::Model>, Arc<DbErr>> {
        let wanted = customer::Column::Id.is_in(keys.iter().copied());
        let found = customer::Entity::find().filter(wanted).all(&self.0).await?;
        Ok(found.into_iter().map(|found| (found.id, found)).collect())
    }
}

impl Loader<i32> for ReviewsOfProduct {
    type Value = Vec<review::Model>;
    type Error = Arc<DbErr>;

    async fn load(&self, keys: &[i32]) -> Result<HashMap<i32, Vec<review::Model>>, Arc<DbErr>> {
        let wanted = review::Column::ProductId.is_in(keys.iter().copied());
        let reviews = review::Entity::find().filter(wanted);
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        for review in reviews
            .order_by_asc(review::Column::Id)
            .all(&self.0)
            .await?
        {
            found.entry(review.product_id).or_default().push(review);
        }
        Ok(found)
    }
}

/// A loader that batches what is asked for within a millisecond.
#[expect(
    clippy::disallowed_methods,
    reason = "a loader batches in a task of its own"
)]
pub fn batching<T>(loader: T) -> DataLoader<T> {
    DataLoader::new(loader, tokio::spawn)
}
