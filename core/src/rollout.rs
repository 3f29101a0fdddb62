//! What an operator changes while the application runs: the mode and the share of reads.
//!
//! Decides nothing. Each change is told once, as an event of `tracing`.

use crate::config::ConfigError;
use crate::mode::{self, Mode};
use crate::splitter::Splitter;

impl Splitter {
    /// Which reads leave the primary now.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.shared.rollout.mode()
    }

    /// Changes which reads leave the primary, from the next statement on. What is under way ends where it is.
    pub fn set_mode(&self, mode: Mode) {
        let before = self.shared.rollout.set_mode(mode);
        if before != mode {
            let (from, to) = (before.as_str(), mode.as_str());
            tracing::info!(from, to, "the mode was changed");
        }
    }

    /// How many sessions in a hundred read from replicas without asking for it now.
    #[must_use]
    pub fn read_share(&self) -> u8 {
        self.shared.rollout.share()
    }

    /// Changes how many sessions in a hundred read from replicas without asking for it, from the next statement
    /// on.
    ///
    /// # Errors
    /// It is more than 100; nothing is changed then.
    pub fn set_read_share(&self, percent: u8) -> Result<(), ConfigError> {
        mode::check_share(percent)?;
        let before = self.shared.rollout.set_share(percent);
        if before != percent {
            tracing::info!(
                from = before,
                to = percent,
                "the share of reads was changed"
            );
        }
        Ok(())
    }
}
