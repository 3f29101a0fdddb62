//! Whether a node is fit for selection, as a pure state machine.
//!
//! Decides when a node leaves and when it is back. A node leaves on the first hard error of a
//! statement or a refused probe; silence has to repeat itself, because one lost packet is not an
//! outage. Only a probe brings a node back: statements must never be the ones to find out.

use serde::Serialize;

use crate::fault::Fault;

/// Whether a node takes part in selection.
///
/// ```
/// use orm_split_core::{HealthState, NodeStatus};
///
/// fn needs_attention(node: &NodeStatus) -> bool {
///     node.health == HealthState::Down
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum HealthState {
    /// Not probed yet.
    Unknown,
    /// The last probe succeeded and nothing has failed since.
    Up,
    /// Out of selection until a probe succeeds.
    Down,
}

/// Something that happened on a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HealthEvent {
    ProbeSucceeded,
    ProbeFailed(Fault),
    StatementFailed(Fault),
}

/// The state machine of one node.
#[derive(Debug)]
pub(crate) struct Health {
    state: HealthState,
    silent_probes: u32,
}

/// Probes in a row that may go unanswered before a node is down.
const SILENT_PROBES: u32 = 2;

impl Default for Health {
    fn default() -> Self {
        Self {
            state: HealthState::Unknown,
            silent_probes: 0,
        }
    }
}

impl Health {
    pub(crate) fn step(&mut self, event: HealthEvent) -> HealthState {
        match event {
            HealthEvent::ProbeSucceeded => {
                self.silent_probes = 0;
                self.state = HealthState::Up;
            }
            HealthEvent::ProbeFailed(Fault::Timeout) => {
                self.silent_probes += 1;
                if self.silent_probes >= SILENT_PROBES || self.state == HealthState::Unknown {
                    self.state = HealthState::Down;
                }
            }
            HealthEvent::ProbeFailed(_) => self.state = HealthState::Down,
            HealthEvent::StatementFailed(fault) => {
                let hard = match fault {
                    Fault::Unreachable | Fault::ShuttingDown => true,
                    Fault::Timeout
                    | Fault::Query
                    | Fault::ReadOnly
                    | Fault::SchemaLag
                    | Fault::Conflict
                    | Fault::Saturated => false,
                };
                if hard && self.state == HealthState::Up {
                    self.state = HealthState::Down;
                }
            }
        }
        self.state
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use HealthEvent::{ProbeFailed, ProbeSucceeded, StatementFailed};

    fn after(events: &[HealthEvent]) -> HealthState {
        let mut health = Health::default();
        events
            .iter()
            .fold(HealthState::Unknown, |_, event| health.step(*event))
    }

    #[test]
    fn a_node_leaves_on_the_first_hard_error_and_only_a_probe_brings_it_back() {
        let left = [ProbeSucceeded, StatementFailed(Fault::Unreachable)];
        assert_eq!(after(&left), HealthState::Down);
        let back = [left[0], left[1], ProbeSucceeded];
        assert_eq!(after(&back), HealthState::Up);
    }

    #[test]
    fn a_thousand_syntax_errors_leave_a_node_up() {
        let mut events = vec![ProbeSucceeded];
        events.extend([StatementFailed(Fault::Query); 1_000]);
        assert_eq!(after(&events), HealthState::Up);
    }

    #[test]
    fn one_silent_probe_is_not_an_outage_but_two_are() {
        let silent = ProbeFailed(Fault::Timeout);
        assert_eq!(after(&[ProbeSucceeded, silent]), HealthState::Up);
        assert_eq!(after(&[ProbeSucceeded, silent, silent]), HealthState::Down);
        let between = [ProbeSucceeded, silent, ProbeSucceeded, silent];
        assert_eq!(after(&between), HealthState::Up);
    }

    #[test]
    fn a_node_that_never_answered_is_down_not_unknown() {
        assert_eq!(after(&[ProbeFailed(Fault::Timeout)]), HealthState::Down);
    }
}
