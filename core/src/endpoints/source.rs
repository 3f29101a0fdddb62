//! Where the endpoints learn what they show.
//!
//! Decides how often a primary is asked that nobody watches. Must never let those who look at the endpoints
//! take connections from those who work.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::StalenessLately;
use crate::health::HealthState;
use crate::role::Role;
use crate::status::Status;

/// What shows a [`Status`]: a `SplitConnection` of SeaORM, a `SplitPool` of Diesel, or any closure that yields one.
///
/// ```
/// use orm_split_core::endpoints::{Endpoints, StatusSource};
/// use orm_split_core::Splitter;
///
/// fn endpoints(splitter: std::sync::Arc<Splitter>) -> Endpoints {
///     Endpoints::of(move || splitter.status())
/// }
/// ```
#[async_trait]
pub trait StatusSource: Send + Sync + 'static {
    /// The status now. Cheap: it is asked for at each request.
    fn status(&self) -> Status;

    /// The staleness of the last minutes; nothing, by default.
    fn recent(&self) -> StalenessLately {
        StalenessLately::default()
    }

    /// Whether the primary answers. Asked only where nobody watches it, which is so without replicas, and then
    /// once a second at most, for no longer than that. By default it is not known to.
    async fn primary_answers(&self) -> bool {
        false
    }
}

#[async_trait]
impl<F: Fn() -> Status + Send + Sync + 'static> StatusSource for F {
    fn status(&self) -> Status {
        self()
    }
}

/// A source, and what its primary last answered.
pub(super) struct Watched {
    source: Box<dyn StatusSource>,
    answered: Mutex<Option<(Instant, bool)>>,
}

/// An answer is good for so long, and so long it may take.
const ASKED_EVERY: Duration = Duration::from_secs(1);

impl Watched {
    pub(super) fn over(source: impl StatusSource) -> Self {
        Self {
            source: Box::new(source),
            answered: Mutex::default(),
        }
    }

    pub(super) fn recent(&self) -> StalenessLately {
        self.source.recent()
    }

    /// The status, in which the health of a primary without replicas is what it answers.
    pub(super) async fn status(self: &Arc<Self>) -> Status {
        let mut status = self.source.status();
        let is_watched = status.nodes.iter().any(|node| node.role == Role::Replica);
        if is_watched {
            return status;
        }
        for node in &mut status.nodes {
            if node.role == Role::Primary && node.health == HealthState::Unknown {
                node.health = match self.primary_answers().await {
                    true => HealthState::Up,
                    false => HealthState::Down,
                };
            }
        }
        status
    }

    /// Whoever comes while it is asked waits for that answer.
    async fn primary_answers(&self) -> bool {
        let mut answered = self.answered.lock().await;
        if let Some((at, answer)) = *answered
            && at.elapsed() < ASKED_EVERY
        {
            return answer;
        }
        let asked = tokio::time::timeout(ASKED_EVERY, self.source.primary_answers());
        let answer = asked.await.unwrap_or(false);
        *answered = Some((Instant::now(), answer));
        answer
    }
}
