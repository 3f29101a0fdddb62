//! The schema: built, applied, synced, synced again with more in it, taken from the registry.

use anyhow::Result;
use sea_orm::ActiveValue::Set;
use sea_orm::{
    ActiveModelTrait, ConnectionTrait, DbBackend, EntityTrait, Statement, TransactionTrait,
};

use super::{Db, settle};
use crate::seen::Seen;
use crate::shop::{author, book};

/// One table as two versions of an application see it.
#[allow(unreachable_pub, reason = "entities as SeaORM's derives expect them")]
mod versions {
    pub mod first {
        use sea_orm::entity::prelude::*;

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "shelf")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }

    pub mod second {
        use sea_orm::entity::prelude::*;

        #[derive(Clone, Debug, PartialEq, Eq, EnumIter, DeriveActiveEnum)]
        #[sea_orm(rs_type = "String", db_type = "Enum", enum_name = "side")]
        pub enum Side {
            #[sea_orm(string_value = "left")]
            Left,
            #[sea_orm(string_value = "right")]
            Right,
        }

        #[sea_orm::model]
        #[derive(Clone, Debug, PartialEq, Eq, DeriveEntityModel)]
        #[sea_orm(table_name = "shelf")]
        pub struct Model {
            #[sea_orm(primary_key)]
            pub id: i32,
            #[sea_orm(unique)]
            pub place: Option<String>,
            pub side: Option<Side>,
        }

        impl ActiveModelBehavior for ActiveModel {}
    }
}

pub(crate) async fn walk(db: &Db, seen: &mut Seen) -> Result<()> {
    db.get_schema_builder()
        .register(versions::first::Entity)
        .apply(db)
        .await?;
    columns(db, seen).await?;
    let twice = db
        .get_schema_builder()
        .register(versions::first::Entity)
        .apply(db)
        .await;
    seen.saw("twice", twice.map_err(|error| error.to_string()));
    for _ in 0..2 {
        db.get_schema_builder()
            .register(versions::second::Entity)
            .sync(db)
            .await?;
        columns(db, seen).await?;
    }
    let shelf = versions::second::ActiveModel {
        place: Set(Some("Hall".to_owned())),
        side: Set(Some(versions::second::Side::Left)),
        ..Default::default()
    };
    seen.saw("row", shelf.insert(db).await?);
    seen.saw("read", versions::second::Entity::find().all(db).await?);
    settle(db).await?;
    seen.saw(
        "read later",
        versions::second::Entity::find().all(db).await?,
    );

    let transaction = db.begin().await?;
    let shop = db
        .get_schema_builder()
        .register(author::Entity)
        .register(book::Entity);
    shop.sync(&transaction).await?;
    columns(&transaction, seen).await?;
    transaction.rollback().await?;
    columns(db, seen).await?;
    db.get_schema_registry("same_on_both::shop::*")
        .sync(db)
        .await?;
    columns(db, seen).await
}

async fn columns(db: &impl ConnectionTrait, seen: &mut Seen) -> Result<()> {
    let sql = "SELECT table_name || '.' || column_name || ' ' || data_type FROM information_schema.columns \
               WHERE table_schema = 'public' ORDER BY table_name, ordinal_position";
    let rows = db
        .query_all_raw(Statement::from_string(DbBackend::Postgres, sql))
        .await?;
    let columns = rows.iter().map(|row| row.try_get_by_index::<String>(0));
    seen.saw("columns", columns.collect::<Result<Vec<_>, _>>()?);
    Ok(())
}
