//! `/members`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

use crate::entities::{book, loan, member};
use crate::error::AppError;
use crate::services::lending;
use crate::state::AppState;

#[derive(Deserialize)]
pub(super) struct NewMember {
    name: String,
    email: String,
}

#[derive(Serialize)]
pub(super) struct LoanWithBook {
    #[serde(flatten)]
    loan: loan::Model,
    book: Option<book::Model>,
}

pub(super) async fn join(
    State(state): State<AppState>,
    Json(new): Json<NewMember>,
) -> Result<(StatusCode, Json<member::Model>), AppError> {
    let member = lending::join(&state.db, new.name, new.email).await?;
    Ok((StatusCode::CREATED, Json(member)))
}

pub(super) async fn loans(
    State(state): State<AppState>,
    Path(id): Path<i32>,
) -> Result<Json<Vec<LoanWithBook>>, AppError> {
    let loans = lending::loans_of(&state.db, id).await?.into_iter();
    let loans = loans.map(|(loan, book)| LoanWithBook { loan, book });
    Ok(Json(loans.collect()))
}
