//! What may happen in one random trace, and how often.
//!
//! Few kinds of trouble at a time lead further than all of them at once; so do sequences that belong
//! together (a question, its answer, the delivery), as long as anything may come in between.

use std::collections::VecDeque;

use rand::RngExt;
use rand::rngs::StdRng;

use super::process::FLIGHTS;
use super::system::{Action, Scope};

/// Draws the actions of one trace.
pub(super) struct Mood {
    scope: Scope,
    weights: [u32; KINDS],
    /// Of ten actions so many happen in the same instant as the one before.
    ties: u32,
    /// Of ten questions so many are answered at once …
    prompt: u32,
    /// … but not those in the first slot, if this is set.
    first_is_slow: bool,
    /// Of ten actions so many are not the next one of what was begun.
    intrudes: u32,
    begun: VecDeque<Action>,
}

/// What does not happen every day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Trouble {
    Crash,
    Promotion,
    Failover,
    Follow,
    Rejoin,
    Timeline,
    Repoint,
    Loss,
    GiveUp,
    Token,
}

const TROUBLES: [(Trouble, u32); 10] = [
    (Trouble::Crash, 3),
    (Trouble::Promotion, 2),
    (Trouble::Failover, 2),
    (Trouble::Follow, 2),
    (Trouble::Rejoin, 2),
    (Trouble::Timeline, 2),
    (Trouble::Repoint, 2),
    (Trouble::Loss, 1),
    (Trouble::GiveUp, 1),
    (Trouble::Token, 1),
];

/// How often what always goes on happens.
const DAILY: [u32; 10] = [4, 4, 6, 8, 4, 6, 6, 9, 5, 6];
const KINDS: usize = DAILY.len() + TROUBLES.len();

impl Mood {
    pub(super) fn draw(scope: Scope, rng: &mut StdRng) -> Self {
        let mut weights = [0; KINDS];
        let daily = DAILY.iter().map(|weight| (true, *weight));
        let troubles = TROUBLES.iter().map(|(trouble, weight)| {
            let drawn = rng.random_ratio(1, 3);
            let happens = scope.troubles.map_or(drawn, |only| only.contains(trouble));
            (happens, *weight)
        });
        let all: Vec<_> = daily.chain(troubles).collect();
        for (weight, (happens, often)) in weights.iter_mut().zip(all) {
            *weight = u32::from(happens) * often * rng.random_range(1..6);
        }
        Self {
            scope,
            weights,
            ties: [0, 1, 7][rng.random_range(0..3)],
            prompt: [3, 9][rng.random_range(0..2)],
            first_is_slow: rng.random_ratio(1, 2),
            intrudes: [1, 3, 8][rng.random_range(0..3)],
            begun: VecDeque::new(),
        }
    }

    /// The next action, and whether the clock stands still.
    pub(super) fn step(&mut self, rng: &mut StdRng) -> (Action, bool) {
        let intrudes = rng.random_ratio(self.intrudes, 10);
        let next = if intrudes {
            None
        } else {
            self.begun.pop_front()
        };
        let action = next.unwrap_or_else(|| {
            let mut actions = self.actions(rng).into_iter();
            let first = actions.next().unwrap_or(Action::Flush(0));
            self.begun.extend(actions);
            first
        });
        (action, rng.random_ratio(self.ties, 10))
    }

    fn kind(&self, rng: &mut StdRng) -> usize {
        let mut left = rng.random_range(0..self.weights.iter().sum::<u32>());
        let is_drawn = |weight: &u32| match left.checked_sub(*weight) {
            Some(rest) => {
                left = rest;
                false
            }
            None => true,
        };
        self.weights.iter().position(is_drawn).unwrap_or(0)
    }

    /// One action, or some that belong together.
    fn actions(&self, rng: &mut StdRng) -> Vec<Action> {
        let nodes = self.scope.standbys + 1;
        let process = rng.random_range(0..self.scope.processes);
        let session = rng.random_range(0..self.scope.sessions);
        let lane = rng.random_range(0..self.scope.sessions * self.scope.lanes);
        let [node, server, upstream] = [(); 3].map(|()| rng.random_range(0..nodes));
        let slot = rng.random_range(0..FLIGHTS);
        let back = rng.random_range(0..4);
        match self.kind(rng) {
            0 => vec![Action::Commit(server)],
            1 => vec![Action::Commit(server), Action::Flush(server)],
            2 => vec![Action::Flush(upstream), Action::Replay(server)],
            3 => vec![Action::Answer { process, slot }],
            4 => vec![Action::Deliver { process, slot }],
            5 => self.asked(process, Action::Probe { process, node }, rng),
            6 => self.asked(process, Action::Ask { process, node }, rng),
            7 => self.statement(
                Action::Read {
                    process,
                    lane,
                    node,
                },
                (process, lane),
                rng,
            ),
            8 => self.statement(Action::Write { process, lane }, (process, lane), rng),
            9 => vec![Action::Replay(server), Action::Replay(server)],
            10 => vec![Action::Crash {
                server,
                back,
                entirely: rng.random_ratio(1, 3),
            }],
            11 => vec![Action::Promote(server)],
            12 => vec![Action::Promote(server), Action::Repoint { node: 0, server }],
            13 => vec![Action::Follow { server, upstream }],
            14 => vec![Action::Rejoin {
                server,
                upstream,
                back,
            }],
            15 => vec![Action::LearnTimeline(server)],
            16 => vec![Action::Repoint { node, server }],
            17 => vec![Action::Lose { process, slot }],
            18 => match rng.random_ratio(1, 2) {
                true => vec![Action::GiveUp { process, lane }],
                false => vec![Action::Forget { process, session }],
            },
            _ => self.token(process, session, rng),
        }
    }

    /// One session makes a token, another one takes it.
    fn token(&self, process: usize, session: usize, rng: &mut StdRng) -> Vec<Action> {
        let to = rng.random_range(0..self.scope.processes);
        let taker = rng.random_range(0..self.scope.sessions);
        let mut actions = vec![Action::Export { process, session }];
        if rng.random_ratio(2, 3) {
            actions.push(Action::Forget {
                process: to,
                session: taker,
            });
        }
        actions.push(Action::BeginImport {
            process: to,
            session: taker,
        });
        if rng.random_ratio(1, 2) {
            let ask = Action::Ask {
                process: to,
                node: 0,
            };
            actions.extend(self.asked(to, ask, rng));
        }
        actions.push(Action::EndImport {
            process: to,
            session: taker,
        });
        actions
    }

    /// A question whose answer arrives at once, perhaps with others; or some time.
    fn asked(&self, process: usize, question: Action, rng: &mut StdRng) -> Vec<Action> {
        let mut actions = vec![question];
        if rng.random_ratio(self.prompt, 10) {
            let prompt = usize::from(self.first_is_slow)..FLIGHTS;
            let answers = prompt.clone().map(|slot| Action::Answer { process, slot });
            actions.extend(answers);
            actions.extend(prompt.map(|slot| Action::Deliver { process, slot }));
        }
        actions
    }

    /// A statement over an idle connection or a new one.
    fn statement(
        &self,
        begin: Action,
        (process, lane): (usize, usize),
        rng: &mut StdRng,
    ) -> Vec<Action> {
        let pooled = [None, Some(0), Some(1)][rng.random_range(0..3)];
        let checkout = Action::Checkout {
            process,
            lane,
            pooled,
        };
        let mut actions = vec![begin];
        actions.extend(self.asked(process, checkout, rng));
        actions.push(Action::Execute { process, lane });
        actions.push(Action::Finish { process, lane });
        actions
    }
}
