//! Whether a node is fit for selection, as a pure state machine.
//!
//! Decides when a node leaves, how long it stays away, and when it is back. Must never let a statement be the
//! one to find out that a node is back: only probes bring it back, two good ones in a row, and then it takes
//! reads again little by little.
//!
//! A hard error of a statement, or a probe that is refused, makes a node suspect: it takes no reads until a
//! probe, sent at once, has settled that. Silence has to repeat itself, because one lost packet is no
//! outage; meanwhile others are preferred. A node whose probes are answered while its statements fail is
//! *ejected*, as long as another replica is left: what a node says of itself is believed, what its
//! statements say might be the statements' own fault.

mod backoff;
mod window;

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::Serialize;

use crate::clock::Moment;
use crate::fault::Fault;
use crate::role::Role;
use backoff::Backoff;
use window::Window;

/// Whether a node takes part in selection.
///
/// ```
/// use orm_split_core::{HealthState, NodeStatus};
///
/// fn needs_attention(node: &NodeStatus) -> bool {
///     matches!(node.health, HealthState::Down | HealthState::Ejected)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthState {
    /// Not probed yet. Takes no reads.
    Unknown,
    /// Answers probes and statements.
    Up,
    /// Something failed, and a probe that was sent at once has not settled yet whether the node has. After
    /// silence it takes reads that no other replica may take, after a hard error none.
    Suspect,
    /// Does not answer probes: three in a row timed out, or two in a row were refused. Takes no reads, and
    /// those that it was running are run elsewhere. Probed after 1 s, 2 s, 4 s … 30 s.
    Down,
    /// Answers probes, but its statements fail: five in a row, or more than a fifth of those of the last
    /// 10 s. Takes no reads for as long as a node that is down would not be probed; what it runs may end. The
    /// last replica that is left is never ejected.
    Ejected,
    /// Answered its first probe after it was down or ejected; the next one brings it back.
    Probation,
    /// Back since less than 10 s: takes part in a growing share of the reads, from 5 % to all, unless no
    /// other replica may take them.
    Ramping,
}

/// Something that happened on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthEvent {
    ProbeSucceeded,
    ProbeFailed(Fault),
    /// `since` is when its connection was opened; of one that timed out, or had none yet, when it began.
    StatementFailed {
        fault: Fault,
        since: Moment,
    },
    /// A connection could not be opened. Whoever waits for it says so too, as a statement.
    OpeningFailed(Fault),
}

/// What the state machine is told with each event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) now: Moment,
    /// Statements that the node has answered since the start.
    pub(crate) successes: u64,
    /// Whether another replica takes reads.
    pub(crate) may_eject: bool,
    /// From -1 to 1: so that processes do not come back in step.
    pub(crate) jitter: f64,
}

/// How the node takes part in selection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Admission {
    No,
    /// If no other may serve a read.
    Reluctantly,
    /// In a growing share of the reads, which began to grow then.
    Ramping(Moment),
    Yes,
}

/// When the next probe is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NextProbe {
    /// When sampling wants it, or somebody asks.
    Sampling,
    /// The same, but not much later than this.
    SamplingUntil(Moment),
    Now,
    /// After the shortest pause between probes of health.
    Soon,
    NotBefore(Moment),
}

/// Probes in a row that may go unanswered before a node is down.
const SILENT_PROBES: u32 = 3;
/// Probes in a row that may be refused before it is: the second is sent at once.
const REFUSED_PROBES: u32 = 2;
/// Statements in a row that may find it unreachable before it is ejected.
const FAILED_STATEMENTS: u32 = 5;
/// Good probes in a row that bring it back.
const GOOD_PROBES: u32 = 2;
/// How long it takes to take its full share again.
pub(crate) const RAMP: Duration = Duration::from_secs(10);

/// The state machine of one node.
#[derive(Debug)]
pub(crate) struct Health {
    role: Role,
    state: HealthState,
    silent_probes: u32,
    refused_probes: u32,
    good_probes: u32,
    failed_statements: u32,
    /// What `successes` was at the latest failure: any since then ends the row.
    successes: u64,
    /// When a statement last found that connections had broken. What fails on older ones is the same event.
    broke_at: Moment,
    /// When a statement last timed out. What began before is the same event.
    timed_out_at: Moment,
    /// A statement found it unreachable, and no probe has answered since.
    is_doubted: bool,
    ramp_from: Option<Moment>,
    window: Window,
    backoff: Backoff,
}

impl Health {
    pub(crate) fn of(role: Role) -> Self {
        Self {
            role,
            state: HealthState::Unknown,
            silent_probes: 0,
            refused_probes: 0,
            good_probes: 0,
            failed_statements: 0,
            successes: 0,
            broke_at: Moment::NEVER,
            timed_out_at: Moment::NEVER,
            is_doubted: false,
            ramp_from: None,
            window: Window::default(),
            backoff: Backoff::default(),
        }
    }

    pub(crate) fn step(&mut self, event: HealthEvent, seen: &Seen) -> HealthState {
        self.window.succeeded(seen.now, seen.successes);
        match event {
            HealthEvent::ProbeSucceeded => self.probe_succeeded(seen),
            HealthEvent::ProbeFailed(fault) => self.probe_failed(fault, seen),
            HealthEvent::StatementFailed { fault, since } => {
                let latest = match breaks_connections(fault) {
                    true => self.broke_at,
                    false => self.timed_out_at.max(self.broke_at),
                };
                if since >= latest {
                    self.statement_failed(fault, seen);
                }
            }
            HealthEvent::OpeningFailed(fault) => self.is_suspected(fault),
        }
        self.state
    }

    pub(crate) fn admission(&self) -> Admission {
        match self.state {
            HealthState::Up => Admission::Yes,
            HealthState::Suspect if !self.is_doubted && self.refused_probes == 0 => {
                Admission::Reluctantly
            }
            HealthState::Ramping => self.ramp_from.map_or(Admission::Yes, Admission::Ramping),
            HealthState::Unknown
            | HealthState::Suspect
            | HealthState::Down
            | HealthState::Ejected
            | HealthState::Probation => Admission::No,
        }
    }

    pub(crate) fn next_probe(&self) -> NextProbe {
        match self.state {
            HealthState::Unknown | HealthState::Up | HealthState::Ramping => NextProbe::Sampling,
            HealthState::Suspect if self.refused_probes > 0 => NextProbe::Now,
            HealthState::Suspect | HealthState::Probation => NextProbe::Soon,
            HealthState::Down => NextProbe::NotBefore(self.backoff.until()),
            HealthState::Ejected => NextProbe::SamplingUntil(self.backoff.until()),
        }
    }

    fn probe_succeeded(&mut self, seen: &Seen) {
        (self.silent_probes, self.refused_probes, self.is_doubted) = (0, 0, false);
        let is_primary = self.role == Role::Primary;
        match self.state {
            HealthState::Unknown => self.is_up(seen),
            HealthState::Up => {}
            HealthState::Suspect | HealthState::Ramping => {
                let ramps = |from| seen.now.since(from) < RAMP;
                match self.ramp_from {
                    Some(from) if ramps(from) => self.state = HealthState::Ramping,
                    Some(_) => self.is_up(seen),
                    None => self.state = HealthState::Up,
                }
            }
            // nobody chooses the primary, and everything waits for it
            HealthState::Down | HealthState::Ejected | HealthState::Probation if is_primary => {
                self.is_up(seen);
            }
            HealthState::Ejected if seen.now < self.backoff.until() => {}
            HealthState::Down | HealthState::Ejected => {
                self.good_probes = 1;
                self.state = HealthState::Probation;
            }
            HealthState::Probation => {
                self.good_probes += 1;
                if self.good_probes >= GOOD_PROBES {
                    self.ramp_from = Some(seen.now);
                    self.state = HealthState::Ramping;
                }
            }
        }
    }

    fn is_up(&mut self, seen: &Seen) {
        self.ramp_from = None;
        self.backoff.well(seen.now);
        self.state = HealthState::Up;
    }

    fn probe_failed(&mut self, fault: Fault, seen: &Seen) {
        match self.state {
            HealthState::Up | HealthState::Ramping | HealthState::Suspect => {
                let is_down = if fault == Fault::Timeout {
                    self.silent_probes += 1;
                    self.silent_probes >= SILENT_PROBES
                } else {
                    self.refused_probes += 1;
                    self.refused_probes >= REFUSED_PROBES
                };
                match is_down {
                    true => self.leaves(HealthState::Down, seen),
                    false => self.state = HealthState::Suspect,
                }
            }
            HealthState::Unknown
            | HealthState::Down
            | HealthState::Ejected
            | HealthState::Probation => self.leaves(HealthState::Down, seen),
        }
    }

    fn statement_failed(&mut self, fault: Fault, seen: &Seen) {
        if !fault.blames_node() {
            return;
        }
        match breaks_connections(fault) {
            true => self.broke_at = seen.now,
            false => self.timed_out_at = seen.now,
        }
        if !self.takes_reads() {
            return;
        }
        if seen.successes > self.successes {
            self.failed_statements = 0;
        }
        self.successes = seen.successes;
        self.failed_statements = self.failed_statements.saturating_add(1);
        self.window.failed();
        let fails = self.failed_statements >= FAILED_STATEMENTS || self.window.is_bad();
        if fails && seen.may_eject && self.role == Role::Replica {
            self.leaves(HealthState::Ejected, seen);
        } else {
            self.is_suspected(fault);
        }
    }

    fn is_suspected(&mut self, fault: Fault) {
        if fault.blames_node() && self.takes_reads() {
            self.is_doubted |= breaks_connections(fault);
            self.state = HealthState::Suspect;
        }
    }

    fn takes_reads(&self) -> bool {
        match self.state {
            HealthState::Up | HealthState::Ramping | HealthState::Suspect => true,
            HealthState::Unknown
            | HealthState::Down
            | HealthState::Ejected
            | HealthState::Probation => false,
        }
    }

    fn leaves(&mut self, state: HealthState, seen: &Seen) {
        match self.role {
            Role::Primary => self.backoff.shortest(seen),
            Role::Replica => self.backoff.longer(seen),
        }
        (self.silent_probes, self.refused_probes) = (0, 0);
        (self.failed_statements, self.is_doubted) = (0, false);
        self.ramp_from = None;
        self.window = Window::default();
        self.state = state;
    }
}

/// Whether a node with such a fault has lost its connections, as one event for all of them.
fn breaks_connections(fault: Fault) -> bool {
    match fault {
        Fault::Unreachable | Fault::ShuttingDown => true,
        Fault::Timeout
        | Fault::Query
        | Fault::ReadOnly
        | Fault::SchemaLag
        | Fault::Conflict
        | Fault::Saturated
        | Fault::Expired => false,
    }
}
