//! The shop as its customers use it: the program runs, queries come over HTTP.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    reason = "a field that a JSON value lacks reads as null"
)]

mod levels;

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split_tests::kit::postgres::{Delay, shared};
use orm_split_tests::kit::program::Program;
use reqwest::Client;
use serde_json::{Value, json};
use tokio::time::sleep;

/// Each request comes over a connection of its own, as from behind a balancer.
struct Customer {
    client: Client,
    url: String,
}

impl Customer {
    async fn asks(&self, query: String) -> Result<Value> {
        let request = self.client.post(&self.url).json(&json!({ "query": query }));
        let mut answer: Value = request.send().await?.json().await?;
        ensure!(answer["errors"].is_null(), "{query}: {answer}");
        Ok(answer["data"].take())
    }

    /// Adds a product and a review, and asks on in the answer to each mutation and in queries of its own.
    async fn shops(&self, number: i32) -> Result<()> {
        let add = format!(
            "mutation {{ customer: addCustomer(name: \"C\") {{ id }}
               product: addProduct(name: \"P{number}\", price: 100) {{ id reviews {{ id }} }} }}"
        );
        let added = self.asks(add).await?;
        let (customer, product) = (&added["customer"]["id"], &added["product"]["id"]);
        for count in 1..=3 {
            let review = format!(
                "mutation {{ addReview(product: {product}, customer: {customer}, stars: {count}, text: \"T\")
                   {{ product {{ name reviews {{ stars customer {{ name }} }} }} }} }}"
            );
            let answer = self.asks(review).await?;
            let all: Vec<_> = (1..=count).map(review_of_c).collect();
            let shown = &answer["addReview"]["product"];
            ensure!(shown["reviews"] == json!(all), "nested: {answer}");
            let query = format!(
                "{{ product(id: {product}) {{ reviews {{ stars customer {{ name }} }} }} }}"
            );
            let answer = self.asks(query).await?;
            ensure!(
                answer["product"]["reviews"] == json!(all),
                "later: {answer}"
            );
        }
        self.sees_a_new_price(product).await
    }

    async fn sees_a_new_price(&self, product: &Value) -> Result<()> {
        let reprice = format!("mutation {{ reprice(id: {product}, price: 80) {{ price }} }}");
        self.asks(reprice).await?;
        let query = format!("{{ product(id: {product}) {{ price stars }} }}");
        let answer = self.asks(query).await?;
        ensure!(
            answer["product"] == json!({ "price": 80, "stars": 2.0 }),
            "{answer}"
        );
        Ok(())
    }

    /// Only looks; yields how many products there are.
    async fn looks_around(&self) -> Result<usize> {
        let query = "{ products(first: 100) { name stars reviews { customer { name } } } }";
        let answer = self.asks(query.to_owned()).await?;
        answer["products"]
            .as_array()
            .map(Vec::len)
            .context("a list")
    }
}

fn review_of_c(stars: i32) -> Value {
    json!({ "stars": stars, "customer": { "name": "C" } })
}

/// The running shop, and a customer.
async fn open(environment: &[(&str, &str)]) -> Result<(Program, Customer)> {
    let mut all = vec![("LISTEN", "127.0.0.1:0")];
    all.extend(environment);
    let program = Program::start(env!("CARGO_BIN_EXE_graphql-shop"), &all)?;
    let line = program.line_with("listening on ").await?;
    let address = line.rsplit(' ').next().context("an address")?;
    let client = Client::builder().pool_max_idle_per_host(0).build()?;
    let url = format!("http://{address}");
    Ok((program, Customer { client, url }))
}

#[tokio::test]
async fn shopping_without_any_configuration_ends_well_on_a_sqlite_file() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let folder = folder.path().to_str().context("a path")?;
    let (program, customer) = open(&[("TMPDIR", folder)]).await?;
    for number in 0..3 {
        customer.shops(number).await?;
    }
    assert_eq!(customer.looks_around().await?, 3);
    program.stop().await.map(drop)
}

#[tokio::test]
async fn shopping_on_one_postgres_ends_well() -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let (program, customer) = open(&[("DATABASE_URL", database.primary_url())]).await?;
    for number in 0..3 {
        customer.shops(number).await?;
    }
    assert_eq!(customer.looks_around().await?, 3);
    program.stop().await.map(drop)
}

#[tokio::test]
async fn no_loader_misses_what_a_mutation_wrote_although_the_replicas_lag() -> Result<()> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let replicas = database.replica_urls().join(",");
    let urls = [
        ("DATABASE_URL", database.primary_url()),
        ("REPLICA_URLS", &replicas),
    ];
    let (program, customer) = open(&urls).await?;
    for number in 1..=3 {
        customer.shops(number).await?;
        // until the replicas have it, more or less
        sleep(Duration::from_millis(700)).await;
        for _ in 0..5 {
            assert_eq!(customer.looks_around().await?, usize::try_from(number)?);
        }
    }
    let on_replicas = program.reads_on_replicas();
    println!("statements on replicas: {on_replicas}");
    assert!(on_replicas > 0);
    program.stop().await.map(drop)
}
