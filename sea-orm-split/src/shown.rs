//! What a handle shows of itself: to `status()` where there are no replicas, and to the endpoints.
//!
//! Decides nothing.

use orm_split_core::{PoolUse, Status};
use sea_orm::DbBackend;

use crate::connection::SplitConnection;
use crate::node_pool::used;
use crate::node_url::backend_of;

impl SplitConnection {
    /// The status without replicas, where nobody watches the primary.
    pub(crate) fn status_alone(&self) -> Status {
        let mut status = Status::without_replicas();
        for node in &mut status.nodes {
            node.pool = self.primary_pool();
        }
        status
    }

    /// `None` if it is no pool, as that of a mock.
    fn primary_pool(&self) -> Option<PoolUse> {
        let primary = &self.primary;
        match backend_of(primary)? {
            #[cfg(feature = "postgres")]
            DbBackend::Postgres => Some(used(primary.get_postgres_connection_pool())),
            #[cfg(feature = "mysql")]
            DbBackend::MySql => Some(used(primary.get_mysql_connection_pool())),
            #[cfg(feature = "sqlite")]
            DbBackend::Sqlite => Some(used(primary.get_sqlite_connection_pool())),
            _ => None,
        }
    }
}

#[cfg(feature = "axum")]
#[sea_orm::entity::prelude::async_trait::async_trait]
impl orm_split_core::endpoints::StatusSource for SplitConnection {
    fn status(&self) -> Status {
        Self::status(self)
    }

    fn recent(&self) -> orm_split_core::endpoints::StalenessLately {
        let split = self.split.as_ref();
        split.map_or_else(Default::default, |split| split.splitter.staleness_lately())
    }

    async fn primary_answers(&self) -> bool {
        self.ping().await.is_ok()
    }
}
