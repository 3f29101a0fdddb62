//! Which of the replicas that may serve a read are let through to the policy.
//!
//! Decides by health alone, and softly: whoever may serve a read does so if nobody better may. Sending the
//! read to the primary instead would move the load to where it does the most harm.

use std::sync::Arc;

use rand::{Rng, RngExt};

use crate::clock::Moment;
use crate::health::{Admission, RAMP};
use crate::node::Node;

/// The share of the reads that a node takes part in at the beginning of its ramp.
const FIRST_SHARE: f64 = 0.05;

/// How replicas stand, as bits by index.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Standing {
    ramping: u64,
    reluctant: u64,
}

impl Standing {
    /// Whether the replica may serve reads at all.
    pub(crate) fn note(&mut self, bit: u64, admission: Admission) -> bool {
        match admission {
            Admission::No => return false,
            Admission::Yes => {}
            Admission::Ramping(_) => self.ramping |= bit,
            Admission::Reluctantly => self.reluctant |= bit,
        }
        true
    }

    /// Those that a session may stay on.
    pub(crate) fn without_reluctant(&self, replicas: u64) -> u64 {
        replicas & !self.reluctant
    }

    /// Those of some replicas that are let through this time.
    pub(crate) fn admit(
        &self,
        replicas: u64,
        nodes: &[Arc<Node>],
        now: Moment,
        rng: &mut dyn Rng,
    ) -> u64 {
        let ramping = replicas & self.ramping;
        let mut admitted = replicas & !self.ramping & !self.reluctant;
        if ramping != 0 {
            for (index, node) in nodes.iter().enumerate() {
                let bit = 1 << index;
                if ramping & bit != 0 && rng.random_bool(share(node, now)) {
                    admitted |= bit;
                }
            }
        }
        [admitted, ramping, replicas]
            .into_iter()
            .find(|mask| *mask != 0)
            .unwrap_or(0)
    }
}

fn share(node: &Node, now: Moment) -> f64 {
    match node.admission() {
        Admission::Ramping(since) => {
            let part = now.since(since).as_secs_f64() / RAMP.as_secs_f64();
            part.clamp(FIRST_SHARE, 1.0)
        }
        // it has changed since it was noted
        Admission::Yes | Admission::Reluctantly | Admission::No => FIRST_SHARE,
    }
}
