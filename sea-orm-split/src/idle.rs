//! What runs inside a pool when a connection is taken from it.
//!
//! Decides which idle connections may pass, and that none passes unprepared: checkouts of ours prepare
//! their connections themselves, where an error can be told from a broken connection; what SeaORM and
//! the raw handle take, the pool's hooks prepare.

use std::cell::Cell;
use std::sync::{Arc, Weak};
use std::time::Duration;

use futures_util::future::BoxFuture;
use orm_split_core::{Connected, Node, Splitter};
use sqlx::pool::PoolConnectionMetadata;

use crate::prepare::{Hook, Preparing, not_prepared};

tokio::task_local! {
    /// The checkout that the current task is in.
    static CHECKOUT: Checkout;
}

struct Checkout {
    /// Set by a pool's `before_acquire` hook, which sqlx runs inside the task that acquires, and only
    /// for idle connections: empty afterwards means that the connection was opened for this checkout.
    from_idle: Cell<Option<FromIdle>>,
    /// Whoever checks out runs the user's hook afterwards.
    prepares: bool,
}

/// An idle connection that a checkout took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct FromIdle {
    pub(crate) connected: Connected,
    pub(crate) age: Duration,
    pub(crate) idle_for: Duration,
}

/// Runs a checkout deep inside SeaORM, and tells whether it took an idle connection of the current
/// generation; `None` if it opened one.
pub(crate) fn observe<F: Future>(
    checkout: F,
) -> impl Future<Output = (F::Output, Option<FromIdle>)> {
    observe_with(checkout, false)
}

/// As [`observe`], for a checkout that runs the user's hook itself.
pub(crate) fn observe_own<F: Future>(
    checkout: F,
) -> impl Future<Output = (F::Output, Option<FromIdle>)> {
    observe_with(checkout, true)
}

async fn observe_with<F: Future>(checkout: F, prepares: bool) -> (F::Output, Option<FromIdle>) {
    let run = async {
        let output = checkout.await;
        (output, CHECKOUT.with(|checkout| checkout.from_idle.take()))
    };
    let checkout = Checkout {
        from_idle: Cell::new(None),
        prepares,
    };
    CHECKOUT.scope(checkout, run).await
}

/// Whether the current task prepares the connection itself. Outside a checkout of ours (the raw
/// handle) nobody does.
fn prepares_itself() -> bool {
    CHECKOUT
        .try_with(|checkout| checkout.prepares)
        .unwrap_or(false)
}

/// What a pool's `before_acquire` hook does with an idle connection.
pub(crate) type IdleHook<C> = Box<
    dyn for<'c> Fn(&'c mut C, PoolConnectionMetadata) -> BoxFuture<'c, Result<bool, sqlx::Error>>
        + Send
        + Sync,
>;

/// Lets an idle connection pass if it belongs to the node's current generation. One that was idle
/// for `ping_after` is pinged first: a firewall may have dropped it.
///
/// The pool must not keep the splitter alive: the splitter's monitor holds the pool. A pool that
/// outlives the splitter, through a raw handle, goes on as a plain one.
pub(crate) fn idle_hook<C>(
    splitter: &Arc<Splitter>,
    node: &Arc<Node>,
    ping_after: Duration,
    prepare: Option<Hook<C>>,
) -> IdleHook<C>
where
    C: sqlx::Connection + 'static,
{
    let (splitter, node) = (Arc::downgrade(splitter), Arc::clone(node));
    Box::new(move |connection, metadata| {
        let (splitter, node) = (Weak::clone(&splitter), Arc::clone(&node));
        let prepare = prepare.clone();
        Box::pin(async move {
            if metadata.idle_for >= ping_after {
                connection.ping().await?;
            }
            let mut from_idle = None;
            if let Some(splitter) = splitter.upgrade() {
                from_idle = current(&splitter, &node, &metadata);
                if from_idle.is_none() {
                    return Ok(false);
                }
            }
            if let Some(prepare) = prepare.filter(|_| !prepares_itself()) {
                let preparing = Preparing::of(&node).idle(metadata.age, metadata.idle_for);
                if !prepare(connection, preparing).await? {
                    return Ok(false);
                }
            }
            // only now: in the place of one that does not pass, sqlx opens another
            let _nobody_asks = CHECKOUT.try_with(|checkout| checkout.from_idle.set(from_idle));
            Ok(true)
        })
    })
}

/// What the checkout learns of a connection that belongs to the node's current generation.
fn current(
    splitter: &Splitter,
    node: &Node,
    metadata: &PoolConnectionMetadata,
) -> Option<FromIdle> {
    let connected = splitter.connection_of_age(node, metadata.age)?;
    Some(FromIdle {
        connected,
        age: metadata.age,
        idle_for: metadata.idle_for,
    })
}

/// What a pool's `after_connect` hook does with a new connection.
pub(crate) type NewHook<C> = Box<
    dyn for<'c> Fn(&'c mut C, PoolConnectionMetadata) -> BoxFuture<'c, Result<(), sqlx::Error>>
        + Send
        + Sync,
>;

/// What has to be run on each new connection, whoever opened it.
pub(crate) type Setup<C> =
    Arc<dyn for<'c> Fn(&'c mut C) -> BoxFuture<'c, Result<(), sqlx::Error>> + Send + Sync>;

/// Sets a new connection up and prepares it.
pub(crate) fn new_hook<C>(node: &Arc<Node>, setup: Option<Setup<C>>, prepare: Hook<C>) -> NewHook<C>
where
    C: sqlx::Connection + 'static,
{
    let node = Arc::clone(node);
    Box::new(move |connection, _| {
        let (node, setup, prepare) = (Arc::clone(&node), setup.clone(), Arc::clone(&prepare));
        Box::pin(async move {
            if let Some(setup) = setup {
                setup(connection).await?;
            }
            if prepares_itself() {
                return Ok(());
            }
            match prepare(connection, Preparing::of(&node)).await {
                Ok(true) => Ok(()),
                Ok(false) => Err(not_prepared(&node, None)),
                Err(error) => Err(not_prepared(&node, Some(error))),
            }
        })
    })
}
