//! What is true: servers, the histories that they hold, and which address leads to which of them.
//!
//! Decides nothing; it is the judge's view, of which a process sees only answers.

use super::system::Scope;
use crate::clock::Moment;
use crate::identity::{Identity, Reading, Server};
use crate::position::Lsn;

/// The beginning of a history, as long as a server holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Prefix {
    pub(super) history: usize,
    pub(super) length: u64,
}

/// One line of commits. A promotion begins another, and so does a crash of the primary that loses
/// commits which were acknowledged before they were flushed (`synchronous_commit = off`).
#[derive(Clone, Copy, Debug)]
struct History {
    timeline: u32,
    parent: Prefix,
}

/// A server, and what it holds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Running {
    /// Connections of an earlier run are dead.
    pub(super) run: u32,
    started: i64,
    pub(super) holds: Prefix,
    /// Replicas get nothing beyond, and a crash loses nothing before.
    flushed: u64,
    pub(super) in_recovery: bool,
    follows: usize,
    /// The timeline that it names, which a standby learns late.
    says: u32,
}

/// Where everybody starts.
const START: u64 = 4;

#[derive(Clone, Debug)]
pub(super) struct World {
    histories: Vec<History>,
    surviving: usize,
    pub(super) servers: Vec<Running>,
    /// The server behind each node's address; the primary's first.
    pub(super) addresses: Vec<usize>,
    /// When each commit was made, if there is a bound to hold.
    dates_commits: bool,
    commits: Vec<(Moment, Prefix)>,
}

impl World {
    /// A primary and its standbys, each at an address of its own, all caught up.
    pub(super) fn new(scope: Scope) -> Self {
        let standbys = scope.standbys;
        let server = |index: usize| Running {
            run: 0,
            started: 0,
            holds: Prefix {
                history: 0,
                length: START,
            },
            flushed: START,
            in_recovery: index > 0,
            follows: 0,
            says: 1,
        };
        Self {
            histories: vec![History {
                timeline: 1,
                parent: Prefix {
                    history: 0,
                    length: 0,
                },
            }],
            surviving: 0,
            servers: (0..=standbys).map(server).collect(),
            addresses: (0..=standbys).collect(),
            dates_commits: scope.bound.is_some(),
            commits: Vec::new(),
        }
    }

    /// How far two servers hold the same.
    pub(super) fn common(&self, mut a: Prefix, mut b: Prefix) -> u64 {
        while a.history != b.history {
            // a parent is older than its children
            let younger = if a.history > b.history {
                &mut a
            } else {
                &mut b
            };
            let parent = self.histories[younger.history].parent;
            *younger = Prefix {
                history: parent.history,
                length: parent.length.min(younger.length),
            };
        }
        a.length.min(b.length)
    }

    /// All of the history that survives: that of the last promotion, less what its primary has lost.
    pub(super) fn surviving(&self) -> Prefix {
        Self::all_of(self.surviving)
    }

    /// Of two histories at the primary's address the one that counts is the greater.
    pub(super) fn rank(&self, history: usize) -> (u32, usize) {
        (self.histories[history].timeline, history)
    }

    pub(super) fn all_of(history: usize) -> Prefix {
        Prefix {
            history,
            length: u64::MAX,
        }
    }

    /// How much of the surviving history was committed before an instant on `history` too.
    pub(super) fn committed_before(&self, instant: Moment, history: usize) -> u64 {
        let before = self.commits.iter().filter(|(at, _)| *at < instant);
        let lengths = before.map(|(_, commit)| {
            let on_it = self.common(*commit, Self::all_of(history));
            self.common(*commit, self.surviving()).min(on_it)
        });
        lengths.max().unwrap_or(0)
    }

    /// What the server says of itself.
    pub(super) fn identity(&self, server: usize) -> Identity {
        let running = self.servers[server];
        let port = u32::try_from(server).unwrap_or(u32::MAX);
        let claimed = Server::new(1, running.started, running.says, port);
        let position = Reading::Position(Lsn(running.holds.length));
        Identity::new(claimed, running.in_recovery, position)
    }

    /// Somebody commits on a server that takes writes.
    pub(super) fn commit(&mut self, server: usize, now: Moment) -> Option<Prefix> {
        let running = &mut self.servers[server];
        if running.in_recovery {
            return None;
        }
        running.holds.length += 1;
        if self.dates_commits {
            self.commits.push((now, running.holds));
        }
        Some(running.holds)
    }

    pub(super) fn flush(&mut self, server: usize) -> bool {
        let running = &mut self.servers[server];
        let behind = running.flushed < running.holds.length;
        running.flushed = running.holds.length;
        behind
    }

    /// A standby replays one commit more of what it follows, if that continues what it holds.
    pub(super) fn replay(&mut self, server: usize) -> bool {
        let running = self.servers[server];
        let upstream = self.servers[running.follows];
        let sent = Prefix {
            length: upstream.flushed,
            ..upstream.holds
        };
        let continues = self.common(running.holds, sent) == running.holds.length;
        if !running.in_recovery || !continues || sent.length <= running.holds.length {
            return false;
        }
        let running = &mut self.servers[server];
        running.holds = Prefix {
            length: running.holds.length + 1,
            ..sent
        };
        running.flushed = running.holds.length;
        true
    }

    /// A server restarts: a standby up to `back` commits further back, a primary without what it had
    /// not flushed. The start time changes only if all of its processes ended.
    pub(super) fn crash(&mut self, server: usize, back: u64, entirely: bool) {
        let running = &mut self.servers[server];
        running.run += 1;
        running.started += i64::from(entirely);
        let kept = match running.in_recovery {
            true => running.holds.length.saturating_sub(back).max(1),
            false => running.flushed,
        };
        let loses = kept < running.holds.length && !running.in_recovery;
        running.flushed = kept;
        running.holds.length = kept;
        if loses {
            let before = running.holds.history;
            let timeline = self.histories[before].timeline;
            let after = self.begin_history(server, timeline);
            // what an old primary goes through after a promotion survives no better for it
            if self.surviving == before {
                self.surviving = after;
            }
        }
    }

    fn begin_history(&mut self, server: usize, timeline: u32) -> usize {
        let history = self.histories.len();
        let parent = self.servers[server].holds;
        self.histories.push(History { timeline, parent });
        self.servers[server].holds.history = history;
        history
    }

    /// A standby becomes a primary, on a timeline of its own. Its connections stay open.
    pub(super) fn promote(&mut self, server: usize, unique: bool) -> bool {
        if !self.servers[server].in_recovery {
            return false;
        }
        let highest = self.histories.iter().map(|history| history.timeline).max();
        let own = self.histories[self.servers[server].holds.history].timeline;
        let before = if unique { highest.unwrap_or(own) } else { own };
        self.surviving = self.begin_history(server, before + 1);
        let running = &mut self.servers[server];
        running.in_recovery = false;
        running.says = before + 1;
        true
    }

    /// A standby is told to follow another server.
    pub(super) fn follow(&mut self, server: usize, upstream: usize) -> bool {
        let running = &mut self.servers[server];
        let changes = running.in_recovery && running.follows != upstream && server != upstream;
        if changes {
            running.follows = upstream;
        }
        changes
    }

    /// A server is made anew as a standby, from a copy that is `back` commits old.
    pub(super) fn rejoin(&mut self, server: usize, upstream: usize, back: u64) -> bool {
        let of = self.servers[upstream];
        if server == upstream || of.in_recovery {
            return false;
        }
        let running = &mut self.servers[server];
        running.run += 1;
        running.started += 1;
        running.in_recovery = true;
        running.follows = upstream;
        running.holds = Prefix {
            length: of.flushed.saturating_sub(back).max(1),
            ..of.holds
        };
        running.flushed = running.holds.length;
        running.says = self.histories[of.holds.history].timeline;
        true
    }

    /// The standby learns on which timeline it is.
    pub(super) fn tell(&mut self, server: usize) -> bool {
        let timeline = self.histories[self.servers[server].holds.history].timeline;
        let says = &mut self.servers[server].says;
        let changes = *says != timeline;
        *says = timeline;
        changes
    }

    pub(super) fn point(&mut self, node: usize, server: usize) -> bool {
        let changes = self.addresses[node] != server;
        self.addresses[node] = server;
        changes
    }
}
