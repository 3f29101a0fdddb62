//! The seam: what an adapter implements so that core can probe its nodes and run its statements.
//!
//! Core never sees SQL results, pools or drivers; an adapter never decides where a statement runs,
//! whether it is retried, or what a node's silence means.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::classify::Catalogue;
use crate::connected::Connected;
use crate::error::SplitError;
use crate::fallback::Place;
use crate::fault::Fault;
use crate::identity::{Identity, Reading};
use crate::in_flight::InFlight;
use crate::node::Node;
use crate::position::Lsn;
use crate::shared::WriteMark;

/// A failed probe.
///
/// ```
/// use orm_split_core::{Fault, ProbeError};
///
/// let error = ProbeError::new(Fault::Timeout, "no answer within 1 s");
/// assert_eq!(error.to_string(), "no answer within 1 s");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
#[non_exhaustive]
pub struct ProbeError {
    /// Whose fault it is.
    pub fault: Fault,
    /// The driver's message; never a URL or a password.
    pub message: String,
}

impl ProbeError {
    /// A probe failed with `message`.
    pub fn new(fault: Fault, message: impl Into<String>) -> Self {
        Self {
            fault,
            message: message.into(),
        }
    }
}

/// Opens the connections over which the monitor looks at one node: its own, outside every pool, so
/// that a full pool cannot starve it.
///
/// ```
/// use async_trait::async_trait;
/// use orm_split_core::{Identity, ProbeConnection, ProbeError, Prober, Reading, Server};
///
/// /// A node that shares the primary's storage: always as of now.
/// #[derive(Debug)]
/// struct Embedded;
///
/// #[async_trait]
/// impl Prober for Embedded {
///     async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError> {
///         Ok(Box::new(Self))
///     }
/// }
///
/// #[async_trait]
/// impl ProbeConnection for Embedded {
///     async fn identify(&mut self) -> Result<Identity, ProbeError> {
///         let server = Server::new(1, 0, 0, 0);
///         Ok(Identity::new(server, true, Reading::Shared))
///     }
///
///     async fn read_position(&mut self) -> Result<Reading, ProbeError> {
///         Ok(Reading::Shared)
///     }
///
///     async fn close(self: Box<Self>) {}
/// }
/// ```
#[async_trait]
pub trait Prober: fmt::Debug + Send + Sync + 'static {
    /// Opens one. Core bounds the time and closes the previous one first.
    ///
    /// # Errors
    /// The node cannot be reached or refuses.
    async fn open(&self) -> Result<Box<dyn ProbeConnection>, ProbeError>;
}

/// One connection of a [`Prober`].
///
/// ```no_run
/// use orm_split_core::{ProbeConnection, ProbeError, Prober};
///
/// async fn ask(prober: &dyn Prober) -> Result<(), ProbeError> {
///     let mut connection: Box<dyn ProbeConnection> = prober.open().await?;
///     let identity = connection.identify().await?;
///     println!("{:?} is at {:?}", identity.server, connection.read_position().await?);
///     connection.close().await;
///     Ok(())
/// }
/// ```
#[async_trait]
pub trait ProbeConnection: Send {
    /// Asks the server who it is and where it stands, in one round trip.
    ///
    /// # Errors
    /// The connection broke or the server refused to answer.
    async fn identify(&mut self) -> Result<Identity, ProbeError>;

    /// Asks where the server stands; on a primary the insert position, on a replica the replayed
    /// one.
    ///
    /// # Errors
    /// As [`identify`](Self::identify); also if the server's role has changed.
    async fn read_position(&mut self) -> Result<Reading, ProbeError>;

    /// Waits until a replica has replayed `position`, but no longer than `limit`; `false` at once where the
    /// server cannot wait, which is the default. Only shortens the time to the next question: how it ends
    /// proves nothing.
    ///
    /// # Errors
    /// As [`identify`](Self::identify).
    async fn wait_for(&mut self, position: Lsn, limit: Duration) -> Result<bool, ProbeError> {
        let _ = (position, limit);
        Ok(false)
    }

    /// Asks a primary for its functions and views; `None` where the back end has none to tell apart,
    /// which is the default. Core asks rarely, and gives it a time limit.
    ///
    /// # Errors
    /// As [`identify`](Self::identify). What was known stays in use.
    async fn read_catalogue(&mut self) -> Result<Option<Catalogue>, ProbeError> {
        Ok(None)
    }

    /// Closes the connection so that the server frees its place.
    async fn close(self: Box<Self>);
}

/// What lasts as long as a statement does: its place among the node's statements in flight, and for
/// a write the mark on its session. Dropping it ends both; a stream keeps it to its end, because the
/// rows of a `RETURNING` come before the commit.
///
/// ```
/// use orm_split_core::Hold;
///
/// /// Rows that arrive one by one keep the hold until there are no more.
/// struct Rows<I> {
///     rows: I,
///     hold: Option<Hold>,
/// }
///
/// impl<I: Iterator> Iterator for Rows<I> {
///     type Item = I::Item;
///
///     fn next(&mut self) -> Option<I::Item> {
///         let row = self.rows.next();
///         if row.is_none() {
///             self.hold = None;
///         }
///         row
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Hold {
    pub(crate) _in_flight: InFlight,
    pub(crate) _place: Place,
    /// Of the current session and of the handle's.
    pub(crate) marks: [Option<WriteMark>; 2],
}

impl Hold {
    /// Whether the statement may have changed something, so that its end should be awaited before its
    /// rows are handed out.
    #[must_use]
    pub fn may_write(&self) -> bool {
        self.marks.iter().any(Option::is_some)
    }
}

/// One statement of a user, as the adapter runs it.
///
/// The adapter owns the connection of every attempt: [`execute`](Self::execute) takes it by value
/// and must close it, not return it to its pool, if the statement did not finish, also when its
/// future is dropped half-way.
///
/// ```
/// use std::sync::Arc;
/// use orm_split_core::{Connected, Fault, Hold, Node, SplitError, Statement};
///
/// /// Answers with the name of the node that it ran on.
/// struct WhereAmI<'a>(&'a orm_split_core::Splitter);
///
/// impl Statement for WhereAmI<'_> {
///     type Connection = String;
///     type Output = String;
///     type Error = SplitError;
///
///     async fn checkout(&self, node: &Arc<Node>) -> Result<(String, Connected), SplitError> {
///         Ok((node.name().to_owned(), self.0.trusted_connection(node)))
///     }
///
///     fn release(&self, _: String) {}
///
///     async fn execute(&self, connection: String, hold: Hold) -> Result<String, SplitError> {
///         drop(hold);
///         Ok(connection)
///     }
///
///     fn fault(&self, _: &SplitError) -> Fault {
///         Fault::Query
///     }
///
///     fn checkout_timed_out(&self, _: &Node) -> Fault {
///         Fault::Timeout
///     }
///
///     fn describe(&self, error: &SplitError) -> String {
///         error.to_string()
///     }
///
///     fn fail(&self, error: SplitError) -> SplitError {
///         error
///     }
/// }
/// ```
pub trait Statement: Sync {
    /// A connection checked out of a node's pool.
    type Connection: Send;
    /// What the statement yields.
    type Output: Send;
    /// The host's error.
    type Error: Send;

    /// Takes a connection from the pool of `node`. A connection that had to be opened for it is
    /// identified first (see [`Splitter::identify`](crate::Splitter::identify)).
    fn checkout(
        &self,
        node: &Arc<Node>,
    ) -> impl Future<Output = Result<(Self::Connection, Connected), Self::Error>> + Send;

    /// Gives an unused connection back.
    fn release(&self, connection: Self::Connection);

    /// Runs the statement. `hold` is kept until its last row has arrived.
    fn execute(
        &self,
        connection: Self::Connection,
        hold: Hold,
    ) -> impl Future<Output = Result<Self::Output, Self::Error>> + Send;

    /// Whose fault an error is.
    fn fault(&self, error: &Self::Error) -> Fault;

    /// Why no connection came in time: [`Fault::Saturated`] if all are in use.
    fn checkout_timed_out(&self, node: &Node) -> Fault;

    /// The driver's message, for error chains and logs; never a URL or a password.
    fn describe(&self, error: &Self::Error) -> String;

    /// Wraps an error of ours.
    fn fail(&self, error: SplitError) -> Self::Error;
}
