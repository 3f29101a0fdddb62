//! What can be watched of each statement: a span around it, and one event for each attempt, when it is sent.
//!
//! Shows the text of a statement, never its values, and no address. Fields of spans are named after
//! OpenTelemetry's conventions for databases. What nobody listens to costs one atomic load.

use std::sync::Arc;

use tracing::Span;
use tracing::field::Empty;

use crate::classify::Dialect;
use crate::fault::Fault;
use crate::intent::Cause;
use crate::node::Node;
use crate::reason::Reason;

/// Longer first words are no operations that anybody knows.
const LONGEST: usize = 9;
/// First words of statements. Anything else is not named: what is shown must be few values.
const OPERATIONS: [&str; 22] = [
    "SELECT",
    "INSERT",
    "UPDATE",
    "DELETE",
    "WITH",
    "MERGE",
    "BEGIN",
    "START",
    "COMMIT",
    "ROLLBACK",
    "SAVEPOINT",
    "RELEASE",
    "SET",
    "SHOW",
    "EXPLAIN",
    "CREATE",
    "ALTER",
    "DROP",
    "TRUNCATE",
    "COPY",
    "CALL",
    "VALUES",
];

/// `node` is about to run `sql`, for this reason.
pub(crate) fn runs(node: &Node, reason: Reason, sql: &str) {
    tracing::debug!(
        target: "orm_split::statement",
        node = node.name(),
        role = node.role().as_str(),
        reason = reason.as_str(),
        cause = reason.cause().map(Cause::as_str),
        sql,
        "runs"
    );
}

/// The span of a statement.
pub(crate) fn span_of(dialect: Dialect, sql: &str) -> Span {
    let span = tracing::debug_span!(
        target: "orm_split::statement",
        "statement",
        otel.name = Empty,
        otel.kind = "client",
        otel.status_code = Empty,
        "error.type" = Empty,
        db.system.name = system(dialect),
        db.operation.name = Empty,
        orm_split.node = Empty,
        orm_split.role = Empty,
        orm_split.reason = Empty,
        orm_split.cause = Empty,
        orm_split.attempt = Empty,
    );
    if !span.is_disabled()
        && let Some(operation) = operation(sql)
    {
        span.record("db.operation.name", operation);
        span.record("otel.name", operation);
    }
    span
}

/// What is said of a statement in its span once it is over: each field is recorded once, since some
/// subscribers keep every value of it.
#[derive(Debug)]
pub(crate) struct Watched {
    span: Span,
    last: Option<Attempt>,
    is_over: bool,
}

#[derive(Debug)]
struct Attempt {
    node: Arc<Node>,
    reason: Reason,
    number: usize,
}

impl Watched {
    pub(crate) fn begins(dialect: Dialect, sql: &str) -> Self {
        Self {
            span: span_of(dialect, sql),
            last: None,
            is_over: false,
        }
    }

    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Attempts are counted from 1.
    pub(crate) fn tries(&mut self, node: &Arc<Node>, reason: Reason, number: usize) {
        if !self.span.is_disabled() {
            self.last = Some(Attempt {
                node: Arc::clone(node),
                reason,
                number,
            });
        }
    }

    pub(crate) fn is_over(&mut self, fault: Option<Fault>) {
        self.is_over = true;
        if let Some(fault) = fault {
            self.failed(fault.as_str());
        }
    }

    fn failed(&self, error: &str) {
        self.span.record("otel.status_code", "ERROR");
        self.span.record("error.type", error);
    }
}

impl Drop for Watched {
    fn drop(&mut self) {
        if self.span.is_disabled() {
            return;
        }
        if let Some(Attempt {
            node,
            reason,
            number,
        }) = &self.last
        {
            ran(&self.span, node, *reason);
            self.span.record("orm_split.attempt", *number);
        }
        if !self.is_over {
            self.failed("cancelled");
        }
    }
}

/// Where the statement of a span ran.
pub(crate) fn ran(span: &Span, node: &Node, reason: Reason) {
    if span.is_disabled() {
        return;
    }
    span.record("orm_split.node", node.name());
    span.record("orm_split.role", node.role().as_str());
    span.record("orm_split.reason", reason.as_str());
    if let Some(cause) = reason.cause() {
        span.record("orm_split.cause", cause.as_str());
    }
}

const fn system(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Postgres => "postgresql",
        Dialect::MySql => "mysql",
        Dialect::Sqlite => "sqlite",
    }
}

/// The first word of a statement, if it is one of those that are known.
fn operation(sql: &str) -> Option<&'static str> {
    let sql = sql.trim_start();
    let end = sql.find(|c: char| !c.is_ascii_alphabetic());
    let word = sql.get(..end.unwrap_or(sql.len()))?;
    if word.len() > LONGEST {
        return None;
    }
    let mut known = OPERATIONS.into_iter();
    known.find(|known| known.eq_ignore_ascii_case(word))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_named_by_its_first_word_if_that_is_a_known_one() {
        for (sql, named) in [
            ("SELECT 1", Some("SELECT")),
            ("\n  select(1)", Some("SELECT")),
            ("with x as (select 1) select * from x", Some("WITH")),
            ("COMMIT", Some("COMMIT")),
            ("hunter2", None),
            ("/* a comment */ SELECT 1", None),
            ("", None),
        ] {
            assert_eq!(operation(sql), named, "{sql}");
        }
        assert!(OPERATIONS.iter().all(|word| word.len() <= LONGEST));
    }
}
