//! `/loans`

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use serde::Deserialize;

use crate::entities::loan;
use crate::error::AppError;
use crate::services::lending;
use crate::state::AppState;

#[derive(Deserialize)]
pub(super) struct NewLoan {
    book_id: i32,
    member_id: i32,
}

pub(super) async fn lend(
    State(state): State<AppState>,
    Json(new): Json<NewLoan>,
) -> Result<(StatusCode, Json<loan::Model>), AppError> {
    let loan = lending::lend(&state.db, new.book_id, new.member_id).await?;
    Ok((StatusCode::CREATED, Json(loan)))
}

pub(super) async fn give_back(
    State(state): State<AppState>,
    Path(id): Path<i32>,
) -> Result<StatusCode, AppError> {
    lending::give_back(&state.db, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
