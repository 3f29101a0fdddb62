//! Attempts: running one statement on the node it is routed to, and what happens when that fails.
//!
//! Decides whether there is another attempt. A write is never sent twice. A read of which no row
//! was delivered may run once on another replica and then on the primary; a statement that a
//! replica refused as a write, and which therefore did nothing, runs once on the primary.

use std::pin::pin;
use std::sync::Arc;

use tracing::Instrument as _;

use crate::backend::{Hold, Statement};
use crate::clock::Moment;
use crate::connected::Connected;
use crate::ended::{Ended, Failure};
use crate::error::{AttemptFailure, Phase, SplitError};
use crate::fallback::{Full, Place};
use crate::fault::Fault;
use crate::in_flight::InFlight;
use crate::intent::{Cause, Intent};
use crate::looking::Looking;
use crate::meters::Stopwatch;
use crate::node::Node;
use crate::observe::{self, Watched};
use crate::reason::Reason;
use crate::role::Role;
use crate::route::{self, Asks, Decision, Request};
use crate::session::SessionKey;
use crate::shared::Shared;
use crate::timing::{Measures, Timing};

/// Replicas that may fail one statement before it goes to the primary.
const REPLICA_ATTEMPTS: usize = 2;

/// How the beginning of a read-only transaction is shown.
const BEGIN_READ_ONLY: &str = "BEGIN READ ONLY";

/// A statement on its way: everything that outlives one attempt.
struct Run<'a, S> {
    shared: &'a Arc<Shared>,
    statement: &'a S,
    sql: &'a str,
    request: Request,
    failures: Vec<AttemptFailure>,
    replicas_failed: usize,
    measures: Measures,
    begun: Stopwatch,
    watched: Watched,
}

/// Runs a statement to its end.
pub(crate) async fn run<S: Statement>(
    shared: &Arc<Shared>,
    sql: &str,
    asks: Asks,
    statement: &S,
) -> Result<S::Output, S::Error> {
    let begun = Stopwatch::start(&shared.clock);
    let mut request = shared.request(sql, asks);
    shared.shadow(&mut request, sql);
    if let Some(handle) = asks.session.filter(|_| asks.is_one_connection) {
        // before it is sent: its outcome may never arrive
        shared.note_state(shared.by_text(&request, sql), sql, handle);
    }
    let run = Run::of(shared, statement, (sql, begun), request);
    let span = run.watched.span();
    run.finish().instrument(span).await
}

/// Begins a transaction that is declared to be read-only, on a replica if one meets the session's
/// floor now. The statement's own checkout sends the BEGIN.
pub(crate) async fn begin_read_only<S: Statement>(
    shared: &Arc<Shared>,
    mut asks: Asks,
    statement: &S,
) -> Result<S::Output, S::Error> {
    asks.declared = Some(Intent::Read);
    let begun = Stopwatch::start(&shared.clock);
    let mut request = shared.request(BEGIN_READ_ONLY, asks);
    shared.shadow(&mut request, BEGIN_READ_ONLY);
    let mut run = Run::of(shared, statement, (BEGIN_READ_ONLY, begun), request);
    run.measures = Measures::Nothing;
    let span = run.watched.span();
    run.finish().instrument(span).await
}

impl<'a, S: Statement> Run<'a, S> {
    fn of(
        shared: &'a Arc<Shared>,
        statement: &'a S,
        (sql, begun): (&'a str, Stopwatch),
        request: Request,
    ) -> Self {
        Self {
            shared,
            statement,
            sql,
            request,
            failures: Vec::new(),
            replicas_failed: 0,
            measures: Measures::Statement,
            begun,
            watched: Watched::begins(shared.dialect, sql),
        }
    }

    async fn finish(mut self) -> Result<S::Output, S::Error> {
        let mut forced = None;
        let mut may_wait = true;
        let mut is_decided = false;
        let result = loop {
            let decision = match forced {
                Some(reason) => Decision {
                    node: Arc::clone(&self.shared.primary),
                    reason,
                },
                None => self.shared.route(&self.request),
            };
            if !std::mem::replace(&mut is_decided, true) {
                self.shared.meters.decided(self.begun, &self.shared.clock);
            }
            if forced.is_none() && may_wait && decision.node.role == Role::Primary {
                let waited = self.shared.wait_for_replica(&self.request, decision.reason);
                if waited.await {
                    may_wait = false;
                    self.request.now = self.shared.clock.now();
                    continue;
                }
            }
            let node = decision.node;
            let number = self.failures.len() + 1;
            self.watched.tries(&node, decision.reason, number);
            match self.attempt(&node, decision.reason).await {
                Ok(output) => {
                    self.note_transaction(true);
                    self.shared.intents.ran(self.request.intent);
                    break Ok(output);
                }
                Err(Ended::NotFresh) => self.request.fell_behind |= route::bit_of(node.id),
                Err(Ended::Full(full)) => break Err(self.shed(full)),
                Err(Ended::Failed(failure)) => match self.next(&node, failure) {
                    Ok(next) => forced = next,
                    Err(error) => break Err(error),
                },
            }
            self.request.now = self.shared.clock.now();
        };
        self.is_over(&result);
        result
    }

    fn is_over(&mut self, result: &Result<S::Output, S::Error>) {
        let (shared, intent) = (self.shared, self.request.intent);
        shared
            .meters
            .ended(intent, result.is_ok(), self.begun, &shared.clock);
        let fault = result
            .as_ref()
            .err()
            .map(|error| self.statement.fault(error));
        self.watched.is_over(fault);
    }

    /// Checks out, looks again, executes.
    async fn attempt(
        &self,
        node: &Arc<Node>,
        reason: Reason,
    ) -> Result<S::Output, Ended<S::Error>> {
        let place = self.fallback_place(reason).await.map_err(Ended::Full)?;
        let in_flight = InFlight::on(node);
        let shared = self.shared;
        let asked_at = Stopwatch::start(&shared.clock);
        let (mut connection, mut connected) = self.checkout(node).await?;
        node.meters
            .checked_out(node.name(), node.role(), asked_at, &shared.clock);
        let is_replica = node.role == Role::Replica;
        if is_replica && !self.may_serve(node, reason, &connected) {
            tracing::debug!(node = %node.name, "not fresh enough after checkout");
            if !node.group.is_one() {
                self.statement.release(connection);
                return Err(Ended::NotFresh);
            }
            // rare and large: it must not be part of every statement's future
            let looked = self.look_further(node, reason, (connection, connected));
            (connection, connected) = Box::pin(looked).await?;
        }
        shared.count(node, reason);
        observe::runs(node, reason, self.sql);
        let mark = |key: SessionKey| shared.write_mark(key);
        let hold = Hold {
            _in_flight: in_flight,
            _place: place,
            marks: if self.request.marks(reason) {
                [Some(SessionKey::current()), self.request.session].map(|key| key.map(mark))
            } else {
                [None, None]
            },
        };
        let reading = self
            .sessions_that_read()
            .map(|keys| (keys, shared.clock.now()));
        let output = self.execute(node, (connection, connected), hold).await?;
        match reading {
            Some((keys, _)) if self.request.would_leave => shared.was_kept(keys),
            Some((keys, began_at)) => {
                shared.has_read(keys, node.id, connected.generation, began_at);
                shared.next_read_wants(reason);
            }
            None => {}
        }
        Ok(output)
    }

    /// Sends the statement; a replica that goes down meanwhile is not waited for.
    async fn execute(
        &self,
        node: &Node,
        (connection, connected): (S::Connection, Connected),
        hold: Hold,
    ) -> Result<S::Output, Ended<S::Error>> {
        let timing = Timing::start(self.shared, node, self.measures);
        let mut execution = pin!(self.statement.execute(connection, hold));
        // whoever gives up drops the statement, whose guard closes the connection and marks the session
        let gave_up = |fault| {
            let (since, generation) = (connected.opened_at, Some(connected.generation));
            Err(Ended::gave_up(Phase::Execute, fault, since, generation))
        };
        let went_silent = async {
            match node.role {
                Role::Primary => std::future::pending().await,
                Role::Replica => node.went_silent(connected.generation).await,
            }
        };
        let result = tokio::select! {
            biased;
            result = execution.as_mut() => result,
            () = went_silent => {
                timing.failed(Fault::Unreachable);
                return gave_up(Fault::Timeout);
            }
            () = self.shared.options.expires(node.role) => {
                timing.failed(Fault::Expired);
                return gave_up(Fault::Expired);
            }
        };
        match result {
            Ok(output) => {
                timing.succeeded();
                Ok(output)
            }
            Err(error) => {
                timing.failed(self.statement.fault(&error));
                let opened = (connected.opened_at, Some(connected.generation));
                Err(self.failed(Phase::Execute, opened, error))
            }
        }
    }

    fn sessions_that_read(&self) -> Option<[Option<SessionKey>; 2]> {
        let remembers = self.request.remembers_reads();
        remembers.then(|| self.shared.monotonic(self.request.session))?
    }

    /// Whether the server that a connection leads to may serve now.
    fn may_serve(&self, node: &Node, reason: Reason, connected: &Connected) -> bool {
        let now = self.shared.clock.now();
        route::still_serves(node, connected, reason, &self.request, now)
    }

    /// A connection of a group was `taken` that leads to a member which may not serve; another may.
    async fn look_further(
        &self,
        node: &Arc<Node>,
        reason: Reason,
        mut taken: (S::Connection, Connected),
    ) -> Result<(S::Connection, Connected), Ended<S::Error>> {
        let clock = self.shared.clock;
        let mut looking = Looking::on(self.statement, node, clock.now());
        let mut asked_at = None;
        loop {
            let now = clock.now();
            looking.passes_over(taken, asked_at, now);
            let limit = looking.goes_on(now).ok_or(Ended::NotFresh)?;
            asked_at = Some(now);
            // what goes wrong now is no reason to give up: nobody knows which member it was
            taken = match tokio::time::timeout(limit, self.checkout(node)).await {
                Ok(Ok(taken)) => taken,
                Ok(Err(_)) | Err(_) => return Err(Ended::NotFresh),
            };
            if self.may_serve(node, reason, &taken.1) {
                return Ok(taken);
            }
        }
    }

    /// Waits for a connection: on a replica no longer than the checkout deadline, nor once the node
    /// is down. The primary's pool keeps its own time limit, as before the library was there.
    async fn checkout(
        &self,
        node: &Arc<Node>,
    ) -> Result<(S::Connection, Connected), Ended<S::Error>> {
        let mut checkout = pin!(self.statement.checkout(node));
        let gave_up = |fault| Ended::gave_up(Phase::Checkout, fault, self.request.now, None);
        let result = match node.role {
            Role::Primary => checkout.as_mut().await,
            Role::Replica => tokio::select! {
                biased;
                result = checkout.as_mut() => result,
                () = node.went_down() => return Err(gave_up(Fault::Unreachable)),
                // made when it is first polled: mostly a connection is there at once
                () = async { tokio::time::sleep(self.shared.options.checkout_deadline).await } => {
                    return Err(gave_up(self.statement.checkout_timed_out(node)));
                }
            },
        };
        result.map_err(|error| self.failed(Phase::Checkout, (self.request.now, None), error))
    }

    /// What allows a read to be on the primary because no replica is up.
    async fn fallback_place(&self, reason: Reason) -> Result<Place, Full> {
        match (self.request.intent, reason) {
            (Intent::Read, Reason::NoReplicaUp) => self.shared.fallback_place().await,
            _ => Ok(None),
        }
    }

    fn shed(&mut self, full: Full) -> S::Error {
        let failures = std::mem::take(&mut self.failures);
        let causes = self.shared.causes_of_outage(failures);
        let cap = full.cap;
        self.statement.fail(SplitError::Shed { cap, causes })
    }

    fn failed(
        &self,
        phase: Phase,
        (since, generation): (Moment, Option<u64>),
        error: S::Error,
    ) -> Ended<S::Error> {
        let (fault, error) = (self.statement.fault(&error), Some(error));
        let timed_out = fault == Fault::Timeout;
        let since = if timed_out { self.request.now } else { since };
        Ended::Failed(Failure {
            phase,
            fault,
            since,
            error,
            generation,
        })
    }

    /// What follows a failed attempt: `Some` forces the primary, `None` routes anew.
    fn next(
        &mut self,
        node: &Node,
        failure: Failure<S::Error>,
    ) -> Result<Option<Reason>, S::Error> {
        self.blame(node, &failure);
        self.note_transaction(false);
        let retryable = self.request.intent == Intent::Read
            && node.role == Role::Replica
            // before the statement was sent, no error can be the statement's
            && (failure.phase == Phase::Checkout || failure.fault.is_retryable_read());
        if !retryable {
            return Err(self.give_up(node, failure));
        }
        let needs_primary = match failure.fault {
            Fault::ReadOnly => Some(Reason::Refused),
            Fault::SchemaLag => Some(Reason::SchemaLag),
            // a node that is to blame leaves the selection, which bounds how many reads it can fail
            Fault::Unreachable | Fault::ShuttingDown | Fault::Timeout => None,
            // no connection came free in time: no server was asked, so that nothing multiplies
            Fault::Saturated if failure.error.is_none() => None,
            Fault::Query | Fault::Conflict | Fault::Saturated | Fault::Expired => {
                if !self.shared.may_retry() {
                    return Err(self.give_up(node, failure));
                }
                None
            }
        };
        self.remember(node, &failure);
        if failure.fault == Fault::ReadOnly {
            self.remember_misroute(node);
        }
        if needs_primary.is_some() {
            return Ok(needs_primary);
        }
        self.replicas_failed += 1;
        self.request.tried |= route::bit_of(node.id);
        let enough = self.replicas_failed >= REPLICA_ATTEMPTS;
        Ok(enough.then_some(Reason::NoReplicaUp))
    }

    /// The text was taken for a read and is none.
    fn remember_misroute(&self, node: &Node) {
        let fingerprint = crate::fingerprint(self.shared.dialect, self.sql);
        self.shared.misroutes.remember(fingerprint);
        tracing::warn!(node = %node.name, fingerprint, "replica refused a statement taken for a read");
    }

    fn blame(&self, node: &Node, failure: &Failure<S::Error>) {
        tracing::debug!(node = %node.name, phase = ?failure.phase, fault = ?failure.fault, "attempt failed");
        let (phase, fault) = (failure.phase, failure.fault);
        node.meters.failed(node.name(), node.role(), phase, fault);
        if !failure.fault.blames_node() {
            return;
        }
        let message = failure
            .error
            .as_ref()
            .map(|error| self.statement.describe(error));
        self.shared.blame(
            node,
            (failure.since, failure.generation),
            failure.fault,
            message,
        );
    }

    fn remember(&mut self, node: &Node, failure: &Failure<S::Error>) {
        let cause = match &failure.error {
            Some(error) => self.statement.describe(error),
            None if failure.fault == Fault::Expired => self.shared.options.expired(node.role),
            None => node
                .last_error()
                .unwrap_or_else(|| format!("gave up: {:?}", failure.fault)),
        };
        let failure = AttemptFailure::new(node.name(), failure.phase, failure.fault, cause);
        self.failures.push(match self.request.intent {
            Intent::Read => failure,
            Intent::Primary(_) => failure.of_write(),
        });
    }

    /// The host's own error where there was one attempt, or where the statement itself is wrong.
    fn give_up(&mut self, node: &Node, failure: Failure<S::Error>) -> S::Error {
        let is_untouched = failure.fault.blames_statement() || self.failures.is_empty();
        let failure = match failure {
            Failure {
                error: Some(error), ..
            } if is_untouched => return error,
            failure => failure,
        };
        self.remember(node, &failure);
        let failures = std::mem::take(&mut self.failures);
        self.statement.fail(SplitError::Exhausted(failures))
    }

    /// A raw BEGIN keeps the session on the primary until the raw end of the transaction. One that
    /// fails ends it as well: its connection is gone, or the server has rolled back.
    fn note_transaction(&self, succeeded: bool) {
        let is_open = match self.shared.by_text(&self.request, self.sql) {
            Intent::Primary(Cause::TransactionBegin) if succeeded => true,
            Intent::Primary(Cause::TransactionEnd) => false,
            Intent::Primary(_) | Intent::Read => return,
        };
        // a handle has one connection, which is then all that is in the transaction
        let key = self.request.session.unwrap_or_else(SessionKey::current);
        self.shared.sessions.in_raw_transaction(key, is_open);
    }
}
