//! Whose session a statement belongs to.
//!
//! Decides which it is when nobody says: that of the surrounding [`Session::scope`](super::Session::scope),
//! else that of the tokio task, outside one that of the thread.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::ThreadId;

use super::scope;

/// Whose session a statement belongs to.
///
/// ```
/// use orm_split_core::SessionKey;
///
/// assert_eq!(SessionKey::current(), SessionKey::current());
/// let other = std::thread::spawn(SessionKey::current).join();
/// assert_ne!(other.ok(), Some(SessionKey::current()));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SessionKey(Owner);

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Owner {
    Task(tokio::task::Id),
    Thread(ThreadId),
    /// A handle, a scope, a session that somebody made.
    Made(u64),
}

impl SessionKey {
    /// The session of the surrounding scope; without one that of the current tokio task; outside one (also
    /// in the root future of a runtime) that of the thread.
    #[must_use]
    pub fn current() -> Self {
        scope::current_key().unwrap_or_else(Self::implicit)
    }

    /// Whose draw decides whether reads are within the share of reads, through a handle whose own session is
    /// `handle`: within one scope all handles read alike, and within one handle all tasks.
    pub(crate) fn that_draws(handle: Option<Self>) -> Self {
        let scoped = scope::current_key().or(handle);
        scoped.unwrap_or_else(Self::implicit)
    }

    /// A number below 100: always the same one.
    pub(crate) fn draw(self) -> u8 {
        let mut hasher = DefaultHasher::new();
        self.hash(&mut hasher);
        u8::try_from(hasher.finish() % 100).unwrap_or_default()
    }

    pub(super) fn implicit() -> Self {
        Self(
            tokio::task::try_id()
                .map_or_else(|| Owner::Thread(std::thread::current().id()), Owner::Task),
        )
    }

    /// A session of its own: for a scope, or on top of the task's for a handle, as long as that lives.
    /// To be ended with [`Splitter::end_session`](crate::Splitter::end_session) if it stands for one
    /// connection; others are forgotten once every replica has what they wrote and read.
    #[must_use]
    pub fn made() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(Owner::Made(NEXT.fetch_add(1, Ordering::Relaxed)))
    }

    /// Whether its reads are remembered too. Remembering every read of every task would cost memory
    /// without end.
    pub(crate) fn reads_monotonically(self) -> bool {
        matches!(self.0, Owner::Made(_))
    }
}
