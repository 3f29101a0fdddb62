//! [`RestrictedSplitTransaction`]: one user's rights inside a transaction.

use std::fmt::Debug;

use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::rbac::{PermissionRequest, RbacUserId, ResourceRequest};
use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    RestrictedConnection, Statement, StatementBuilder, TransactionError, TransactionOptions,
    TransactionSession, TransactionTrait,
};

use crate::restricted::restricted_statements;
use crate::transaction::SplitTransaction;
use crate::transaction_trait::{Begin, transaction_trait};

/// A [`SplitTransaction`] that runs only what one user may.
///
/// Takes the place of `RestrictedTransaction`. Dropping it rolls back.
///
/// ```no_run
/// use sea_orm::{DbErr, TransactionTrait};
/// use sea_orm_split::{RestrictedSplitConnection, RestrictedSplitTransaction};
///
/// async fn as_one(db: &RestrictedSplitConnection) -> Result<(), DbErr> {
///     let transaction: RestrictedSplitTransaction = db.begin().await?;
///     // what the user may
///     transaction.commit().await
/// }
/// ```
#[derive(Debug)]
pub struct RestrictedSplitTransaction {
    transaction: SplitTransaction,
    rights: RestrictedConnection,
}

impl RestrictedSplitTransaction {
    pub(crate) async fn begin<D: Begin<Begun = SplitTransaction>>(
        db: &D,
        rights: &RestrictedConnection,
        options: TransactionOptions,
    ) -> Result<Self, DbErr> {
        Ok(Self {
            transaction: db.begin_in(options).await?,
            rights: rights.clone(),
        })
    }

    /// Whose rights count.
    #[must_use]
    pub fn user_id(&self) -> RbacUserId {
        self.rights.user_id()
    }

    /// Commits, see [`SplitTransaction::commit`].
    ///
    /// # Errors
    /// The server refused, or the outcome is unknown because the connection broke.
    ///
    /// # Cancel safety
    /// Once sent, the commit may take effect although the future is dropped; the session is marked
    /// as if it had.
    pub async fn commit(self) -> Result<(), DbErr> {
        self.transaction.commit().await
    }

    /// Rolls back.
    ///
    /// # Errors
    /// The connection broke; the server rolls back then too.
    ///
    /// # Cancel safety
    /// The transaction is rolled back either way.
    pub async fn rollback(self) -> Result<(), DbErr> {
        self.transaction.rollback().await
    }

    /// Whether the user may run a statement.
    ///
    /// # Errors
    /// `AccessDenied` if not.
    pub fn user_can_run<S: StatementBuilder>(&self, stmt: &S) -> Result<(), DbErr> {
        self.rights.user_can_run(stmt)
    }

    /// Whether the user may do something with a resource.
    ///
    /// # Errors
    /// The engine does not know permission, resource or user.
    pub fn user_can<P, R>(&self, permission: P, resource: R) -> Result<bool, DbErr>
    where
        P: Into<PermissionRequest>,
        R: Into<ResourceRequest>,
    {
        self.rights.user_can(permission, resource)
    }
}

restricted_statements!(RestrictedSplitTransaction, transaction);
transaction_trait!(RestrictedSplitTransaction, RestrictedSplitTransaction);

impl Begin for RestrictedSplitTransaction {
    type Begun = Self;

    async fn begin_in(&self, options: TransactionOptions) -> Result<Self, DbErr> {
        Self::begin(&self.transaction, &self.rights, options).await
    }
}

#[async_trait]
impl TransactionSession for RestrictedSplitTransaction {
    async fn commit(self) -> Result<(), DbErr> {
        Self::commit(self).await
    }

    async fn rollback(self) -> Result<(), DbErr> {
        Self::rollback(self).await
    }
}
