//! What can be changed. Each answer can be asked on, as any object can.

use async_graphql::{Context, Error, Object, Result};
use orm_split::sea_orm::{SplitConnection, SplitTransaction};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, IntoActiveModel, TransactionTrait,
};

use crate::entities::{customer, product, review};
use crate::objects::{Customer, Product, Review};

pub struct Mutation;

#[Object]
impl Mutation {
    async fn add_customer(&self, context: &Context<'_>, name: String) -> Result<Customer> {
        let db = context.data::<SplitConnection>()?;
        let customer = customer::ActiveModel {
            name: Set(name),
            ..Default::default()
        };
        Ok(Customer(customer.insert(db).await?))
    }

    async fn add_product(
        &self,
        context: &Context<'_>,
        name: String,
        price: i32,
    ) -> Result<Product> {
        let db = context.data::<SplitConnection>()?;
        let product = product::ActiveModel {
            name: Set(name),
            price: Set(price),
            ..Default::default()
        };
        Ok(Product(product.insert(db).await?))
    }

    async fn reprice(&self, context: &Context<'_>, id: i32, price: i32) -> Result<Product> {
        let db = context.data::<SplitConnection>()?;
        let product = product::Entity::find_by_id(id).one(db).await?;
        let product = product.ok_or_else(|| Error::new("there is no such product"))?;
        let mut product = product.into_active_model();
        product.price = Set(price);
        Ok(Product(product.update(db).await?))
    }

    async fn add_review(
        &self,
        context: &Context<'_>,
        product: i32,
        customer: i32,
        stars: i32,
        text: String,
    ) -> Result<Review> {
        if !(1..=5).contains(&stars) {
            return Err(Error::new("stars must be 1 to 5"));
        }
        let db = context.data::<SplitConnection>()?;
        let transaction = db.begin().await?;
        if !both_exist(&transaction, product, customer).await? {
            return Err(Error::new("there is no such product or customer"));
        }
        let review = review::ActiveModel {
            product_id: Set(product),
            customer_id: Set(customer),
            stars: Set(stars),
            text: Set(text),
            ..Default::default()
        };
        let review = review.insert(&transaction).await?;
        transaction.commit().await?;
        Ok(Review(review))
    }
}

async fn both_exist(
    transaction: &SplitTransaction,
    product: i32,
    customer: i32,
) -> Result<bool, DbErr> {
    let product = product::Entity::find_by_id(product)
        .one(transaction)
        .await?;
    let customer = customer::Entity::find_by_id(customer)
        .one(transaction)
        .await?;
    Ok(product.is_some() && customer.is_some())
}
