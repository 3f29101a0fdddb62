//! Sessions: what each task, scope or handle has written lately, and what those that were made have read.
//!
//! Decides the floor of a read: the oldest state that whoever asks accepts. Must never loosen a
//! guarantee: an entry is dropped only when every node in use has passed it, or by folding it into
//! a floor for everyone. The map is normally empty, and an empty map costs two atomic loads.

mod concern;
mod everywhere;
mod key;
mod reads;
mod scope;

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;

use crate::clock::Moment;
use crate::node_id::NodeId;
pub use concern::ReadConcern;
pub(crate) use everywhere::joined;
pub use key::SessionKey;
pub(crate) use reads::{Read, Reads};
pub use scope::Session;

/// What a session asks of the node that serves its next read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Floor {
    /// Everything committed before this instant must be visible.
    pub(crate) at: Moment,
    pub(crate) pin: Option<Pin>,
    /// Of the current session and of the handle's.
    pub(crate) reads: [Option<Reads>; 2],
    /// The node that a listing stays on.
    pub(crate) stays_on: Option<NodeId>,
    /// What `at` would be but for reads that only shadow mode kept on the primary.
    pub(crate) but_for_shadow: Moment,
    /// When the current session, or the handle's, has written last, as far as that is remembered.
    pub(crate) wrote_at: Moment,
}

impl Floor {
    /// What any node that is newer than this may serve.
    pub(crate) fn highest(&self) -> Moment {
        let reads = self.reads.iter().flatten().map(Reads::floor);
        reads.fold(self.at, Moment::max)
    }
}

/// Why a session stays on the primary whatever the replicas have replayed; the strongest last.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Pin {
    /// It may be writing through the raw handle.
    RawHandle,
    /// It changed its connection's state (`SET`, a temporary table), which the others lack.
    SessionState,
    /// It opened a transaction with a raw `BEGIN`.
    RawTransaction,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    wrote_at: Moment,
    raw_until: Moment,
    in_raw_transaction: bool,
    has_state: bool,
    reads: Option<Reads>,
    /// When a read was answered that a replica would have served, had shadow mode not kept it back.
    kept_at: Moment,
    stays_until: Moment,
}

impl Entry {
    /// Of its writes. Through a raw handle they can have happened until its pin ended.
    fn floor(&self) -> Moment {
        self.wrote_at.max(self.raw_until)
    }

    /// Of its writes and its reads.
    fn highest(&self) -> Moment {
        let read = self.reads.as_ref().map(Reads::floor);
        let read = read.unwrap_or(Moment::NEVER).max(self.kept_at);
        self.floor().max(read)
    }

    fn pin(&self, now: Moment) -> Option<Pin> {
        if self.in_raw_transaction {
            Some(Pin::RawTransaction)
        } else if self.has_state {
            Some(Pin::SessionState)
        } else {
            (self.raw_until > now).then_some(Pin::RawHandle)
        }
    }

    /// What lasts until it is ended, however long that takes.
    fn is_held(&self) -> bool {
        self.in_raw_transaction || self.has_state
    }
}

/// The sessions of one splitter.
#[derive(Debug)]
pub(crate) struct Sessions {
    entries: Mutex<HashMap<SessionKey, Entry>>,
    count: AtomicUsize,
    low_water: AtomicU64,
    /// The latest write of any session.
    wrote_at: AtomicU64,
    /// The latest end of a raw handle's pin of any session.
    raw_until: AtomicU64,
    capacity: usize,
    remembers_writes: bool,
    /// Itself, for sessions that end.
    me: Weak<Self>,
}

/// 65,536 entries are about 14 MiB.
const CAPACITY: usize = 65_536;

impl Sessions {
    /// Without replicas nobody could be behind, and nobody would ever forget a write.
    pub(crate) fn new(remembers_writes: bool) -> Arc<Self> {
        Arc::new_cyclic(|me| Self {
            remembers_writes,
            me: Weak::clone(me),
            ..Self::with_capacity(CAPACITY)
        })
    }

    fn with_capacity(capacity: usize) -> Self {
        Self {
            entries: Mutex::default(),
            count: AtomicUsize::new(0),
            low_water: AtomicU64::new(0),
            wrote_at: AtomicU64::new(0),
            raw_until: AtomicU64::new(0),
            capacity,
            remembers_writes: true,
            me: Weak::new(),
        }
    }

    /// How many sessions are remembered.
    pub(crate) fn len(&self) -> usize {
        self.count.load(Ordering::Acquire)
    }

    /// The floor of the current session, and of the handle's if there is one: the higher of both.
    pub(crate) fn floor(&self, handle: Option<SessionKey>, now: Moment) -> Floor {
        let entries = match self.len() {
            0 => [None, None],
            _ => {
                let entries = self.entries.lock();
                let of = |key| entries.get(&key).copied();
                [of(SessionKey::current()), handle.and_then(of)]
            }
        };
        // last: what is folded meanwhile raises it before it leaves the map
        let low_water = Moment(self.low_water.load(Ordering::Acquire));
        let mut floor = Floor {
            at: low_water,
            but_for_shadow: low_water,
            reads: entries.map(|entry| entry.and_then(|entry| entry.reads)),
            ..Floor::default()
        };
        for entry in entries.into_iter().flatten() {
            let of_writes = entry.floor();
            floor.at = floor.at.max(of_writes).max(entry.kept_at);
            floor.but_for_shadow = floor.but_for_shadow.max(of_writes);
            floor.wrote_at = floor.wrote_at.max(entry.wrote_at);
            // what passes by itself must not hide what has to be kept
            floor.pin = floor.pin.max(entry.pin(now));
            let stays = entry.reads.filter(|_| entry.stays_until > now);
            floor.stays_on = floor.stays_on.or(stays.map(|reads| reads.node()));
        }
        floor
    }

    /// The floor of the current session if what any other session has written counts as its own. A raw
    /// transaction stays a matter of the session that began it: nobody else sees into it.
    pub(crate) fn floor_of_all(&self, handle: Option<SessionKey>, now: Moment) -> Floor {
        let own = self.floor(handle, now);
        let raw_until = Moment(self.raw_until.load(Ordering::Acquire));
        let wrote_at = Moment(self.wrote_at.load(Ordering::Acquire));
        let raw = (raw_until > now).then_some(Pin::RawHandle);
        let of_all = wrote_at.max(raw_until);
        Floor {
            at: own.at.max(of_all),
            but_for_shadow: own.but_for_shadow.max(of_all),
            pin: own.pin.or(raw),
            ..own
        }
    }

    /// What any node that is newer than this may serve to all of these sessions.
    pub(crate) fn highest(&self, keys: impl IntoIterator<Item = SessionKey>) -> Moment {
        let entries = self.entries.lock();
        let known = keys.into_iter().filter_map(|key| entries.get(&key));
        let highest = known.map(Entry::highest).fold(Moment::NEVER, Moment::max);
        drop(entries);
        highest.max(Moment(self.low_water.load(Ordering::Acquire)))
    }

    /// When the session has written last, or somebody whose write every node had and was forgotten.
    #[cfg(feature = "tower")]
    pub(crate) fn wrote_at(&self, key: SessionKey) -> Moment {
        let own = self.entries.lock().get(&key).map(Entry::floor);
        let forgotten = Moment(self.low_water.load(Ordering::Acquire));
        own.unwrap_or_default().max(forgotten)
    }

    /// The session's write was acknowledged, or its outcome became unknown, at `at`.
    pub(crate) fn wrote(&self, key: SessionKey, at: Moment) {
        self.remember(key, |entry| entry.wrote_at = entry.wrote_at.max(at));
    }

    /// The session may write through the raw handle until `until`.
    pub(crate) fn holds_raw_handle(&self, key: SessionKey, until: Moment) {
        self.remember(key, |entry| entry.raw_until = entry.raw_until.max(until));
    }

    /// A statement ran through the raw handle at `at`; renews the pin of a session that has one.
    pub(crate) fn used_raw_handle(&self, key: SessionKey, at: Moment, until: Moment) {
        self.remember(key, |entry| {
            entry.wrote_at = entry.wrote_at.max(at);
            entry.raw_until = entry.raw_until.max(until);
        });
    }

    /// The read of a session that never reads backwards was answered.
    pub(crate) fn read(&self, key: SessionKey, read: Read) {
        self.remember(key, |entry| match &mut entry.reads {
            Some(reads) => reads.add(read),
            none => *none = Some(Reads::first(read)),
        });
    }

    /// A read of a session that never reads backwards was answered at `at` by the primary, but only for shadow
    /// mode.
    pub(crate) fn was_kept(&self, key: SessionKey, at: Moment) {
        self.remember(key, |entry| entry.kept_at = entry.kept_at.max(at));
    }

    /// The session's reads stay where the latest of them ran.
    pub(crate) fn stays(&self, key: SessionKey, until: Moment) {
        self.remember(key, |entry| entry.stays_until = until);
    }

    /// The session sent a raw `BEGIN` (`true`) or ended its transaction (`false`).
    pub(crate) fn in_raw_transaction(&self, key: SessionKey, is_open: bool) {
        self.update(key, |entry| entry.in_raw_transaction = is_open);
    }

    /// The session's connection differs from others from now on.
    pub(crate) fn has_state(&self, key: SessionKey) {
        self.update(key, |entry| entry.has_state = true);
    }

    /// What keeps the session on its connection, whatever is known of the nodes.
    pub(crate) fn held(&self, key: SessionKey) -> Option<Pin> {
        if self.len() == 0 {
            return None;
        }
        let entry = self.entries.lock().get(&key).copied()?;
        entry.is_held().then(|| entry.pin(Moment::NEVER)).flatten()
    }

    /// Nobody will ask for the session any more.
    pub(crate) fn end(&self, key: SessionKey) {
        if self.len() == 0 {
            return;
        }
        let mut entries = self.entries.lock();
        entries.remove(&key);
        self.count.store(entries.len(), Ordering::Release);
    }

    /// Drops what no longer matters, since every node in use has passed `passed`. A node that joins
    /// or returns has to pass what was dropped, through the low-water instant.
    pub(crate) fn forget(&self, passed: Moment, now: Moment) {
        if self.len() == 0 {
            return;
        }
        let mut entries = self.entries.lock();
        let mut folded = Moment::NEVER;
        entries.retain(|_, entry| {
            let is_pinned = entry.raw_until.max(entry.stays_until) > now;
            let done = entry.highest() < passed && !is_pinned;
            let keep = entry.is_held() || !done;
            if !keep {
                folded = folded.max(entry.highest());
            }
            keep
        });
        // raised before the map looks empty to anyone
        self.low_water.fetch_max(folded.0, Ordering::AcqRel);
        self.count.store(entries.len(), Ordering::Release);
    }

    fn remember(&self, key: SessionKey, change: impl FnOnce(&mut Entry)) {
        if self.remembers_writes {
            self.update(key, change);
        }
    }

    fn update(&self, key: SessionKey, change: impl FnOnce(&mut Entry)) {
        let mut entries = self.entries.lock();
        if entries.len() >= self.capacity && !entries.contains_key(&key) {
            self.fold_older_half(&mut entries);
        }
        let entry = entries.entry(key).or_insert_with(|| {
            scope::is_remembered_by(&self.me, key);
            Entry::default()
        });
        change(entry);
        self.wrote_at.fetch_max(entry.wrote_at.0, Ordering::AcqRel);
        self.raw_until
            .fetch_max(entry.raw_until.0, Ordering::AcqRel);
        self.count.store(entries.len(), Ordering::Release);
    }

    /// While a replica is away nothing is forgotten; this bounds what that costs. Open transactions
    /// stay, and so do pins: their end may lie in the future, which would be a floor nobody can pass.
    fn fold_older_half(&self, entries: &mut HashMap<SessionKey, Entry>) {
        let folds = |entry: &Entry| !entry.is_held() && entry.raw_until == Moment::NEVER;
        let foldable = entries.values().filter(|entry| folds(entry));
        let mut floors: Vec<Moment> = foldable.map(Entry::highest).collect();
        if floors.is_empty() {
            return;
        }
        let middle = floors.len() / 2;
        let (_, median, _) = floors.select_nth_unstable(middle);
        let median = *median;
        self.low_water.fetch_max(median.0, Ordering::AcqRel);
        entries.retain(|_, entry| !folds(entry) || entry.highest() > median);
    }
}

#[cfg(test)]
mod tests;
