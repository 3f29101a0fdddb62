//! The small application of the suites as either ORM runs it, and what shared scenarios need of it.
//!
//! Decides nothing: how each adapter does it stands beside its application, in `app.rs` and
//! `diesel_app.rs`.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use anyhow::Result;
use orm_split::sea_orm::{Consistency, Hint, Mode, Role, Route, SplitError, Status, TokenKeys};
use tokio::time::Instant;

use crate::kit::postgres::Database;

/// Where an application connects to, and what it sets.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Settings {
    /// URL of the primary.
    pub primary: String,
    /// URLs of the replicas.
    pub replicas: Vec<String>,
    /// How fresh reads have to be. Default as the library's.
    pub consistency: Consistency,
    /// Staler replicas take no reads. Default as the library's.
    pub max_staleness: Duration,
    /// How long a checkout on the primary may take. Default 30 s.
    pub primary_wait: Duration,
    /// How long a probe may take. Default as the library's.
    pub probe_deadline: Duration,
    /// How long a read may wait for a replica. Default as the library's.
    pub read_wait: Duration,
    /// How often nodes are looked at while nothing waits. Default as the library's.
    pub sample_slow: Duration,
    /// Which reads leave the primary. Default as the library's.
    pub mode: Mode,
    /// What signs and accepts tokens. Default none.
    pub token_keys: Option<TokenKeys>,
}

impl Settings {
    /// A primary and its replicas, nothing else set.
    #[must_use]
    pub fn new(primary: impl Into<String>, replicas: &[String]) -> Self {
        Self {
            primary: primary.into(),
            replicas: replicas.to_vec(),
            consistency: Consistency::Session,
            max_staleness: Duration::from_secs(30),
            primary_wait: Duration::from_secs(30),
            probe_deadline: Duration::from_secs(1),
            read_wait: Duration::from_millis(10),
            sample_slow: Duration::from_secs(1),
            mode: Mode::Automatic,
            token_keys: None,
        }
    }

    /// A database with all of its replicas.
    #[must_use]
    pub fn of(database: &Database) -> Self {
        Self::new(database.primary_url(), database.replica_urls())
    }
}

/// A way in which applications send text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Way {
    /// For the number of rows.
    Execute,
    /// For the first row.
    QueryOne,
    /// For all rows.
    QueryAll,
    /// For the rows one by one.
    Stream,
    /// Without preparing it, which allows several statements in one text.
    Script,
}

impl Way {
    /// Every way.
    pub const ALL: [Self; 5] = [
        Self::Execute,
        Self::QueryOne,
        Self::QueryAll,
        Self::Stream,
        Self::Script,
    ];
}

/// The application, through one ORM.
pub trait Application: Clone + Send + Sync + 'static {
    /// What connecting ends with if it fails.
    type Refused: Error + Send + Sync + 'static;

    /// Connects, as an application does at its start.
    fn connect(settings: &Settings) -> impl Future<Output = Result<Self, Self::Refused>> + Send;

    /// Our own error in that one.
    fn ours(refused: &Self::Refused) -> Option<&SplitError>;

    /// Where a text that belongs on a node of this role goes if it is sent in this way.
    #[must_use]
    fn belongs(way: Way, role: Role) -> Role;

    /// Sends a text over a connection, or handle, of its own.
    fn send(&self, way: Way, sql: &str) -> impl Future<Output = Result<()>> + Send;

    /// Makes the table of counters with keys `0..=keys`, all 0, and waits until every replica has it.
    fn create_counters(&self, keys: i32) -> impl Future<Output = Result<()>> + Send;

    /// Reads a counter.
    fn read(&self, id: i32) -> impl Future<Output = Result<i64>> + Send;

    /// Reads a counter, and asks for a node.
    fn read_asking(&self, hint: Hint, id: i32) -> impl Future<Output = Result<i64>> + Send;

    /// Sets a counter.
    fn write(&self, id: i32, value: i64) -> impl Future<Output = Result<()>> + Send;

    /// Reads without a pause; counts reads and collects failures.
    fn read_until(&self, end: Instant) -> impl Future<Output = (u32, Vec<String>)> + Send;

    /// What the current session has written, for another process.
    fn token(&self) -> impl Future<Output = Result<String>> + Send;

    /// From now on the current session has written what a token tells of.
    fn resume(&self, token: &str) -> impl Future<Output = Result<()>> + Send;

    /// Nodes and counters.
    fn status(&self) -> Status;

    /// Changes which reads leave the primary.
    fn set_mode(&self, mode: Mode);

    /// Changes how many sessions in a hundred read from replicas without asking for it.
    ///
    /// # Errors
    /// It is more than all.
    fn set_read_share(&self, percent: u8) -> Result<()>;

    /// Where a statement would go now.
    fn explain(&self, sql: &str) -> Route;

    /// Lets go of everything.
    fn close(&self) -> impl Future<Output = Result<()>> + Send;
}

/// Where something ran, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ran {
    /// Statements on the primary.
    pub on_primary: u64,
    /// Statements on replicas.
    pub on_replicas: u64,
    /// How many of them for which reason.
    pub reasons: BTreeMap<&'static str, u64>,
}

impl Ran {
    /// What was counted between two looks at the status. Nobody else may have used the application.
    #[must_use]
    pub fn between(before: &Status, after: &Status) -> Self {
        let counted = |status: &Status, reason| status.statements.get(reason).copied();
        let risen = after.statements.iter().filter_map(|(reason, count)| {
            let risen = count - counted(before, reason).unwrap_or_default();
            (risen > 0).then_some((*reason, risen))
        });
        Self {
            on_primary: after.served_by_primary() - before.served_by_primary(),
            on_replicas: after.served_by_replicas() - before.served_by_replicas(),
            reasons: risen.collect(),
        }
    }

    /// The role to which it was sent first; `None` if it was sent nowhere. What a replica refuses or is
    /// too old for runs on the primary next, never the other way round.
    #[must_use]
    pub const fn first_role(&self) -> Option<Role> {
        match (self.on_primary, self.on_replicas) {
            (0, 0) => None,
            (1.., 0) => Some(Role::Primary),
            (_, 1..) => Some(Role::Replica),
        }
    }
}
