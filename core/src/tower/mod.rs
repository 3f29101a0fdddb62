//! A tower layer: a session per request, and its token in a cookie or header.
//!
//! Decides when a token goes out: with the answer to a request that wrote. Must never fail a request for
//! want of a token, nor let a client do more with one than read what was written.

mod carrier;
mod service;

use std::fmt;
use std::sync::Arc;

use http::HeaderName;

use crate::splitter::Splitter;
use carrier::Carrier;
pub use service::SessionService;

/// What the layer keeps sessions of: a `SplitConnection` of SeaORM, a `SplitPool` of Diesel.
pub trait KeepsSessions {
    /// `None` without replicas.
    #[doc(hidden)]
    fn splitter(&self) -> Option<Arc<Splitter>>;
}

/// Makes each request a session of its own, which goes on in the client's next one.
///
/// Whatever a handler writes, its reads see; reads of one request never go backwards. The answer to a request
/// that wrote carries a token, by default in the cookie `orm_split_session` (`Secure`, `HttpOnly`,
/// `SameSite=Lax`, for as long as tokens live), and the client's next requests read what it wrote, in
/// whichever process they are handled. Tokens need keys, see `token_keys` of the builders; without keys, or
/// with a token that is refused, a request is a session that begins there.
///
/// The session is that of what the handler awaits. A task that it spawns needs
/// [`Session::current`](crate::Session::current), and so does a body that is streamed after the handler has
/// returned.
///
/// ```
/// use orm_split_core::tower::{KeepsSessions, SessionLayer};
///
/// fn layer(db: &impl KeepsSessions, other: &impl KeepsSessions) -> SessionLayer {
///     SessionLayer::new(db).and(other)
/// }
/// ```
#[derive(Clone)]
pub struct SessionLayer {
    /// Those that have replicas.
    databases: Arc<[Arc<Splitter>]>,
    carrier: Arc<Carrier>,
}

impl SessionLayer {
    /// Sessions of one database.
    #[must_use]
    pub fn new(database: &impl KeepsSessions) -> Self {
        Self {
            databases: database.splitter().into_iter().collect(),
            carrier: Arc::default(),
        }
    }

    /// And of another one, or of the same through another ORM.
    #[must_use]
    pub fn and(mut self, database: &impl KeepsSessions) -> Self {
        let all = self.databases.iter().cloned();
        self.databases = all.chain(database.splitter()).collect();
        self
    }

    /// The name of the cookie. Default `orm_split_session`.
    #[must_use]
    pub fn cookie(mut self, name: impl Into<String>) -> Self {
        Arc::make_mut(&mut self.carrier).cookie = name.into();
        self
    }

    /// Whether the cookie is sent over HTTPS only. Default `true`.
    #[must_use]
    pub fn secure(mut self, secure: bool) -> Self {
        Arc::make_mut(&mut self.carrier).secure = secure;
        self
    }

    /// A header takes the place of the cookie, in both directions: for clients that are no browsers.
    #[must_use]
    pub fn header(mut self, name: HeaderName) -> Self {
        Arc::make_mut(&mut self.carrier).header = Some(name);
        self
    }
}

impl<S> tower_layer::Layer<S> for SessionLayer {
    type Service = SessionService<S>;

    fn layer(&self, inner: S) -> SessionService<S> {
        SessionService {
            inner,
            layer: self.clone(),
        }
    }
}

impl fmt::Debug for SessionLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionLayer")
            .field("databases", &self.databases.len())
            .field("carrier", &self.carrier)
            .finish()
    }
}
