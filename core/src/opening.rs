//! Opening a connection is a probe.
//!
//! Every connection, of a pool or of a prober, asks the server who it is before it is used. This is
//! the bracket around that question: made before it is sent, told the answer afterwards.

use std::sync::Arc;

use crate::clock::Moment;
use crate::connected::Connected;
use crate::error::SplitError;
use crate::freshness::{Asked, Verdict};
use crate::identity::Identity;
use crate::node::Node;
use crate::refusal::Refusal;
use crate::shared::Shared;

/// A question that is about to be sent on a new connection.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    shared: &'a Arc<Shared>,
    sent_at: Moment,
    asked: Option<(usize, Asked)>,
}

impl<'a> Opening<'a> {
    pub(crate) fn of(shared: &'a Arc<Shared>, node: &Node) -> Self {
        let sent_at = shared.clock.now();
        let asked = node.id.replica_index().and_then(|index| {
            let asked = shared.freshness(|f| f.ask(index, None, sent_at))?;
            Some((index, asked))
        });
        Self {
            shared,
            sent_at,
            asked,
        }
    }

    /// The server answered.
    pub(crate) fn answered(self, identity: &Identity) -> Verdict {
        let now = self.shared.clock.now();
        self.shared.learn(|f| match self.asked {
            Some((index, asked)) => f.replica_opened(index, asked, identity, now),
            None => f.primary_opened(self.sent_at, identity, now),
        })
    }
}

/// A question on a new connection, see [`Splitter::identify`](crate::Splitter::identify).
///
/// ```
/// use orm_split_core::{Identified, Identity, Node, Splitter};
///
/// /// Asks on a connection that was just opened, until the answer can be judged.
/// async fn identify(splitter: &Splitter, node: &Node, ask: impl AsyncFn() -> Identity) -> Identified {
///     loop {
///         let question = splitter.identify(node);
///         match question.answered(&ask().await) {
///             Identified::AskAgain => {}
///             judged => return judged,
///         }
///     }
/// }
/// ```
#[derive(Debug)]
pub struct Identifying<'a>(Opening<'a>);

/// What the answer of a new connection's server meant.
///
/// ```
/// use orm_split_core::{Connected, Identified};
///
/// fn usable(identified: Identified) -> Option<Connected> {
///     match identified {
///         Identified::Usable(connected) => Some(connected),
///         Identified::AskAgain | Identified::Refused(_) => None,
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "an adapter has to handle each of them"
)]
pub enum Identified {
    /// The connection may be used.
    Usable(Connected),
    /// It cannot be told whether the server has restarted meanwhile: ask again.
    AskAgain,
    /// The connection must be closed.
    Refused(Refusal),
}

impl Identified {
    /// What it means for the connection, which the caller closes on an error; `None` if the server has
    /// to be asked again.
    #[must_use]
    pub fn judge(self, node: &Node) -> Option<Result<Connected, SplitError>> {
        match self {
            Self::Usable(connected) => Some(Ok(connected)),
            Self::AskAgain => None,
            Self::Refused(refusal) => Some(Err(SplitError::Refused {
                node: node.name().to_owned(),
                refusal,
            })),
        }
    }
}

impl<'a> Identifying<'a> {
    pub(crate) fn on(shared: &'a Arc<Shared>, node: &Node) -> Self {
        Self(Opening::of(shared, node))
    }

    /// The server answered.
    #[must_use]
    pub fn answered(self, identity: &Identity) -> Identified {
        let opened_at = self.0.shared.clock.now();
        match self.0.answered(identity) {
            Verdict::Accepted { generation } => Identified::Usable(Connected {
                generation,
                opened_at,
            }),
            Verdict::Ambiguous => Identified::AskAgain,
            Verdict::Refused(refusal) => Identified::Refused(refusal),
        }
    }
}
