//! The members of a group, as the router reads them.
//!
//! Decides nothing: [`Freshness`](crate::freshness::Freshness) knows who is a member and what each has
//! shown. Published as one immutable value, so that no reader mixes what is known of two members.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::watch;

use crate::clock::Moment;
use crate::freshness::Evidence;

/// What the router reads of one running server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct View {
    pub(crate) generation: u64,
    /// What floors compare with.
    pub(crate) fresh_as_of: Moment,
    /// How far behind it may be; `None` if that is unknown.
    pub(crate) staleness: Option<Duration>,
}

impl View {
    pub(crate) fn of(member: &Evidence, now: Moment) -> Self {
        Self {
            generation: member.generation,
            fresh_as_of: member.fresh_as_of.unwrap_or(Moment::NEVER),
            staleness: member.stale_as_of.map(|as_of| now.since(as_of)),
        }
    }
}

/// The members of one node; none as long as its address leads to one server.
#[derive(Debug)]
pub(crate) struct Group {
    is_one: AtomicBool,
    members: ArcSwap<Vec<Evidence>>,
    /// Generations of members that fell silent, the latest last.
    silent: watch::Sender<Vec<u64>>,
    /// Until then nobody opens another connection only to see whom it leads to.
    looks_again_at: AtomicU64,
}

/// Generations that are remembered as silent: statements that are under way look at them once.
const REMEMBERED: usize = 32;

impl Default for Group {
    fn default() -> Self {
        Self {
            is_one: AtomicBool::new(false),
            members: ArcSwap::default(),
            silent: watch::Sender::new(Vec::new()),
            looks_again_at: AtomicU64::new(0),
        }
    }
}

impl Group {
    /// Whether the node's address leads to several servers.
    pub(crate) fn is_one(&self) -> bool {
        self.is_one.load(Ordering::Acquire)
    }

    /// Whether that is news.
    pub(crate) fn publish(&self, members: Option<Vec<Evidence>>) -> bool {
        let Some(members) = members else {
            return false;
        };
        let usable = members.into_iter().filter(|one| one.refusal.is_none());
        self.members.store(usable.collect::<Vec<_>>().into());
        !self.is_one.swap(true, Ordering::AcqRel)
    }

    /// How many of them may be used.
    pub(crate) fn len(&self) -> usize {
        self.members.load().len()
    }

    /// Whether every one of them is among these generations.
    pub(crate) fn are_all_in(&self, generations: &[u64]) -> bool {
        let members = self.members.load();
        let mut members = members.iter();
        members.all(|one| generations.contains(&one.generation))
    }

    /// What is known of the member that connections of `generation` lead to; `None` if it may not be used.
    pub(crate) fn view(&self, generation: u64, now: Moment) -> Option<View> {
        let members = self.members.load();
        let member = members.iter().find(|one| one.generation == generation);
        member.map(|member| View::of(member, now))
    }

    /// What the best of them is worth to whoever judges.
    pub(crate) fn best<T: Ord>(&self, now: Moment, judge: impl Fn(View) -> T) -> Option<T> {
        let members = self.members.load();
        members.iter().map(|one| judge(View::of(one, now))).max()
    }

    /// The one of which the least is known to be visible.
    pub(crate) fn oldest(&self, now: Moment) -> Option<View> {
        let members = self.members.load();
        let views = members.iter().map(|one| View::of(one, now));
        views.min_by_key(|view| view.fresh_as_of)
    }

    /// The member of this generation does not answer.
    pub(crate) fn fell_silent(&self, generation: u64) {
        self.silent.send_modify(|silent| {
            if silent.len() >= REMEMBERED {
                silent.remove(0);
            }
            silent.push(generation);
        });
    }

    /// Resolves when it does not; at once if it did not before.
    pub(crate) async fn is_silent(&self, generation: u64) {
        let mut silent = self.silent.subscribe();
        // the sender lives as long as this, so waiting cannot fail
        let waited = silent.wait_for(|silent| silent.contains(&generation));
        if waited.await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Whether a statement may have another connection opened in the hope for another member.
    pub(crate) fn may_look(&self, now: Moment) -> bool {
        now.0 >= self.looks_again_at.load(Ordering::Acquire)
    }

    /// A connection was opened in vain.
    pub(crate) fn looked_in_vain(&self, now: Moment, pause: Duration) {
        self.looks_again_at
            .fetch_max(now.after(pause).0, Ordering::AcqRel);
    }
}
