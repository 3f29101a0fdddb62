//! MySQL and MariaDB through `AsyncMysqlConnection`.
//!
//! Their positions are not followed yet, so every statement runs on the primary and nothing is asked.

use std::sync::Arc;

use diesel::mysql::Mysql;
use diesel::query_builder::bind_collector::RawBytesBindCollector;
use diesel::{ConnectionResult, QueryResult};
use diesel_async::{
    AsyncConnection, AsyncConnectionCore, AsyncMysqlConnection, SimpleAsyncConnection,
    TransactionManager,
};
use futures_util::future::BoxFuture;
use orm_split_core::address::{Address, NodeUrl};
use orm_split_core::{ConfigError, Dialect, Fault, Identity, ProbeError, Reading};

use crate::node_connection::{NodeConnection, Sealed, knows_its_types, sends};

type Connection = AsyncMysqlConnection;

impl Sealed for AsyncMysqlConnection {}

impl NodeConnection for AsyncMysqlConnection {
    const DIALECT: Dialect = Dialect::MySql;
    const IS_IDLE: &'static str = "ROLLBACK";
    type Binds = Arc<RawBytesBindCollector<Mysql>>;
    type DriverBinds = RawBytesBindCollector<Mysql>;
    type OwnedRow = <Self as AsyncConnectionCore>::Row<'static, 'static>;
    type Witness = ();

    sends!();
    knows_its_types!();

    fn address(field: &str, url: &str) -> Result<Address, ConfigError> {
        let parsed = NodeUrl::parse(field, url)?;
        if parsed.dialect() != Dialect::MySql {
            return Err(parsed.is_not_of(Self::DIALECT));
        }
        let options = mysql_async::Opts::from_url(url);
        let options = options.map_err(|error| parsed.mistake(&error.to_string()))?;
        let place = format!("{}:{}", options.ip_or_hostname(), options.tcp_port());
        Ok(parsed.leads_to(place))
    }

    fn open(url: &str) -> BoxFuture<'_, ConnectionResult<Self>> {
        Box::pin(Self::establish(url))
    }

    fn begin_as<'c>(&'c mut self, _: &'c str) -> BoxFuture<'c, QueryResult<()>> {
        // only PostgreSQL's transactions are built
        Box::pin(<Self as AsyncConnection>::TransactionManager::begin_transaction(self))
    }

    fn make_read_only(&mut self) -> BoxFuture<'_, QueryResult<()>> {
        Box::pin(self.batch_execute("SET SESSION TRANSACTION READ ONLY"))
    }

    fn witness(_: &str, _: bool) {}

    fn identify<'c>(&'c mut self, (): &'c ()) -> BoxFuture<'c, Result<Identity, ProbeError>> {
        Box::pin(std::future::ready(Err(unfollowed())))
    }

    fn read_position<'c>(&'c mut self, (): &'c ()) -> BoxFuture<'c, Result<Reading, ProbeError>> {
        Box::pin(std::future::ready(Err(unfollowed())))
    }

    fn leads_there((): &()) -> bool {
        true
    }
}

/// The builder makes no replicas of this kind, so nobody asks.
fn unfollowed() -> ProbeError {
    ProbeError::new(Fault::Query, "MySQL's positions are not followed yet")
}
