//! Entities: insert, find, update, upsert, delete, and what is refused.

use anyhow::{Context, Result};
use sea_orm::ActiveValue::{Set, Unchanged};
use sea_orm::sea_query::{Expr, ExprTrait, OnConflict};
use sea_orm::{
    ActiveModelTrait, ColumnTrait, EntityTrait, IntoActiveModel, ModelTrait, PaginatorTrait,
    QueryFilter, QueryOrder, QuerySelect,
};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::{author, book};

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::tables(db).await?;
    inserts(db, seen).await?;
    finds(db, seen).await?;
    settle(db).await?;
    finds(db, seen).await?;
    updates(db, seen).await?;
    settle(db).await?;
    finds(db, seen).await?;
    deletes(db, seen).await?;
    refusals(db, seen).await
}

fn named(name: &str) -> author::ActiveModel {
    author::ActiveModel {
        name: Set(name.to_owned()),
        ..Default::default()
    }
}

fn titled(author_id: i32, title: &str) -> book::ActiveModel {
    book::ActiveModel {
        author_id: Set(author_id),
        title: Set(title.to_owned()),
        ..Default::default()
    }
}

async fn inserts(db: &Db, seen: &mut Seen) -> Result<()> {
    seen.saw("insert", named("Ada").insert(db).await?);
    seen.saw("save", named("Bob").save(db).await?);
    let last = author::Entity::insert(named("Cleo")).exec(db).await?;
    seen.saw("insert.exec", last.last_insert_id);
    let many = author::Entity::insert_many([named("Dora"), named("Eva")]);
    seen.saw("insert_many", many.exec(db).await?.last_insert_id);
    let many = book::Entity::insert_many((1..=4).map(|n| titled(n, "First")));
    seen.saw("with_returning", many.exec_with_returning(db).await?);
    let rows = book::Entity::insert(titled(1, "Second")).exec_without_returning(db);
    seen.saw("without_returning", rows.await?);
    let none: [book::ActiveModel; 0] = [];
    let nothing = book::Entity::insert_many(none).exec(db).await?;
    seen.saw("insert nothing", nothing.last_insert_id);
    let again = author::Entity::insert(named("Ada"))
        .on_conflict_do_nothing_on([author::Column::Name])
        .exec(db);
    seen.saw("do_nothing", again.await?);
    Ok(())
}

async fn finds(db: &Db, seen: &mut Seen) -> Result<()> {
    seen.saw("one", author::Entity::find_by_id(2).one(db).await?);
    seen.saw("none", author::Entity::find_by_id(99).one(db).await?);
    let ordered = author::Entity::find().order_by_desc(author::Column::Id);
    seen.saw("all", ordered.all(db).await?);
    let filtered = book::Entity::find()
        .filter(
            book::Column::Title
                .starts_with("F")
                .and(book::Column::Pages.is_null()),
        )
        .order_by_asc(book::Column::Id)
        .limit(2)
        .offset(1);
    seen.saw("filtered", filtered.all(db).await?);
    seen.saw("count", book::Entity::find().count(db).await?);
    let unique = author::Entity::find_by_name("Ada").one(db).await?;
    seen.saw("by unique key", unique);
    Ok(())
}

async fn updates(db: &Db, seen: &mut Seen) -> Result<()> {
    let ada = author::Entity::find_by_id(1)
        .one(db)
        .await?
        .context("Ada")?;
    let mut ada = ada.into_active_model();
    ada.name = Set("Ada L.".to_owned());
    seen.saw("update", ada.update(db).await?);
    let found = author::Entity::find_by_id(1).one(db).await?;
    seen.saw("read back", found);
    let many = book::Entity::update_many()
        .col_expr(book::Column::Pages, Expr::value(7))
        .filter(book::Column::AuthorId.lte(2));
    seen.saw("update_many", many.exec(db).await?);
    let many = book::Entity::update_many()
        .col_expr(book::Column::Pages, Expr::col(book::Column::Pages).add(1))
        .filter(book::Column::AuthorId.eq(1));
    seen.saw("update returning", many.exec_with_returning(db).await?);
    let upsert = author::ActiveModel {
        id: Set(2),
        name: Set("Bobby".to_owned()),
    };
    let upsert = author::Entity::insert(upsert).on_conflict(
        OnConflict::column(author::Column::Id)
            .update_column(author::Column::Name)
            .to_owned(),
    );
    seen.saw("upsert", upsert.exec_with_returning(db).await?);
    seen.saw("after upsert", author::Entity::find_by_id(2).one(db).await?);
    Ok(())
}

async fn deletes(db: &Db, seen: &mut Seen) -> Result<()> {
    let book = book::Entity::find_by_id(1)
        .one(db)
        .await?
        .context("a book")?;
    seen.saw("delete", book.delete(db).await?);
    seen.saw("gone", book::Entity::find_by_id(1).one(db).await?);
    seen.saw("by id", book::Entity::delete_by_id(2).exec(db).await?);
    let many = book::Entity::delete_many().filter(book::Column::AuthorId.eq(3));
    seen.saw("delete_many", many.exec(db).await?);
    seen.saw(
        "left",
        book::Entity::find()
            .order_by_asc(book::Column::Id)
            .all(db)
            .await?,
    );
    Ok(())
}

async fn refusals(db: &Db, seen: &mut Seen) -> Result<()> {
    let double = named("Cleo").insert(db).await;
    seen.saw(
        "unique",
        double.map_err(|error| (error.sql_err(), error.to_string())),
    );
    let orphan = titled(99, "Orphan").insert(db).await;
    seen.saw(
        "foreign key",
        orphan.map_err(|error| (error.sql_err(), error.to_string())),
    );
    let nobody = author::ActiveModel {
        id: Unchanged(99),
        name: Set("Nobody".to_owned()),
    };
    seen.saw("not found", nobody.update(db).await);
    let unknown = author::Entity::find()
        .filter(Expr::cust("no_such_column = 1"))
        .all(db);
    seen.saw(
        "unknown column",
        unknown.await.map_err(|error| error.to_string()),
    );
    Ok(())
}
