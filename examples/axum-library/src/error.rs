//! What a request can end with, and how it is told to the client.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use sea_orm::{DbErr, SqlErr};
use serde_json::json;

#[derive(Debug, thiserror::Error)]
pub enum AppError {
    #[error("there is no such {0}")]
    NotFound(&'static str),
    #[error("{field} {rule}")]
    Invalid {
        field: &'static str,
        rule: &'static str,
    },
    #[error("{0}")]
    Conflict(&'static str),
    #[error("the database failed")]
    Database(#[source] DbErr),
}

impl From<DbErr> for AppError {
    fn from(error: DbErr) -> Self {
        match error.sql_err() {
            Some(SqlErr::UniqueConstraintViolation(_)) => Self::Conflict("it exists already"),
            Some(SqlErr::ForeignKeyConstraintViolation(_)) => Self::Conflict("it is in use"),
            _ => Self::Database(error),
        }
    }
}

impl IntoResponse for AppError {
    fn into_response(self) -> Response {
        let (status, field) = match &self {
            Self::NotFound(_) => (StatusCode::NOT_FOUND, None),
            Self::Invalid { field, .. } => (StatusCode::UNPROCESSABLE_ENTITY, Some(*field)),
            Self::Conflict(_) => (StatusCode::CONFLICT, None),
            Self::Database(error) => {
                tracing::error!(%error, "a request failed");
                (StatusCode::INTERNAL_SERVER_ERROR, None)
            }
        };
        let body = json!({ "error": self.to_string(), "field": field });
        (status, Json(body)).into_response()
    }
}
