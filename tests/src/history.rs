//! The history checker on real servers: sessions write rising integers, and read what they and others have
//! written, while the servers go through trouble.
//!
//! Decides only what a violation is: a read of a key below what its session last wrote there, or last read
//! there. Nothing here knows how a node is chosen.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::Result;
use orm_split::sea_orm::Session;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use tokio::sync::RwLock;
use tokio::task::JoinSet;
use tokio::time::sleep;

use crate::application::Application;

/// Reads between two writes of a session, on the average.
const READS_PER_WRITE: u32 = 5;

/// What the sessions of one application saw.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Seen {
    /// Reads that were answered.
    pub reads: AtomicU64,
    /// Of them those that showed less than their session had written or read.
    pub violations: AtomicU64,
    /// Reads that failed.
    pub failed_reads: AtomicU64,
    /// Reads that failed while, or just after, nobody could be expected to answer them.
    pub excused_reads: AtomicU64,
    /// Writes that were acknowledged.
    pub writes: AtomicU64,
    /// Writes that failed, or whose outcome is unknown.
    pub failed_writes: AtomicU64,
}

fn add(counter: &AtomicU64) {
    counter.fetch_add(1, Ordering::Relaxed);
}

/// The sessions of one application.
#[derive(Debug)]
pub struct History {
    seen: Arc<Seen>,
    /// Held by whoever writes; a test takes it whole to let no write be under way.
    writing: Arc<RwLock<()>>,
    ended: Arc<AtomicBool>,
    /// Whether failed reads are excused now.
    excused: Arc<AtomicBool>,
    sessions: JoinSet<()>,
}

impl History {
    /// Starts a session for each of `keys`, which it alone writes. It reads all of them.
    pub fn start<A: Application>(app: &A, keys: std::ops::Range<i32>, seed: u64) -> Self {
        let mut history = Self {
            seen: Arc::default(),
            writing: Arc::default(),
            ended: Arc::default(),
            excused: Arc::default(),
            sessions: JoinSet::new(),
        };
        for key in keys.clone() {
            let user = User {
                app: app.clone(),
                key,
                keys: keys.clone(),
                seen: Arc::clone(&history.seen),
                writing: Arc::clone(&history.writing),
                ended: Arc::clone(&history.ended),
                excused: Arc::clone(&history.excused),
                known: HashMap::new(),
                rng: StdRng::seed_from_u64(seed ^ u64::from(key.unsigned_abs())),
            };
            history.sessions.spawn(Session::new().scope(user.run()));
        }
        history
    }

    /// What was seen until now.
    #[must_use]
    pub fn seen(&self) -> &Seen {
        &self.seen
    }

    /// Says whether reads that fail from now on are excused: the primary is away, say, which alone has what
    /// their session wrote.
    pub fn excuse(&self, is_excused: bool) {
        self.excused.store(is_excused, Ordering::Relaxed);
    }

    /// While the guard is held no write is under way.
    pub async fn without_writes(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.writing.write().await
    }

    /// Lets the sessions end, and says what they saw.
    ///
    /// # Errors
    /// When one of them panicked.
    pub async fn end(mut self) -> Result<Arc<Seen>> {
        self.ended.store(true, Ordering::Relaxed);
        while let Some(ended) = self.sessions.join_next().await {
            ended?;
        }
        Ok(self.seen)
    }
}

/// One session.
struct User<A> {
    app: A,
    key: i32,
    keys: std::ops::Range<i32>,
    seen: Arc<Seen>,
    writing: Arc<RwLock<()>>,
    ended: Arc<AtomicBool>,
    excused: Arc<AtomicBool>,
    /// The greatest value that it wrote or read, by key.
    known: HashMap<i32, i64>,
    rng: StdRng,
}

impl<A: Application> User<A> {
    async fn run(mut self) {
        let mut value = 0;
        while !self.ended.load(Ordering::Relaxed) {
            sleep(Duration::from_millis(self.rng.random_range(0..20))).await;
            if self.rng.random_ratio(1, READS_PER_WRITE + 1) {
                value += 1;
                self.write(value).await;
            } else {
                self.read().await;
            }
        }
    }

    async fn write(&mut self, value: i64) {
        let writing = self.writing.read().await;
        let written = self.app.write(self.key, value).await;
        drop(writing);
        // what failed may yet be there: it is no promise
        if written.is_ok() {
            add(&self.seen.writes);
            self.known.insert(self.key, value);
        } else {
            add(&self.seen.failed_writes);
        }
    }

    async fn read(&mut self) {
        let own = self.rng.random_ratio(1, 2);
        let other = self.rng.random_range(self.keys.clone());
        let key = if own { self.key } else { other };
        let was_excused = self.excused.load(Ordering::Relaxed);
        let Ok(value) = self.app.read(key).await else {
            match was_excused || self.excused.load(Ordering::Relaxed) {
                true => add(&self.seen.excused_reads),
                false => add(&self.seen.failed_reads),
            }
            return;
        };
        add(&self.seen.reads);
        let known = self.known.entry(key).or_default();
        if value < *known {
            add(&self.seen.violations);
        }
        *known = value.max(*known);
    }
}
