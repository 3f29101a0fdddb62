//! `ConnectionTrait` over the nodes: each method hands its statement to the router, or, without
//! replicas, to the one connection there is.

use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::{ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement};

use crate::connection::SplitConnection;
use crate::query::{Execute, ExecuteUnprepared, QueryAll, QueryOne};
use crate::spans::in_span;

#[async_trait]
impl ConnectionTrait for SplitConnection {
    fn get_database_backend(&self) -> DbBackend {
        self.primary.get_database_backend()
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        match &self.split {
            None => self.primary.execute_raw(stmt).await,
            Some(split) => {
                let records = split.records_statements;
                let sent = split.run(Execute, &stmt, self.asks, self.metric.as_ref());
                in_span!("sea_orm.execute", stmt.db_backend, &stmt.sql, records, sent)
            }
        }
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        match &self.split {
            None => self.primary.execute_unprepared(sql).await,
            Some(split) => {
                let stmt = Statement::from_string(self.get_database_backend(), sql);
                // SeaORM calls no metric callback for these
                let sent = split.run(ExecuteUnprepared, &stmt, self.asks, None);
                // nor does it show their text, which may hold values
                in_span!(
                    "sea_orm.execute_unprepared",
                    stmt.db_backend,
                    sql,
                    false,
                    sent
                )
            }
        }
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        match &self.split {
            None => self.primary.query_one_raw(stmt).await,
            Some(split) => {
                let records = split.records_statements;
                let sent = split.run(QueryOne, &stmt, self.asks, self.metric.as_ref());
                in_span!(
                    "sea_orm.query_one",
                    stmt.db_backend,
                    &stmt.sql,
                    records,
                    sent
                )
            }
        }
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        match &self.split {
            None => self.primary.query_all_raw(stmt).await,
            Some(split) => {
                let records = split.records_statements;
                let sent = split.run(QueryAll, &stmt, self.asks, self.metric.as_ref());
                in_span!(
                    "sea_orm.query_all",
                    stmt.db_backend,
                    &stmt.sql,
                    records,
                    sent
                )
            }
        }
    }

    fn support_returning(&self) -> bool {
        self.primary.support_returning()
    }

    #[cfg(feature = "mock")]
    fn is_mock_connection(&self) -> bool {
        self.primary.is_mock_connection()
    }
}
