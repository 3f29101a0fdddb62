//! What is known of a connection that was taken out of a pool.

use crate::clock::Moment;

/// Proof that a connection was opened to a server that may be used, in one generation of evidence.
///
/// ```no_run
/// use std::time::Duration;
/// use orm_split_core::{Connected, Node, Splitter};
///
/// /// What a pool's hook asks about an idle connection.
/// fn may_be_used(splitter: &Splitter, node: &Node, age: Duration) -> Option<Connected> {
///     splitter.connection_of_age(node, age)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Connected {
    pub(crate) generation: u64,
    /// When it was open already.
    pub(crate) opened_at: Moment,
}
