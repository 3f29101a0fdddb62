//! BEGIN: on which node a transaction starts, over a connection that leads there.
//!
//! Decides that every transaction is on the primary, unless it is declared to be read-only and its
//! isolation level is one that a standby has. Must never use a connection that nobody asked who it
//! leads to.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use orm_split_core::{Connected, Fault, Hold, Node, SessionKey, SplitError};
use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::{
    AccessMode, DatabaseTransaction, DbBackend, DbErr, IsolationLevel, TransactionError,
    TransactionOptions, TransactionTrait,
};
use tracing::Instrument as _;
#[cfg(feature = "postgres")]
use tracing::{Dispatch, instrument::WithSubscriber};

use crate::connection::SplitConnection;
use crate::error::{fault_of, host_error};
use crate::idle::observe;
use crate::node_pool::unstable;
use crate::read_only::OnReplica;
use crate::split::Split;
use crate::transaction::{Place, Root, SplitTransaction};
use crate::transaction_trait::{Begin, transaction_trait};
use crate::watch::{Watch, watched};

/// How often BEGIN is tried while the password of a new connection has to be renewed.
const BEGINNINGS: usize = 8;

impl Begin for SplitConnection {
    type Begun = SplitTransaction;

    async fn begin_in(&self, options: TransactionOptions) -> Result<SplitTransaction, DbErr> {
        let Some(split) = &self.split else {
            let inner = self.primary.begin_with_options(options).await?;
            return Ok(SplitTransaction::unsplit(inner));
        };
        if self.may_begin_on_replica(options) {
            return Box::pin(self.begin_read_only(split, options)).await;
        }
        let primary = split.splitter.primary();
        let span = split.splitter.runs_in_transaction(primary, "BEGIN");
        let begun = self
            .begin_on(split, primary, options)
            .instrument(span)
            .await?;
        split.splitter.count_transaction();
        let root = Root::here(options, begun.watch);
        let inner = begun.transaction;
        let place = Place::Primary;
        Ok(SplitTransaction::begun(
            inner,
            split,
            root,
            self.asks.session,
            place,
        ))
    }
}

impl Begin for SplitTransaction {
    type Begun = Self;

    async fn begin_in(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        self.begin_nested(options).await
    }
}

transaction_trait!(SplitConnection, SplitTransaction);
transaction_trait!(SplitTransaction, SplitTransaction);

impl SplitConnection {
    /// A standby has no SERIALIZABLE. SQLite does not enforce what was declared, so there it would make
    /// a difference where the transaction is.
    fn may_begin_on_replica(&self, options: TransactionOptions) -> bool {
        let is_declared = matches!(options.access_mode, Some(AccessMode::ReadOnly));
        let is_serializable = matches!(options.isolation_level, Some(IsolationLevel::Serializable));
        is_declared && !is_serializable && self.get_database_backend() == DbBackend::Postgres
    }

    async fn begin_read_only(
        &self,
        split: &Arc<Split>,
        options: TransactionOptions,
    ) -> Result<SplitTransaction, DbErr> {
        let statement = BeginReadOnly {
            db: self,
            split,
            options,
        };
        let begun = split
            .splitter
            .begin_read_only(self.asks, &statement)
            .await?;
        let place = if begun.node.is_primary() {
            Place::Primary
        } else {
            Place::Replica(Box::new(OnReplica::new(
                (begun.node, begun.connected),
                begun.hold,
                self,
                options,
            )))
        };
        let root = Root::here(options, begun.watch);
        Ok(SplitTransaction::begun(
            begun.transaction,
            split,
            root,
            self.asks.session,
            place,
        ))
    }

    /// BEGIN on a connection that leads to `node`. SeaORM checks it out internally, so one that had to
    /// be opened can only be asked from inside the transaction, which then starts again.
    pub(crate) async fn begin_on(
        &self,
        split: &Split,
        node: &Node,
        options: TransactionOptions,
    ) -> Result<BegunOn, DbErr> {
        let replica = split.replica(node)?;
        let database = replica.as_ref().unwrap_or(&self.primary);
        let metric = self.metric.clone();
        let (database, watch) = watched(database, &split.splitter, metric, self.asks.session);
        let births = split.births(node);
        for _ in 0..BEGINNINGS {
            let begin = database.begin_with_options(options);
            let observed = observe(births.as_deref(), begin).await;
            let transaction = match observed.output {
                Ok(transaction) => transaction,
                Err(error) => {
                    // BEGIN itself may have failed, on a connection that nobody asked
                    split.was_opened(node, observed.born, None);
                    if split.renews_after(node, &error).await {
                        continue;
                    }
                    return Err(error);
                }
            };
            if let Some(from_idle) = observed.from_idle {
                return Ok(BegunOn::new(transaction, from_idle.connected, watch));
            }
            if node.is_primary() && !split.identifies_primary() {
                let connected = split.splitter.trusted_connection(node);
                return Ok(BegunOn::new(transaction, connected, watch));
            }
            #[cfg(feature = "postgres")]
            let connected = crate::postgres::identify_inside(&split.splitter, node, &transaction)
                // none of SeaORM's spans for a statement that is not the user's
                .with_subscriber(Dispatch::none())
                .await;
            #[cfg(feature = "postgres")]
            split.was_opened(node, observed.born, connected.as_ref().ok().copied());
            #[cfg(feature = "postgres")]
            let connected = connected?;
            #[cfg(not(feature = "postgres"))]
            let connected = split.splitter.trusted_connection(node);
            return Ok(BegunOn::new(transaction, connected, watch));
        }
        Err(host_error(unstable(node)))
    }
}

/// A transaction on some node.
pub(crate) struct BegunOn {
    pub(crate) transaction: DatabaseTransaction,
    connected: Connected,
    watch: Arc<Watch>,
}

impl BegunOn {
    /// From here on its statements are the user's.
    fn new(transaction: DatabaseTransaction, connected: Connected, watch: Arc<Watch>) -> Self {
        watch.begun();
        Self {
            transaction,
            connected,
            watch,
        }
    }
}

/// Whether every statement sees what was committed before it, and not what was before the first one.
pub(crate) fn takes_snapshot_per_statement(options: TransactionOptions) -> bool {
    matches!(
        options.isolation_level,
        None | Some(IsolationLevel::ReadCommitted | IsolationLevel::ReadUncommitted)
    )
}

/// BEGIN as core runs it: the checkout sends it, the execution only keeps what it got.
struct BeginReadOnly<'a> {
    db: &'a SplitConnection,
    split: &'a Split,
    options: TransactionOptions,
}

struct OnNode {
    begun: BegunOn,
    node: Arc<Node>,
}

struct Begun {
    transaction: DatabaseTransaction,
    connected: Connected,
    watch: Arc<Watch>,
    node: Arc<Node>,
    hold: Hold,
}

impl orm_split_core::Statement for BeginReadOnly<'_> {
    type Connection = OnNode;
    type Output = Begun;
    type Error = DbErr;

    async fn checkout(&self, node: &Arc<Node>) -> Result<(OnNode, Connected), DbErr> {
        let begin = self.db.begin_on(self.split, node, self.options);
        let begun = begin.await?;
        let node = Arc::clone(node);
        let connected = begun.connected;
        Ok((OnNode { begun, node }, connected))
    }

    fn release(&self, connection: OnNode) {
        // rolls back
        drop(connection);
    }

    async fn execute(&self, connection: OnNode, hold: Hold) -> Result<Begun, DbErr> {
        Ok(Begun {
            transaction: connection.begun.transaction,
            connected: connection.begun.connected,
            watch: connection.begun.watch,
            node: connection.node,
            hold,
        })
    }

    fn fault(&self, error: &DbErr) -> Fault {
        fault_of(error)
    }

    fn checkout_timed_out(&self, node: &Node) -> Fault {
        self.split.checkout_timed_out(node)
    }

    fn describe(&self, error: &DbErr) -> String {
        error.to_string()
    }

    fn fail(&self, error: SplitError) -> DbErr {
        host_error(error)
    }
}

impl Root {
    fn here(options: TransactionOptions, watch: Arc<Watch>) -> Self {
        Self {
            begun_by: SessionKey::current(),
            is_read_only: matches!(options.access_mode, Some(AccessMode::ReadOnly)),
            may_write: AtomicBool::new(false),
            watch,
        }
    }
}
