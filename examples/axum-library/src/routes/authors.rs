//! `/authors`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::entities::{author, book};
use crate::error::AppError;
use crate::services::catalogue;
use crate::state::AppState;

#[derive(Deserialize)]
pub(super) struct NewAuthor {
    name: String,
}

#[derive(Serialize)]
pub(super) struct AuthorWithBooks {
    #[serde(flatten)]
    author: author::Model,
    books: Vec<book::Model>,
}

pub(super) async fn add(
    State(state): State<AppState>,
    Json(new): Json<NewAuthor>,
) -> Result<(StatusCode, Json<author::Model>), AppError> {
    let author = catalogue::add_author(&state.db, new.name).await?;
    Ok((StatusCode::CREATED, Json(author)))
}

pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<i32>,
) -> Result<Json<AuthorWithBooks>, AppError> {
    let (author, books) = catalogue::author(&state.db, id).await?;
    Ok(Json(AuthorWithBooks { author, books }))
}
