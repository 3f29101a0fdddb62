//! Diesel, through diesel-async, over one primary and its replicas.
//!
//! [`SplitPool`] takes the place of a pool and [`SplitConnection`] that of its connections; no query
//! changes. Writes, locks and transactions run on the primary, plain reads on a replica that is fresh
//! enough for whoever asks.
//!
//! ```no_run
//! # #[cfg(feature = "postgres")]
//! # async fn build() -> Result<(), diesel_split::SplitError> {
//! use diesel_async::AsyncPgConnection;
//! use diesel_split::SplitPool;
//!
//! let pool = SplitPool::<AsyncPgConnection>::builder()
//!     .primary("postgres://app@db-main/app")
//!     .replica("postgres://app@replica-1/app")
//!     .build()
//!     .await?;
//! let mut conn = pool.get().await?;
//! # Ok(())
//! # }
//! ```
//!
//! Each statement is an event of `tracing` when it is sent: target `orm_split::statement`, level
//! debug, with `node`, `role`, `reason`, `cause` (why the statement itself needs the primary) and
//! `sql`, which is its text and never its values. Statements through a raw connection are not among
//! them.

#[cfg(not(any(feature = "postgres", feature = "mysql", feature = "sqlite")))]
compile_error!("enable a back end of diesel-split: `postgres`, `mysql` or `sqlite`");
#[cfg(not(any(feature = "bb8", feature = "deadpool")))]
compile_error!("enable a kind of pool of diesel-split: `bb8` or `deadpool`");

mod assembly;
mod builder;
mod connection;
mod diesel_traits;
mod environment;
mod error;
mod instrumentation;
mod kinds;
mod lease;
mod leased;
mod mode;
#[cfg(feature = "mysql")]
mod mysql;
mod node_connection;
mod opener;
mod owned_query;
mod pool;
mod pool_of_node;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_types;
#[cfg(feature = "postgres")]
mod postgres_url;
mod prober;
mod raw;
mod read_only;
mod routed;
mod slots;
mod split;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(all(feature = "postgres", feature = "rustls"))]
mod tls;
#[cfg(feature = "postgres")]
mod transaction_builder;
mod transaction_manager;

pub use builder::SplitBuilder;
pub use connection::SplitConnection;
pub use node_connection::NodeConnection;
#[cfg(feature = "metrics")]
pub use orm_split_core::DURATION_BUCKETS;
#[cfg(feature = "axum")]
pub use orm_split_core::endpoints;
pub use orm_split_core::environment::{
    DatabaseUrl, Family, Limit, OptionSettings, Policy, PoolSettings, ReplicaSettings, Secrets,
    Settings,
};
#[cfg(feature = "tower")]
pub use orm_split_core::tower;
pub use orm_split_core::{
    Adaptive, AttemptFailure, Candidate, Candidates, Cause, ConfigError, Consistency, Fallback,
    Fault, HealthState, Hint, Intent, LeastInFlight, MemberStatus, Mode, NodeStatus, Phase,
    Placement, PoolUse, PrimaryLoss, Random, ReadConcern, Reason, Refusal, Role, RoundRobin, Route,
    Select, Session, SessionToken, ShadowNode, ShadowStatus, SplitError, Status, TokenError,
    TokenKeys, TokenRefusal, UserFunctions, Would,
};
pub use pool::SplitPool;
pub use pool_of_node::{ExistingPool, PoolKind, PoolOptions, PoolState};
#[cfg(feature = "postgres")]
pub use transaction_builder::SplitTransactionBuilder;
pub use transaction_manager::SplitTransactionManager;
