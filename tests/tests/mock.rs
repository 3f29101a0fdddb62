//! Tests with SeaORM's mock connection go on working.

use anyhow::{Result, ensure};
use orm_split::sea_orm::SplitConnection;
use orm_split_tests::app::counter;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait, MockDatabase,
    Transaction, TransactionTrait,
};

fn row(id: i32, value: i64) -> counter::Model {
    counter::Model { id, value }
}

#[tokio::test]
async fn a_mock_answers_through_a_split_connection_and_logs_the_same_statements() -> Result<()> {
    let mock = || {
        MockDatabase::new(DbBackend::Postgres)
            .append_query_results([vec![row(1, 10)], vec![row(1, 11)], vec![row(2, 20)]])
            .into_connection()
    };
    let plain = mock();
    counter::Entity::find_by_id(1).one(&plain).await?;
    counter::ActiveModel {
        id: Set(1),
        value: Set(11),
    }
    .update(&plain)
    .await?;
    let transaction = plain.begin().await?;
    counter::Entity::find_by_id(2).one(&transaction).await?;
    transaction.commit().await?;

    let split = SplitConnection::from(mock());
    ensure!(split.is_mock_connection());
    let found = counter::Entity::find_by_id(1).one(&split).await?;
    ensure!(found == Some(row(1, 10)));
    let updated = counter::ActiveModel {
        id: Set(1),
        value: Set(11),
    }
    .update(&split)
    .await?;
    ensure!(updated == row(1, 11));
    let transaction = split.begin().await?;
    ensure!(counter::Entity::find_by_id(2).one(&transaction).await? == Some(row(2, 20)));
    transaction.commit().await?;

    let log: Vec<Transaction> = split.into_transaction_log();
    ensure!(log == plain.into_transaction_log());
    Ok(())
}
