//! Sessions that somebody made, and the scope in which they are everybody's.
//!
//! Decides when such a session is over: when nobody can run anything in it any more. What it has written and
//! read is remembered by each splitter for itself, and no longer than that.

use std::future::Future;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Sessions;
use super::concern::ReadConcern;
use super::everywhere;
use super::key::SessionKey;

tokio::task_local! {
    static SCOPE: Session;
}

/// A session: who reads what was written, and never older data than was read before.
///
/// Without one the current tokio task is the session (outside a task the thread), which promises to read
/// its own writes. Inside [`scope`](Self::scope) it is this one, for everything that is awaited there, and
/// reads never go backwards. A clone is the same session. It is of no database: it can be used with several.
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
#[derive(Clone, Debug)]
#[must_use = "a session does nothing until something runs in its scope"]
pub struct Session {
    key: SessionKey,
    concern: ReadConcern,
    /// `None` for that of a task or thread.
    made: Option<Arc<Made>>,
}

/// What all clones of a session that was made share.
#[derive(Debug)]
struct Made {
    key: SessionKey,
    remembered_by: Mutex<Vec<Weak<Sessions>>>,
}

impl Drop for Made {
    fn drop(&mut self) {
        let sessions = self.remembered_by.get_mut().drain(..);
        for sessions in sessions.filter_map(|sessions| sessions.upgrade()) {
            sessions.end(self.key);
        }
    }
}

impl Default for Session {
    fn default() -> Self {
        Self::new()
    }
}

impl Session {
    /// A session that has neither written nor read anything.
    pub fn new() -> Self {
        let key = SessionKey::made();
        Self {
            made: Some(Arc::new(Made {
                key,
                remembered_by: Mutex::default(),
            })),
            ..Self::of(key)
        }
    }

    /// The session of the surrounding scope, else that of the current task or thread: to be carried into
    /// another task, whose reads and writes are then those of this session.
    pub fn current() -> Self {
        let scoped = SCOPE.try_with(Self::clone);
        scoped.unwrap_or_else(|_| Self::of(SessionKey::implicit()))
    }

    const fn of(key: SessionKey) -> Self {
        Self {
            key,
            concern: ReadConcern::NONE,
            made: None,
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
    pub async fn scope<F: Future>(mut self, future: F) -> F::Output {
        self.concern = self.concern.here();
        SCOPE.scope(self, future).await
    }

    /// As [`scope`](Self::scope), for what awaits nothing.
    pub fn sync_scope<T>(mut self, run: impl FnOnce() -> T) -> T {
        self.concern = self.concern.here();
        SCOPE.sync_scope(self, run)
    }

    /// The session wrote something that the library could not see, by another driver, another service or an
    /// ORM of its own: its reads see it, in whichever database it was.
    ///
    /// Every splitter of the process (a `SplitConnection` of SeaORM, a `SplitPool` of Diesel) that exists by now
    /// takes it for a write of this instant, and forgets it as any: when all of its replicas have that, or when
    /// the session is over. Where it is known which database was written to, `wrote()` of that one's handle
    /// leaves the reads of the others on their replicas.
    ///
    /// ```
    /// use orm_split_core::Session;
    ///
    /// async fn imported(file: &str) {
    ///     // … a service was asked to import the file, and has answered
    ///     Session::current().wrote();
    /// }
    /// # drop(imported("a"));
    /// ```
    pub fn wrote(&self) {
        // in its scope, so that its last clone takes along what is remembered of it
        self.clone().sync_scope(|| everywhere::wrote(self.key));
    }

    /// Whose session it is.
    #[must_use]
    pub fn key(&self) -> SessionKey {
        self.key
    }
}

/// Whose session the surrounding scope is.
pub(super) fn current_key() -> Option<SessionKey> {
    SCOPE.try_with(|session| session.key).ok()
}

/// What the surrounding scope asks for, and whose it is.
pub(super) fn current_concern() -> Option<(ReadConcern, SessionKey)> {
    SCOPE
        .try_with(|session| (session.concern, session.key))
        .ok()
}

/// Something of the session `key` is remembered from now on. If it is not that of the surrounding scope it
/// is forgotten when every node has passed it.
pub(super) fn is_remembered_by(sessions: &Weak<Sessions>, key: SessionKey) {
    let _without_a_scope = SCOPE.try_with(|session| {
        let Some(made) = session.made.as_ref().filter(|made| made.key == key) else {
            return;
        };
        let mut remembered_by = made.remembered_by.lock();
        if !remembered_by.iter().any(|known| known.ptr_eq(sessions)) {
            remembered_by.push(Weak::clone(sessions));
        }
    });
}
