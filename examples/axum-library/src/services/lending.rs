//! Members, and what they borrow.

use orm_split::sea_orm::{SplitConnection, SplitTransaction};
use sea_orm::{TransactionError, TransactionTrait};

use crate::entities::{book, loan, member};
use crate::error::AppError;
use crate::repositories::{books, loans, members};

/// Books that one member may have at a time.
const LIMIT: u64 = 3;

pub async fn join(
    db: &SplitConnection,
    name: String,
    email: String,
) -> Result<member::Model, AppError> {
    if !email.contains('@') {
        return Err(AppError::Invalid {
            field: "email",
            rule: "must have an @",
        });
    }
    Ok(members::insert(db, name, email).await?)
}

pub async fn loans_of(
    db: &SplitConnection,
    member: i32,
) -> Result<Vec<(loan::Model, Option<book::Model>)>, AppError> {
    let member = members::find(db, member).await?;
    let member = member.ok_or(AppError::NotFound("member"))?;
    Ok(loans::of_member(db, &member).await?)
}

/// Takes a copy off the shelf and notes who has it: both, or neither.
pub async fn lend(db: &SplitConnection, book: i32, member: i32) -> Result<loan::Model, AppError> {
    let lent = db.transaction(|transaction| Box::pin(lend_in(transaction, book, member)));
    lent.await.map_err(|error| match error {
        TransactionError::Connection(error) => error.into(),
        TransactionError::Transaction(error) => error,
    })
}

async fn lend_in(
    transaction: &SplitTransaction,
    book: i32,
    member: i32,
) -> Result<loan::Model, AppError> {
    let found = books::lock(transaction, book).await?;
    let found = found.ok_or(AppError::NotFound("book"))?;
    let borrower = members::find(transaction, member).await?;
    borrower.ok_or(AppError::NotFound("member"))?;
    if found.available < 1 {
        return Err(AppError::Conflict("no copy is on the shelf"));
    }
    if loans::open_count(transaction, member).await? >= LIMIT {
        return Err(AppError::Conflict("the member has three books already"));
    }
    books::move_copies(transaction, book, -1).await?;
    Ok(loans::insert(transaction, book, member).await?)
}

/// Puts the copy back. Giving back twice changes nothing.
pub async fn give_back(db: &SplitConnection, loan: i32) -> Result<(), AppError> {
    let transaction = db.begin().await?;
    let found = loans::lock(&transaction, loan).await?;
    let found = found.ok_or(AppError::NotFound("loan"))?;
    if !found.returned {
        books::move_copies(&transaction, found.book_id, 1).await?;
        loans::end(&transaction, found).await?;
    }
    Ok(transaction.commit().await?)
}
