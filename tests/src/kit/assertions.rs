//! Where a block of an application's code ran: on replicas, or on the primary.
//!
//! ```
//! use orm_split_tests::kit::assertions::assert_reads_from_replica;
//! # #[derive(serde::Serialize)]
//! # struct Node { role: &'static str, served: u64 }
//! # #[derive(serde::Serialize)]
//! # struct Status { nodes: Vec<Node>, statements: std::collections::BTreeMap<&'static str, u64> }
//! # struct Db(std::cell::Cell<u64>);
//! # impl Db {
//! #     fn status(&self) -> Status {
//! #         let nodes = vec![Node { role: "primary", served: 0 }, Node { role: "replica", served: self.0.get() }];
//! #         Status { nodes, statements: Default::default() }
//! #     }
//! # }
//! # async fn list_of_cakes(db: &Db) -> usize { db.0.set(db.0.get() + 1); 3 }
//! # async fn test(db: Db) {
//! // `db` is a SplitConnection or a SplitPool
//! let cakes = assert_reads_from_replica(|| db.status(), list_of_cakes(&db)).await;
//! assert_eq!(cakes, 3);
//! # }
//! # futures_util::FutureExt::now_or_never(test(Db(Default::default()))).unwrap();
//! ```
//!
//! Judges by the counters of `status()`, and by what that serialises to, so that it works with whichever release
//! of the library an application has. Those count what the whole process does with one database: nobody else may
//! use it meanwhile.

use std::collections::BTreeMap;
use std::panic::Location;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use tokio::time::{Instant, sleep};

/// How often it is tried again whether replicas serve a block.
const EVERY: Duration = Duration::from_millis(10);

/// Where statements ran, and why there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ran {
    /// Statements on the primary.
    pub on_primary: u64,
    /// Statements on replicas.
    pub on_replicas: u64,
    /// How many of all of them for which reason, by the names that the library gives reasons.
    pub reasons: BTreeMap<String, u64>,
}

impl Ran {
    /// What a status has counted since the start.
    fn until(status: &impl Serialize) -> Self {
        // what cannot be serialised has counted nothing, which is what the assertion then says
        let status = serde_json::to_value(status).unwrap_or_default();
        let served = |role: &str| {
            let nodes = status.get("nodes").and_then(Value::as_array);
            let nodes = nodes.into_iter().flatten();
            let of_role = nodes.filter(|node| node.get("role").is_some_and(|is| is == role));
            of_role
                .filter_map(|node| node.get("served")?.as_u64())
                .sum()
        };
        let reasons = status.get("statements").and_then(Value::as_object);
        let reasons = reasons.into_iter().flatten();
        Self {
            on_primary: served("primary"),
            on_replicas: served("replica"),
            reasons: reasons
                .filter_map(|(reason, count)| Some((reason.clone(), count.as_u64()?)))
                .collect(),
        }
    }

    fn since(self, before: &Self) -> Self {
        let risen = |reason: &String, count: u64| {
            count.saturating_sub(before.reasons.get(reason).copied().unwrap_or_default())
        };
        let reasons = self.reasons.iter();
        Self {
            on_primary: self.on_primary.saturating_sub(before.on_primary),
            on_replicas: self.on_replicas.saturating_sub(before.on_replicas),
            reasons: reasons
                .map(|(reason, count)| (reason.clone(), risen(reason, *count)))
                .filter(|(_, risen)| *risen > 0)
                .collect(),
        }
    }
}

/// Runs a block, and says where its statements ran.
///
/// # Cancel safety
/// As safe as the block.
pub async fn ran<S: Serialize, T>(
    status: impl Fn() -> S,
    block: impl Future<Output = T>,
) -> (T, Ran) {
    let before = Ran::until(&status());
    let output = block.await;
    (output, Ran::until(&status()).since(&before))
}

/// Runs a block, and fails the test unless it sent something and all of it ran on replicas.
///
/// A block right after a write of the same task belongs on the primary until a replica has the write: see
/// [`reads_from_replica_within`].
///
/// # Panics
/// Something ran on the primary, or nothing ran at all.
#[track_caller]
pub fn assert_reads_from_replica<S: Serialize, T>(
    status: impl Fn() -> S,
    block: impl Future<Output = T>,
) -> impl Future<Output = T> {
    ran_as(
        Location::caller(),
        "read from replicas",
        status,
        block,
        |ran| ran.on_primary == 0 && ran.on_replicas > 0,
    )
}

/// Runs a block, and fails the test unless it sent something and all of it ran on the primary.
///
/// # Panics
/// Something ran on a replica, or nothing ran at all.
#[track_caller]
pub fn assert_stays_on_primary<S: Serialize, T>(
    status: impl Fn() -> S,
    block: impl Future<Output = T>,
) -> impl Future<Output = T> {
    ran_as(
        Location::caller(),
        "run on the primary",
        status,
        block,
        |ran| ran.on_replicas == 0 && ran.on_primary > 0,
    )
}

/// Runs a block, and fails the test at `at` unless it ran as it was to: nowhere else.
#[expect(clippy::panic, reason = "that is how a test fails")]
async fn ran_as<S: Serialize, T>(
    at: &Location<'_>,
    what: &str,
    status: impl Fn() -> S,
    block: impl Future<Output = T>,
    is_met: impl FnOnce(&Ran) -> bool,
) -> T {
    let (output, ran) = ran(status, block).await;
    if !is_met(&ran) {
        panic!("{at}: it was to {what} only: {ran:?}");
    }
    output
}

/// Runs a block again and again until all that it sends runs on replicas, as it will once they have what was
/// written before it; fails the test if it does not in time.
///
/// # Panics
/// It does not in time.
#[track_caller]
#[expect(clippy::panic, reason = "that is how a test fails")]
pub fn reads_from_replica_within<S, T, F>(
    limit: Duration,
    status: impl Fn() -> S,
    block: impl Fn() -> F,
) -> impl Future<Output = T>
where
    S: Serialize,
    F: Future<Output = T>,
{
    let at = Location::caller();
    async move {
        let until = Instant::now() + limit;
        loop {
            let (output, ran) = ran(&status, block()).await;
            if ran.on_primary == 0 && ran.on_replicas > 0 {
                return output;
            }
            if Instant::now() >= until {
                panic!("{at}: it did not read from replicas only within {limit:?}: {ran:?}");
            }
            sleep(EVERY).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use futures_util::FutureExt;
    use serde_json::json;

    use super::*;

    /// A database that counts what is sent.
    #[derive(Default)]
    struct Db {
        primary: Cell<u64>,
        replicas: [Cell<u64>; 2],
    }

    impl Db {
        fn status(&self) -> Value {
            let [one, other] = self.replicas.each_ref().map(Cell::get);
            let primary = self.primary.get();
            json!({
                "nodes": [
                    { "role": "primary", "served": primary },
                    { "role": "replica", "served": one },
                    { "role": "replica", "served": other },
                ],
                "statements": { "read": one + other, "statement": primary, "share": 0 },
            })
        }

        async fn read(&self, replica: usize) {
            self.replicas[replica].set(self.replicas[replica].get() + 1);
        }

        async fn write(&self) {
            self.primary.set(self.primary.get() + 1);
        }
    }

    fn used() -> Db {
        let db = Db::default();
        db.primary.set(70);
        db.replicas[1].set(7);
        db
    }

    #[test]
    fn only_what_the_block_sends_counts_with_the_reasons_for_it() {
        let db = used();
        let block = async {
            db.read(0).await;
            db.read(1).await;
            db.write().await;
            "done"
        };
        let (output, ran) = ran(|| db.status(), block).now_or_never().unwrap();
        assert_eq!((output, ran.on_primary, ran.on_replicas), ("done", 1, 2));
        let reasons = [("read".to_owned(), 2), ("statement".to_owned(), 1)];
        assert_eq!(ran.reasons, BTreeMap::from(reasons));
    }

    #[test]
    fn what_runs_where_it_should_passes() {
        let db = used();
        let reads = assert_reads_from_replica(|| db.status(), db.read(1));
        reads.now_or_never().unwrap();
        let writes = assert_stays_on_primary(|| db.status(), db.write());
        writes.now_or_never().unwrap();
    }

    #[test]
    #[should_panic(expected = "assertions.rs")]
    fn a_read_on_the_primary_fails_the_test_and_says_where() {
        let db = used();
        let reads = assert_reads_from_replica(|| db.status(), db.write());
        let _: Option<()> = reads.now_or_never();
    }

    #[test]
    #[should_panic(expected = "on_replicas: 1")]
    fn a_statement_that_leaves_the_primary_fails_the_test() {
        let db = used();
        let stays = assert_stays_on_primary(|| db.status(), db.read(0));
        let _: Option<()> = stays.now_or_never();
    }

    #[test]
    #[should_panic(expected = "replicas only")]
    fn a_block_that_sends_nothing_reads_from_no_replica() {
        let db = used();
        let reads = assert_reads_from_replica(|| db.status(), async {});
        let _: Option<()> = reads.now_or_never();
    }

    #[tokio::test(start_paused = true)]
    async fn a_block_is_run_again_until_replicas_serve_it() {
        let db = used();
        let runs = Cell::new(0);
        let block = || async {
            runs.set(runs.get() + 1);
            match runs.get() {
                3 => db.read(0).await,
                _ => db.write().await,
            }
        };
        reads_from_replica_within(Duration::from_secs(1), || db.status(), block).await;
        assert_eq!(runs.get(), 3);
    }

    #[tokio::test(start_paused = true)]
    #[should_panic(expected = "within 1s")]
    async fn a_block_that_replicas_never_serve_fails_the_test() {
        let db = used();
        let limit = Duration::from_secs(1);
        reads_from_replica_within(limit, || db.status(), || db.write()).await;
    }
}
