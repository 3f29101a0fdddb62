//! Requests that are sent at their time whether earlier ones have been answered or not, and timed from then.
//!
//! Decides when a request is due. A slow server must never slow down those who ask: what was not sent would
//! not be counted as slow.

use std::time::Duration;

use anyhow::Result;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

/// One request.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Request {
    /// When it was to be sent.
    pub due: Instant,
    /// From then to its end.
    pub took: Duration,
    /// What it failed with.
    pub failed: Option<String>,
}

/// Sends so many requests a second for so long, each in a task of its own, and waits for all of them.
///
/// # Errors
/// One of them panicked.
pub async fn open_loop<F>(
    per_second: u32,
    lasts: Duration,
    request: impl Fn(u32) -> F,
) -> Result<Requests>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let started = Instant::now();
    let between = Duration::from_secs(1) / per_second;
    let mut running = JoinSet::new();
    let mut requests = Vec::new();
    for number in 0.. {
        let due = started + between * number;
        if due >= started + lasts {
            break;
        }
        sleep_until(due).await;
        running.spawn(timed(due, request(number)));
        // what has ended would be kept until then
        while let Some(request) = running.try_join_next() {
            requests.push(request?);
        }
    }
    while let Some(request) = running.join_next().await {
        requests.push(request?);
    }
    Ok(Requests(requests))
}

async fn timed(due: Instant, request: impl Future<Output = Result<()>>) -> Request {
    let ended = request.await;
    Request {
        due,
        took: due.elapsed(),
        failed: ended.err().map(|error| format!("{error:#}")),
    }
}

/// All requests of a load.
#[derive(Clone, Debug)]
pub struct Requests(Vec<Request>);

impl Requests {
    /// Those that had ended before an instant.
    #[must_use]
    pub fn ended_before(&self, at: Instant) -> Self {
        self.those(|request| request.due + request.took < at)
    }

    /// Those of which some part was after one instant, and that were due before another.
    #[must_use]
    pub fn between(&self, from: Instant, to: Instant) -> Self {
        self.those(|request| request.due + request.took >= from && request.due < to)
    }

    fn those(&self, are: impl Fn(&Request) -> bool) -> Self {
        let those = self.0.iter().filter(|request| are(request));
        Self(those.cloned().collect())
    }

    /// How many there are.
    #[must_use]
    pub const fn count(&self) -> usize {
        self.0.len()
    }

    /// What the failed ones failed with.
    #[must_use]
    pub fn failures(&self) -> Vec<&str> {
        let all = self.0.iter();
        all.filter_map(|request| request.failed.as_deref())
            .collect()
    }

    /// How long so many of a thousand took at most; zero if there are none.
    #[must_use]
    pub fn at_most(&self, of_a_thousand: usize) -> Duration {
        let mut took: Vec<_> = self.0.iter().map(|request| request.took).collect();
        took.sort_unstable();
        let rank = (took.len() * of_a_thousand / 1_000).min(took.len().saturating_sub(1));
        took.get(rank).copied().unwrap_or_default()
    }

    /// How many took longer.
    #[must_use]
    pub fn slower_than(&self, limit: Duration) -> usize {
        let all = self.0.iter();
        all.filter(|request| request.took > limit).count()
    }
}
