//! HTTP: what a request says, which service answers, and in which shape.

mod authors;
mod books;
mod loans;
mod members;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::{delete, get, post};

use crate::error::AppError;
use crate::state::AppState;

pub fn router(state: AppState) -> Router {
    Router::new()
        .route("/health", get(health))
        .route("/authors", post(authors::add))
        .route("/authors/{id}", get(authors::show))
        .route("/books", post(books::add).get(books::list))
        .route(
            "/books/{id}",
            get(books::show)
                .patch(books::rename)
                .delete(books::withdraw),
        )
        .route("/members", post(members::join))
        .route("/members/{id}/loans", get(members::loans))
        .route("/loans", post(loans::lend))
        .route("/loans/{id}", delete(loans::give_back))
        .with_state(state)
}

async fn health(State(state): State<AppState>) -> Result<StatusCode, AppError> {
    state.db.ping().await?;
    Ok(StatusCode::NO_CONTENT)
}
