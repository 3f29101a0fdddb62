//! Questions to servers: the monitor's, and those on connections that pools open.

use super::process::{Flight, Process};
use super::protocol::{Conn, Judged, Protocol};
use super::world::World;
use crate::clock::Moment;

impl<P: Protocol> Process<P> {
    /// The prober connects and asks who is there.
    pub(super) fn probe(&mut self, world: &World, node: usize, now: Moment) -> bool {
        let under_way = self.flights.iter().flatten();
        let mut under_way = under_way.filter(|flight| flight.of.is_none());
        if under_way.any(|flight| flight.node == node) {
            return false;
        }
        self.probers[node] = None;
        self.connect(world, node, None, now)
    }

    /// The prober asks for the position.
    pub(super) fn ask(&mut self, node: usize, now: Moment) -> bool {
        let Some(conn) = self.probers[node] else {
            return false;
        };
        let under_way = self.flights.iter().flatten();
        let mut under_way = under_way.filter(|flight| flight.of.is_none());
        if under_way.any(|flight| flight.node == node) {
            return false;
        }
        self.send(Flight {
            node,
            server: conn.server,
            run: conn.run,
            mark: Some(conn.mark),
            of: None,
            sent_at: now,
            asked: (node > 0).then(|| self.protocol.ask(node, Some(conn.mark), now)),
            answer: None,
        })
    }

    pub(super) fn connect(
        &mut self,
        world: &World,
        node: usize,
        of: Option<usize>,
        now: Moment,
    ) -> bool {
        let server = world.addresses[node];
        self.send(Flight {
            node,
            server,
            run: world.servers[server].run,
            mark: None,
            of,
            sent_at: now,
            asked: (node > 0).then(|| self.protocol.ask(node, None, now)),
            answer: None,
        })
    }

    fn send(&mut self, flight: Flight<P>) -> bool {
        let free = self.flights.iter_mut().find(|flight| flight.is_none());
        free.map(|free| *free = Some(flight)).is_some()
    }

    /// The server answers; the answer is then under way.
    pub(super) fn answer(&mut self, world: &World, slot: usize) -> bool {
        let Some(flight) = &mut self.flights[slot] else {
            return false;
        };
        if flight.answer.is_some() {
            return false;
        }
        let running = world.servers[flight.server];
        // a position is asked of one role only; the connection is closed if that has changed
        let of_role = flight.mark.is_none() || running.in_recovery == (flight.node > 0);
        if running.run != flight.run || !of_role {
            return self.lose(slot);
        }
        flight.answer = Some((world.identity(flight.server), running.holds.history));
        true
    }

    /// The question or its answer is lost, and the connection with it.
    pub(super) fn lose(&mut self, slot: usize) -> bool {
        let Some(flight) = self.flights[slot].take() else {
            return false;
        };
        match flight.of {
            Some(lane) => self.statements[lane] = None,
            None => self.probers[flight.node] = None,
        }
        true
    }

    /// The answer arrives.
    pub(super) fn deliver(&mut self, world: &World, slot: usize, now: Moment) -> bool {
        let has_answer = |flight: &&Flight<P>| flight.answer.is_some();
        if self.flights[slot].as_ref().filter(has_answer).is_none() {
            return false;
        }
        let Some((flight, (said, history))) = self.flights[slot]
            .take()
            .and_then(|flight| flight.answer.map(|answer| (flight, answer)))
        else {
            return false;
        };
        match (flight.mark, flight.asked) {
            (None, asked) => {
                let judged = match asked {
                    None => self.protocol.primary_opened(flight.sent_at, &said, now),
                    Some(asked) => self.protocol.replica_opened(flight.node, asked, &said, now),
                };
                let shows_primary = flight.node == 0 && !said.in_recovery;
                let rank = world.rank(history);
                let is_later = self.observed.last().is_none_or(|(_, last)| rank > *last);
                if shows_primary && judged != Judged::AskAgain && is_later {
                    self.observed.push((now, rank));
                }
                self.opened(world, flight, judged, now);
            }
            (Some(mark), None) => self.protocol.sampled(mark, flight.sent_at, &said, now),
            (Some(mark), Some(asked)) => {
                let judged = self.protocol.replica_showed(flight.node, asked, &said, now);
                if judged != Judged::Usable(mark) && judged != Judged::AskAgain {
                    self.probers[flight.node] = None;
                }
            }
        }
        true
    }

    fn opened(&mut self, world: &World, flight: Flight<P>, judged: Judged<P::Mark>, now: Moment) {
        let conn = |mark| Conn {
            server: flight.server,
            run: flight.run,
            opened_at: now,
            mark,
        };
        match (judged, flight.of) {
            (Judged::Usable(mark), None) => self.probers[flight.node] = Some(conn(mark)),
            (Judged::Usable(mark), Some(lane)) => {
                self.ready(world, lane, conn(mark), now);
            }
            (Judged::AskAgain, Some(_)) => {
                let asked = (flight.node > 0).then(|| self.protocol.ask(flight.node, None, now));
                self.send(Flight {
                    sent_at: now,
                    asked,
                    answer: None,
                    ..flight
                });
            }
            (Judged::Refused, Some(lane)) => self.statements[lane] = None,
            (Judged::AskAgain | Judged::Refused, None) => {}
        }
    }
}
