//! What a query can ask of a product, a customer and a review.

use async_graphql::dataloader::DataLoader;
use async_graphql::{Context, Object, Result};

use crate::entities::{customer, product, review};
use crate::loaders::{Customers, Products, ReviewsOfProduct};

pub struct Product(pub product::Model);

pub struct Customer(pub customer::Model);

pub struct Review(pub review::Model);

#[Object]
impl Product {
    async fn id(&self) -> i32 {
        self.0.id
    }

    async fn name(&self) -> &str {
        &self.0.name
    }

    async fn price(&self) -> i32 {
        self.0.price
    }

    async fn reviews(&self, context: &Context<'_>) -> Result<Vec<Review>> {
        let reviews = self.loaded(context).await?;
        Ok(reviews.into_iter().map(Review).collect())
    }

    /// The mean of all reviews; null without any.
    async fn stars(&self, context: &Context<'_>) -> Result<Option<f64>> {
        let reviews = self.loaded(context).await?;
        let count = u32::try_from(reviews.len())?;
        let sum: i32 = reviews.iter().map(|review| review.stars).sum();
        Ok((count > 0).then(|| f64::from(sum) / f64::from(count)))
    }
}

impl Product {
    async fn loaded(&self, context: &Context<'_>) -> Result<Vec<review::Model>> {
        let loader = context.data::<DataLoader<ReviewsOfProduct>>()?;
        Ok(loader.load_one(self.0.id).await?.unwrap_or_default())
    }
}

#[Object]
impl Customer {
    async fn id(&self) -> i32 {
        self.0.id
    }

    async fn name(&self) -> &str {
        &self.0.name
    }
}

#[Object]
impl Review {
    async fn id(&self) -> i32 {
        self.0.id
    }

    async fn stars(&self) -> i32 {
        self.0.stars
    }

    async fn text(&self) -> &str {
        &self.0.text
    }

    async fn customer(&self, context: &Context<'_>) -> Result<Option<Customer>> {
        let loader = context.data::<DataLoader<Customers>>()?;
        let found = loader.load_one(self.0.customer_id).await?;
        Ok(found.map(Customer))
    }

    async fn product(&self, context: &Context<'_>) -> Result<Option<Product>> {
        let loader = context.data::<DataLoader<Products>>()?;
        let found = loader.load_one(self.0.product_id).await?;
        Ok(found.map(Product))
    }
}
