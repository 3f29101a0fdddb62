//! The tables, made at start where they are missing.

use orm_split::sea_orm::SplitConnection;
use sea_orm::{ConnectionTrait, DbErr, EntityTrait, Schema};

use crate::entities::{author, book, loan, member};

pub async fn create_tables(db: &SplitConnection) -> Result<(), DbErr> {
    create(db, author::Entity).await?;
    create(db, book::Entity).await?;
    create(db, member::Entity).await?;
    create(db, loan::Entity).await
}

async fn create<E: EntityTrait>(db: &SplitConnection, entity: E) -> Result<(), DbErr> {
    let schema = Schema::new(db.get_database_backend());
    let mut table = schema.create_table_from_entity(entity);
    db.execute(table.if_not_exists()).await?;
    Ok(())
}
