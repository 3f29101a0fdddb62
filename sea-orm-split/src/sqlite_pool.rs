//! SQLite pools of our making: the user's options and hooks, and ours beside them.
//!
//! As with PostgreSQL, the hook for idle connections is ours, the one for new connections only if the
//! builder was given a hook.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use orm_split_core::sqlite::OpenedFile;
use sea_orm::{ConnectOptions, Database, DatabaseConnection, DbErr};
use sqlx::Sqlite;
use sqlx::pool::PoolOptions;
use sqlx::sqlite::SqliteConnectOptions;

use crate::after_connect::AfterConnect;
use crate::assembly::{Assembled, Given, hook_was_replaced, without_after_connect};
use crate::births::Births;
use crate::idle::{idle_hook, new_hook};
use crate::node_pool::Ours;
use crate::sqlite::{assembled, opened_by};

/// A node whose pool has the user's options and hooks and checks idle connections before it hands them
/// out: they must be no older than the evidence about the node, and the path must still lead to the
/// file that was opened. On a replica connections can only read.
pub(crate) async fn guarded(given: &Given<'_>, user: &ConnectOptions) -> Result<Assembled, DbErr> {
    let node = given.node;
    let template = template(given, user).await?;
    let template = template.get_sqlite_connection_pool();
    let file = opened_by(template, node.is_primary());
    let births = Births::new(template.options().get_max_connections());
    let ours = Ours::new(
        template.options().get_min_connections(),
        given.extras.hooks.clone(),
        Arc::new(births),
    );
    let mut connect = (*template.connect_options()).clone();
    if !node.is_primary() {
        connect = read_only(connect);
    }
    let template = template.options().clone().min_connections(0);
    let pool_options = hooked(given, user, template.clone(), (&file, &ours.births));
    let mut own = user.clone();
    let mut after_connect = None;
    if !node.is_primary() {
        without_after_connect(&mut own);
        after_connect = Some(self::after_connect(user.clone(), template, connect.clone()));
    }
    let connection = connect_with(own, pool_options, connect).await?;
    Ok(Assembled {
        after_connect,
        ..assembled(connection, file, Some(ours))
    })
}

/// What SeaORM makes of the user's options.
async fn template(given: &Given<'_>, user: &ConnectOptions) -> Result<DatabaseConnection, DbErr> {
    let mut options = user.clone();
    options.connect_lazy(true);
    without_after_connect(&mut options);
    // dropped with the hook that holds it, if the user's own function puts another in its place
    let marker = Arc::new(());
    let held = Arc::clone(&marker);
    options.map_sqlx_sqlite_before_acquire(move |_, _| {
        let _held = &held;
        Box::pin(async { Ok(true) })
    });
    let template = Database::connect(options).await?;
    if Arc::strong_count(&marker) == 1 {
        return Err(hook_was_replaced(
            given.node,
            "map_sqlx_sqlite_pool_opts",
            "prepare_sqlite",
        ));
    }
    Ok(template)
}

fn hooked(
    given: &Given<'_>,
    user: &ConnectOptions,
    mut options: PoolOptions<Sqlite>,
    (file, births): (&Arc<OpenedFile>, &Arc<Births>),
) -> PoolOptions<Sqlite> {
    let ping_after = user.get_test_before_acquire_if_idle_for();
    let ping_after = ping_after.unwrap_or(Duration::MAX);
    let prepare = given.extras.hooks.sqlite.clone();
    if let Some(prepare) = &prepare {
        options = options.after_connect(new_hook(given.node, None, Arc::clone(prepare)));
    }
    let checked = Arc::clone(file);
    let of_generation = idle_hook(given.splitter, given.node, births, (ping_after, prepare));
    let of_generation = Arc::new(of_generation);
    options.before_acquire(move |connection, metadata| {
        let (checked, of_generation) = (Arc::clone(&checked), Arc::clone(&of_generation));
        Box::pin(
            async move { Ok(checked.is_there() && of_generation(connection, metadata).await?) },
        )
    })
}

fn read_only(options: SqliteConnectOptions) -> SqliteConnectOptions {
    // `query_only` also refuses temporary tables and VACUUM INTO, which a read-only file allows
    options
        .read_only(true)
        .create_if_missing(false)
        .pragma("query_only", "on")
}

/// The pool as SeaORM makes it, so that what it does not keep in the pool is the user's.
async fn connect_with(
    mut options: ConnectOptions,
    pool: PoolOptions<Sqlite>,
    connect: SqliteConnectOptions,
) -> Result<DatabaseConnection, DbErr> {
    options.connect_lazy(true);
    options.map_sqlx_sqlite_pool_opts(move |_| pool.clone());
    options.map_sqlx_sqlite_opts(move |_| connect.clone());
    Database::connect(options).await
}

/// The user's `after_connect`, over a pool that lasts as long as the hook wants it to.
fn after_connect(
    user: ConnectOptions,
    pool: PoolOptions<Sqlite>,
    connect: SqliteConnectOptions,
) -> AfterConnect {
    AfterConnect::new(move || {
        let connected = connect_with(user.clone(), pool.clone(), connect.clone());
        connected.map(|connected| connected.map(drop)).boxed()
    })
}
