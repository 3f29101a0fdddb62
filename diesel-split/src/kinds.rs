//! The ways in which Diesel sends a statement.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use diesel::QueryResult;
use futures_util::future::BoxFuture;
use futures_util::stream::{self, BoxStream};
use futures_util::{FutureExt, Stream, StreamExt};
use tokio::time::timeout;

use crate::leased::Leased;
use crate::node_connection::{NodeConnection, Replay, RowStream};
use crate::routed::{Keeps, Kind};

/// `load`
pub(crate) struct Load<C: NodeConnection> {
    pub(crate) query: Arc<dyn Replay<C>>,
    pub(crate) types: Arc<C::Types>,
}

/// `execute_returning_count`
pub(crate) struct Execute<C: NodeConnection> {
    pub(crate) query: Arc<dyn Replay<C>>,
    pub(crate) types: Arc<C::Types>,
}

/// `batch_execute`: the simple protocol, which takes several statements in one string.
pub(crate) struct Batch(pub(crate) Arc<str>);

/// A result of at most so many rows is complete before its first row is handed out: its statement is
/// over by then, its connection free, its commit acknowledged, and a node that fails half-way is no
/// failure of the read.
const BUFFERED_ROWS: usize = 256;

/// Rows that come one by one, with pauses, are handed out as they come.
const PAUSE: Duration = Duration::from_millis(20);

/// Rows that a stream which is dropped early may still take from its connection, if they are there.
const DRAINED_ROWS: usize = 1024;

impl<'conn, C: NodeConnection> Kind<'conn, C> for Load<C> {
    type Output = RowStream<'conn, C>;

    fn send(
        &self,
        leased: Leased<'conn, C>,
        keeps: Keeps,
    ) -> BoxFuture<'conn, QueryResult<RowStream<'conn, C>>> {
        let waits = keeps.may_write();
        let query = Arc::clone(&self.query);
        let rows = rows(leased, query, Arc::clone(&self.types), keeps).boxed();
        Box::pin(buffered(rows, waits))
    }
}

/// Waits for the first rows of a statement; for its end as well if it `waits`.
async fn buffered<'conn, T: Send + 'conn>(
    mut rest: BoxStream<'conn, QueryResult<T>>,
    waits: bool,
) -> QueryResult<BoxStream<'conn, QueryResult<T>>> {
    let mut buffered = VecDeque::new();
    while waits || buffered.len() < BUFFERED_ROWS {
        let next = if waits || buffered.is_empty() {
            rest.next().await
        } else {
            let mut next = rest.next();
            match poll_fn(|context| Poll::Ready(next.poll_unpin(context))).await {
                Poll::Ready(next) => next,
                // only now is a timer needed
                Poll::Pending => match timeout(PAUSE, next).await {
                    Ok(next) => next,
                    Err(_) => break,
                },
            }
        };
        match next {
            Some(row) => buffered.push_back(Ok(row?)),
            None => return Ok(stream::iter(buffered).boxed()),
        }
    }
    let rest = Unfinished(rest);
    Ok(stream::iter(buffered).chain(rest).boxed())
}

/// The rows of a statement; owns its connection.
fn rows<C: NodeConnection>(
    mut leased: Leased<'_, C>,
    query: Arc<dyn Replay<C>>,
    types: Arc<C::Types>,
    keeps: Keeps,
) -> impl Stream<Item = QueryResult<C::OwnedRow>> + Send {
    async_stream::stream! {
        let mut outcome = Ok(());
        match query.load(leased.connection(), &types).await {
            Err(error) => outcome = Err(error),
            Ok(mut rows) => {
                while let Some(row) = rows.next().await {
                    match row {
                        Ok(row) => yield Ok(row),
                        Err(error) => {
                            outcome = Err(error);
                            break;
                        }
                    }
                }
            }
        }
        leased.finished(&outcome);
        drop(leased);
        drop(keeps);
        if let Err(error) = outcome {
            query.failed(&types, &error);
            yield Err(error);
        }
    }
}

/// A stream that takes what is there already when it is dropped: often that is all, and its connection
/// need not be closed.
struct Unfinished<'conn, T>(BoxStream<'conn, T>);

impl<T> Stream for Unfinished<'_, T> {
    type Item = T;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<T>> {
        self.0.poll_next_unpin(context)
    }
}

impl<T> Drop for Unfinished<'_, T> {
    fn drop(&mut self) {
        for _ in 0..DRAINED_ROWS {
            match self.0.next().now_or_never() {
                Some(Some(row)) => drop(row),
                Some(None) | None => return,
            }
        }
    }
}

impl<'conn, C: NodeConnection> Kind<'conn, C> for Execute<C> {
    type Output = usize;

    fn send(
        &self,
        mut leased: Leased<'conn, C>,
        keeps: Keeps,
    ) -> BoxFuture<'conn, QueryResult<usize>> {
        let (query, types) = (Arc::clone(&self.query), Arc::clone(&self.types));
        Box::pin(async move {
            let outcome = query.execute(leased.connection(), &types).await;
            if let Err(error) = &outcome {
                query.failed(&types, error);
            }
            finish(leased, keeps, outcome)
        })
    }
}

impl<'conn, C: NodeConnection> Kind<'conn, C> for Batch {
    type Output = ();

    fn send(
        &self,
        mut leased: Leased<'conn, C>,
        keeps: Keeps,
    ) -> BoxFuture<'conn, QueryResult<()>> {
        let text = Arc::clone(&self.0);
        Box::pin(async move {
            let outcome = leased.connection().batch_execute(&text).await;
            finish(leased, keeps, outcome)
        })
    }
}

/// In this order: the connection is back before anybody hears of the outcome.
pub(crate) fn finish<C: NodeConnection, T>(
    mut leased: Leased<'_, C>,
    keeps: Keeps,
    outcome: QueryResult<T>,
) -> QueryResult<T> {
    leased.finished(&outcome);
    drop(leased);
    drop(keeps);
    outcome
}
