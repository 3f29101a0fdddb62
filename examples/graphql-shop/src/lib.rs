//! A shop over GraphQL.
//!
//! One schema for all requests; its data loaders are shared, so that requests at the same time share
//! a query too.

#![allow(
    missing_docs,
    missing_debug_implementations,
    unreachable_pub,
    clippy::exhaustive_enums,
    clippy::exhaustive_structs,
    clippy::missing_errors_doc,
    reason = "an application: nobody depends on it"
)]

pub mod database;
pub mod entities;
pub mod loaders;
mod mutation;
mod objects;
mod query;

use async_graphql::http::GraphiQLSource;
use async_graphql::{EmptySubscription, Request, Response};
use axum::extract::State;
use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use orm_split::sea_orm::SplitConnection;
use tokio::net::TcpListener;

use crate::loaders::{Customers, Products, ReviewsOfProduct, batching};

pub type Schema = async_graphql::Schema<query::Query, mutation::Mutation, EmptySubscription>;

pub fn schema(db: &SplitConnection) -> Schema {
    Schema::build(query::Query, mutation::Mutation, EmptySubscription)
        .data(batching(Products(db.clone())))
        .data(batching(Customers(db.clone())))
        .data(batching(ReviewsOfProduct(db.clone())))
        .data(db.clone())
        .finish()
}

/// Serves until `stop` resolves, finishes the requests it has begun, and closes the database.
pub async fn serve<F>(listener: TcpListener, db: SplitConnection, stop: F) -> anyhow::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let router = Router::new()
        .route("/", get(page).post(answer))
        .with_state(schema(&db));
    axum::serve(listener, router)
        .with_graceful_shutdown(stop)
        .await?;
    Ok(db.close().await?)
}

async fn answer(State(schema): State<Schema>, Json(request): Json<Request>) -> Json<Response> {
    Json(schema.execute(request).await)
}

/// A page on which queries can be tried.
async fn page() -> Html<String> {
    Html(GraphiQLSource::build().endpoint("/").finish())
}
