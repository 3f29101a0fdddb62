//! What a session did that no splitter saw: told to all of them.
//!
//! A session is of no database, so whoever writes past the library in one cannot say which splitters lead
//! there. Holds none of them alive, and knows no more than there are.

use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use super::Sessions;
use super::key::SessionKey;
use crate::clock::Clock;

static ALL: Mutex<Vec<(Weak<Sessions>, Clock)>> = Mutex::new(Vec::new());

/// From now on these sessions are told, too, by the clock of their splitter.
pub(crate) fn joined(sessions: &Arc<Sessions>, clock: Clock) {
    let mut all = ALL.lock();
    all.retain(|(known, _)| known.strong_count() > 0);
    all.push((Arc::downgrade(sessions), clock));
}

/// The session has written something, wherever that may be.
pub(super) fn wrote(key: SessionKey) {
    let all = ALL.lock();
    let living = all.iter().filter_map(|(known, clock)| {
        let sessions = known.upgrade()?;
        Some((sessions, *clock))
    });
    let living: Vec<_> = living.collect();
    // the last handle of one may go here, and nothing is locked while it does
    drop(all);
    for (sessions, clock) in living {
        sessions.wrote(key, clock.now());
    }
}
