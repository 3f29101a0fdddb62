//! `/entries`: an ordinary service of diesel-async, but for the types of its pool and its connections.

use anyhow::Result;
use axum::extract::Path;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Json, Router};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use orm_split::diesel::SplitPool;
use serde::{Deserialize, Serialize};

use super::{Connection, KEY};
use crate::conn::Conn;
use crate::failed::Failed;

diesel::table! {
    entry (id) {
        id -> Integer,
        guest -> Text,
    }
}

#[derive(Queryable, Selectable, Serialize)]
#[diesel(table_name = entry)]
struct Entry {
    id: i32,
    guest: String,
}

#[derive(Deserialize, Insertable)]
#[diesel(table_name = entry)]
struct NewEntry {
    guest: String,
}

#[derive(Serialize)]
struct Signed {
    entry: Entry,
    /// How many there are by now.
    entries: i64,
}

/// Makes the table where it is missing.
pub async fn create_table(pool: &SplitPool<Connection>) -> Result<()> {
    let create = format!("CREATE TABLE IF NOT EXISTS entry (id {KEY}, guest text NOT NULL)");
    let conn = &mut pool.get().await?;
    diesel::sql_query(create).execute(conn).await?;
    Ok(())
}

/// The pool is all the state that the extractor needs; in a larger state it is one `FromRef` away.
pub fn router(pool: SplitPool<Connection>) -> Router {
    Router::new()
        .route("/entries", get(list).post(sign))
        .route("/entries/{id}", get(show))
        .with_state(pool)
}

async fn sign(
    Conn(mut conn): Conn<Connection>,
    Json(new): Json<NewEntry>,
) -> Result<(StatusCode, Json<Signed>), Failed> {
    let entry = diesel::insert_into(entry::table)
        .values(new)
        .returning(Entry::as_returning())
        .get_result(&mut conn)
        .await?;
    // counts the new one too, however far the replicas lag
    let entries = entry::table.count().get_result(&mut conn).await?;
    Ok((StatusCode::CREATED, Json(Signed { entry, entries })))
}

async fn list(Conn(mut conn): Conn<Connection>) -> Result<Json<Vec<Entry>>, Failed> {
    let entries = entry::table
        .order(entry::id)
        .select(Entry::as_select())
        .load(&mut conn)
        .await?;
    Ok(Json(entries))
}

async fn show(
    Conn(mut conn): Conn<Connection>,
    Path(id): Path<i32>,
) -> Result<Json<Entry>, Failed> {
    let entry = entry::table.find(id).select(Entry::as_select());
    Ok(Json(entry.first(&mut conn).await?))
}
