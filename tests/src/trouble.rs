//! Whatever may befall a node or the way to it, drawn from a seed.
//!
//! Decides only what, not when or whom.

use std::time::Duration;

use anyhow::Result;
use rand::RngExt;
use rand::rngs::StdRng;

use crate::kit::postgres::{Node, Stop};
use crate::kit::proxy::{Fault, FaultProxy, Way};
use crate::outages::End;

/// One trouble.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Trouble {
    /// Something is wrong with the network in front of it.
    Network(Fault),
    /// It leaves, and is back when the trouble is over.
    Leaves(End),
    /// It is shut down and started again at once.
    Restarts,
    /// It replays nothing.
    StandsStill,
}

impl Trouble {
    /// Any trouble of a replica.
    #[must_use]
    pub fn of_replica(rng: &mut StdRng) -> Self {
        match rng.random_range(0..9) {
            0 | 1 => Self::Leaves(End::Killed),
            2 => Self::Restarts,
            3 | 4 => Self::StandsStill,
            _ => Self::of_network(rng),
        }
    }

    /// Any trouble of a network.
    #[must_use]
    pub fn of_network(rng: &mut StdRng) -> Self {
        let ms = |from, to, rng: &mut StdRng| Duration::from_millis(rng.random_range(from..to));
        Self::Network(match rng.random_range(0..8) {
            0 => Fault::Refuse,
            1 | 2 => Fault::BlackHole,
            3 => Fault::Reset,
            4 => Fault::Delay(ms(1, 60, rng)),
            5 => Fault::Stall(match rng.random() {
                true => Way::ToServer,
                false => Way::ToClient,
            }),
            6 => Fault::CutAfter(rng.random_range(1..4_000)),
            _ => Fault::Flap {
                up: ms(50, 400, rng),
                down: ms(50, 400, rng),
            },
        })
    }

    /// Lets it happen.
    ///
    /// # Errors
    /// It cannot happen to this node.
    pub async fn befalls(&self, node: &Node, proxy: &FaultProxy) -> Result<()> {
        match self {
            Self::Network(fault) => proxy.befall(fault.clone()).await,
            Self::Leaves(end) => end.befalls(node).await,
            Self::Restarts => {
                node.stop(Stop::Fast).await?;
                node.start().await
            }
            Self::StandsStill => node.pause_replay().await,
        }
    }

    /// Lets it be over.
    ///
    /// # Errors
    /// The node does not come back.
    pub async fn is_over(&self, node: &Node, proxy: &FaultProxy) -> Result<()> {
        match self {
            Self::Network(_) => proxy.heal().await,
            Self::Leaves(end) => end.is_over(node).await,
            Self::Restarts => Ok(()),
            Self::StandsStill => node.resume_replay().await,
        }
    }
}
