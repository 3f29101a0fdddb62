//! Raw SQL: statements, `raw_sql!`, the query builder, unprepared text.

use anyhow::{Context, Result};
use sea_orm::sea_query::{Expr, ExprTrait, Query};
use sea_orm::{
    ConnectionTrait, DbBackend, EntityTrait, FromQueryResult, JsonValue, Statement, raw_sql,
};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::book;

#[derive(Debug, FromQueryResult)]
struct Title {
    title: String,
}

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    reads(db, seen).await?;
    settle(db).await?;
    reads(db, seen).await?;
    writes(db, seen).await?;
    reads(db, seen).await?;
    errors(db, seen).await
}

fn plain(sql: &str) -> Statement {
    Statement::from_string(DbBackend::Postgres, sql)
}

async fn reads(db: &Db, seen: &mut Seen) -> Result<()> {
    let sql = "SELECT title, pages FROM book WHERE id = $1";
    let statement = Statement::from_sql_and_values(DbBackend::Postgres, sql, [2.into()]);
    let row = db.query_one_raw(statement).await?.context("a row")?;
    seen.saw(
        "one",
        (
            row.try_get::<String>("", "title")?,
            row.try_get_by_index::<i32>(1)?,
        ),
    );
    let rows = db
        .query_all_raw(plain("SELECT id FROM book ORDER BY id"))
        .await?;
    let ids = rows.iter().map(|row| row.try_get::<i32>("", "id"));
    seen.saw("all", ids.collect::<Result<Vec<_>, _>>()?);
    let (ids, least) = ([1, 2, 5], 100);
    let found = raw_sql!(
        Postgres,
        r#"SELECT title FROM book WHERE id IN ({..ids}) AND pages > {least} ORDER BY id"#
    );
    let titles = Title::find_by_statement(found.clone()).all(db).await?;
    seen.saw(
        "raw_sql!",
        titles.iter().map(|found| &found.title).collect::<Vec<_>>(),
    );
    seen.saw("json", JsonValue::find_by_statement(found).one(db).await?);
    let model = raw_sql!(Postgres, "SELECT * FROM book WHERE pages = {least}");
    seen.saw(
        "model",
        book::Entity::find().from_raw_sql(model).one(db).await?,
    );
    let built = Query::select()
        .column(book::Column::Title)
        .from(book::Entity)
        .and_where(Expr::col(book::Column::Id).eq(3))
        .take();
    let row = db.query_one(&built).await?.context("a row")?;
    seen.saw("builder", row.try_get::<String>("", "title")?);
    seen.saw("builder, all", db.query_all(&built).await?.len());
    let shown = db.execute_unprepared("SELECT id FROM book").await?;
    seen.saw("unprepared", shown.rows_affected());
    Ok(())
}

async fn writes(db: &Db, seen: &mut Seen) -> Result<()> {
    let sql = "UPDATE book SET pages = pages + $1 WHERE author_id = $2";
    let values = [1.into(), 2.into()];
    let update = Statement::from_sql_and_values(DbBackend::Postgres, sql, values);
    seen.saw("update", db.execute_raw(update).await?.rows_affected());
    let returning = "UPDATE book SET title = title || '!' WHERE id < 3 RETURNING title";
    seen.saw("returning", db.query_all_raw(plain(returning)).await?.len());
    let hidden = "WITH w AS (DELETE FROM book WHERE id = 6 RETURNING id) SELECT id FROM w";
    seen.saw(
        "write in a CTE",
        db.query_one_raw(plain(hidden)).await?.is_some(),
    );
    let two = "UPDATE book SET pages = 1 WHERE id = 3; UPDATE book SET pages = 2 WHERE id = 4";
    seen.saw("two", db.execute_unprepared(two).await?.rows_affected());
    let built = Query::update()
        .table(book::Entity)
        .value(book::Column::Pages, 9)
        .and_where(Expr::col(book::Column::Id).eq(5))
        .take();
    seen.saw("builder", db.execute(&built).await?.rows_affected());
    Ok(())
}

async fn errors(db: &Db, seen: &mut Seen) -> Result<()> {
    let wrong = db.query_all_raw(plain("SELEC 1")).await;
    seen.saw(
        "syntax",
        wrong
            .map(|rows| rows.len())
            .map_err(|error| error.to_string()),
    );
    let wrong = db.execute_unprepared("DROP TABLE nothing").await;
    let wrong = wrong.map(|done| done.rows_affected());
    seen.saw("unprepared", wrong.map_err(|error| error.to_string()));
    let few = Statement::from_sql_and_values(DbBackend::Postgres, "SELECT $1::int", []);
    let few = db.query_one_raw(few).await.map(|row| row.is_some());
    // up to the name that the driver gave the statement
    let few = few.map_err(|error| error.to_string().split('"').next().map(str::to_owned));
    seen.saw("too few values", few);
    Ok(())
}
