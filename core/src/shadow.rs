//! Shadow mode: what would have become of each statement, had it been allowed to leave the primary.
//!
//! Decides nothing about where a statement runs. Shows the text of a statement, never its values.

use crate::clock::Moment;
use crate::config::Consistency;
use crate::intent::Intent;
use crate::reason::Reason;
use crate::role::Role;
use crate::route::{self, Decision, Request, Survey};
use crate::session::Floor;
use crate::shadow_status::add_to;
use crate::shared::Shared;

impl Shared {
    /// In shadow mode: where the statement would go otherwise. Nodes are sampled for it as they would be then.
    pub(crate) fn would(&self, request: &Request) -> Option<Decision> {
        (request.kept == Some(Reason::Shadow)).then(|| self.route(&unkept(request)))
    }

    /// In shadow mode: records what would become of a statement that is about to run.
    pub(crate) fn shadow(&self, request: &mut Request, sql: &str) {
        let Some(would) = self.would(request) else {
            return;
        };
        self.shadow.would_run(&would);
        request.would_leave = would.node.role() == Role::Replica;
        if request.intent != Intent::Read {
            return;
        }
        // what asks for the primary, or has to be there, a naive splitter leaves there too
        if is_of_replicas(would.reason) {
            let (unkept, topology) = (unkept(request), self.topology());
            let replicas = topology.replicas();
            let survey = Survey::of(replicas, &unkept, request.now);
            self.shadow.were_behind(replicas, &survey);
            let waits = self.would_wait(&unkept, would.reason);
            add_to(Some(&self.shadow.would_wait).filter(|_| waits));
            // most that are worth waiting for come in time
            request.would_leave |= waits;
            self.look_for_hazard(request, sql);
        } else if would.reason == Reason::RawHandle {
            self.look_for_hazard(request, sql);
        }
    }

    /// Whether a naive splitter would have read what its session might have missed.
    fn look_for_hazard(&self, request: &Request, sql: &str) {
        let (wrote_at, now) = (request.floor.wrote_at, request.now);
        if wrote_at == Moment::NEVER || now.since(wrote_at) > self.options.hazard_window {
            return;
        }
        add_to(Some(&self.shadow.reads_after_write));
        let naive = Request {
            consistency: Consistency::Eventual,
            max_staleness: None,
            floor: Floor::default(),
            kept: None,
            ..*request
        };
        let chosen = self.route(&naive).node;
        if chosen.role() == Role::Primary || route::has_passed(chosen.fresh_as_of(now), wrote_at) {
            return;
        }
        add_to(Some(&self.shadow.hazards));
        let fingerprint = crate::fingerprint(self.dialect, sql);
        if self.shadow.should_tell(fingerprint, now) {
            tracing::warn!(
                target: "orm_split::hazard",
                node = chosen.name(),
                fingerprint,
                after_ms = u64::try_from(now.since(wrote_at).as_millis()).unwrap_or(u64::MAX),
                sql,
                "a read follows a write of its session, which a replica might have missed"
            );
        }
    }
}

/// Whether it is the state of the replicas that decided.
fn is_of_replicas(reason: Reason) -> bool {
    matches!(
        reason,
        Reason::Read
            | Reason::PrimaryLost
            | Reason::FloorNotMet
            | Reason::TooStale
            | Reason::NoReplicaUp
    )
}

/// As if it was not in shadow mode, and had not been before.
fn unkept(request: &Request) -> Request {
    let mut unkept = *request;
    unkept.kept = None;
    unkept.floor.at = unkept.floor.but_for_shadow;
    unkept
}
