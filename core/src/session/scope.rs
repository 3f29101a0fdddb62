//! Sessions that somebody made, and the scope in which they are everybody's.
//!
//! Decides nothing: what a session has written and read is remembered by each splitter for itself.

use std::future::Future;

use super::concern::ReadConcern;
use super::key::SessionKey;

tokio::task_local! {
    static SCOPE: Session;
}

/// A session: who reads what was written, and never older data than was read before.
///
/// Without one the current tokio task is the session (outside a task the thread), which promises to read
/// its own writes. Inside [`scope`](Self::scope) it is this one, for everything that is awaited there, and
/// reads never go backwards. A copy is the same session. It is of no database: it can be used with several.
///
/// ```
/// use orm_split_core::Session;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), tokio::task::JoinError> {
/// Session::new()
///     .scope(async {
///         // what the task writes, whoever spawned it reads
///         tokio::spawn(Session::current().scope(async { /* insert */ })).await
///     })
///     .await
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use = "a session does nothing until something runs in its scope"]
pub struct Session {
    key: SessionKey,
    concern: ReadConcern,
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session that has neither written nor read anything.
    pub fn new() -> Self {
        Self::of(SessionKey::made())
    }

    /// The session of the surrounding scope, else that of the current task or thread: to be carried into
    /// another task, whose reads and writes are then those of this session.
    pub fn current() -> Self {
        current().unwrap_or_else(|| Self::of(SessionKey::implicit()))
    }

    const fn of(key: SessionKey) -> Self {
        Self {
            key,
            concern: ReadConcern::NONE,
        }
    }

    /// The same session, in whose scope reads are as fresh as `concern` says.
    pub fn with(mut self, concern: impl Into<ReadConcern>) -> Self {
        self.concern = concern.into();
        self
    }

    /// Runs `future` in this session.
    ///
    /// # Cancel safety
    /// As `future`.
    pub async fn scope<F: Future>(self, future: F) -> F::Output {
        let mut inner = self;
        inner.concern = self.concern.here();
        SCOPE.scope(inner, future).await
    }

    /// As [`scope`](Self::scope), for what awaits nothing.
    pub fn sync_scope<T>(self, run: impl FnOnce() -> T) -> T {
        let mut inner = self;
        inner.concern = self.concern.here();
        SCOPE.sync_scope(inner, run)
    }

    /// Whose session it is.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }

    pub(crate) fn concern(&self) -> ReadConcern {
        self.concern
    }
}

/// The session of the surrounding scope.
pub(super) fn current() -> Option<Session> {
    SCOPE.try_with(|session| *session).ok()
}
