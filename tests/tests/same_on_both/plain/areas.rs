//! The areas, compiled against this module's types.

use super::{Db, Restricted, Transaction, settle};

#[path = "../areas/crud.rs"]
pub(crate) mod crud;
#[path = "../areas/handles.rs"]
pub(crate) mod handles;
#[path = "../areas/metrics.rs"]
pub(crate) mod metrics;
#[path = "../areas/migrations.rs"]
pub(crate) mod migrations;
#[path = "../areas/mocks.rs"]
pub(crate) mod mocks;
#[path = "../areas/nested.rs"]
pub(crate) mod nested;
#[path = "../areas/paging.rs"]
pub(crate) mod paging;
#[path = "../areas/partial.rs"]
pub(crate) mod partial;
#[path = "../areas/raw.rs"]
pub(crate) mod raw;
#[path = "../areas/rbac.rs"]
pub(crate) mod rbac;
#[path = "../areas/relations.rs"]
pub(crate) mod relations;
#[path = "../areas/schema.rs"]
pub(crate) mod schema;
#[path = "../areas/setup.rs"]
pub(crate) mod setup;
#[path = "../areas/streams.rs"]
pub(crate) mod streams;
#[path = "../areas/transactions.rs"]
pub(crate) mod transactions;
