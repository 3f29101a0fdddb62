//! Model and real code side by side: the real one decides, and what the model thinks of it is counted.

use std::cell::Cell;

use super::protocol::{Answered, Claims, Conn, Import, Judged, Protocol};
use super::real::Real;
use super::rules::Rules;
use super::smallest::Model;
use super::system::Scope;
use crate::clock::Moment;
use crate::identity::Identity;

#[derive(Clone, Debug)]
pub(super) struct Both {
    model: Model,
    real: Real,
    /// Reads that were looked at after checkout: how often only the model would have let a replica serve, and how
    /// often only the real code did.
    stricter: Cell<u64>,
    looser: Cell<u64>,
}

/// What the real code marks a connection with, and what the model does; `None` if it does not want it.
type Mark = (u64, Option<u64>);

impl Both {
    pub(super) fn new(rules: Rules, scope: Scope) -> Self {
        Self {
            model: Model::new(rules, scope).dropping_nothing(),
            real: Real::new(scope),
            stricter: Cell::default(),
            looser: Cell::default(),
        }
    }

    fn judged(real: Judged<u64>, model: Judged<u64>) -> Judged<Mark> {
        let marked = match model {
            Judged::Usable(mark) => Some(mark),
            Judged::AskAgain | Judged::Refused => None,
        };
        match real {
            Judged::Usable(mark) => Judged::Usable((mark, marked)),
            Judged::AskAgain => Judged::AskAgain,
            Judged::Refused => Judged::Refused,
        }
    }

    fn compare(&self, real: bool, model: bool) -> bool {
        let counter = match (real, model) {
            (true, false) => &self.looser,
            (false, true) => &self.stricter,
            (true, true) | (false, false) => return real,
        };
        counter.set(counter.get() + 1);
        real
    }
}

fn of_model(conn: &Conn<Mark>) -> Option<Conn<u64>> {
    let mark = conn.mark.1?;
    Some(Conn {
        server: conn.server,
        run: conn.run,
        opened_at: conn.opened_at,
        mark,
    })
}

fn of_real(conn: &Conn<Mark>) -> Conn<u64> {
    Conn {
        server: conn.server,
        run: conn.run,
        opened_at: conn.opened_at,
        mark: conn.mark.0,
    }
}

impl Protocol for Both {
    type Mark = Mark;
    type Asked = (<Real as Protocol>::Asked, <Model as Protocol>::Asked);

    fn primary_opened(&mut self, asked_at: Moment, said: &Identity, now: Moment) -> Judged<Mark> {
        let real = self.real.primary_opened(asked_at, said, now);
        Self::judged(real, self.model.primary_opened(asked_at, said, now))
    }

    fn sampled(&mut self, mark: Mark, asked_at: Moment, said: &Identity, now: Moment) {
        self.real.sampled(mark.0, asked_at, said, now);
        if let Some(mark) = mark.1 {
            self.model.sampled(mark, asked_at, said, now);
        }
    }

    fn ask(&self, replica: usize, mark: Option<Mark>, now: Moment) -> Self::Asked {
        let of_model = mark.and_then(|mark| mark.1);
        let real = self.real.ask(replica, mark.map(|mark| mark.0), now);
        (real, self.model.ask(replica, of_model, now))
    }

    fn replica_opened(
        &mut self,
        replica: usize,
        asked: Self::Asked,
        said: &Identity,
        now: Moment,
    ) -> Judged<Mark> {
        let real = self.real.replica_opened(replica, asked.0, said, now);
        Self::judged(real, self.model.replica_opened(replica, asked.1, said, now))
    }

    fn replica_showed(
        &mut self,
        replica: usize,
        asked: Self::Asked,
        said: &Identity,
        now: Moment,
    ) -> Judged<Mark> {
        let real = self.real.replica_showed(replica, asked.0, said, now);
        Self::judged(real, self.model.replica_showed(replica, asked.1, said, now))
    }

    fn checkout(&self, node: usize, conn: &Conn<Mark>) -> Option<Mark> {
        let real = self.real.checkout(node, &of_real(conn))?;
        let model = of_model(conn).and_then(|conn| self.model.checkout(node, &conn));
        Some((real, model))
    }

    fn admits(&self, node: usize, session: usize, now: Moment) -> bool {
        self.real.admits(node, session, now)
    }

    fn still_serves(&self, node: usize, conn: &Conn<Mark>, session: usize, now: Moment) -> bool {
        let real = self.real.still_serves(node, &of_real(conn), session, now);
        let model = of_model(conn);
        let model = model.is_some_and(|conn| self.model.still_serves(node, &conn, session, now));
        self.compare(real, model)
    }

    fn wrote(&mut self, session: usize, sent_at: Moment, now: Moment, is_known: bool) {
        self.real.wrote(session, sent_at, now, is_known);
        self.model.wrote(session, sent_at, now, is_known);
    }

    fn read(&mut self, session: usize, read: Answered<Mark>) {
        let of = |mark| Answered {
            node: read.node,
            mark,
            sent_at: read.sent_at,
            answered_at: read.answered_at,
        };
        self.real.read(session, of(read.mark.0));
        // an unmarked one is of a generation that does not come again
        self.model
            .read(session, of(read.mark.1.unwrap_or(u64::MAX)));
    }

    fn forget(&mut self, session: usize) {
        self.real.forget(session);
        self.model.forget(session);
    }

    fn export(&self, session: usize, now: Moment) -> Option<Claims> {
        self.real.export(session, now)
    }

    fn import(&self, claims: Claims, started: Moment) -> Import {
        self.real.import(claims, started)
    }

    fn resume(&mut self, session: usize, floor: Moment) {
        self.real.resume(session, floor);
        self.model.resume(session, floor);
    }

    fn differences(&self) -> (u64, u64) {
        (self.stricter.get(), self.looser.get())
    }
}
