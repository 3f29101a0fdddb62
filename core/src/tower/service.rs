//! The service of the layer: one request, one session.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{HeaderMap, Request, Response};
use tower_service::Service;

use super::SessionLayer;
use crate::clock::Moment;
use crate::session::{Session, SessionKey};

/// What a [`SessionLayer`] makes of a service.
///
/// ```
/// use orm_split_core::tower::{KeepsSessions, SessionLayer, SessionService};
/// use tower_layer::Layer;
///
/// fn with_sessions<S>(db: &impl KeepsSessions, service: S) -> SessionService<S> {
///     SessionLayer::new(db).layer(service)
/// }
/// ```
#[derive(Clone, Debug)]
pub struct SessionService<S> {
    pub(super) inner: S,
    pub(super) layer: SessionLayer,
}

impl<S, B, R> Service<Request<B>> for SessionService<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
    R: Send + 'static,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response<R>, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // the one that is ready serves the request; a clone of it may not be
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();
        Box::pin(async move {
            let session = Session::new();
            let key = session.key();
            let in_session = async {
                let begun = layer.resume(key, request.headers()).await;
                let mut answer = ready.call(request).await?;
                layer.tokens_of(key, &begun, answer.headers_mut()).await;
                Ok(answer)
            };
            session.scope(in_session).await
        })
    }
}

impl SessionLayer {
    /// Goes on where the client's tokens say. A token may be of any of the databases: it tells which cluster
    /// it is from, and two of them may be one, reached through two ORMs. When each session has written last
    /// by then.
    async fn resume(&self, session: SessionKey, request: &HeaderMap) -> Vec<Moment> {
        let tokens = self.carrier.tokens(request);
        let mut begun = Vec::with_capacity(self.databases.len());
        for splitter in self.databases.iter() {
            for token in tokens.iter().take(self.databases.len()) {
                if let Err(refusal) = splitter.resume(session, token).await {
                    tracing::debug!(%refusal, "a request's token was not accepted");
                }
            }
            begun.push(splitter.wrote_at(session));
        }
        begun
    }

    /// Puts a token into the answer for each database that the request has written to.
    async fn tokens_of(&self, session: SessionKey, begun: &[Moment], answer: &mut HeaderMap) {
        let mut tokens = Vec::new();
        let mut lifetime = Duration::MAX;
        for (splitter, begun) in self.databases.iter().zip(begun) {
            if splitter.wrote_at(session) <= *begun {
                continue;
            }
            match splitter.token([session]).await {
                Ok(token) => tokens.push(token.to_string()),
                Err(error) => tracing::debug!(%error, "an answer carries no token"),
            }
            let keys = splitter.options().token_keys.as_ref();
            lifetime = lifetime.min(keys.map_or(Duration::MAX, |keys| keys.lives()));
        }
        if !tokens.is_empty() {
            self.carrier.carry(&tokens, lifetime, answer);
        }
    }
}
