//! What a request can end with instead of an answer.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use diesel::result::{DatabaseErrorKind, Error};
use orm_split::diesel::SplitError;
use serde_json::json;

/// A status, and what the client is told.
#[derive(Debug)]
pub struct Failed {
    status: StatusCode,
    message: String,
}

impl From<SplitError> for Failed {
    /// The pools have no connection to give.
    fn from(error: SplitError) -> Self {
        let status = StatusCode::SERVICE_UNAVAILABLE;
        let message = error.to_string();
        Self { status, message }
    }
}

impl From<Error> for Failed {
    /// A server that cannot be reached is no fault of the request. The message then names the node, and
    /// never a password.
    fn from(error: Error) -> Self {
        let failed = |status, message: &str| {
            let message = message.to_owned();
            Self { status, message }
        };
        if error == Error::NotFound {
            return failed(StatusCode::NOT_FOUND, "there is no such entry");
        }
        tracing::error!(%error, "a request failed");
        if let Error::DatabaseError(
            DatabaseErrorKind::UnableToSendCommand | DatabaseErrorKind::ClosedConnection,
            information,
        ) = &error
        {
            return failed(StatusCode::SERVICE_UNAVAILABLE, information.message());
        }
        failed(StatusCode::INTERNAL_SERVER_ERROR, "the database failed")
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.message });
        (self.status, Json(body)).into_response()
    }
}
