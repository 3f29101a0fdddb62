//! Mock connections: what they answer and what they log. (No server is asked but for the count of reads.)

use anyhow::Result;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, DbErr, EntityTrait, MockDatabase, MockExecResult,
    ModelTrait, TransactionTrait,
};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::author;

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    settle(db).await?;
    seen.saw("served", author::Entity::find_by_id(1).one(db).await?);
    for backend in [DbBackend::Postgres, DbBackend::MySql, DbBackend::Sqlite] {
        let mock = Db::from(answers(backend).into_connection());
        seen.saw(
            "kind",
            (mock.get_database_backend(), mock.is_mock_connection()),
        );
        let used = application(&mock, seen).await;
        seen.saw("used", used.map_err(|error| error.to_string()));
        seen.saw("ping", mock.ping().await);
        seen.saw("log", mock.into_transaction_log());
    }
    Ok(())
}

fn answers(backend: DbBackend) -> MockDatabase {
    let row = |id: i32| author::Model {
        id,
        name: format!("Author {id}"),
    };
    MockDatabase::new(backend)
        .append_query_results([vec![row(1)], vec![row(1), row(2)], vec![row(3)], vec![]])
        .append_exec_results((1..=4).map(|n| MockExecResult {
            last_insert_id: n,
            rows_affected: n,
        }))
}

async fn application(db: &Db, seen: &mut Seen) -> Result<(), DbErr> {
    let one = author::Entity::find_by_id(1).one(db).await?;
    seen.saw("one", &one);
    seen.saw("all", author::Entity::find().all(db).await?);
    let added = author::ActiveModel {
        name: Set("New".to_owned()),
        ..Default::default()
    };
    seen.saw(
        "insert",
        added.insert(db).await.map_err(|error| error.to_string()),
    );
    let transaction = db.begin().await?;
    seen.saw(
        "none",
        author::Entity::find_by_id(9).one(&transaction).await?,
    );
    let inner = transaction.begin().await?;
    if let Some(one) = one {
        seen.saw("delete", one.delete(&inner).await?);
    }
    inner.commit().await?;
    transaction.rollback().await?;
    let done = db.execute_unprepared("VACUUM").await?;
    seen.saw("unprepared", (done.rows_affected(), db.support_returning()));
    Ok(())
}
