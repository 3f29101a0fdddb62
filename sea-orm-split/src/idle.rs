//! What runs inside a pool when a connection is taken from it.
//!
//! Decides which idle connections may pass, and that none passes unprepared: checkouts of ours prepare
//! their connections themselves, where an error can be told from a broken connection; what SeaORM and
//! the raw handle take, the pool's hooks prepare.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use orm_split_core::{Connected, Node, Splitter};
use sqlx::pool::PoolConnectionMetadata;
use tokio::time::Instant;

use crate::births::{Births, Span};
use crate::prepare::{Hook, Preparing, not_prepared};

tokio::task_local! {
    /// The checkout that the current task is in.
    static CHECKOUT: Checkout;
}

struct Checkout {
    /// Set by a pool's `before_acquire` hook, which sqlx runs inside the task that acquires, and only
    /// for idle connections: empty afterwards means that the connection was opened for this checkout.
    from_idle: Cell<Option<FromIdle>>,
    /// When the task last went on with it: what sqlx reads of the clock in a hook lies between that and
    /// the hook.
    polled_at: Cell<Instant>,
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

/// What came of a checkout.
pub(crate) struct Observed<T> {
    pub(crate) output: T,
    /// The idle connection that was taken; `None` if one was opened.
    pub(crate) from_idle: Option<FromIdle>,
    /// If one was opened: when. It was born in one of these.
    pub(crate) born: Vec<Span>,
}

/// Runs a checkout deep inside SeaORM, and tells whether it took an idle connection that may be used.
/// Given up half-way, it may leave a connection in the pool that nobody asked.
pub(crate) async fn observe<F: Future>(
    births: Option<&Births>,
    checkout: F,
) -> Observed<F::Output> {
    observe_with(Polls::all(births), checkout, false).await
}

/// As [`observe`], for a checkout that runs the user's hook itself, and does nothing after it has a
/// connection.
pub(crate) async fn observe_own<F: Future>(checkout: F) -> Observed<F::Output> {
    observe_with(Polls::last(), checkout, true).await
}

async fn observe_with<F: Future>(
    mut polls: Polls<'_>,
    checkout: F,
    prepares: bool,
) -> Observed<F::Output> {
    let run = async {
        let mut checkout = std::pin::pin!(checkout);
        let output = std::future::poll_fn(|context| {
            let polled_at = Instant::now();
            CHECKOUT.with(|current| current.polled_at.set(polled_at));
            let polled = checkout.as_mut().poll(context);
            if CHECKOUT.with(|current| current.from_idle.get().is_none()) {
                polls.add(Span::new(polled_at, Instant::now()));
            }
            polled
        });
        let output = output.await;
        let from_idle = CHECKOUT.with(|current| current.from_idle.take());
        let born = match from_idle {
            Some(_) => Vec::new(),
            None => std::mem::take(&mut polls.spans),
        };
        Observed {
            output,
            from_idle,
            born,
        }
    };
    let checkout = Checkout {
        from_idle: Cell::new(None),
        polled_at: Cell::new(Instant::now()),
        prepares,
    };
    CHECKOUT.scope(checkout, run).await
}

/// When a checkout went on that took no idle connection.
struct Polls<'a> {
    spans: Vec<Span>,
    keeps_all: bool,
    births: Option<&'a Births>,
}

impl<'a> Polls<'a> {
    /// The connection is there when it ends.
    fn last() -> Self {
        Self {
            spans: Vec::new(),
            keeps_all: false,
            births: None,
        }
    }

    fn all(births: Option<&'a Births>) -> Self {
        Self {
            spans: Vec::new(),
            keeps_all: true,
            births,
        }
    }

    fn add(&mut self, span: Span) {
        if !self.keeps_all {
            self.spans.clear();
        }
        self.spans.push(span);
    }
}

impl Drop for Polls<'_> {
    fn drop(&mut self) {
        if let Some(births) = self.births.filter(|_| !self.spans.is_empty()) {
            births.remember(std::mem::take(&mut self.spans), None);
        }
    }
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

/// Lets an idle connection pass if it belongs to the node's current generation; of a group, if it is known
/// to lead to a member. One that was idle for `ping_after` is pinged first: a firewall may have dropped it.
///
/// The pool must not keep the splitter alive: the splitter's monitor holds the pool. A pool that
/// outlives the splitter, through a raw handle, goes on as a plain one.
pub(crate) fn idle_hook<C>(
    splitter: &Arc<Splitter>,
    node: &Arc<Node>,
    births: &Arc<Births>,
    (ping_after, prepare): (Duration, Option<Hook<C>>),
) -> IdleHook<C>
where
    C: sqlx::Connection + 'static,
{
    let (splitter, node) = (Arc::downgrade(splitter), Arc::clone(node));
    let births = Arc::clone(births);
    Box::new(move |connection, metadata| {
        let (splitter, node) = (splitter.upgrade(), Arc::clone(&node));
        let is_group = splitter.as_ref().is_some_and(|s| s.is_group(&node));
        // now: the age was read in the poll that calls this
        let of_member = match is_group {
            true => Some(born_in(metadata.age).and_then(|span| births.find(span))),
            false => None,
        };
        let prepare = prepare.clone();
        Box::pin(async move {
            if metadata.idle_for >= ping_after {
                connection.ping().await?;
            }
            let mut from_idle = None;
            if let Some(splitter) = splitter {
                from_idle = current(&splitter, &node, of_member, &metadata);
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

/// When a connection of this age was born; `None` outside of a checkout of ours.
fn born_in(age: Duration) -> Option<Span> {
    let polled_at = CHECKOUT
        .try_with(|checkout| checkout.polled_at.get())
        .ok()?;
    Span::new(polled_at, Instant::now()).earlier(age)
}

/// What the checkout learns of a connection that belongs to the node's current generation. `of_member`: of a
/// group, whom it was found to lead to, if that can be told.
fn current(
    splitter: &Splitter,
    node: &Node,
    of_member: Option<Option<Connected>>,
    metadata: &PoolConnectionMetadata,
) -> Option<FromIdle> {
    let connected = match of_member {
        Some(member) => member.filter(|connected| splitter.is_current(node, *connected)),
        None => splitter.connection_of_age(node, metadata.age),
    }?;
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
