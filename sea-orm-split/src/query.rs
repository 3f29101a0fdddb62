//! One statement of a user, in each of the ways in which SeaORM sends it.
//!
//! Decides nothing: core calls checkout and execute in the order that it sees fit.

use std::future::Future;
use std::sync::Arc;

use orm_split_core::Hold;
use sea_orm::metric::Info;
use sea_orm::sea_query::Values;
use sea_orm::{DbErr, ExecResult, QueryResult, Statement};
use sea_query_sqlx::SqlxValues;
use sqlx::{AssertSqlSafe, Executor};
use tokio::time::Instant;

use crate::error::{exec_error, query_error};
use crate::leased::{Leased, on_connection};
use crate::split::Split;

/// SeaORM's metric callback.
pub(crate) type Callback = Arc<dyn Fn(&Info<'_>) + Send + Sync>;

/// How a statement is sent and what it yields.
pub(crate) trait Kind: Send + Sync {
    type Output: Send;

    fn send(
        &self,
        leased: &mut Leased,
        statement: &Statement,
    ) -> impl Future<Output = Result<Self::Output, sqlx::Error>> + Send;

    /// As SeaORM reports a failure of this kind.
    fn error(error: sqlx::Error) -> DbErr;
}

/// `execute_raw`
pub(crate) struct Execute;
/// `execute_unprepared`: the simple protocol, which takes several statements in one string.
pub(crate) struct ExecuteUnprepared;
/// `query_one_raw`
pub(crate) struct QueryOne;
/// `query_all_raw`
pub(crate) struct QueryAll;

/// What every statement of this adapter answers alike: its `self.split` knows the pools.
macro_rules! on_split {
    () => {
        async fn checkout(
            &self,
            node: &std::sync::Arc<orm_split_core::Node>,
        ) -> Result<($crate::leased::Leased, orm_split_core::Connected), sea_orm::DbErr> {
            self.split.checkout(node).await
        }

        fn release(&self, connection: $crate::leased::Leased) {
            connection.release();
        }

        fn fault(&self, error: &sea_orm::DbErr) -> orm_split_core::Fault {
            $crate::error::fault_of(error)
        }

        fn checkout_timed_out(&self, node: &orm_split_core::Node) -> orm_split_core::Fault {
            self.split.checkout_timed_out(node)
        }

        fn describe(&self, error: &sea_orm::DbErr) -> String {
            error.to_string()
        }

        fn fail(&self, error: orm_split_core::SplitError) -> sea_orm::DbErr {
            $crate::error::host_error(error)
        }
    };
}
pub(crate) use on_split;

/// The statement with its values, ready to be sent.
macro_rules! query {
    ($statement:expr) => {{
        let statement: &sea_orm::Statement = $statement;
        sqlx::query_with(
            sqlx::AssertSqlSafe(statement.sql.clone()),
            $crate::query::values_of(statement),
        )
    }};
}
pub(crate) use query;

pub(crate) fn values_of(statement: &Statement) -> SqlxValues {
    SqlxValues(statement.values.clone().unwrap_or(Values(Vec::new())))
}

impl Kind for Execute {
    type Output = ExecResult;

    async fn send(
        &self,
        leased: &mut Leased,
        statement: &Statement,
    ) -> Result<ExecResult, sqlx::Error> {
        on_connection!(leased, c => query!(statement).execute(&mut **c).await.map(Into::into))
    }

    fn error(error: sqlx::Error) -> DbErr {
        exec_error(error)
    }
}

impl Kind for ExecuteUnprepared {
    type Output = ExecResult;

    async fn send(
        &self,
        leased: &mut Leased,
        statement: &Statement,
    ) -> Result<ExecResult, sqlx::Error> {
        let sql = AssertSqlSafe(statement.sql.clone());
        on_connection!(leased, c => (&mut **c).execute(sql).await.map(Into::into))
    }

    fn error(error: sqlx::Error) -> DbErr {
        exec_error(error)
    }
}

impl Kind for QueryOne {
    type Output = Option<QueryResult>;

    async fn send(
        &self,
        leased: &mut Leased,
        statement: &Statement,
    ) -> Result<Self::Output, sqlx::Error> {
        on_connection!(leased, c => {
            let row = query!(statement).fetch_optional(&mut **c).await?;
            Ok(row.map(Into::into))
        })
    }

    fn error(error: sqlx::Error) -> DbErr {
        query_error(error)
    }
}

impl Kind for QueryAll {
    type Output = Vec<QueryResult>;

    async fn send(
        &self,
        leased: &mut Leased,
        statement: &Statement,
    ) -> Result<Self::Output, sqlx::Error> {
        on_connection!(leased, c => {
            let rows = query!(statement).fetch_all(&mut **c).await?;
            Ok(rows.into_iter().map(Into::into).collect())
        })
    }

    fn error(error: sqlx::Error) -> DbErr {
        query_error(error)
    }
}

/// Tells the metric callback about a statement when dropped, as SeaORM does.
pub(crate) struct Measured<'a> {
    callback: Option<&'a Callback>,
    statement: &'a Statement,
    started: Option<Instant>,
    pub(crate) failed: bool,
}

impl<'a> Measured<'a> {
    pub(crate) fn of(callback: Option<&'a Callback>, statement: &'a Statement) -> Self {
        Self {
            callback,
            statement,
            started: callback.map(|_| Instant::now()),
            failed: false,
        }
    }
}

impl Drop for Measured<'_> {
    fn drop(&mut self) {
        if let (Some(callback), Some(started)) = (self.callback, self.started) {
            callback(&Info {
                elapsed: started.elapsed(),
                statement: self.statement,
                failed: self.failed,
            });
        }
    }
}

/// A statement together with the pools it may run on.
pub(crate) struct Routed<'a, K> {
    pub(crate) split: &'a Split,
    pub(crate) statement: &'a Statement,
    pub(crate) kind: K,
    pub(crate) metric: Option<&'a Callback>,
}

impl<K: Kind> orm_split_core::Statement for Routed<'_, K> {
    type Connection = Leased;
    type Output = K::Output;
    type Error = DbErr;

    on_split!();

    async fn execute(&self, mut connection: Leased, hold: Hold) -> Result<K::Output, DbErr> {
        let mut measured = Measured::of(self.metric, self.statement);
        let result = self.kind.send(&mut connection, self.statement).await;
        connection.finished(&result);
        measured.failed = result.is_err();
        drop(measured);
        drop(hold);
        result.map_err(K::error)
    }
}
