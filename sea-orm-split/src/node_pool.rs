//! The pool of one node, and what happens at checkout.
//!
//! Decides whether a connection may be used at all: one that was just opened is asked who it leads
//! to, one that was idle must not be older than the evidence about its node.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32};

use futures_util::FutureExt;
use futures_util::future::Either;
use orm_split_core::{Connected, Identity, Node, PoolUse, SplitError, Splitter};
use sea_orm::DbErr;
use sqlx::pool::CloseEvent;

use crate::births::{Births, Span};
use crate::error::{checkout_error, driver_error, host_error};
use crate::idle::{FromIdle, observe_own};
use crate::leased::{Connection, Leased};
use crate::prepare::{Hooks, Preparing, not_prepared};

/// The pool of one node.
#[derive(Clone, Debug)]
pub(crate) struct NodePool {
    pool: AnyPool,
    /// What of it we built.
    pub(crate) ours: Option<Ours>,
    /// Connections that are being opened in the background.
    pub(crate) openers: Arc<AtomicU32>,
}

/// What a pool has that was built by us: its hook tells idle connections from new ones.
#[derive(Clone, Debug)]
pub(crate) struct Ours {
    /// How many connections it should hold at least.
    pub(crate) least: u32,
    /// What the user runs on each connection before it is used.
    pub(crate) hooks: Hooks,
    /// Set while a task opens those.
    pub(crate) is_filling: Arc<AtomicBool>,
    /// When its connections were opened, and whom they lead to.
    pub(crate) births: Arc<Births>,
}

impl Ours {
    pub(crate) fn new(least: u32, hooks: Hooks, births: Arc<Births>) -> Self {
        Self {
            least,
            hooks,
            is_filling: Arc::default(),
            births,
        }
    }
}

/// A connection taken from its pool; `idle` unless it is new.
pub(crate) struct Taken {
    pub(crate) leased: Leased,
    connected: Connected,
    idle: Option<FromIdle>,
}

#[derive(Clone, Debug)]
enum AnyPool {
    #[cfg(feature = "postgres")]
    Postgres(sqlx::PgPool, Arc<crate::node_options::NodeOptions>),
    #[cfg(feature = "mysql")]
    MySql(sqlx::MySqlPool),
    #[cfg(feature = "sqlite")]
    Sqlite(sqlx::SqlitePool, Arc<orm_split_core::sqlite::OpenedFile>),
}

/// Evaluates one expression for whichever back end the pool is of.
macro_rules! on_pool {
    ($any:expr, $pool:ident => $body:expr) => {
        match $any {
            #[cfg(feature = "postgres")]
            AnyPool::Postgres($pool, _) => $body,
            #[cfg(feature = "mysql")]
            AnyPool::MySql($pool) => $body,
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite($pool, _) => $body,
        }
    };
}

/// How often a new connection is asked again while replies of others overtake its own.
pub(crate) const QUESTIONS: usize = 4;

impl NodePool {
    #[cfg(feature = "postgres")]
    pub(crate) fn postgres(
        pool: sqlx::PgPool,
        options: Arc<crate::node_options::NodeOptions>,
        ours: Option<Ours>,
    ) -> Self {
        Self::new(AnyPool::Postgres(pool, options), ours)
    }

    /// Its connections are not asked who they lead to.
    #[cfg(feature = "mysql")]
    pub(crate) fn mysql(pool: sqlx::MySqlPool) -> Self {
        Self::new(AnyPool::MySql(pool), None)
    }

    #[cfg(feature = "sqlite")]
    pub(crate) fn sqlite(
        pool: sqlx::SqlitePool,
        file: Arc<orm_split_core::sqlite::OpenedFile>,
        ours: Option<Ours>,
    ) -> Self {
        Self::new(AnyPool::Sqlite(pool, file), ours)
    }

    fn new(pool: AnyPool, ours: Option<Ours>) -> Self {
        Self {
            pool,
            ours,
            openers: Arc::default(),
        }
    }

    /// A connection that may be used for a statement on `node`, prepared by the user's hook.
    pub(crate) async fn checkout(
        &self,
        splitter: &Arc<Splitter>,
        node: &Arc<Node>,
    ) -> Result<(Leased, Connected), DbErr> {
        let Some(ours) = &self.ours else {
            let leased = self.acquire().await?;
            return Ok((leased, splitter.trusted_connection(node)));
        };
        if ours.hooks.are_none() {
            let taken = self.take(splitter, node).await?;
            return Ok((taken.leased, taken.connected));
        }
        // large, and only where it is asked for
        Box::pin(self.take_prepared(ours, splitter, node)).await
    }

    /// Runs in the task that asked, whose task-locals may name a tenant. What a hook refuses is
    /// closed; there is an end to it, since the pool runs out of idle connections.
    async fn take_prepared(
        &self,
        ours: &Ours,
        splitter: &Arc<Splitter>,
        node: &Arc<Node>,
    ) -> Result<(Leased, Connected), DbErr> {
        loop {
            let mut taken = self.take(splitter, node).await?;
            let preparing = Preparing::of(node);
            let preparing = match taken.idle {
                Some(idle) => preparing.idle(idle.age, idle.idle_for),
                None => preparing,
            };
            let prepared = prepare(&ours.hooks, taken.leased.connection_mut(), preparing).await;
            match (prepared, taken.idle) {
                (Ok(true), _) => return Ok((taken.leased, taken.connected)),
                (Ok(false), Some(_)) => {}
                (Err(error), Some(_)) => {
                    tracing::warn!(node = node.name(), %error, "an idle connection was not prepared");
                }
                (Ok(false), None) => return Err(checkout_error(not_prepared(node, None))),
                (Err(error), None) => return Err(checkout_error(not_prepared(node, Some(error)))),
            }
        }
    }

    /// No `async fn`: one more future around each checkout counts against the recursion limit of
    /// whoever awaits a statement.
    pub(crate) fn take<'a>(
        &'a self,
        splitter: &'a Arc<Splitter>,
        node: &'a Arc<Node>,
    ) -> impl Future<Output = Result<Taken, DbErr>> + Send + 'a {
        match self.opener() {
            // rare and large: it must not be part of every statement's future
            Some(opener) => Either::Left(self.open_in_background(opener, splitter, node).boxed()),
            None => Either::Right(self.take_here(splitter, node)),
        }
    }

    async fn take_here(&self, splitter: &Splitter, node: &Node) -> Result<Taken, DbErr> {
        let mut observed = observe_own(self.acquire()).await;
        if let Err(error) = &observed.output
            && Box::pin(self.renews_after(error)).await
        {
            observed = Box::pin(observe_own(self.acquire())).await;
        }
        let leased = observed.output?;
        match observed.from_idle {
            Some(from_idle) => Ok(Taken {
                leased,
                connected: from_idle.connected,
                idle: observed.from_idle,
            }),
            None => Box::pin(self.identify(leased, observed.born, splitter, node)).await,
        }
    }

    /// A connection that is about to be opened has the options of this moment.
    pub(crate) async fn open(&self, splitter: &Splitter, node: &Node) -> Result<Taken, DbErr> {
        match &self.pool {
            #[cfg(feature = "postgres")]
            AnyPool::Postgres(_, options) => options.refresh().await.map_err(checkout_error)?,
            #[cfg(feature = "mysql")]
            AnyPool::MySql(_) => {}
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite(..) => {}
        }
        self.take_here(splitter, node).await
    }

    /// Whether it is worth trying again with the options of this moment.
    pub(crate) async fn renews_after(&self, error: &DbErr) -> bool {
        match (&self.pool, driver_error(error)) {
            #[cfg(feature = "postgres")]
            (AnyPool::Postgres(_, options), Some(error)) => options.renews_after(error).await,
            _ => false,
        }
    }

    /// How many connections the pool may still open, if it has no idle one.
    pub(crate) fn room(&self) -> u32 {
        on_pool!(&self.pool, pool => room(pool))
    }

    /// Whether the pool holds fewer connections than the user wants at least.
    pub(crate) fn is_short(&self) -> bool {
        let least = self.ours.as_ref().map_or(0, |ours| ours.least);
        on_pool!(&self.pool, pool => pool.size() < least)
    }

    /// Resolves when the pool is closed.
    pub(crate) fn closed(&self) -> CloseEvent {
        on_pool!(&self.pool, pool => pool.close_event())
    }

    /// Whether the pool was built by us.
    pub(crate) fn is_hooked(&self) -> bool {
        self.ours.is_some()
    }

    /// Whether its connections open a file instead of leading to a server.
    pub(crate) fn is_embedded(&self) -> bool {
        match &self.pool {
            #[cfg(feature = "postgres")]
            AnyPool::Postgres(..) => false,
            #[cfg(feature = "mysql")]
            AnyPool::MySql(_) => false,
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite(..) => true,
        }
    }

    /// How many connections the pool may open.
    pub(crate) fn max_connections(&self) -> u32 {
        on_pool!(&self.pool, pool => pool.options().get_max_connections())
    }

    /// How many connections it has.
    pub(crate) fn used(&self) -> PoolUse {
        on_pool!(&self.pool, pool => used(pool))
    }

    /// Whether all connections that the pool may open are in use.
    pub(crate) fn is_saturated(&self) -> bool {
        on_pool!(&self.pool, pool => is_saturated(pool))
    }

    /// Boxed, since sqlx's future holds all of connecting, some 25 KiB, which would be copied from one
    /// future to the next for every statement.
    async fn acquire(&self) -> Result<Leased, DbErr> {
        let connection = match &self.pool {
            #[cfg(feature = "postgres")]
            AnyPool::Postgres(pool, _) => Box::pin(pool.acquire()).await.map(Connection::Postgres),
            #[cfg(feature = "mysql")]
            AnyPool::MySql(pool) => Box::pin(pool.acquire()).await.map(Connection::MySql),
            #[cfg(feature = "sqlite")]
            AnyPool::Sqlite(pool, _) => Box::pin(pool.acquire()).await.map(Connection::Sqlite),
        };
        connection.map(Leased::new).map_err(checkout_error)
    }

    /// Opening a connection is a probe.
    async fn identify(
        &self,
        mut leased: Leased,
        born: Vec<Span>,
        splitter: &Splitter,
        node: &Node,
    ) -> Result<Taken, DbErr> {
        for _ in 0..QUESTIONS {
            let question = splitter.identify(node);
            let identity = self.ask(leased.connection_mut()).await;
            let identity = identity.map_err(checkout_error)?;
            if let Some(judged) = question.answered(&identity).judge(node) {
                let connected = judged.map_err(host_error)?;
                self.was_opened(born, Some(connected));
                return Ok(Taken {
                    leased,
                    connected,
                    idle: None,
                });
            }
        }
        Err(host_error(unstable(node)))
    }

    /// A connection was opened, in one of these spans, that leads there.
    pub(crate) fn was_opened(&self, born: Vec<Span>, connected: Option<Connected>) {
        if let Some(births) = self.births() {
            births.remember(born, connected);
        }
    }

    /// What tells the pool's idle connections apart.
    pub(crate) fn births(&self) -> Option<&Arc<Births>> {
        self.ours.as_ref().map(|ours| &ours.births)
    }

    async fn ask(&self, connection: &mut Connection) -> Result<Identity, sqlx::Error> {
        match (&self.pool, connection) {
            #[cfg(feature = "postgres")]
            (AnyPool::Postgres(..), Connection::Postgres(connection)) => {
                crate::postgres::identify(connection).await
            }
            #[cfg(feature = "sqlite")]
            (AnyPool::Sqlite(_, file), Connection::Sqlite(connection)) => {
                crate::sqlite::identify(connection, file).await
            }
            // a pool yields connections of its own kind, and those of MySQL are not asked
            #[allow(unreachable_patterns, reason = "with one back end alone")]
            _ => Err(sqlx::Error::WorkerCrashed),
        }
    }
}

/// The node's connections lead to servers that keep changing.
pub(crate) fn unstable(node: &Node) -> SplitError {
    SplitError::Unstable {
        node: node.name().to_owned(),
    }
}

fn room<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> u32 {
    if pool.num_idle() > 0 {
        return 0;
    }
    pool.options()
        .get_max_connections()
        .saturating_sub(pool.size())
}

/// How many connections a pool has.
pub(crate) fn used<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> PoolUse {
    let idle = u32::try_from(pool.num_idle()).unwrap_or(u32::MAX);
    PoolUse::new(pool.size(), idle, pool.options().get_max_connections())
}

fn is_saturated<DB: sqlx::Database>(pool: &sqlx::Pool<DB>) -> bool {
    pool.num_idle() == 0 && pool.size() >= pool.options().get_max_connections()
}

/// Runs the user's hook of the connection's back end.
async fn prepare(
    hooks: &Hooks,
    connection: &mut Connection,
    preparing: Preparing,
) -> Result<bool, sqlx::Error> {
    match (connection, hooks) {
        #[cfg(feature = "postgres")]
        (
            Connection::Postgres(connection),
            Hooks {
                postgres: Some(hook),
                ..
            },
        ) => hook(connection, preparing).await,
        #[cfg(feature = "sqlite")]
        (
            Connection::Sqlite(connection),
            Hooks {
                sqlite: Some(hook), ..
            },
        ) => hook(connection, preparing).await,
        _ => {
            drop(preparing);
            Ok(true)
        }
    }
}
