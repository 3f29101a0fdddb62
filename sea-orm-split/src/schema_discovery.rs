//! What `SchemaBuilder::sync` reads of the existing schema.
//!
//! Decides that it is read from the primary: what a replica does not have yet would be created twice.

use orm_split_core::Hint;
use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::sea_query::SelectStatement;
use sea_orm::{DbErr, Statement};
use sea_schema::sqlx_types::SqlxRow;

use crate::connection::SplitConnection;
use crate::error::{into_driver_error, query_error};
use crate::leased::{Leased, on_connection};
use crate::query::{Kind, query};
use crate::transaction::SplitTransaction;

/// Rows as sea-schema takes them.
struct Discover;

impl Kind for Discover {
    type Output = Vec<SqlxRow>;

    async fn send(
        &self,
        leased: &mut Leased,
        statement: &Statement,
    ) -> Result<Vec<SqlxRow>, sqlx::Error> {
        on_connection!(leased, c => {
            let rows = query!(statement).fetch_all(&mut **c).await?;
            Ok(rows.into_iter().map(SchemaRow::schema_row).collect())
        })
    }

    fn error(error: sqlx::Error) -> DbErr {
        query_error(error)
    }
}

/// A row of one of the back ends.
trait SchemaRow {
    fn schema_row(self) -> SqlxRow;
}

#[cfg(feature = "postgres")]
impl SchemaRow for sqlx::postgres::PgRow {
    fn schema_row(self) -> SqlxRow {
        SqlxRow::Postgres(self)
    }
}

#[cfg(feature = "mysql")]
impl SchemaRow for sqlx::mysql::MySqlRow {
    fn schema_row(self) -> SqlxRow {
        SqlxRow::MySql(self)
    }
}

#[cfg(feature = "sqlite")]
impl SchemaRow for sqlx::sqlite::SqliteRow {
    fn schema_row(self) -> SqlxRow {
        SqlxRow::Sqlite(self)
    }
}

#[async_trait]
impl sea_schema::Connection for SplitConnection {
    async fn query_all(&self, select: SelectStatement) -> Result<Vec<SqlxRow>, sqlx::Error> {
        let Some(split) = &self.split else {
            return sea_schema::Connection::query_all(&self.primary, select).await;
        };
        let statement = self.get_database_backend().build(&select);
        let metric = self.metric.as_ref();
        let rows = split.run(Discover, &statement, Hint::Primary, metric).await;
        rows.map_err(into_driver_error)
    }

    async fn query_all_raw(&self, sql: String) -> Result<Vec<SqlxRow>, sqlx::Error> {
        let Some(split) = &self.split else {
            return sea_schema::Connection::query_all_raw(&self.primary, sql).await;
        };
        let statement = Statement::from_string(self.get_database_backend(), sql);
        let metric = self.metric.as_ref();
        let rows = split.run(Discover, &statement, Hint::Primary, metric).await;
        rows.map_err(into_driver_error)
    }
}

#[async_trait]
impl sea_schema::Connection for SplitTransaction {
    async fn query_all(&self, select: SelectStatement) -> Result<Vec<SqlxRow>, sqlx::Error> {
        sea_schema::Connection::query_all(self.current(), select).await
    }

    async fn query_all_raw(&self, sql: String) -> Result<Vec<SqlxRow>, sqlx::Error> {
        sea_schema::Connection::query_all_raw(self.current(), sql).await
    }
}
