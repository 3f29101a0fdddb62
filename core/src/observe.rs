//! What can be watched of each statement: one event for each attempt, when it is sent.
//!
//! Shows the text of a statement, never its values. An event that nobody listens to costs one
//! atomic load.

use crate::intent::Cause;
use crate::node::Node;
use crate::reason::Reason;

/// `node` is about to run `sql`, for this reason.
pub(crate) fn runs(node: &Node, reason: Reason, sql: &str) {
    tracing::debug!(
        target: "orm_split::statement",
        node = node.name(),
        role = node.role.as_str(),
        reason = reason.as_str(),
        cause = reason.cause().map(Cause::as_str),
        sql,
        "runs"
    );
}
