//! Transactions: every way to begin, end and nest them, isolation levels, access modes.

use anyhow::Result;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    AccessMode, ActiveModelTrait, ConnectionTrait, DbErr, EntityTrait, IsolationLevel,
    PaginatorTrait, QueryOrder, TransactionError, TransactionOptions, TransactionSession,
    TransactionTrait,
};

use super::{Db, Transaction, settle, setup};
use crate::seen::Seen;
use crate::shop::author;

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::tables(db).await?;
    by_hand(db, seen).await?;
    closures(db, seen).await?;
    settle(db).await?;
    async_closures(db, seen).await?;
    nested(db, seen).await?;
    configured(db, seen).await?;
    settle(db).await?;
    read_only(db, seen).await?;
    names(db, seen).await
}

async fn add(db: &impl ConnectionTrait, name: &str) -> Result<author::Model, DbErr> {
    let name = Set(name.to_owned());
    let author = author::ActiveModel {
        name,
        ..Default::default()
    };
    author.insert(db).await
}

async fn names(db: &impl ConnectionTrait, seen: &mut Seen) -> Result<()> {
    let authors = author::Entity::find().order_by_asc(author::Column::Id);
    seen.saw("names", authors.all(db).await?);
    Ok(())
}

async fn by_hand(db: &Db, seen: &mut Seen) -> Result<()> {
    let transaction: Transaction = db.begin().await?;
    add(&transaction, "committed").await?;
    names(&transaction, seen).await?;
    transaction.commit().await?;
    names(db, seen).await?;
    let transaction = db.begin().await?;
    add(&transaction, "rolled back").await?;
    transaction.rollback().await?;
    let transaction = db.begin().await?;
    add(&transaction, "dropped").await?;
    drop(transaction);
    names(db, seen).await?;
    generic(db, seen).await
}

/// As a library writes it: it knows no type of ours.
async fn generic<C: TransactionTrait>(db: &C, seen: &mut Seen) -> Result<()> {
    let transaction = db.begin().await?;
    add(&transaction, "generic").await?;
    names(&transaction, seen).await?;
    transaction.commit().await?;
    Ok(())
}

async fn closures(db: &Db, seen: &mut Seen) -> Result<()> {
    let added = db.transaction::<_, _, DbErr>(|t| Box::pin(async move { add(t, "closure").await }));
    seen.saw("closure", added.await?);
    let failed = db.transaction::<_, author::Model, DbErr>(|t| {
        Box::pin(async move {
            add(t, "failed").await?;
            Err(DbErr::Custom("no".to_owned()))
        })
    });
    seen.saw("failed", failed.await.map_err(|error| error.to_string()));
    let level = Some(IsolationLevel::Serializable);
    let added = db.transaction_with_config::<_, _, DbErr>(
        |t| Box::pin(async move { add(t, "serializable").await }),
        level,
        Some(AccessMode::ReadWrite),
    );
    seen.saw("with config", added.await?);
    names(db, seen).await
}

async fn async_closures(db: &Db, seen: &mut Seen) -> Result<()> {
    let added = db.transaction_async(async |t: &Transaction| add(t, "async").await);
    seen.saw("async", added.await?);
    let failed: Result<(), TransactionError<DbErr>> = db
        .transaction_async(async |t| {
            add(t, "async failed").await?;
            Err(DbErr::Custom("no".to_owned()))
        })
        .await;
    seen.saw("async failed", failed.map_err(|error| error.to_string()));
    let level = Some(IsolationLevel::RepeatableRead);
    let counted = db.transaction_with_config_async(
        async |t: &Transaction| author::Entity::find().count(t).await,
        level,
        Some(AccessMode::ReadOnly),
    );
    seen.saw("async read only", counted.await?);
    names(db, seen).await
}

async fn nested(db: &Db, seen: &mut Seen) -> Result<()> {
    let outer = db.begin().await?;
    add(&outer, "outer").await?;
    let inner = outer.begin().await?;
    add(&inner, "inner kept").await?;
    inner.commit().await?;
    let inner = outer.begin().await?;
    add(&inner, "inner undone").await?;
    inner.rollback().await?;
    let added = outer.transaction_async(async |t: &Transaction| add(t, "inner async").await);
    seen.saw("inner async", added.await?);
    let deep = outer.transaction::<_, _, DbErr>(|t| {
        Box::pin(async move {
            let deeper = t.begin().await?;
            add(&deeper, "deeper").await?;
            deeper.commit().await
        })
    });
    deep.await?;
    // a statement that fails inside a savepoint leaves the rest usable
    let inner = outer.begin().await?;
    let double = add(&inner, "outer").await;
    seen.saw("double", double.map_err(|error| error.to_string()));
    inner.rollback().await?;
    names(&outer, seen).await?;
    outer.commit().await?;
    names(db, seen).await
}

async fn configured(db: &Db, seen: &mut Seen) -> Result<()> {
    let levels = [
        IsolationLevel::ReadUncommitted,
        IsolationLevel::ReadCommitted,
        IsolationLevel::RepeatableRead,
        IsolationLevel::Serializable,
    ];
    for level in levels {
        for mode in [
            None,
            Some(AccessMode::ReadWrite),
            Some(AccessMode::ReadOnly),
        ] {
            let transaction = db.begin_with_config(Some(level), mode).await?;
            let shown = sea_orm::Statement::from_string(
                db.get_database_backend(),
                "SELECT current_setting('transaction_isolation') \
                 || ', read only ' || current_setting('transaction_read_only')",
            );
            let row = transaction.query_one_raw(shown).await?;
            let shown = row
                .map(|row| row.try_get_by_index::<String>(0))
                .transpose()?;
            seen.saw("level", (level, mode, shown));
            transaction.commit().await?;
        }
    }
    let options = TransactionOptions {
        isolation_level: Some(IsolationLevel::RepeatableRead),
        ..TransactionOptions::default()
    };
    let transaction = db.begin_with_options(options).await?;
    add(&transaction, "options").await?;
    transaction.commit().await?;
    names(db, seen).await
}

async fn read_only(db: &Db, seen: &mut Seen) -> Result<()> {
    for level in [
        None,
        Some(IsolationLevel::RepeatableRead),
        Some(IsolationLevel::Serializable),
    ] {
        let transaction = db
            .begin_with_config(level, Some(AccessMode::ReadOnly))
            .await?;
        names(&transaction, seen).await?;
        let inner = transaction.begin().await?;
        names(&inner, seen).await?;
        inner.commit().await?;
        let refused = add(&transaction, "refused").await;
        seen.saw("refused", refused.is_err());
        transaction.rollback().await?;
    }
    Ok(())
}
