//! A PostgreSQL primary with streaming replicas, and the ways to break them.
//!
//! ```no_run
//! use std::time::Duration;
//! use orm_split_tests::kit::postgres::{Cluster, Stop};
//!
//! # async fn example() -> anyhow::Result<()> {
//! let cluster = Cluster::builder().replicas(2).apply_delay(Duration::from_millis(500)).start().await?;
//! let database = cluster.create_database().await?;
//! let urls = (database.primary_url(), database.replica_urls());
//! // … connect, write, then break something:
//! cluster.replicas()[0].stop(Stop::Fast).await?;
//! # drop(urls);
//! # Ok(())
//! # }
//! ```
//!
//! Tests that break nothing share one cluster per test process: [`shared`].

mod builder;
mod cluster;
mod conf;
mod database;
mod faults;
mod node;
mod replication;
mod server;
mod shared;
mod sql;
mod template;

pub use builder::Builder;
pub use cluster::Cluster;
pub use database::Database;
pub use node::Node;
pub use server::Stop;
pub use shared::{Delay, shared};

/// The application's role: it may log in and owns the databases tests make.
///
/// No superuser and no `pg_monitor`: orm-split must get by with what an ordinary
/// application may see.
pub const APP_ROLE: &str = "app";

/// The application's password. Distinctive, so that a test can look for it in
/// logs, errors and `Debug` output, where it must never be.
pub const APP_PASSWORD: &str = "s3cr3t-passw0rd";

/// The kit's own role, superuser, without a password on the loopback.
const ADMIN_ROLE: &str = "postgres";
