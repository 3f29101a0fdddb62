//! What orm-split decides: which node runs a statement, and what happens when that node fails.
//!
//! This crate knows no ORM and no SQL driver. Applications use an adapter, such as `sea-orm-split`; this
//! crate is for those who read how decisions are made, write a policy, or write an adapter.
//!
//! # The way of a statement
//!
//! An adapter hands the text of a statement and a [`Statement`] that can run it to [`Splitter::run`].
//!
//! 1. [`classify`] decides from the text whether it is a plain read or needs the primary; what is not
//!    fully understood needs the primary.
//! 2. The session of the current task gives the floor: the oldest state that it accepts.
//! 3. Routing picks a node and a [`Reason`]: a replica that is up, belongs to the cluster, is within the
//!    staleness bound and has passed the floor, chosen by a [`Select`] policy; else the primary.
//! 4. The adapter checks a connection out. One that had to be opened is identified first
//!    ([`Splitter::identify`]), because evidence belongs to a running server and not to an address.
//! 5. Core looks again, since evidence may have been voided meanwhile, and lets the statement run.
//! 6. A failed read may run on another replica and then on the primary. A write is never sent twice.
//!
//! # Freshness
//!
//! For each replica the monitor learns the latest instant before which everything committed on the
//! primary is known to be visible on it, on this process's monotonic clock. A session's floor is an
//! instant of the same clock: its guarantee is one comparison. Unknown is a state of its own. The
//! protocol needs an ordinary role, and about one question a second to each node.
//!
//! # Sessions
//!
//! A session is the current tokio task, or the thread outside of one ([`SessionKey`]). A write marks it
//! when its outcome arrives or can no longer be learned; a commit marks it after COMMIT, never before.
//!
//! # Writing an adapter
//!
//! Implement [`Prober`] and [`ProbeConnection`] for the questions that the monitor asks, and
//! [`Statement`] for each way in which a statement is sent. Sort the driver's errors into [`Fault`]s.
//! Make sure that a connection whose statement did not finish is closed and not reused.

pub mod address;
mod admitted;
mod attempt;
mod awaited;
mod backend;
mod blame;
mod carry;
mod classify;
mod clock;
mod companions;
mod config;
mod connected;
mod demand;
mod dice;
mod ended;
#[cfg(feature = "axum")]
pub mod endpoints;
pub mod environment;
mod error;
mod expiry;
mod fallback;
mod fault;
mod freshness;
#[cfg(feature = "metrics")]
mod gauges;
mod group;
mod health;
mod identity;
mod in_flight;
mod intent;
mod intents;
mod looking;
mod meters;
mod misroutes;
mod mode;
#[cfg(test)]
mod model;
mod monitor;
mod node;
mod node_id;
#[cfg(test)]
mod node_tests;
mod observe;
mod opening;
mod option_methods;
mod pacing;
mod per_node;
mod placement;
mod pools;
mod position;
pub mod postgres;
mod rate;
mod reason;
#[cfg(feature = "axum")]
mod recent;
mod refusal;
mod request;
mod role;
mod rollout;
mod route;
mod select;
mod session;
mod session_state;
mod shadow;
mod shadow_status;
mod shared;
mod signals;
mod slowness;
mod splitter;
pub mod sqlite;
pub mod sqlstate;
mod status;
#[cfg(any(feature = "axum", feature = "metrics"))]
mod ticker;
mod timing;
mod token;
mod topology;
#[cfg(feature = "tower")]
pub mod tower;
mod unrouted;
mod wait;

pub use backend::{Hold, ProbeConnection, ProbeError, Prober, Statement};
pub use classify::{
    Catalogue, Classification, Dialect, Volatility, classify, classify_with, explain, explain_with,
    fingerprint,
};
pub use clock::{Clock, Moment};
pub use config::{ConfigError, Consistency, Fallback, Options, PrimaryLoss, UserFunctions};
pub use connected::Connected;
pub use error::{AttemptFailure, Phase, SplitError};
pub use fault::Fault;
pub use health::HealthState;
pub use identity::{Identity, Reading, Server};
pub use intent::{Cause, Intent};
#[cfg(feature = "metrics")]
pub use meters::DURATION_BUCKETS;
pub use mode::{Hint, Mode};
pub use node::Node;
pub use node_id::NodeId;
pub use opening::{Identified, Identifying};
pub use per_node::PerNode;
pub use placement::Placement;
pub use pools::{PoolGauge, PoolUse};
pub use position::{Lsn, ParseLsnError};
pub use reason::Reason;
pub use refusal::Refusal;
pub use role::Role;
pub use route::{Asks, Route, Would};
pub use select::{Adaptive, Candidate, Candidates, LeastInFlight, Random, RoundRobin, Select};
pub use session::{ReadConcern, Session, SessionKey};
pub use shadow_status::{ShadowNode, ShadowStatus};
pub use splitter::Splitter;
pub use status::{MemberStatus, NodeStatus, Status};
pub use token::{SessionToken, TokenError, TokenKeys, TokenRefusal};
pub use topology::Topology;
pub use unrouted::{Held, Mark, TransactionRead};
