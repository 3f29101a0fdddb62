//! Access control: what each user may, on connections, in transactions, nested ones, and by raw SQL.

use anyhow::Result;
use sea_orm::ActiveValue::Set;
use sea_orm::rbac::{RbacAddRoleHierarchy, RbacContext, RbacEngine, RbacSnapshot, RbacUserId};
use sea_orm::{
    AccessMode, ActiveModelTrait, ColumnTrait, ConnectionTrait, DbErr, EntityTrait, QueryFilter,
    QueryOrder, QueryTrait, RestrictedConnection, TransactionTrait,
};

use super::{Db, Restricted, settle, setup};
use crate::seen::Seen;
use crate::shop::{author, book};

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    let none = db.restricted_for(RbacUserId(1)).map(|_| ());
    seen.saw("no engine", none.map_err(|error| error.to_string()));
    sea_orm::rbac::schema::create_tables(db, Default::default()).await?;
    rules(db).await?;
    db.load_rbac().await?;
    for user in [1, 2, 3] {
        statements(&db.restricted_for(RbacUserId(user))?, seen).await?;
    }
    settle(db).await?;
    for user in [1, 2, 3] {
        let restricted = db.restricted_for(RbacUserId(user))?;
        statements(&restricted, seen).await?;
        transactions(&restricted, seen).await?;
        answers(&restricted, seen)?;
    }
    let books = book::Entity::find().order_by_asc(book::Column::Id);
    seen.saw("left", books.all(db).await?);
    let owner = db.restricted_for(RbacUserId(1))?;
    legacy(&owner, seen).await?;
    db.load_rbac_from(db).await?;
    seen.saw("again", db.restricted_for(RbacUserId(1)).is_ok());
    db.replace_rbac(RbacEngine::from_snapshot(
        RbacSnapshot::danger_unrestricted(),
    ));
    let escaped = db.restricted_for(RbacUserId(0))?;
    seen.saw(
        "unrestricted",
        book::Entity::delete_by_id(3).exec(&escaped).await?,
    );
    Ok(())
}

/// User 1 may do anything, user 2 reads all and writes books, user 3 reads.
async fn rules(db: &Db) -> Result<()> {
    let mut context = RbacContext::load(db).await?;
    context.add_tables(db, &["author", "book", "*"]).await?;
    context.add_crud_permissions(db).await?;
    context.add_roles(db, &["owner", "clerk", "guest"]).await?;
    let users = [(1, "owner"), (2, "clerk"), (3, "guest")];
    context.assign_user_role(db, &users).await?;
    context
        .add_role_permissions(db, "guest", &["select"], &["*"])
        .await?;
    context
        .add_role_permissions(db, "clerk", &["insert", "update"], &["book"])
        .await?;
    let all = ["insert", "update", "delete"];
    context
        .add_role_permissions(db, "owner", &all, &["*"])
        .await?;
    let below = |super_role, role| RbacAddRoleHierarchy { super_role, role };
    let hierarchy = [below("owner", "clerk"), below("clerk", "guest")];
    Ok(context.add_role_hierarchy(db, &hierarchy).await?)
}

fn titled(title: &str) -> book::ActiveModel {
    book::ActiveModel {
        author_id: Set(1),
        title: Set(title.to_owned()),
        ..Default::default()
    }
}

async fn statements(db: &impl ConnectionTrait, seen: &mut Seen) -> Result<()> {
    let books = book::Entity::find()
        .order_by_asc(book::Column::Id)
        .all(db)
        .await;
    seen.saw("read", books.map_err(|error| error.to_string()));
    let joined = book::Entity::find()
        .find_also_related(author::Entity)
        .all(db)
        .await;
    seen.saw(
        "join",
        joined
            .map(|rows| rows.len())
            .map_err(|error| error.to_string()),
    );
    let added = titled("Added").insert(db).await;
    seen.saw("insert", added.map_err(|error| error.to_string()));
    let gone = book::Entity::delete_many().filter(book::Column::Title.eq("Added"));
    seen.saw(
        "delete",
        gone.exec(db).await.map_err(|error| error.to_string()),
    );
    let raw = db
        .execute_unprepared("SELECT 1")
        .await
        .map(|done| done.rows_affected());
    seen.saw("raw", raw.map_err(|error| error.to_string()));
    let built = book::Entity::find().build(db.get_database_backend());
    let raw = db.query_all_raw(built.clone()).await.map(|rows| rows.len());
    seen.saw("raw", raw.map_err(|error| error.to_string()));
    let raw = db
        .query_one_raw(built.clone())
        .await
        .map(|row| row.is_some());
    seen.saw("raw", raw.map_err(|error| error.to_string()));
    let raw = db.execute_raw(built).await.map(|done| done.rows_affected());
    seen.saw("raw", raw.map_err(|error| error.to_string()));
    Ok(())
}

async fn transactions(db: &Restricted, seen: &mut Seen) -> Result<()> {
    let transaction = db.begin().await?;
    seen.saw("user", transaction.user_id());
    statements(&transaction, seen).await?;
    let inner = transaction.begin().await?;
    statements(&inner, seen).await?;
    inner.rollback().await?;
    seen.saw(
        "may",
        transaction.user_can_run(&book::Entity::find().into_query()),
    );
    transaction.commit().await?;
    let added = db
        .transaction_async(async |t| titled("Async").insert(t).await)
        .await;
    seen.saw("async", added.map_err(|error| error.to_string()));
    let added =
        db.transaction::<_, _, DbErr>(|t| Box::pin(async move { titled("Boxed").insert(t).await }));
    seen.saw("boxed", added.await.map_err(|error| error.to_string()));
    let refused = db
        .transaction_with_config_async(
            async |t| titled("Refused").insert(t).await,
            None,
            Some(AccessMode::ReadOnly),
        )
        .await;
    seen.saw("read only", refused.map_err(|error| error.to_string()));
    Ok(())
}

fn answers(db: &Restricted, seen: &mut Seen) -> Result<()> {
    seen.saw("user", db.user_id());
    let delete = book::Entity::delete_by_id(1).into_query();
    seen.saw(
        "may delete",
        db.user_can_run(&delete).map_err(|error| error.to_string()),
    );
    let role = db.current_user_role_permissions()?.role;
    seen.saw("role", &role.role);
    let mut ranks: Vec<_> = db
        .roles_and_ranks()?
        .into_iter()
        .map(|(role, rank)| (role.role, rank))
        .collect();
    ranks.sort();
    seen.saw("ranks", ranks);
    let (resources, permissions) = db.resources_and_permissions()?;
    seen.saw("counts", (resources.len(), permissions.len()));
    seen.saw("edges", db.role_hierarchy_edges(role.id)?.len());
    seen.saw("of role", db.role_permissions_by_resources(role.id)?.len());
    Ok(())
}

/// A function that nobody has changed yet.
async fn legacy(db: &RestrictedConnection, seen: &mut Seen) -> Result<()> {
    seen.saw("legacy", titled("Legacy").insert(db).await?);
    Ok(())
}
