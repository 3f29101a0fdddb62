//! PostgreSQL pools of our making: the user's options and hooks, and ours beside them.
//!
//! sqlx keeps one hook of each kind and shows none, so each is either the user's or ours: the one for
//! idle connections is ours, the one for new connections only if the builder was given a hook. No
//! connection is opened ahead of use by sqlx, where nobody would ask who it leads to.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sqlx::pool::PoolOptions;
use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{Connection, Executor, Postgres};

use crate::after_connect::AfterConnect;
use crate::assembly::{Assembled, Given, hook_was_replaced, without_after_connect};
use crate::births::Births;
use crate::error::checkout_error;
use crate::idle::{Setup, idle_hook, new_hook};
use crate::node_options::NodeOptions;
use crate::node_pool::Ours;
use crate::postgres::assembled;

/// How long a connection to a replica may be idle before it is pinged.
const PING_AFTER: Duration = Duration::from_secs(30);

/// A node whose pool has the user's options and hooks, and checks idle connections against the evidence
/// about the node before it hands them out. On a replica sessions are opened read-only.
pub(crate) async fn guarded(given: &Given<'_>, user: &ConnectOptions) -> Result<Assembled, DbErr> {
    let (splitter, node) = (given.splitter, given.node);
    let template = template(given, user).await?;
    let template = template.get_postgres_connection_pool();
    let search_path = crate::search_path::of(user);
    let options = Arc::new(NodeOptions::new(
        splitter,
        node,
        (*template.connect_options()).clone(),
        search_path.clone(),
        given.extras.postgres_options.clone(),
    ));
    let births = Births::new(template.options().get_max_connections());
    let ours = Ours::new(
        template.options().get_min_connections(),
        given.extras.hooks.clone(),
        Arc::new(births),
    );
    let template = template.options().clone().min_connections(0);
    let pool_options = hooked(given, user, template.clone(), (search_path, &ours.births));
    let mut own = user.clone();
    let is_used_now = node.is_primary() && !user.get_connect_lazy();
    let connect = if is_used_now {
        settle(given, &options).await;
        options.current().await.map_err(checkout_error)?
    } else {
        options.guarded()
    };
    if !node.is_primary() {
        without_after_connect(&mut own);
    }
    let connection = connect_with(own, pool_options, connect).await?;
    options.belong_to(connection.get_postgres_connection_pool());
    let after_connect =
        (!node.is_primary()).then(|| after_connect(user.clone(), template, Arc::clone(&options)));
    Ok(Assembled {
        after_connect,
        ..assembled(connection, options, Some(ours))
    })
}

/// What SeaORM makes of the user's options, without a connection.
async fn template(given: &Given<'_>, user: &ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    let mut options = user.clone();
    options.connect_lazy(true);
    without_after_connect(&mut options);
    // dropped with the hook that holds it, if the user's own function puts another in its place
    let marker = Arc::new(());
    let held = Arc::clone(&marker);
    options.map_sqlx_postgres_before_acquire(move |_, _| {
        let _held = &held;
        Box::pin(async { Ok(true) })
    });
    let template = Database::connect(options).await?;
    if Arc::strong_count(&marker) == 1 {
        return Err(hook_was_replaced(
            given.node,
            "map_sqlx_postgres_pool_opts",
            "prepare_postgres",
        ));
    }
    Ok(template)
}

fn hooked(
    given: &Given<'_>,
    user: &ConnectOptions,
    mut options: PoolOptions<Postgres>,
    (search_path, births): (Option<String>, &Arc<Births>),
) -> PoolOptions<Postgres> {
    let (splitter, node) = (given.splitter, given.node);
    let ping_after = user.get_test_before_acquire_if_idle_for();
    let mut ping_after = ping_after.unwrap_or(Duration::MAX);
    if !node.is_primary() {
        // a read may be repeated, and a prober watches the node
        options = options.test_before_acquire(false);
        ping_after = ping_after.min(PING_AFTER);
    }
    let prepare = given.extras.hooks.postgres.clone();
    if let Some(prepare) = &prepare {
        let setup = search_path.map(set_search_path);
        options = options.after_connect(new_hook(node, setup, Arc::clone(prepare)));
    }
    options.before_acquire(idle_hook(splitter, node, births, (ping_after, prepare)))
}

/// What SeaORM's own hook does, where ours takes its place.
fn set_search_path(path: String) -> Setup<PgConnection> {
    let sql: Arc<str> = format!("SET search_path = {path}").into();
    Arc::new(move |connection| {
        let sql = sqlx::AssertSqlSafe(sql.to_string());
        async move { connection.execute(sql).await.map(drop) }.boxed()
    })
}

/// Whether the server takes our settings has to be known before the user's `after_connect` uses the
/// pool. Any other failure is for whoever uses it then.
async fn settle(given: &Given<'_>, options: &NodeOptions) {
    if !options.have_settings() {
        return;
    }
    let deadline = given.splitter.options().probe_deadline;
    let opened = tokio::time::timeout(deadline, options.open(|options| options));
    if let Ok(Ok(connection)) = opened.await {
        drop(connection.close().await);
    }
}

/// The pool as SeaORM makes it, so that what it does not keep in the pool is the user's.
async fn connect_with(
    mut options: ConnectOptions,
    pool: PoolOptions<Postgres>,
    connect: PgConnectOptions,
) -> Result<DatabaseConnection, DbErr> {
    options.connect_lazy(true);
    options.map_sqlx_postgres_pool_opts(move |_| pool.clone());
    options.map_sqlx_postgres_opts(move |_| connect.clone());
    Database::connect(options).await
}

/// The user's `after_connect`, over a pool that lasts as long as the hook wants it to.
fn after_connect(
    user: ConnectOptions,
    pool: PoolOptions<Postgres>,
    options: Arc<NodeOptions>,
) -> AfterConnect {
    AfterConnect::new(move || {
        let (user, pool, options) = (user.clone(), pool.clone(), Arc::clone(&options));
        async move {
            let connect = options.current().await.map_err(checkout_error)?;
            connect_with(user, pool, connect).await.map(drop)
        }
        .boxed()
    })
}
