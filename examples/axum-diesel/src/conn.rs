//! The extractor: a handler that names [`Conn`] among its arguments is given a connection.
//!
//! It takes none from a server yet. Each statement does, from the server where it belongs, so a handler
//! that answers without the database costs the pools nothing.

use axum::extract::{FromRef, FromRequestParts};
use axum::http::request::Parts;
use orm_split::diesel::{NodeConnection, SplitConnection, SplitPool};

use crate::failed::Failed;

/// A connection for one request, to a primary and its replicas.
pub struct Conn<C: NodeConnection>(pub SplitConnection<C>);

impl<S, C> FromRequestParts<S> for Conn<C>
where
    S: Send + Sync,
    C: NodeConnection,
    SplitPool<C>: FromRef<S>,
{
    type Rejection = Failed;

    async fn from_request_parts(_: &mut Parts, state: &S) -> Result<Self, Failed> {
        let pool = SplitPool::<C>::from_ref(state);
        Ok(Self(pool.get().await?))
    }
}
