//! Prints the library's events: one line for each statement, with its node and the reason.

use std::fmt::Debug;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

/// The target of the library's statement events.
const STATEMENT: &str = "orm_split::statement";

/// Characters of a statement that are shown of its start, and as many of its end.
const SHOWN: usize = 35;

/// Prints and counts statements. Clones share the counters.
#[derive(Clone, Debug, Default)]
pub(crate) struct Report(Arc<Counters>);

#[derive(Debug, Default)]
struct Counters {
    replicas: AtomicU64,
    primary: AtomicU64,
}

impl Report {
    /// Listens to the library from now on.
    pub(crate) fn install() -> Self {
        let report = Self::default();
        tracing_subscriber::registry().with(report.clone()).init();
        report
    }

    /// Prints a line, unless nobody reads any more.
    #[expect(clippy::unused_self, reason = "all output goes through the report")]
    pub(crate) fn say(&self, line: &str) {
        drop(writeln!(stdout(), "{line}"));
    }

    /// Prints the names of the columns.
    pub(crate) fn head(&self) {
        self.say(&line("node", "why", "statement"));
    }

    pub(crate) fn on_replicas(&self) -> u64 {
        self.0.replicas.load(Ordering::Relaxed)
    }

    pub(crate) fn on_primary(&self) -> u64 {
        self.0.primary.load(Ordering::Relaxed)
    }
}

impl<S: Subscriber> Layer<S> for Report {
    fn enabled(&self, metadata: &Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == STATEMENT
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut ran = Ran::default();
        event.record(&mut ran);
        let counter = match ran.role.as_str() {
            "replica" => &self.0.replicas,
            _ => &self.0.primary,
        };
        counter.fetch_add(1, Ordering::Relaxed);
        let Ran {
            node, reason, sql, ..
        } = &ran;
        // the reason `statement` says that the statement itself needs the primary, its cause why
        let why = ran.cause.as_ref().unwrap_or(reason);
        self.say(&line(node, why, &shortened(sql)));
    }
}

/// The fields of a statement event.
#[derive(Default)]
struct Ran {
    node: String,
    role: String,
    reason: String,
    cause: Option<String>,
    sql: String,
}

impl Visit for Ran {
    fn record_str(&mut self, field: &Field, value: &str) {
        let value = value.to_owned();
        match field.name() {
            "node" => self.node = value,
            "role" => self.role = value,
            "reason" => self.reason = value,
            "cause" => self.cause = Some(value),
            "sql" => self.sql = value,
            _ => {}
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn Debug) {}
}

fn line(node: &str, why: &str, statement: &str) -> String {
    format!("{node:<10} {why:<14} {statement}")
}

/// Without its middle, which is mostly a list of columns.
fn shortened(sql: &str) -> String {
    let length = sql.chars().count();
    if length <= 2 * SHOWN {
        return sql.to_owned();
    }
    let start = sql.chars().take(SHOWN);
    let end = sql.chars().skip(length - SHOWN);
    start.chain(['…']).chain(end).collect()
}
