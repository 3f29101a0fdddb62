//! Why the shop asks for one floor for the whole process: its loaders read in tasks of their own.

use anyhow::{Context, Result};
use async_graphql::{Request, Value, value};
use graphql_shop::database::create_tables;
use orm_split::sea_orm::{Consistency, SplitConnection};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{Delay, shared};

const ADD: &str = r#"mutation {
    customer: addCustomer(name: "C") { id }
    product: addProduct(name: "P", price: 100) { id }
}"#;

/// A mutation that asks on through two loaders.
const REVIEW: &str = r#"mutation {
    addReview(product: 1, customer: 1, stars: 5, text: "T") { product { reviews { stars } } }
}"#;

/// A shop whose replicas have a product and a customer, at some level.
async fn shop(level: Consistency) -> Result<(SplitConnection, graphql_shop::Schema)> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).consistency(level).connect().await?;
    create_tables(&db).await?;
    let schema = graphql_shop::schema(&db);
    asked(&schema, ADD).await?;
    app::wait_until_replicas_serve(&db).await?;
    // one of the two may be later than the other
    app::wait_until_replicas_have(&db, "SELECT 1 FROM product").await?;
    Ok((db, schema))
}

async fn asked(schema: &graphql_shop::Schema, query: &str) -> Result<Value> {
    let answer = schema.execute(Request::new(query)).await;
    let answer = answer.into_result();
    let answer = answer.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
    Ok(answer.data)
}

async fn answer_to_a_review(level: Consistency) -> Result<Value> {
    let (db, schema) = shop(level).await?;
    let answer = asked(&schema, REVIEW).await.context("a review")?;
    db.close().await?;
    Ok(answer)
}

#[tokio::test]
async fn a_session_does_not_reach_into_the_task_of_a_loader() -> Result<()> {
    let answer = answer_to_a_review(Consistency::Session).await?;
    let stale = value!({ "addReview": { "product": { "reviews": [] } } });
    assert_eq!(answer, stale);
    Ok(())
}

#[tokio::test]
async fn the_level_of_the_process_does() -> Result<()> {
    let answer = answer_to_a_review(Consistency::Process).await?;
    let fresh = value!({ "addReview": { "product": { "reviews": [{ "stars": 5 }] } } });
    assert_eq!(answer, fresh);
    Ok(())
}
