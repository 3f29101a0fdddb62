//! What reads may cost the primary, and each other, when replicas fail.
//!
//! Decides how many reads at once fall back to the primary, and whether a failed read is tried again. Must
//! never let an outage of replicas become one of the primary. Reads that are on the primary for *freshness*
//! are no fallback: they are there because nobody else can answer them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::clock::Moment;
use crate::config::{Fallback, Options};

/// Where nobody says how many connections the primary's pool holds: half of the ten that pools mostly hold.
const UNTOLD: u32 = 5;

/// How long both sqlx's and bb8's pools make a statement wait for a connection, unless told otherwise.
const AS_POOLS_DO: Duration = Duration::from_secs(30);

/// The places that reads have on the primary while no replica is up.
#[derive(Debug)]
pub(crate) struct FallbackBudget {
    policy: Fallback,
    wait: Duration,
    places: Arc<Semaphore>,
    /// How many there are in all; 0 as long as that is not settled.
    cap: AtomicU32,
    /// Reads that got none.
    shed: AtomicU64,
}

/// One place, or none where nobody counts.
pub(crate) type Place = Option<OwnedSemaphorePermit>;

/// All places are taken, and so many there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full {
    pub(crate) cap: u32,
}

impl FallbackBudget {
    pub(crate) fn new(options: &Options) -> Self {
        let budget = Self {
            policy: options.fallback,
            wait: options.checkout_deadline,
            places: Arc::new(Semaphore::new(0)),
            cap: AtomicU32::new(0),
            shed: AtomicU64::new(0),
        };
        if let Fallback::CappedAt(cap) = options.fallback {
            budget.settle(cap);
        }
        budget
    }

    /// The primary's pool holds so many connections.
    pub(crate) fn primary_holds(&self, connections: u32) {
        self.settle((connections / 2).max(1));
    }

    /// The first word counts.
    fn settle(&self, cap: u32) {
        let settled = self
            .cap
            .compare_exchange(0, cap, Ordering::AcqRel, Ordering::Acquire);
        if settled.is_ok() {
            self.places
                .add_permits(usize::try_from(cap).unwrap_or(usize::MAX >> 4));
        }
    }

    /// A place for one read, which waits for it a short while; longer if some replica `is_up`, whose
    /// connections are only all in use.
    pub(crate) async fn place(&self, is_up: bool) -> Result<Place, Full> {
        match self.policy {
            Fallback::Always => return Ok(None),
            Fallback::Never => return Err(self.shed(0)),
            Fallback::Capped | Fallback::CappedAt(_) => self.settle(UNTOLD),
        }
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(Some(place));
        }
        let wait = Arc::clone(&self.places).acquire_owned();
        let limit = if is_up { AS_POOLS_DO } else { self.wait };
        match tokio::time::timeout(limit, wait).await {
            Ok(Ok(place)) => Ok(Some(place)),
            // nobody closes it
            Ok(Err(_)) | Err(_) => Err(self.shed(self.cap.load(Ordering::Acquire))),
        }
    }

    fn shed(&self, cap: u32) -> Full {
        self.shed.fetch_add(1, Ordering::Relaxed);
        Full { cap }
    }

    /// Reads that got no place, since the start.
    pub(crate) fn shed_so_far(&self) -> u64 {
        self.shed.load(Ordering::Relaxed)
    }

    /// Places taken, of how many; `None` if nobody counts.
    pub(crate) fn use_now(&self) -> Option<(u32, u32)> {
        match self.policy {
            Fallback::Always => None,
            Fallback::Never => Some((0, 0)),
            Fallback::Capped | Fallback::CappedAt(_) => {
                let cap = self.cap.load(Ordering::Acquire);
                let free = u32::try_from(self.places.available_permits()).unwrap_or(u32::MAX);
                Some((cap.saturating_sub(free), cap))
            }
        }
    }
}

/// How many failed reads may be tried again: a tenth of all reads and one a second, and a hundred at once.
///
/// Only for failures that leave their node in use (a conflict with replay, a pool that is full). A node that
/// is to blame leaves, and what it had under way moves in any case.
#[derive(Debug)]
pub(crate) struct RetryBudget(Mutex<Bucket>);

#[derive(Debug)]
struct Bucket {
    tokens: f64,
    filled_at: Moment,
    /// Reads until then.
    reads: u64,
}

const MOST: f64 = 100.0;
const PER_READ: f64 = 0.1;

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Mutex::new(Bucket {
            tokens: MOST,
            filled_at: Moment::NEVER,
            reads: 0,
        }))
    }
}

impl RetryBudget {
    /// Takes a token if there is one, when there were `reads` so far.
    #[expect(clippy::cast_precision_loss, reason = "reads since the last retry")]
    pub(crate) fn take(&self, reads: u64, now: Moment) -> bool {
        let mut bucket = self.0.lock();
        let seconds = now.since(bucket.filled_at).as_secs_f64();
        let earned = reads.saturating_sub(bucket.reads) as f64 * PER_READ + seconds;
        bucket.tokens = (bucket.tokens + earned).min(MOST);
        bucket.filled_at = bucket.filled_at.max(now);
        bucket.reads = bucket.reads.max(reads);
        let is_there = bucket.tokens >= 1.0;
        if is_there {
            bucket.tokens -= 1.0;
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::NEVER.after(Duration::from_secs(seconds))
    }

    fn with(fallback: Fallback) -> Options {
        Options {
            fallback,
            ..Options::default()
        }
    }

    fn taken(budget: &RetryBudget, reads: u64, now: Moment) -> usize {
        (0..1_000).take_while(|_| budget.take(reads, now)).count()
    }

    #[test]
    fn a_tenth_of_the_reads_and_one_a_second_may_be_retried_after_a_hundred_at_once() {
        let budget = RetryBudget::default();
        assert_eq!(taken(&budget, 0, at(1)), 100);
        assert_eq!(taken(&budget, 0, at(6)), 5);
        assert_eq!(taken(&budget, 200, at(6)), 20);
        assert_eq!(taken(&budget, 1_000_000, at(7)), 100, "nothing is saved up");
    }

    #[tokio::test(start_paused = true)]
    async fn half_of_the_primarys_pool_is_for_reads_that_fall_back() {
        let budget = FallbackBudget::new(&Options::default());
        budget.primary_holds(7);
        budget.primary_holds(70);
        let mut places = Vec::new();
        for _ in 0..3 {
            places.push(budget.place(false).await.expect("a place"));
        }
        assert_eq!(
            budget.place(false).await.expect_err("full"),
            Full { cap: 3 }
        );
        assert_eq!((budget.use_now(), budget.shed_so_far()), (Some((3, 3)), 1));
        places.pop();
        assert!(budget.place(false).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_read_waits_a_short_while_for_a_place() {
        let options = with(Fallback::CappedAt(1));
        let budget = FallbackBudget::new(&options);
        let place = budget.place(false).await.expect("a place");
        let freed = async {
            tokio::time::sleep(options.checkout_deadline / 2).await;
            drop(place);
        };
        let (second, ()) = tokio::join!(budget.place(false), freed);
        assert!(second.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn who_finds_replicas_busy_waits_as_for_any_pool() {
        let budget = FallbackBudget::new(&with(Fallback::CappedAt(1)));
        let place = budget.place(true).await.expect("a place");
        let freed = async {
            tokio::time::sleep(AS_POOLS_DO / 2).await;
            drop(place);
        };
        let (second, ()) = tokio::join!(budget.place(true), freed);
        assert!(second.is_ok());
        assert!(budget.place(true).await.is_err(), "but not for ever");
    }

    #[tokio::test(start_paused = true)]
    async fn never_sheds_all_and_always_none() {
        let never = FallbackBudget::new(&with(Fallback::Never));
        assert_eq!(never.place(false).await.expect_err("full"), Full { cap: 0 });
        let always = FallbackBudget::new(&with(Fallback::Always));
        let places = futures_util::future::join_all((0..1_000).map(|_| always.place(false))).await;
        assert!(places.iter().all(Result::is_ok));
    }
}
