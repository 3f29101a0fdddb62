//! The tower layer, given a request with some cookie or header.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use http::header::COOKIE;
use http::{HeaderName, HeaderValue, Request, Response};
use orm_split_core::tower::{KeepsSessions, SessionLayer};
use orm_split_core::{Hint, Role, Splitter};
use tower_layer::Layer;
use tower_service::Service;

use crate::fake::World;
use crate::forgeries;

const HEADER: HeaderName = HeaderName::from_static("x-session");

#[derive(Clone)]
struct Database(Arc<Splitter>);

impl KeepsSessions for Database {
    fn splitter(&self) -> Option<Arc<Splitter>> {
        Some(Arc::clone(&self.0))
    }
}

/// A handler that says where its reads go.
impl Service<Request<()>> for Database {
    type Response = Response<Role>;
    type Error = Infallible;
    type Future = Ready<Result<Response<Role>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        ready(Ok(Response::new(
            self.0.explain("SELECT 1", Hint::None).role,
        )))
    }
}

/// Whatever stands there, the request is answered, without a token; and nobody is kept on the primary by what
/// is no token.
pub(crate) async fn check(world: &World, by_header: bool, value: &[u8]) {
    let Ok(header) = HeaderValue::from_bytes(value) else {
        return;
    };
    let database = Database(Arc::clone(&world.splitter));
    let layer = SessionLayer::new(&database).cookie("s");
    let (layer, name) = match by_header {
        true => (layer.header(HEADER), HEADER),
        false => (layer, COOKIE),
    };
    let mut request = Request::new(());
    request.headers_mut().insert(name, header);
    let answer = layer.layer(database).call(request).await;
    let Ok(answer) = answer;
    assert!(answer.headers().is_empty(), "{:?}", answer.headers());
    let position = world.primary().fake.lock().position;
    let text = String::from_utf8_lossy(value);
    if forgeries::accepted(&text, position) == 0 {
        assert_eq!(*answer.body(), Role::Replica, "{text:?}");
    }
}
