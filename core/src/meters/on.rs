//! Counters and histograms on the way of a statement.

use std::sync::OnceLock;

use metrics::{Counter, Histogram, Unit};

use crate::clock::{Clock, Moment};
use crate::error::Phase;
use crate::fault::Fault;
use crate::intent::Intent;
use crate::reason::Reason;
use crate::role::Role;

pub(super) const STATEMENTS: &str = "orm_split_statements_total";
const FAILURES: &str = "orm_split_attempt_failures_total";
const CHECKOUT: &str = "orm_split_checkout_duration_seconds";
const STATEMENT: &str = "orm_split_statement_duration_seconds";
const DECISION: &str = "orm_split_decision_duration_seconds";
const REQUEST: &str = "orm_split_request_duration_seconds";

/// Upper bounds, in seconds, for whoever keeps durations in buckets: from 1 µs, for decisions, to 10 s.
///
/// ```
/// assert!(orm_split_core::DURATION_BUCKETS.is_sorted());
/// ```
pub const DURATION_BUCKETS: [f64; 20] = [
    0.000_001,
    0.000_002_5,
    0.000_005,
    0.000_01,
    0.000_025,
    0.000_1,
    0.000_25,
    0.000_5,
    0.001,
    0.002_5,
    0.005,
    0.01,
    0.025,
    0.05,
    0.1,
    0.25,
    0.5,
    1.0,
    2.5,
    10.0,
];

const ROLES: usize = 2;
const PHASES: usize = 2;
const FAULTS: usize = 9;

/// What runs on one node. Of each kind only what occurs is made known to the recorder.
#[derive(Debug)]
pub(crate) struct NodeMeters {
    statements: [[OnceLock<Counter>; Reason::COUNT]; ROLES],
    failures: Box<[[[OnceLock<Counter>; FAULTS]; PHASES]; ROLES]>,
    checkout: [OnceLock<Histogram>; ROLES],
    statement: [OnceLock<Histogram>; ROLES],
}

impl Default for NodeMeters {
    fn default() -> Self {
        Self {
            statements: [const { [const { OnceLock::new() }; Reason::COUNT] }; ROLES],
            failures: Box::new(
                [const { [const { [const { OnceLock::new() }; FAULTS] }; PHASES] }; ROLES],
            ),
            checkout: [const { OnceLock::new() }; ROLES],
            statement: [const { OnceLock::new() }; ROLES],
        }
    }
}

/// What belongs to no node.
#[derive(Debug)]
pub(crate) struct Meters {
    decision: Histogram,
    /// By what was asked for and how it ended.
    request: [[Histogram; 2]; 2],
}

/// When something began.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stopwatch(Moment);

impl Stopwatch {
    pub(crate) fn start(clock: &Clock) -> Self {
        Self(clock.now())
    }

    fn read(self, clock: &Clock) -> f64 {
        clock.now().since(self.0).as_secs_f64()
    }
}

const fn index_of(role: Role) -> usize {
    match role {
        Role::Primary => 0,
        Role::Replica => 1,
    }
}

const fn phase_of(phase: Phase) -> (usize, &'static str) {
    match phase {
        Phase::Checkout => (0, "checkout"),
        Phase::Execute => (1, "execute"),
    }
}

const fn fault_of(fault: Fault) -> usize {
    match fault {
        Fault::Query => 0,
        Fault::ReadOnly => 1,
        Fault::SchemaLag => 2,
        Fault::Conflict => 3,
        Fault::Saturated => 4,
        Fault::Unreachable => 5,
        Fault::ShuttingDown => 6,
        Fault::Timeout => 7,
        Fault::Expired => 8,
    }
}

impl NodeMeters {
    /// A statement runs on the node `name`.
    pub(crate) fn runs(&self, name: &str, role: Role, reason: Reason) {
        let of_role = self.statements.get(index_of(role));
        if let Some(counter) = of_role.and_then(|all| all.get(reason.index())) {
            let labels = || [("role", role.as_str()), ("reason", reason.as_str())];
            counter
                .get_or_init(|| counter_of(STATEMENTS, name, labels()))
                .increment(1);
        }
    }

    /// One ended without a result.
    pub(crate) fn failed(&self, name: &str, role: Role, phase: Phase, fault: Fault) {
        let (phase, phase_name) = phase_of(phase);
        let of_role = self.failures.get(index_of(role));
        let of_phase = of_role.and_then(|all| all.get(phase));
        if let Some(counter) = of_phase.and_then(|all| all.get(fault_of(fault))) {
            let labels = || {
                let role = ("role", role.as_str());
                [role, ("phase", phase_name), ("fault", fault.as_str())]
            };
            counter
                .get_or_init(|| counter_of(FAILURES, name, labels()))
                .increment(1);
        }
    }

    /// A connection was taken from its pool.
    pub(crate) fn checked_out(&self, name: &str, role: Role, since: Stopwatch, clock: &Clock) {
        record(&self.checkout, CHECKOUT, (name, role), since.read(clock));
    }

    /// A statement had its result, or the first row of it.
    pub(crate) fn answered(&self, name: &str, role: Role, since: Stopwatch, clock: &Clock) {
        record(&self.statement, STATEMENT, (name, role), since.read(clock));
    }
}

fn record(
    all: &[OnceLock<Histogram>; ROLES],
    metric: &'static str,
    (name, role): (&str, Role),
    seconds: f64,
) {
    if let Some(histogram) = all.get(index_of(role)) {
        let make =
            || metrics::histogram!(metric, "node" => name.to_owned(), "role" => role.as_str());
        histogram.get_or_init(make).record(seconds);
    }
}

fn counter_of<const N: usize>(
    metric: &'static str,
    name: &str,
    labels: [(&'static str, &'static str); N],
) -> Counter {
    let mut all = vec![metrics::Label::new("node", name.to_owned())];
    all.extend(labels.map(|(key, value)| metrics::Label::new(key, value)));
    metrics::counter!(metric, all)
}

impl Default for Meters {
    fn default() -> Self {
        describe();
        let request = |intent: &'static str| {
            ["ok", "error"].map(
                |outcome| metrics::histogram!(REQUEST, "intent" => intent, "outcome" => outcome),
            )
        };
        Self {
            decision: metrics::histogram!(DECISION),
            request: ["read", "primary"].map(request),
        }
    }
}

impl Meters {
    /// A statement was classified and routed for the first time.
    pub(crate) fn decided(&self, since: Stopwatch, clock: &Clock) {
        self.decision.record(since.read(clock));
    }

    /// It is over, after as many attempts as it took.
    pub(crate) fn ended(&self, intent: Intent, is_ok: bool, since: Stopwatch, clock: &Clock) {
        let [read, primary] = &self.request;
        let [ok, error] = match intent {
            Intent::Read => read,
            Intent::Primary(_) => primary,
        };
        let histogram = if is_ok { ok } else { error };
        histogram.record(since.read(clock));
    }
}

fn describe() {
    let seconds = Unit::Seconds;
    metrics::describe_counter!(
        STATEMENTS,
        "Statements sent to a node, by the reason for it"
    );
    metrics::describe_counter!(FAILURES, "Attempts that ended without a result");
    metrics::describe_histogram!(
        CHECKOUT,
        seconds,
        "Taking a connection from the node's pool"
    );
    metrics::describe_histogram!(STATEMENT, seconds, "From sending a statement to its result");
    metrics::describe_histogram!(DECISION, seconds, "Classifying and routing a statement");
    metrics::describe_histogram!(REQUEST, seconds, "A statement with all of its attempts");
}
