//! Streams of rows, on connections of our own.
//!
//! A stream may be retried on another node until its first row has arrived; afterwards a failure is
//! the stream's own error. It holds its place among the node's statements, and for a write the mark
//! on its session, to its end.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::stream::BoxStream;
use futures_util::{Stream, StreamExt};
use orm_split_core::Hold;
use sea_orm::{DbBackend, DbErr, QueryResult, QueryStream, Statement, StreamTrait};

use crate::connection::{Boxed, SplitConnection};
use crate::error::query_error;
use crate::leased::{Leased, on_connection};
use crate::query::{Callback, Measured, on_split, query};
use crate::split::Split;

/// Rows as they arrive, see [`StreamTrait`].
///
/// ```no_run
/// use futures_util::TryStreamExt;
/// use sea_orm::{ConnectionTrait, DbErr, Statement, StreamTrait};
/// use sea_orm_split::{SplitConnection, SplitStream};
///
/// async fn names(db: &SplitConnection) -> Result<Vec<String>, DbErr> {
///     let all = Statement::from_string(db.get_database_backend(), "SELECT name FROM cake");
///     let stream: SplitStream = db.stream_raw(all).await?;
///     stream.and_then(async |row| row.try_get("", "name")).try_collect().await
/// }
/// ```
pub struct SplitStream {
    rows: Rows,
}

enum Rows {
    /// SeaORM's own stream, where there are no replicas.
    Single(Box<QueryStream>),
    Routed {
        first: Option<Result<QueryResult, DbErr>>,
        rest: BoxStream<'static, Result<QueryResult, DbErr>>,
    },
}

impl std::fmt::Debug for SplitStream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SplitStream")
    }
}

impl Stream for SplitStream {
    type Item = Result<QueryResult, DbErr>;

    fn poll_next(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        match &mut self.rows {
            Rows::Single(stream) => stream.poll_next_unpin(cx),
            Rows::Routed { first, rest } => match first.take() {
                Some(first) => Poll::Ready(Some(first)),
                None => rest.poll_next_unpin(cx),
            },
        }
    }
}

impl StreamTrait for SplitConnection {
    type Stream<'a> = SplitStream;

    fn get_database_backend(&self) -> DbBackend {
        self.primary.get_database_backend()
    }

    fn stream_raw<'a>(&'a self, stmt: Statement) -> Boxed<'a, Result<SplitStream, DbErr>> {
        Box::pin(async move {
            match &self.split {
                None => {
                    let stream = self.primary.stream_raw(stmt).await?;
                    let rows = Rows::Single(Box::new(stream));
                    Ok(SplitStream { rows })
                }
                Some(split) => {
                    let routed = RoutedStream {
                        split,
                        statement: Arc::new(stmt),
                        metric: self.metric.clone(),
                    };
                    let splitter = &split.splitter;
                    splitter
                        .run(&routed.statement.sql, self.asks, &routed)
                        .await
                }
            }
        })
    }
}

struct RoutedStream<'a> {
    split: &'a Split,
    statement: Arc<Statement>,
    metric: Option<Callback>,
}

impl orm_split_core::Statement for RoutedStream<'_> {
    type Connection = Leased;
    type Output = SplitStream;
    type Error = DbErr;

    on_split!();

    async fn execute(&self, connection: Leased, hold: Hold) -> Result<SplitStream, DbErr> {
        let mut rest = rows(
            connection,
            Arc::clone(&self.statement),
            self.metric.clone(),
            hold,
        )
        .boxed();
        let first = match rest.next().await {
            Some(Err(error)) => return Err(query_error(error)),
            Some(Ok(row)) => Some(Ok(row)),
            None => None,
        };
        let rest = rest.map(|row| row.map_err(query_error)).boxed();
        let rows = Rows::Routed { first, rest };
        Ok(SplitStream { rows })
    }
}

/// The rows of a statement; owns its connection, which is closed if the stream is dropped early.
fn rows(
    mut leased: Leased,
    statement: Arc<Statement>,
    metric: Option<Callback>,
    hold: Hold,
) -> impl Stream<Item = Result<QueryResult, sqlx::Error>> + Send {
    async_stream::stream! {
        let mut measured = Measured::of(metric.as_ref(), &statement);
        let mut outcome = Ok(());
        on_connection!(leased, c => {
            let mut rows = query!(&statement).fetch(&mut **c);
            while let Some(row) = rows.next().await {
                match row {
                    Ok(row) => yield Ok(QueryResult::from(row)),
                    Err(error) => {
                        outcome = Err(error);
                        break;
                    }
                }
            }
        });
        leased.finished(&outcome);
        measured.failed = outcome.is_err();
        drop(measured);
        drop(leased);
        drop(hold);
        if let Err(error) = outcome {
            yield Err(error);
        }
    }
}
