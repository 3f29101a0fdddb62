//! `/books`

use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::entities::{author, book};
use crate::error::AppError;
use crate::repositories::books::NewBook;
use crate::services::catalogue;
use crate::state::AppState;

#[derive(Deserialize)]
pub(super) struct BookToAdd {
    author_id: i32,
    title: String,
    year: i32,
    copies: i32,
}

#[derive(Deserialize)]
pub(super) struct NewTitle {
    title: String,
}

#[derive(Deserialize)]
pub(super) struct Search {
    title: Option<String>,
    #[serde(default)]
    page: u64,
    #[serde(default = "ten")]
    per_page: u64,
}

const fn ten() -> u64 {
    10
}

#[derive(Serialize)]
pub(super) struct Found {
    books: Vec<book::Model>,
    pages: u64,
    total: u64,
}

#[derive(Serialize)]
pub(super) struct BookWithAuthor {
    #[serde(flatten)]
    book: book::Model,
    author: Option<author::Model>,
}

pub(super) async fn add(
    State(state): State<AppState>,
    Json(new): Json<BookToAdd>,
) -> Result<(StatusCode, Json<book::Model>), AppError> {
    let new = NewBook {
        author_id: new.author_id,
        title: new.title,
        year: new.year,
        copies: new.copies,
    };
    let book = catalogue::add_book(&state.db, new).await?;
    Ok((StatusCode::CREATED, Json(book)))
}

pub(super) async fn list(
    State(state): State<AppState>,
    Query(search): Query<Search>,
) -> Result<Json<Found>, AppError> {
    let title = search.title.as_deref();
    let page = catalogue::search(&state.db, title, search.page, search.per_page).await?;
    Ok(Json(Found {
        books: page.books,
        pages: page.pages,
        total: page.total,
    }))
}

pub(super) async fn show(
    State(state): State<AppState>,
    Path(id): Path<i32>,
) -> Result<Json<BookWithAuthor>, AppError> {
    let (book, author) = catalogue::book(&state.db, id).await?;
    Ok(Json(BookWithAuthor { book, author }))
}

pub(super) async fn rename(
    State(state): State<AppState>,
    Path(id): Path<i32>,
    Json(new): Json<NewTitle>,
) -> Result<Json<book::Model>, AppError> {
    let book = catalogue::rename(&state.db, id, new.title).await?;
    Ok(Json(book))
}

pub(super) async fn withdraw(
    State(state): State<AppState>,
    Path(id): Path<i32>,
) -> Result<StatusCode, AppError> {
    catalogue::withdraw(&state.db, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
