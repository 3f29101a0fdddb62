//! What the chapter on moving says to write in place of what cannot be had.

use std::time::Duration;

use anyhow::Result;
use orm_split::sea_orm::{Reason, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::{Delay, shared};
use sea_orm::sqlx::postgres::PgListener;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbErr, EntityTrait, Statement,
    TransactionTrait,
};

async fn database() -> Result<SplitConnection> {
    let database = shared(Delay::Ms500).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 3).await?;
    Ok(db)
}

/// What an application with two pools of its own has.
struct Pools {
    writer: SplitConnection,
    reader: SplitConnection,
}

async fn set(db: &SplitConnection, value: i64) -> Result<(), DbErr> {
    let model = counter::ActiveModel {
        id: Set(1),
        value: Set(value),
    };
    model.update(db).await.map(drop)
}

async fn value(db: &SplitConnection) -> Result<Option<i64>> {
    let found = counter::Entity::find_by_id(1).one(db).await?;
    Ok(found.map(|counter| counter.value))
}

#[tokio::test]
async fn two_hand_written_pools_become_two_handles_of_one_session() -> Result<()> {
    let db = database().await?;
    let pools = Pools {
        writer: db.primary(),
        reader: db,
    };
    let read = "SELECT value FROM counter";
    assert_eq!(pools.reader.explain(read).role, Role::Replica);
    let stays = pools.writer.explain(read);
    assert_eq!((stays.role, stays.reason), (Role::Primary, Reason::Hint));
    set(&pools.writer, 1).await?;
    assert_eq!(value(&pools.reader).await?, Some(1));
    // what was a mistake is none any more
    set(&pools.reader, 2).await?;
    assert_eq!(value(&pools.reader).await?, Some(2));
    pools.reader.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_listener_on_the_primarys_pool_hears_what_a_statement_notifies() -> Result<()> {
    let db = database().await?;
    let mut listener = PgListener::connect_with(db.get_postgres_connection_pool()).await?;
    listener.listen("news").await?;
    db.execute_unprepared("NOTIFY news, 'it works'").await?;
    let heard = tokio::time::timeout(Duration::from_secs(30), listener.recv()).await??;
    assert_eq!(heard.payload(), "it works");
    drop(listener);
    db.close().await?;
    Ok(())
}

#[tokio::test]
async fn a_setting_of_a_transaction_holds_for_all_of_its_statements_and_no_others() -> Result<()> {
    let db = database().await?;
    let ask = || Statement::from_string(db.get_database_backend(), "SHOW lock_timeout");
    let transaction = db.begin().await?;
    transaction
        .execute_unprepared("SET LOCAL lock_timeout = '7s'")
        .await?;
    for _ in 0..3 {
        let row = transaction.query_one_raw(ask()).await?;
        let shown = row.map(|row| row.try_get_by_index::<String>(0));
        assert_eq!(shown.transpose()?.as_deref(), Some("7s"));
    }
    transaction.commit().await?;
    let row = db.query_one_raw(ask()).await?;
    let shown = row.map(|row| row.try_get_by_index::<String>(0));
    assert_eq!(shown.transpose()?.as_deref(), Some("0"));
    db.close().await?;
    Ok(())
}
