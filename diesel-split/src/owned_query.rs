//! A query that was built already: its text and binds, owned, so that it can be sent more than once and
//! from another task than the one that built it.
//!
//! Keeps the identity of the query that it was built from, so that a connection's cache of prepared
//! statements finds it under the same key as without us.

use std::any::Any;
use std::marker::PhantomData;
use std::sync::Arc;

use diesel::QueryResult;
use diesel::backend::{Backend, DieselReserveSpecialization};
use diesel::query_builder::{AstPass, MoveableBindCollector, Query, QueryFragment, QueryId};
use diesel::sql_types::Untyped;

/// What a query is known by to the cache of prepared statements.
pub trait Identity: Send + Sync + 'static {
    type Id: Any;
    const IS_STATIC: bool;
}

/// A type, as most queries of the DSL are.
#[derive(Debug)]
pub(crate) struct Static<I>(PhantomData<fn() -> I>);

/// Its text.
#[derive(Debug)]
pub(crate) struct Dynamic;

impl<I: Any> Identity for Static<I> {
    type Id = I;
    const IS_STATIC: bool = true;
}

impl Identity for Dynamic {
    type Id = ();
    const IS_STATIC: bool = false;
}

/// Text, binds and identity of a query.
#[derive(Debug)]
pub struct OwnedQuery<B, I> {
    pub(crate) sql: Arc<str>,
    pub(crate) is_safe_to_cache: bool,
    pub(crate) binds: Arc<B>,
    pub(crate) identity: PhantomData<fn() -> I>,
}

impl<B: 'static, I: Identity> QueryId for OwnedQuery<B, I> {
    type QueryId = I::Id;
    const HAS_STATIC_QUERY_ID: bool = I::IS_STATIC;
}

impl<DB, B, I> QueryFragment<DB> for OwnedQuery<B, I>
where
    DB: Backend + DieselReserveSpecialization,
    for<'c> DB::BindCollector<'c>: MoveableBindCollector<DB, BindData = B>,
{
    fn walk_ast<'b>(&'b self, mut pass: AstPass<'_, 'b, DB>) -> QueryResult<()> {
        if !self.is_safe_to_cache {
            pass.unsafe_to_cache_prepared();
        }
        pass.push_sql(&self.sql);
        pass.push_bind_collector_data(&*self.binds)
    }
}

impl<B, I> Query for OwnedQuery<B, I> {
    type SqlType = Untyped;
}
