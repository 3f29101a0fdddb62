//! SQLite in WAL mode through `SyncConnectionWrapper<SqliteConnection>`: one file, one connection that
//! writes, many that read.
//!
//! The wrapper runs each statement on a blocking thread and cannot stop it: a dropped future waits for
//! the statement's end, and deadlines do not apply.

use std::sync::Arc;

use diesel::SqliteConnection;
use diesel::backend::Backend;
use diesel::query_builder::MoveableBindCollector;
use diesel::sqlite::Sqlite;
use diesel::{ConnectionResult, QueryResult};
use diesel_async::sync_connection_wrapper::SyncConnectionWrapper;
use diesel_async::{
    AsyncConnection, AsyncConnectionCore, SimpleAsyncConnection, TransactionManager,
};
use futures_util::future::BoxFuture;
use orm_split_core::address::{Address, MEMORY, NodeUrl};
use orm_split_core::sqlite::{OpenedFile, TOUCH};
use orm_split_core::{ConfigError, Dialect, Fault, Identity, ProbeError, Reading};

use crate::error::probe_error;
use crate::node_connection::{NodeConnection, Sealed, knows_its_types, sends};

type Connection = SyncConnectionWrapper<SqliteConnection>;

impl Sealed for Connection {}

impl NodeConnection for Connection {
    const DIALECT: Dialect = Dialect::Sqlite;
    const IS_IDLE: &'static str = "BEGIN; ROLLBACK";
    type Binds = Arc<Self::DriverBinds>;
    type DriverBinds =
        <<Sqlite as Backend>::BindCollector<'static> as MoveableBindCollector<Sqlite>>::BindData;
    type OwnedRow = <Self as AsyncConnectionCore>::Row<'static, 'static>;
    type Witness = OpenedFile;

    sends!();
    knows_its_types!();

    fn address(field: &str, url: &str) -> Result<Address, ConfigError> {
        if url.contains("://") {
            let parsed = NodeUrl::parse(field, url)?;
            if parsed.dialect() != Dialect::Sqlite {
                return Err(parsed.is_not_of(Self::DIALECT));
            }
        }
        let is_in_memory = url.contains(MEMORY) || url.contains("mode=memory") || url.is_empty();
        let place = if is_in_memory { MEMORY } else { path_of(url) };
        Ok(Address::new(field, Dialect::Sqlite, place))
    }

    fn open(url: &str) -> BoxFuture<'_, ConnectionResult<Self>> {
        Box::pin(Self::establish(url))
    }

    fn begin_as<'c>(&'c mut self, _: &'c str) -> BoxFuture<'c, QueryResult<()>> {
        // only PostgreSQL's transactions are built
        Box::pin(<Self as AsyncConnection>::TransactionManager::begin_transaction(self))
    }

    fn make_read_only(&mut self) -> BoxFuture<'_, QueryResult<()>> {
        Box::pin(self.batch_execute("PRAGMA query_only = on"))
    }

    fn witness(url: &str, is_primary: bool) -> OpenedFile {
        OpenedFile::at(path_of(url), is_primary)
    }

    fn identify<'c>(
        &'c mut self,
        witness: &'c OpenedFile,
    ) -> BoxFuture<'c, Result<Identity, ProbeError>> {
        Box::pin(async move {
            let touched = self.batch_execute(TOUCH).await;
            touched.map_err(|error| probe_error(&error))?;
            let unreachable =
                |error: std::io::Error| ProbeError::new(Fault::Unreachable, error.to_string());
            witness.identify().map_err(unreachable)
        })
    }

    fn read_position<'c>(
        &'c mut self,
        witness: &'c OpenedFile,
    ) -> BoxFuture<'c, Result<Reading, ProbeError>> {
        Box::pin(std::future::ready(witness.read_position()))
    }

    fn leads_there(witness: &OpenedFile) -> bool {
        witness.is_there()
    }
}

/// The file that Diesel opens for `url`.
fn path_of(url: &str) -> &str {
    let path = url.strip_prefix("sqlite://").unwrap_or(url);
    let path = path.strip_prefix("file:").unwrap_or(path);
    path.split_once('?').map_or(path, |(path, _)| path)
}
