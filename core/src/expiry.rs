//! When a statement has run for too long, and what its user is told.
//!
//! Decides nothing else: who gives it up, and what follows, stands in `attempt.rs`.

use std::time::Duration;

use crate::config::Options;
use crate::role::Role;

impl Options {
    /// How long one statement may run on a node of this role.
    #[must_use]
    pub const fn statement_timeout(&self, role: Role) -> Option<Duration> {
        match role {
            Role::Primary => self.primary_statement_timeout,
            Role::Replica => self.replica_statement_timeout,
        }
    }

    /// Resolves when a statement that begins now has expired; never if there is no limit.
    pub(crate) async fn expires(&self, role: Role) {
        match self.statement_timeout(role) {
            // boxed: it is part of every statement's future, and rarely there
            Some(limit) => Box::pin(tokio::time::sleep(limit)).await,
            None => std::future::pending().await,
        }
    }

    /// Why a statement was given up.
    pub(crate) fn expired(&self, role: Role) -> String {
        let limit = self.statement_timeout(role).unwrap_or_default();
        let role = match role {
            Role::Primary => "the primary",
            Role::Replica => "a replica",
        };
        format!("no result within {limit:?}, the statement time-out on {role}")
    }
}
