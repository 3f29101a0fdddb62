//! SeaORM over one primary and its replicas.
//!
//! [`SplitConnection`] takes the place of [`sea_orm::DatabaseConnection`]; no query changes. Writes,
//! locks and transactions run on the primary, plain reads on a replica that is fresh enough for
//! whoever asks.
//!
//! ```no_run
//! use sea_orm_split::SplitConnection;
//!
//! # async fn connect() -> Result<(), sea_orm::DbErr> {
//! let db: SplitConnection = SplitConnection::builder()
//!     .primary("postgres://app@db-main/app")
//!     .replica("postgres://app@replica-1/app")
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! ```
//!
//! Or out of the variables that a deployment has: [`SplitConnection::from_env`], [`Settings`].
//!
//! Each statement is an event of `tracing` when it is sent: target `orm_split::statement`, level
//! debug, with `node`, `role`, `reason`, `cause` (why the statement itself needs the primary) and
//! `sql`, which is its text and never its values. Statements through the primary's raw handle are
//! not among them.
//!
//! # What takes the place of what
//!
//! An application changes types, one signature at a time if it likes: connections and transactions
//! dereference to SeaORM's.
//!
//! | SeaORM's | here | feature |
//! |---|---|---|
//! | `DatabaseConnection`, `DbConn` | [`SplitConnection`] | |
//! | `DatabaseTransaction` | [`SplitTransaction`] | |
//! | `QueryStream` | [`SplitStream`] | |
//! | `RestrictedConnection` | `RestrictedSplitConnection` | `rbac` |
//! | `RestrictedTransaction` | `RestrictedSplitTransaction`, which dereferences to nothing | `rbac` |
//!
//! Traits: `ConnectionTrait`, `StreamTrait`, `TransactionTrait`, `TransactionSession`,
//! `IntoDatabaseExecutor` (for `sea-orm-migration`) and, with `schema-sync`, what `SchemaBuilder::sync` asks
//! of a connection. Inherent methods:
//!
//! | methods | where they run | the session's reads afterwards |
//! |---|---|---|
//! | `transaction_async`, `transaction_with_config_async` | one node, the primary unless read-only | see the commit |
//! | `ping`, `close`, `close_by_ref` | the primary; all nodes | as before |
//! | `get_database_backend`, `get_schema_builder`, `get_schema_registry` | nowhere | as before |
//! | `set_metric_callback` | on every node, for this handle | as before |
//! | `load_rbac`, `load_rbac_from`, `replace_rbac` | the primary; the given one; nowhere | as before |
//! | `restricted_for` | what it returns is routed | as before |
//! | `get_postgres_connection_pool`, `get_sqlite_connection_pool`, `&*db`, the field `inner`, an executor | the primary, unseen | on the primary for `raw_pin` |
//! | `as_mock_connection`, `into_transaction_log` | the mock | |
//!
//! What has to be written otherwise: `debug_query!(&query, &db)` becomes `debug_query!(&query, &*db)`, and a
//! function that still takes `&RestrictedConnection` cannot be handed `&db.restricted_for(user)?` at once:
//! bind it first.
//!
//! The features `entity-registry`, `mock`, `rbac`, `schema-sync` and `tracing-spans` are SeaORM's. Turn them
//! on here: `rbac` turned on in SeaORM alone gives a `RestrictedConnection` to the primary, `tracing-spans`
//! no spans for what is routed.

#![cfg_attr(
    not(any(feature = "postgres", feature = "sqlite")),
    allow(dead_code, reason = "MySQL alone has no pool of our making")
)]

#[cfg(not(any(feature = "postgres", feature = "mysql", feature = "sqlite")))]
compile_error!("enable at least one back end of sea-orm-split: `postgres`, `mysql` or `sqlite`");

mod after_connect;
mod assembly;
mod background;
mod begin;
mod births;
mod builder;
mod connection;
mod connection_trait;
mod conversions;
mod environment;
mod error;
mod executor;
mod idle;
mod leased;
mod mode;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod node_options;
mod node_pool;
mod node_url;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "postgres")]
mod postgres_pool;
mod prepare;
mod query;
mod read_only;
#[cfg(feature = "rbac")]
mod restricted;
#[cfg(feature = "rbac")]
mod restricted_transaction;
#[cfg(feature = "schema-sync")]
mod schema_discovery;
#[cfg(feature = "postgres")]
mod search_path;
mod session;
mod shown;
mod spans;
mod split;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(feature = "sqlite")]
mod sqlite_pool;
mod stream;
mod transaction;
mod transaction_statements;
mod transaction_trait;
mod watch;

pub use builder::SplitBuilder;
pub use connection::SplitConnection;
pub use error::split_error;
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
pub use prepare::Preparing;
#[cfg(feature = "rbac")]
pub use restricted::RestrictedSplitConnection;
#[cfg(feature = "rbac")]
pub use restricted_transaction::RestrictedSplitTransaction;
pub use stream::SplitStream;
pub use transaction::SplitTransaction;
