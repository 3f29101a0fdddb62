//! Queries about loans.

use orm_split::sea_orm::SplitTransaction;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    IntoActiveModel, LoaderTrait, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::entities::{book, loan, member};

pub async fn insert(
    transaction: &SplitTransaction,
    book: i32,
    member: i32,
) -> Result<loan::Model, DbErr> {
    let loan = loan::ActiveModel {
        book_id: Set(book),
        member_id: Set(member),
        returned: Set(false),
        ..Default::default()
    };
    loan.insert(transaction).await
}

/// The loan, which nobody else ends until the transaction ends.
pub async fn lock(transaction: &SplitTransaction, id: i32) -> Result<Option<loan::Model>, DbErr> {
    let loan = loan::Entity::find_by_id(id).lock_exclusive();
    loan.one(transaction).await
}

pub async fn end(transaction: &SplitTransaction, loan: loan::Model) -> Result<(), DbErr> {
    let mut loan = loan.into_active_model();
    loan.returned = Set(true);
    loan.update(transaction).await.map(drop)
}

/// How many books the member has.
pub async fn open_count<C: ConnectionTrait>(db: &C, member: i32) -> Result<u64, DbErr> {
    let open = loan::Entity::find().filter(loan::Column::Returned.eq(false));
    let of_member = open.filter(loan::Column::MemberId.eq(member));
    of_member.count(db).await
}

/// The member's loans, each with its book.
pub async fn of_member<C: ConnectionTrait>(
    db: &C,
    member: &member::Model,
) -> Result<Vec<(loan::Model, Option<book::Model>)>, DbErr> {
    let loans = member.find_related(loan::Entity);
    let loans = loans.order_by_asc(loan::Column::Id).all(db).await?;
    let books = loans.load_one(book::Entity, db).await?;
    Ok(loans.into_iter().zip(books).collect())
}
