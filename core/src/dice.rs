//! Where chance comes from: the thread's generator, or one with a seed, so that a simulation can be repeated.
//!
//! Decides nothing.

use std::sync::OnceLock;

use parking_lot::Mutex;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The source of chance of one splitter.
#[derive(Debug, Default)]
pub(crate) struct Dice {
    seeded: OnceLock<Mutex<StdRng>>,
}

impl Dice {
    /// From now on the same every time. The first seed counts.
    pub(crate) fn seed(&self, seed: u64) {
        self.seeded
            .get_or_init(|| Mutex::new(StdRng::seed_from_u64(seed)));
    }

    pub(crate) fn roll<R>(&self, roll: impl FnOnce(&mut dyn Rng) -> R) -> R {
        match self.seeded.get() {
            None => roll(&mut rand::rng()),
            Some(rng) => roll(&mut *rng.lock()),
        }
    }
}
