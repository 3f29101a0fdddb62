//! Statements inside a transaction: all of them on its connection, whatever they are.

use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::{
    ConnectionTrait, DbBackend, DbErr, ExecResult, QueryResult, Statement, StreamTrait,
    TransactionStream,
};

use crate::connection::Boxed;
use crate::transaction::SplitTransaction;

#[async_trait]
impl ConnectionTrait for SplitTransaction {
    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(self.current())
    }

    async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
        let (current, running) = self.runs(&stmt.sql).await?;
        let outcome = self
            .answer(running.as_ref(), current.execute_raw(stmt))
            .await;
        drop(running);
        outcome
    }

    async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
        let (current, running) = self.runs(sql).await?;
        let outcome = self
            .answer(running.as_ref(), current.execute_unprepared(sql))
            .await;
        drop(running);
        outcome
    }

    async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
        let (current, running) = self.runs(&stmt.sql).await?;
        let outcome = self
            .answer(running.as_ref(), current.query_one_raw(stmt))
            .await;
        drop(running);
        outcome
    }

    async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
        let (current, running) = self.runs(&stmt.sql).await?;
        let outcome = self
            .answer(running.as_ref(), current.query_all_raw(stmt))
            .await;
        drop(running);
        outcome
    }
}

impl StreamTrait for SplitTransaction {
    type Stream<'a> = TransactionStream<'a>;

    fn get_database_backend(&self) -> DbBackend {
        ConnectionTrait::get_database_backend(self.current())
    }

    fn stream_raw<'a>(
        &'a self,
        stmt: Statement,
    ) -> Boxed<'a, Result<TransactionStream<'a>, DbErr>> {
        Box::pin(async move {
            // no text that ends a transaction yields rows: nothing to mark
            let (current, _) = self.runs(&stmt.sql).await?;
            self.unless_lost(current.stream_raw(stmt)).await
        })
    }
}
