//! The raw handle of a connection: when it was handed out, and when it is surely back.
//!
//! What runs through it is not seen. While it is out its sessions stay on the primary; as soon as the
//! handle is used again, the borrow is over, and whatever was written counts as written by then.

use orm_split_core::{SessionKey, Splitter};

/// Whether the primary's connection was handed out.
#[derive(Debug, Default)]
pub(crate) struct Raw {
    /// By whom, while it is out.
    out_to: Option<SessionKey>,
    was_taken: bool,
}

impl Raw {
    pub(crate) fn take(&mut self, splitter: &Splitter, handle: SessionKey) {
        let task = SessionKey::current();
        splitter.raw_handle_taken_by(task);
        splitter.raw_handle_taken_by(handle);
        self.out_to = Some(task);
        self.was_taken = true;
    }

    pub(crate) fn settle(&mut self, splitter: &Splitter, handle: SessionKey) {
        if let Some(task) = self.out_to.take() {
            splitter.wrote(task);
            splitter.wrote(handle);
        }
    }

    /// Whether its connection may have state that nobody knows of.
    pub(crate) fn was_taken(&self) -> bool {
        self.was_taken
    }
}
