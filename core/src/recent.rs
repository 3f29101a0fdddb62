//! What the replicas' staleness was over the last minutes.
//!
//! Decides nothing. Bounded in time and size, whatever nodes come and go.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use crate::clock::Moment;

/// Five minutes, at the pace of `ticker.rs`.
const NOTES: usize = 150;

/// The notes of one splitter.
#[derive(Debug, Default)]
pub(crate) struct Recent(Mutex<VecDeque<Note>>);

/// Replicas by name, and how stale they were; `None` if that was unknown.
#[derive(Debug)]
struct Note {
    at: Moment,
    staleness: Vec<(Arc<str>, Option<f32>)>,
}

/// The staleness of the replicas over the last minutes, as [`StatusSource::recent`](crate::endpoints::StatusSource)
/// tells it.
///
/// ```
/// use orm_split_core::endpoints::StalenessLately;
///
/// /// The highest that is known of a replica, in seconds.
/// fn highest(lately: &StalenessLately, replica: &str) -> Option<f32> {
///     let seconds = lately.seconds.get(replica)?.iter();
///     seconds.flatten().copied().reduce(f32::max)
/// }
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct StalenessLately {
    /// How long ago each note was taken, the oldest first.
    pub ago: Vec<Duration>,
    /// By the name of the replica: one value for each note, in seconds; `None` where it was unknown, or the node
    /// was not there or no replica.
    pub seconds: BTreeMap<Arc<str>, Vec<Option<f32>>>,
}

impl Recent {
    pub(crate) fn note(&self, at: Moment, staleness: Vec<(Arc<str>, Option<f32>)>) {
        let mut notes = self.0.lock();
        if notes.len() == NOTES {
            notes.pop_front();
        }
        notes.push_back(Note { at, staleness });
    }

    pub(crate) fn seen_from(&self, now: Moment) -> StalenessLately {
        let notes = self.0.lock();
        let mut seconds: BTreeMap<Arc<str>, Vec<Option<f32>>> = BTreeMap::new();
        for (index, note) in notes.iter().enumerate() {
            for (name, staleness) in &note.staleness {
                let line = seconds.entry(Arc::clone(name)).or_default();
                line.resize(index, None);
                line.push(*staleness);
            }
        }
        for line in seconds.values_mut() {
            line.resize(notes.len(), None);
        }
        StalenessLately {
            ago: notes.iter().map(|note| now.since(note.at)).collect(),
            seconds,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::NEVER.after(Duration::from_secs(seconds))
    }

    #[test]
    fn nodes_that_come_and_go_have_values_for_the_time_in_which_they_were_there() {
        let (a, b): (Arc<str>, Arc<str>) = ("a".into(), "b".into());
        let recent = Recent::default();
        recent.note(at(1), vec![(Arc::clone(&a), Some(1.0))]);
        recent.note(
            at(3),
            vec![(Arc::clone(&a), None), (Arc::clone(&b), Some(2.0))],
        );
        recent.note(at(5), vec![(Arc::clone(&b), Some(3.0))]);
        let lately = recent.seen_from(at(6));
        assert_eq!(lately.ago, [5, 3, 1].map(Duration::from_secs));
        assert_eq!(lately.seconds.get(&a), Some(&vec![Some(1.0), None, None]));
        assert_eq!(
            lately.seconds.get(&b),
            Some(&vec![None, Some(2.0), Some(3.0)])
        );
    }

    #[test]
    fn so_many_notes_are_kept_and_no_more() {
        let recent = Recent::default();
        for second in 0..10_000 {
            recent.note(at(second), vec![("a".into(), Some(0.5))]);
        }
        let lately = recent.seen_from(at(10_000));
        assert_eq!(lately.ago.len(), NOTES);
        assert_eq!(lately.ago.first(), Some(&Duration::from_secs(NOTES as u64)));
        assert_eq!(lately.seconds.values().next().map(Vec::len), Some(NOTES));
    }
}
