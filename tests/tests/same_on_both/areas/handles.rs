//! The handles themselves: made, cloned, passed to functions that name SeaORM's types, pinged, closed.

use anyhow::{Context, Result};
use sea_orm::ActiveValue::Set;
use sea_orm::rbac::{PermissionRequest, ResourceRequest};
use sea_orm::sqlx::{self, Row};
use sea_orm::{
    ActiveModelTrait, DatabaseConnection, DatabaseConnectionType, DatabaseTransaction, DbConn,
    DbErr, EntityTrait, QueryOrder, TransactionTrait, debug_query_stmt,
};

use super::{Db, Restricted, Transaction, settle, setup};
use crate::seen::Seen;
use crate::shop::author;

/// Each of these stands on the type itself: a path does not look through `Deref`.
#[test]
fn every_inherent_method_stands_on_the_type_itself() {
    let _nodes = (Db::ping, Db::close, Db::close_by_ref);
    let _kind = (Db::get_database_backend, Db::get_postgres_connection_pool);
    let _kind = Db::get_sqlite_connection_pool;
    let _schema = (Db::get_schema_builder, Db::get_schema_registry);
    let _rights = (
        Db::load_rbac,
        Db::load_rbac_from,
        Db::replace_rbac,
        Db::restricted_for,
    );
    let _mock = (Db::as_mock_connection, Db::into_transaction_log);
    let _metric = Db::set_metric_callback::<fn(&sea_orm::metric::Info<'_>)>;
    let _ends = (Transaction::commit, Transaction::rollback);
    let _user = (Restricted::user_id, Restricted::roles_and_ranks);
    let _user = Restricted::current_user_role_permissions;
    let _roles = (
        Restricted::resources_and_permissions,
        Restricted::role_hierarchy_edges,
    );
    let _roles = Restricted::role_permissions_by_resources;
    let _may = Restricted::user_can_run::<sea_orm::sea_query::SelectStatement>;
    let _may = Restricted::user_can::<PermissionRequest, ResourceRequest>;
}

/// As an application keeps it.
#[derive(Clone, Debug, Default)]
struct State {
    db: Db,
}

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    seen.saw("backend", db.get_database_backend());
    seen.saw("ping", db.ping().await);
    legacy(db, "through &Db").await?;
    seen.saw("names", names(db).await?);
    let transaction = db.begin().await?;
    legacy_transaction(&transaction, "in a transaction").await?;
    transaction.commit().await?;
    seen.saw("names", names(db).await?);
    pool(db, seen).await?;
    seen.saw("names", names(db).await?);
    let query = author::Entity::find();
    seen.saw(
        "query",
        debug_query_stmt!(&query, db.get_database_backend()).to_string(),
    );
    settle(db).await?;
    seen.saw("names", names(db).await?);
    states(db, seen).await
}

async fn add(db: &impl sea_orm::ConnectionTrait, name: &str) -> Result<(), DbErr> {
    let name = Set(name.to_owned());
    let author = author::ActiveModel {
        name,
        ..Default::default()
    };
    author.insert(db).await.map(drop)
}

/// Functions that nobody has changed yet.
async fn legacy(db: &DatabaseConnection, name: &str) -> Result<(), DbErr> {
    add(db, name).await?;
    let transaction = db.begin().await?;
    add(&transaction, &format!("{name}, twice")).await?;
    transaction.commit().await
}

async fn legacy_transaction(db: &DatabaseTransaction, name: &str) -> Result<(), DbErr> {
    add(db, name).await
}

async fn names(db: &Db) -> Result<Vec<String>, DbErr> {
    let authors = author::Entity::find()
        .order_by_asc(author::Column::Id)
        .all(db)
        .await?;
    Ok(authors.into_iter().map(|author| author.name).collect())
}

/// Under SeaORM.
async fn pool(db: &Db, seen: &mut Seen) -> Result<()> {
    let pool: &sqlx::PgPool = db.get_postgres_connection_pool();
    let add = sqlx::query("INSERT INTO author (name) VALUES ('sqlx') RETURNING id");
    let row = add.fetch_one(pool).await?;
    seen.saw("sqlx", row.try_get::<i32, _>(0)?);
    let of_pool = Db::from(pool.clone());
    seen.saw("of a pool", names(&of_pool).await?);
    Ok(())
}

async fn states(db: &Db, seen: &mut Seen) -> Result<()> {
    let nowhere = State::default();
    seen.saw(
        "no ping",
        nowhere.db.ping().await.map_err(|error| error.to_string()),
    );
    let state = State { db: db.clone() };
    let shown = format!("{state:?}");
    seen.saw("no password", !shown.contains("secret"));
    seen.saw("cloned", names(&state.clone().db).await?);
    let _raw: &DbConn = &state.db;
    let is_postgres = matches!(
        db.inner,
        DatabaseConnectionType::SqlxPostgresPoolConnection(_)
    );
    seen.saw("inner", is_postgres);
    let task = tokio::task::JoinSet::from_iter([async move { names(&state.db).await }]);
    let joined = task.join_all().await.pop().context("a task")??;
    seen.saw("in a task", joined);
    db.close_by_ref().await?;
    let closed = names(db).await;
    seen.saw("closed", closed.map_err(|error| error.to_string()));
    seen.saw("ping", db.ping().await.map_err(|error| error.to_string()));
    let begun = db.begin().await.map(|_| ());
    seen.saw("begin", begun.map_err(|error| error.to_string()));
    seen.saw("closed twice", db.clone().close().await);
    Ok(())
}
