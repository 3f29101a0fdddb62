//! What a statement needs, given everything that is known besides its text: the user's options and
//! the server's catalogue.
//!
//! Decides whether the text alone can be trusted. Holds the catalogue that the monitor reads, so that
//! a statement looks it up without a lock, and not at all where it cannot matter.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwapOption;

use crate::classify::{Catalogue, CommentHint, Dialect, comment_hint};
use crate::config::Options;
use crate::intent::{Cause, Intent};

/// The server's catalogue, and whether it is due to be read again.
#[derive(Debug, Default)]
pub(crate) struct Intents {
    catalogue: ArcSwapOption<Catalogue>,
    /// Something in the catalogue is no read that would be one by its text.
    restricted: AtomicBool,
    changed: AtomicBool,
    /// In some transaction that may still be open.
    changed_inside: AtomicBool,
}

const fn may_change_catalogue(intent: Intent) -> bool {
    matches!(
        intent,
        Intent::Primary(
            Cause::Utility | Cause::MultipleStatements | Cause::NotUnderstood | Cause::SessionState
        )
    )
}

/// Takes whoever wrote a hint at their word, but only for what they can know better.
static TRUSTING: LazyLock<Catalogue> = LazyLock::new(Catalogue::trusting);

impl Intents {
    /// What a statement needs.
    pub(crate) fn of(&self, dialect: Dialect, options: &Options, sql: &str) -> Intent {
        if options.comment_hints
            && let Some(hint) = comment_hint(sql)
        {
            return self.hinted(hint, dialect, sql);
        }
        self.by_text(dialect, sql)
    }

    fn by_text(&self, dialect: Dialect, sql: &str) -> Intent {
        match dialect {
            Dialect::Postgres => {}
            Dialect::Sqlite => return crate::classify(dialect, sql),
            // nobody knows yet how fresh a replica of theirs is, so none takes a statement
            Dialect::MySql => return Intent::Primary(Cause::NotUnderstood),
        }
        if !self.restricted.load(Ordering::Acquire) {
            let intent = crate::classify(dialect, sql);
            if intent != Intent::Primary(Cause::UnknownFunction) {
                return intent;
            }
        }
        match self.catalogue.load().as_deref() {
            Some(catalogue) => crate::classify_with(dialect, catalogue, sql),
            None => crate::classify(dialect, sql),
        }
    }

    /// A hint cannot make a read of several statements, nor of what opens or ends a transaction: the
    /// session's state would be lost.
    fn hinted(&self, hint: CommentHint, dialect: Dialect, sql: &str) -> Intent {
        match (hint, self.by_text(dialect, sql)) {
            (CommentHint::Primary, Intent::Read) => Intent::Primary(Cause::Hint),
            // the text may hold more than the first cause found in it
            (CommentHint::Replica, Intent::Primary(Cause::UnknownFunction | Cause::Relation))
                if dialect == Dialect::Postgres =>
            {
                crate::classify_with(dialect, &TRUSTING, sql)
            }
            (_, intent) => intent,
        }
    }

    /// The monitor has read the catalogue.
    pub(crate) fn learn(&self, catalogue: Catalogue) {
        // set before and cleared after, so that no statement misses a restriction
        if catalogue.restricts() {
            self.restricted.store(true, Ordering::Release);
        }
        let restricts = catalogue.restricts();
        self.catalogue.store(Some(Arc::new(catalogue)));
        self.restricted.store(restricts, Ordering::Release);
    }

    /// A statement ran that may have changed the catalogue.
    pub(crate) fn ran(&self, intent: Intent) {
        if may_change_catalogue(intent) {
            self.changed.store(true, Ordering::Release);
        }
    }

    /// As [`ran`](Self::ran), in a transaction: nobody else sees it before that commits.
    pub(crate) fn ran_inside(&self, intent: Intent) {
        if may_change_catalogue(intent) {
            self.changed_inside.store(true, Ordering::Release);
        }
    }

    /// A transaction is about to commit.
    pub(crate) fn commits(&self) {
        if self.changed_inside.load(Ordering::Acquire) {
            self.changed.store(true, Ordering::Release);
        }
    }

    /// Whether the catalogue may have changed since this was last asked.
    pub(crate) fn take_changed(&self) -> bool {
        let changed = self.changed.swap(false, Ordering::AcqRel);
        if changed {
            self.changed_inside.store(false, Ordering::Release);
        }
        changed
    }

    /// How many functions and avoided names are known; `None` before the first reading.
    pub(crate) fn known(&self) -> Option<(usize, usize)> {
        let catalogue = self.catalogue.load();
        let catalogue = catalogue.as_deref()?;
        Some((catalogue.functions(), catalogue.avoided()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::classify::Volatility;
    use crate::config::UserFunctions;

    fn known(volatility: Volatility) -> Catalogue {
        let mut catalogue = Catalogue::default();
        catalogue.add_function("public", "lower", volatility);
        catalogue.settled(UserFunctions::default())
    }

    #[test]
    fn a_restriction_holds_until_a_catalogue_without_it() {
        let intents = Intents::default();
        let of = |sql| intents.of(Dialect::Postgres, &Options::default(), sql);
        assert_eq!(of("SELECT lower('A')"), Intent::Read);
        intents.learn(known(Volatility::Volatile));
        assert_eq!(of("SELECT lower('A')"), Intent::Primary(Cause::Function));
        intents.learn(known(Volatility::Stable));
        assert_eq!(of("SELECT lower('A')"), Intent::Read);
    }

    #[test]
    fn a_hint_counts_only_where_hints_are_switched_on() {
        let intents = Intents::default();
        let mut options = Options::default();
        let up = "/* orm_split: primary */ SELECT 1";
        let down = "/* orm_split: replica */ SELECT f(1)";
        let unknown = Intent::Primary(Cause::UnknownFunction);
        let both =
            |options: &Options| [up, down].map(|sql| intents.of(Dialect::Postgres, options, sql));
        assert_eq!(both(&options), [Intent::Read, unknown]);
        options.comment_hints = true;
        assert_eq!(both(&options), [Intent::Primary(Cause::Hint), Intent::Read]);
    }

    #[test]
    fn no_hint_sends_a_write_or_a_lock_to_a_replica() {
        let intents = Intents::default();
        let options = Options {
            comment_hints: true,
            ..Options::default()
        };
        for sql in [
            "DELETE FROM t",
            "SELECT 1 FOR UPDATE",
            "SELECT nextval('s')",
            "BEGIN",
            "SELECT 1; SELECT 2",
            "SELECT f(1), pg_advisory_lock(2)",
            "SELECT f(1) FROM t FOR UPDATE",
        ] {
            let hinted = format!("/* orm_split: replica */ {sql}");
            assert_ne!(
                intents.of(Dialect::Postgres, &options, &hinted),
                Intent::Read,
                "{sql}"
            );
        }
    }
}
