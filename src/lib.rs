//! Read/write splitting inside the application: writes, locks and transactions run on the primary,
//! plain reads on the best replica that is fresh enough for whoever asks.
//!
//! This crate only re-exports the adapter of each ORM, by feature:
//!
//! | feature | module | for |
//! |---|---|---|
//! | `sea-orm` (default) | [`sea_orm`] | SeaORM 2 |
//! | `diesel` | [`diesel`] | Diesel 2 through diesel-async |
//!
//! Back ends are features too: `postgres` (default), `sqlite` and `mysql`. What SeaORM offers by feature
//! is passed through: `entity-registry`, `mock`, `rbac`, `schema-sync`, `tracing-spans`. Diesel's kinds
//! of pool are `bb8` (default) and `deadpool`; `rustls` is TLS there. `tower` makes each HTTP request a
//! session, see [`consistency`]. `axum` shows the status over HTTP, `metrics` counts and times statements. How
//! to begin in an application that is in use, see [`rollout`]. Settings out of variables need no feature, out
//! of a file `serde`, see [`configuration`].
//!
//! ```no_run
//! use orm_split::sea_orm::SplitConnection;
//!
//! # async fn connect() -> Result<(), Box<dyn std::error::Error>> {
//! let db = SplitConnection::builder()
//!     .primary("postgres://app@db-main/app")
//!     .replica("postgres://app@replica-1/app")
//!     .connect()
//!     .await?;
//! # Ok(())
//! # }
//! ```

/// The Diesel adapter.
#[cfg(feature = "diesel")]
pub use diesel_split as diesel;
/// The SeaORM adapter.
#[cfg(feature = "sea-orm")]
pub use sea_orm_split as sea_orm;

#[cfg(feature = "sea-orm")]
#[doc = include_str!("../docs/moving.md")]
#[doc = "\n### `axum-library`\n\n```diff"]
#[doc = include_str!("../docs/moving/axum-library.diff")]
#[doc = "```\n\n### `graphql-shop`\n\n```diff"]
#[doc = include_str!("../docs/moving/graphql-shop.diff")]
#[doc = "```\n\n### `worker-invoices`\n\n```diff"]
#[doc = include_str!("../docs/moving/worker-invoices.diff")]
#[doc = "```"]
pub mod moving {}

#[cfg(feature = "sea-orm")]
#[doc = include_str!("../docs/consistency.md")]
pub mod consistency {}

#[cfg(feature = "sea-orm")]
#[doc = include_str!("../docs/configuration.md")]
pub mod configuration {}

#[doc = include_str!("../docs/freshness.md")]
pub mod freshness {}

#[cfg(feature = "sea-orm")]
#[doc = include_str!("../docs/rollout.md")]
pub mod rollout {}

#[cfg(feature = "sea-orm")]
#[doc = include_str!("../docs/selection.md")]
pub mod selection {}

/// Compiles the example of the README.
#[cfg(all(doctest, feature = "sea-orm"))]
#[doc = include_str!("../README.md")]
struct Readme;
