//! [`RestrictedSplitConnection`]: one user's rights over a routed connection.
//!
//! Decides nothing: SeaORM's engine says whether the user may run a statement, and what it lets through
//! is routed as any other. Must never send a statement that was not asked about.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::ops::Deref;

use sea_orm::entity::prelude::async_trait::async_trait;
use sea_orm::rbac::entity::role::RoleId;
use sea_orm::rbac::{
    PermissionRequest, RbacPermissionsByResources, RbacResourcesAndPermissions,
    RbacRoleHierarchyList, RbacRolesAndRanks, RbacUserId, RbacUserRolePermissions, ResourceRequest,
};
use sea_orm::{
    AccessMode, ConnectionTrait, DbBackend, DbErr, ExecResult, IsolationLevel, QueryResult,
    RestrictedConnection, Statement, StatementBuilder, TransactionError, TransactionOptions,
    TransactionTrait,
};

use crate::connection::SplitConnection;
use crate::restricted_transaction::RestrictedSplitTransaction;
use crate::transaction_trait::{Begin, transaction_trait};

/// A [`SplitConnection`] that runs only what one user may.
///
/// Takes the place of [`RestrictedConnection`]. Raw SQL is refused, as there: rights cannot be read off a
/// text. It dereferences to the `RestrictedConnection` of the primary, so that functions which still
/// name that type go on compiling; the session then reads from the primary for the next `raw_pin`.
///
/// ```no_run
/// use sea_orm::rbac::RbacUserId;
/// use sea_orm::{DbErr, EntityTrait};
/// use sea_orm_split::{RestrictedSplitConnection, SplitConnection};
/// # mod cake {
/// #     use sea_orm::entity::prelude::*;
/// #     #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
/// #     #[sea_orm(table_name = "cake")]
/// #     pub struct Model { #[sea_orm(primary_key)] pub id: i32, pub name: String }
/// #     #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
/// #     pub enum Relation {}
/// #     impl ActiveModelBehavior for ActiveModel {}
/// # }
///
/// async fn cakes(db: &SplitConnection, user: i64) -> Result<Vec<cake::Model>, DbErr> {
///     db.load_rbac().await?;
///     let restricted: RestrictedSplitConnection = db.restricted_for(RbacUserId(user))?;
///     // on a replica, if the user may
///     cake::Entity::find().all(&restricted).await
/// }
/// ```
#[derive(Clone, Debug)]
pub struct RestrictedSplitConnection {
    db: SplitConnection,
    /// The same user on the primary: knows the engine.
    pub(crate) rights: RestrictedConnection,
}

impl SplitConnection {
    /// Loads the tables of access control from the primary and sets up the engine, or replaces it, for
    /// all clones.
    ///
    /// # Errors
    /// The primary cannot be read, or the tables do not exist.
    ///
    /// # Cancel safety
    /// Until it returns, the engine stays as it was.
    pub async fn load_rbac(&self) -> Result<(), DbErr> {
        Box::pin(self.primary.load_rbac()).await
    }

    /// As [`load_rbac`](Self::load_rbac), from any database.
    ///
    /// # Errors
    /// `db` cannot be read, or the tables do not exist there.
    ///
    /// # Cancel safety
    /// Until it returns, the engine stays as it was.
    pub async fn load_rbac_from(&self, db: &sea_orm::DbConn) -> Result<(), DbErr> {
        Box::pin(self.primary.load_rbac_from(db)).await
    }

    /// Replaces the engine, for all clones.
    pub fn replace_rbac(&self, engine: sea_orm::rbac::RbacEngine) {
        self.primary.replace_rbac(engine);
    }

    /// A handle that runs only what the user may. Its statements are routed as those of this one.
    ///
    /// # Errors
    /// No engine was set up, see [`load_rbac`](Self::load_rbac).
    pub fn restricted_for(&self, user_id: RbacUserId) -> Result<RestrictedSplitConnection, DbErr> {
        Ok(RestrictedSplitConnection {
            rights: self.raw.restricted_for(user_id)?,
            db: self.clone(),
        })
    }
}

impl RestrictedSplitConnection {
    /// Whose rights count.
    #[must_use]
    pub fn user_id(&self) -> RbacUserId {
        self.rights.user_id()
    }

    /// A handle whose reads go to the primary too, see [`SplitConnection::primary`].
    #[must_use]
    pub fn primary(&self) -> Self {
        Self {
            db: self.db.primary(),
            rights: self.rights.clone(),
        }
    }

    /// A handle whose reads go to replicas, see [`SplitConnection::replica`].
    #[must_use]
    pub fn replica(&self) -> Self {
        Self {
            db: self.db.replica(),
            rights: self.rights.clone(),
        }
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

    /// The user's role and its permissions, those of the roles below it included.
    ///
    /// # Errors
    /// The user has no role.
    pub fn current_user_role_permissions(&self) -> Result<RbacUserRolePermissions, DbErr> {
        self.rights.current_user_role_permissions()
    }

    /// All roles, each with one more than the number of roles below it.
    ///
    /// # Errors
    /// The hierarchy cannot be walked.
    pub fn roles_and_ranks(&self) -> Result<RbacRolesAndRanks, DbErr> {
        self.rights.roles_and_ranks()
    }

    /// All resources and permissions but wildcards.
    ///
    /// # Errors
    /// None so far; SeaORM's signature.
    pub fn resources_and_permissions(&self) -> Result<RbacResourcesAndPermissions, DbErr> {
        self.rights.resources_and_permissions()
    }

    /// The hierarchy below a role, as edges.
    ///
    /// # Errors
    /// None so far; SeaORM's signature.
    pub fn role_hierarchy_edges(&self, role_id: RoleId) -> Result<RbacRoleHierarchyList, DbErr> {
        self.rights.role_hierarchy_edges(role_id)
    }

    /// The permissions of one role by resource, without those of the roles below it.
    ///
    /// # Errors
    /// The role is unknown.
    pub fn role_permissions_by_resources(
        &self,
        role_id: RoleId,
    ) -> Result<RbacPermissionsByResources, DbErr> {
        self.rights.role_permissions_by_resources(role_id)
    }
}

impl Deref for RestrictedSplitConnection {
    type Target = RestrictedConnection;

    /// The user on the primary, raw. The current session's reads stay there for the next `raw_pin`.
    fn deref(&self) -> &RestrictedConnection {
        self.db.pin_for_raw_handle();
        &self.rights
    }
}

/// Raw SQL, whose rights nobody can read off its text.
pub(crate) fn raw_is_refused<T>(sql: &impl Display) -> Result<T, DbErr> {
    Err(DbErr::RbacError(format!(
        "Raw query is not supported: {sql}"
    )))
}

/// `ConnectionTrait` over `self.$to`, for what the user may run.
macro_rules! restricted_statements {
    ($type:ty, $to:ident) => {
        #[async_trait]
        impl ConnectionTrait for $type {
            fn get_database_backend(&self) -> DbBackend {
                ConnectionTrait::get_database_backend(&self.$to)
            }

            async fn execute_raw(&self, stmt: Statement) -> Result<ExecResult, DbErr> {
                $crate::restricted::raw_is_refused(&stmt)
            }

            async fn execute<S: StatementBuilder>(&self, stmt: &S) -> Result<ExecResult, DbErr> {
                self.user_can_run(stmt)?;
                self.$to.execute(stmt).await
            }

            async fn execute_unprepared(&self, sql: &str) -> Result<ExecResult, DbErr> {
                $crate::restricted::raw_is_refused(&sql)
            }

            async fn query_one_raw(&self, stmt: Statement) -> Result<Option<QueryResult>, DbErr> {
                $crate::restricted::raw_is_refused(&stmt)
            }

            async fn query_one<S: StatementBuilder>(
                &self,
                stmt: &S,
            ) -> Result<Option<QueryResult>, DbErr> {
                self.user_can_run(stmt)?;
                self.$to.query_one(stmt).await
            }

            async fn query_all_raw(&self, stmt: Statement) -> Result<Vec<QueryResult>, DbErr> {
                $crate::restricted::raw_is_refused(&stmt)
            }

            async fn query_all<S: StatementBuilder>(
                &self,
                stmt: &S,
            ) -> Result<Vec<QueryResult>, DbErr> {
                self.user_can_run(stmt)?;
                self.$to.query_all(stmt).await
            }
        }
    };
}
pub(crate) use restricted_statements;

restricted_statements!(RestrictedSplitConnection, db);
transaction_trait!(RestrictedSplitConnection, RestrictedSplitTransaction);

impl Begin for RestrictedSplitConnection {
    type Begun = RestrictedSplitTransaction;

    fn begin_in(
        &self,
        options: TransactionOptions,
    ) -> impl Future<Output = Result<RestrictedSplitTransaction, DbErr>> + Send {
        RestrictedSplitTransaction::begin(&self.db, &self.rights, options)
    }
}
