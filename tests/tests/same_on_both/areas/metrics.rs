//! Metric callbacks and SeaORM's spans: which statements they report, and how those ended.

use std::sync::Arc;

use anyhow::Result;
use parking_lot::Mutex;
use sea_orm::ActiveValue::Set;
use sea_orm::{ActiveModelTrait, ConnectionTrait, EntityTrait, StreamTrait, TransactionTrait};

use super::{Db, settle, setup};
use crate::seen::Seen;
use crate::shop::{author, book};
use crate::spans::spans_in;

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    setup::stock(db).await?;
    settle(db).await?;
    let reported = Arc::<Mutex<Vec<_>>>::default();
    let mut measured = db.clone();
    let report = Arc::clone(&reported);
    measured.set_metric_callback(move |info| {
        report
            .lock()
            .push((info.statement.to_string(), info.failed));
    });
    statements(&measured, "measured").await?;
    // a clone made before is not measured
    book::Entity::find_by_id(1).one(db).await?;
    for statement in reported.lock().drain(..) {
        seen.saw("callback", statement);
    }

    let (done, spans) = spans_in(statements(db, "traced")).await;
    done?;
    for span in spans {
        seen.saw("span", span);
    }
    Ok(())
}

async fn statements(db: &Db, name: &str) -> Result<()> {
    author::Entity::find_by_id(1).one(db).await?;
    book::Entity::find().all(db).await?;
    let name = Set(name.to_owned());
    let author = author::ActiveModel {
        name,
        ..Default::default()
    };
    author.clone().insert(db).await?;
    drop(author.clone().insert(db).await);
    db.execute_unprepared("UPDATE book SET pages = 1 WHERE id = 1")
        .await?;
    book::Entity::delete_by_id(6).exec(db).await?;
    drop(db.execute_unprepared("nonsense").await);
    let transaction = db.begin().await?;
    book::Entity::find_by_id(2).one(&transaction).await?;
    transaction
        .execute_unprepared("UPDATE book SET pages = 2 WHERE id = 2")
        .await?;
    transaction.commit().await?;
    let transaction = db.begin().await?;
    drop(author.insert(&transaction).await);
    transaction.rollback().await?;
    let stream = StreamTrait::stream(db, &sea_orm::QueryTrait::into_query(book::Entity::find()));
    drop(futures_util::StreamExt::collect::<Vec<_>>(stream.await?).await);
    Ok(())
}
