//! Which of a pool's connections an idle one is, by the instant of its birth.
//!
//! Behind one address there may be several servers, and what is known of one says nothing of another. So it
//! matters which server an idle connection leads to; but sqlx lets nobody keep anything with a
//! connection, and a hook is told no more than its age. Hence a birth is remembered as the short span
//! of time in which it must lie, with whom the connection was found to lead to; so is the birth of which an
//! age tells. Two spans of one connection overlap. If an idle connection may be either of two that lead to
//! different servers, nobody knows which it is: it must not be used.

use std::collections::VecDeque;
use std::time::Duration;

use orm_split_core::Connected;
use parking_lot::Mutex;
use tokio::time::Instant;

/// A stretch of time, in which something happened once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    from: Instant,
    until: Instant,
}

impl Span {
    pub(crate) fn new(from: Instant, until: Instant) -> Self {
        Self { from, until }
    }

    /// So long before; `None` if that was before the clock's beginning.
    pub(crate) fn earlier(self, age: Duration) -> Option<Self> {
        Some(Self {
            from: self.from.checked_sub(age)?,
            until: self.until.checked_sub(age)?,
        })
    }

    fn overlaps(self, other: Self) -> bool {
        self.from <= other.until && other.from <= self.until
    }
}

/// A connection that was opened.
#[derive(Debug)]
struct Birth {
    /// It lies in one of them.
    spans: Vec<Span>,
    /// `None` if nobody knows.
    connected: Option<Connected>,
}

impl Birth {
    fn may_lie_in(&self, span: Span) -> bool {
        self.spans.iter().any(|own| own.overlaps(span))
    }
}

/// Connections of one pool, that seen last at the end. Those that were closed are among them.
#[derive(Debug)]
pub(crate) struct Births {
    known: Mutex<VecDeque<Birth>>,
    most: usize,
}

impl Births {
    /// Of a pool that holds no more than so many connections at a time.
    pub(crate) fn new(connections: u32) -> Self {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX);
        Self {
            known: Mutex::default(),
            most: connections.saturating_mul(4).clamp(64, 4_096),
        }
    }

    /// A connection was opened in one of these spans; `None` if nobody asked whom it leads to.
    pub(crate) fn remember(&self, spans: Vec<Span>, connected: Option<Connected>) {
        let mut known = self.known.lock();
        if known.len() >= self.most
            && let Some(forgotten) = known.pop_front()
        {
            // if it is still open, it must not be taken for another
            for birth in known.iter_mut() {
                if forgotten.spans.iter().any(|span| birth.may_lie_in(*span)) {
                    birth.connected = None;
                }
            }
        }
        known.push_back(Birth { spans, connected });
    }

    /// Whom the connection leads to whose birth lies in `span`; `None` if that cannot be told.
    pub(crate) fn find(&self, span: Span) -> Option<Connected> {
        let mut known = self.known.lock();
        let mut matching = (0..known.len()).filter(|index| {
            let birth = known.get(*index);
            birth.is_some_and(|birth| birth.may_lie_in(span))
        });
        let first = matching.next()?;
        if matching.next().is_some() {
            return None;
        }
        let mut found = known.remove(first)?;
        let connected = found.connected;
        for own in &mut found.spans {
            if own.overlaps(span) {
                *own = Span::new(own.from.max(span.from), own.until.min(span.until));
            }
        }
        known.push_back(found);
        connected
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use orm_split_core::{Dialect, LeastInFlight, Options, Splitter};

    use super::*;

    fn connected() -> Connected {
        let replicas = [Arc::from("replica")];
        let policy = Arc::new(LeastInFlight);
        let splitter = Splitter::new(
            Dialect::Postgres,
            Options::default(),
            policy,
            "primary",
            &replicas,
        );
        let splitter = splitter.expect("valid options");
        splitter.trusted_connection(splitter.primary())
    }

    fn span(from: u64, until: u64) -> Span {
        // one instant for all: spans are compared with each other
        static START: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
        let start = *START.get_or_init(Instant::now);
        let at = |micros| start + Duration::from_micros(micros);
        Span::new(at(from), at(until))
    }

    #[test]
    fn an_idle_connection_is_known_again_by_its_age() {
        let births = Births::new(10);
        let of = connected();
        births.remember(vec![span(10, 12)], Some(of));
        births.remember(vec![span(30, 31), span(40, 45)], None);
        let looked_at = span(1_000_011, 1_000_013);
        let birth = looked_at.earlier(Duration::from_secs(1)).unwrap();
        assert_eq!(births.find(birth), Some(of));
        assert_eq!(births.find(span(20, 25)), None, "nobody was born then");
        assert_eq!(births.find(span(44, 50)), None, "nobody asked that one");
    }

    #[test]
    fn of_two_that_may_be_meant_none_is_taken_for_the_other() {
        let births = Births::new(10);
        births.remember(vec![span(10, 20)], Some(connected()));
        births.remember(vec![span(15, 25)], Some(connected()));
        assert_eq!(births.find(span(16, 18)), None);
        assert!(births.find(span(10, 12)).is_some());
        // now it is known more exactly
        assert!(births.find(span(16, 18)).is_some());
    }

    #[test]
    fn what_is_forgotten_is_taken_for_nobody_else() {
        let births = Births::new(1);
        births.remember(vec![span(10, 20)], Some(connected()));
        births.remember(vec![span(15, 25)], Some(connected()));
        for at in 100..163 {
            births.remember(vec![span(at * 10, at * 10 + 1)], Some(connected()));
        }
        assert_eq!(births.find(span(16, 18)), None);
        assert!(births.find(span(1_610, 1_611)).is_some());
    }
}
