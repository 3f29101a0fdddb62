//! A request that goes on where another process's token says, in a shop without one floor for the process:
//! its loaders batch in tasks of their own, and see what the request's session has to see.

#![cfg(target_os = "linux")]

use std::hash::Hash;
use std::time::Duration;

use anyhow::{Result, ensure};
use async_graphql::dataloader::{DataLoader, Loader};
use async_graphql::{Request, Value, value};
use graphql_shop::Schema;
use graphql_shop::database::create_tables;
use graphql_shop::loaders::{Customers, Products, ReviewsOfProduct};
use orm_split::sea_orm::{Session, SplitConnection, TokenKeys};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use tokio::time::{sleep, timeout};

const ADD: &str = r#"mutation {
    customer: addCustomer(name: "C") { id }
    product: addProduct(name: "P", price: 100) { id }
}"#;

const REVIEW: &str =
    r#"mutation { addReview(product: 1, customer: 1, stars: 5, text: "T") { id } }"#;

/// Through all three loaders.
const LOOK: &str = "{ product(id: 1) { reviews { customer { name } product { price } } } }";

/// One process of the shop.
struct Shop {
    db: SplitConnection,
    schema: Schema,
}

impl Shop {
    async fn open(database: &Database) -> Result<Self> {
        let keys = TokenKeys::new("a secret of at least thirty-two bytes")?;
        let db = app::builder(database).token_keys(keys).connect().await?;
        let schema = graphql_shop::schema(&db);
        Ok(Self { db, schema })
    }

    async fn asked(&self, request: Request) -> Result<Value> {
        let answer = self.schema.execute(request).await.into_result();
        let answer = answer.map_err(|errors| anyhow::anyhow!("{errors:?}"))?;
        Ok(answer.data)
    }

    /// Adds a review in a request of its own, whose answer comes with a token.
    async fn review(&self) -> Result<String> {
        let request = async {
            self.asked(Request::new(REVIEW)).await?;
            anyhow::Ok(self.db.token().await?.to_string())
        };
        Session::new().scope(request).await
    }

    /// Looks at the reviews in a request that came with a token.
    async fn look(&self, token: &str, request: Request) -> Result<Value> {
        let resumed = async {
            self.db.resume(token).await?;
            self.asked(request).await
        };
        Session::new().scope(resumed).await
    }

    /// With loaders of its own, which take its session along.
    fn with_loaders(&self) -> Request {
        Request::new(LOOK)
            .data(in_the_session(Products(self.db.clone())))
            .data(in_the_session(Customers(self.db.clone())))
            .data(in_the_session(ReviewsOfProduct(self.db.clone())))
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a loader batches in a task of its own"
)]
fn in_the_session<K, T>(loader: T) -> DataLoader<T>
where
    K: Hash + Eq + Clone + Send + Sync + 'static,
    T: Loader<K>,
{
    DataLoader::new(loader, |batch| {
        tokio::spawn(Session::current().scope(batch))
    })
}

fn reviews(count: i32) -> Value {
    let review = value!({ "customer": { "name": "C" }, "product": { "price": 100 } });
    let all = (0..count).map(|_| review.clone()).collect();
    value!({ "product": { "reviews": Value::List(all) } })
}

#[tokio::test(flavor = "multi_thread")]
async fn loaders_that_carry_the_session_of_a_resumed_request_miss_nothing_and_others_do()
-> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let writer = Shop::open(&database).await?;
    create_tables(&writer.db).await?;
    writer.asked(Request::new(ADD)).await?;
    app::wait_until_replicas_serve(&writer.db).await?;
    let reader = Shop::open(&database).await?;
    app::wait_until_replicas_serve(&reader.db).await?;
    app::wait_until_replicas_have(&reader.db, "SELECT 1 FROM product").await?;
    let (mut missed, mut token) = (0, String::new());
    for count in 1..=20 {
        token = writer.review().await?;
        // the schema's loaders, which all requests share
        let seen = reader.look(&token, Request::new(LOOK)).await?;
        missed += i32::from(seen != reviews(count));
        let seen = reader.look(&token, reader.with_loaders()).await?;
        assert_eq!(seen, reviews(count));
    }
    ensure!(missed > 5, "{missed} of 20 without the session");
    on_replicas_soon(&reader, &token).await
}

/// A token keeps nobody on the primary.
async fn on_replicas_soon(reader: &Shop, token: &str) -> Result<()> {
    let before = reader.db.status().served_by_replicas();
    let served = async {
        while reader.db.status().served_by_replicas() < before + 4 {
            let seen = reader.look(token, reader.with_loaders()).await?;
            assert_eq!(seen, reviews(20));
            sleep(Duration::from_millis(20)).await;
        }
        anyhow::Ok(())
    };
    timeout(Duration::from_secs(20), served).await?
}
