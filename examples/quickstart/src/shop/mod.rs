//! A bookshop: an ordinary SeaORM application.
//!
//! Nothing in it knows of nodes. The connection's type is all that differs from an application on
//! one database; where a function does without a transaction, it does not even name that.

pub mod entities;

use orm_split::sea_orm::SplitConnection;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    ExprTrait, IntoActiveModel, ModelTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use self::entities::{author, book, sale};

/// Makes the tables.
pub async fn build(db: &SplitConnection) -> Result<(), DbErr> {
    db.get_schema_builder()
        .register(author::Entity)
        .register(book::Entity)
        .register(sale::Entity)
        .apply(db)
        .await
}

/// Adds an author.
pub async fn add_author(db: &impl ConnectionTrait, name: &str) -> Result<author::Model, DbErr> {
    let author = author::ActiveModel {
        name: Set(name.to_owned()),
        ..Default::default()
    };
    author.insert(db).await
}

/// Puts copies of a new book on the shelf.
pub async fn add_book(
    db: &impl ConnectionTrait,
    author: &author::Model,
    title: &str,
    price: i32,
    stock: i32,
) -> Result<book::Model, DbErr> {
    let book = book::ActiveModel {
        title: Set(title.to_owned()),
        price: Set(price),
        stock: Set(stock),
        author_id: Set(author.id),
        ..Default::default()
    };
    book.insert(db).await
}

/// Looks a book up.
pub async fn book(db: &impl ConnectionTrait, id: i32) -> Result<Option<book::Model>, DbErr> {
    book::Entity::find_by_id(id).one(db).await
}

/// All books with their authors, by title.
pub async fn shelf(db: &impl ConnectionTrait) -> Result<Vec<book::ModelEx>, DbErr> {
    book::Entity::load()
        .with(author::Entity)
        .order_by_asc(book::Column::Title)
        .all(db)
        .await
}

/// The books of one author.
pub async fn books_of(
    db: &impl ConnectionTrait,
    author: &author::Model,
) -> Result<Vec<book::Model>, DbErr> {
    author.find_related(book::Entity).all(db).await
}

/// Gives a book another price.
pub async fn reprice(
    db: &impl ConnectionTrait,
    book: book::Model,
    price: i32,
) -> Result<book::Model, DbErr> {
    let mut book = book.into_active_model();
    book.price = Set(price);
    book.update(db).await
}

/// Makes all books of an author cheaper, by so many cents.
pub async fn discount(
    db: &impl ConnectionTrait,
    author: &author::Model,
    cents: i32,
) -> Result<u64, DbErr> {
    let cheaper = Expr::col(book::Column::Price).sub(cents);
    let updated = book::Entity::update_many()
        .col_expr(book::Column::Price, cheaper)
        .filter(book::Column::AuthorId.eq(author.id))
        .exec(db)
        .await?;
    Ok(updated.rows_affected)
}

/// Sells copies of a book: all of it happens, or nothing.
pub async fn sell(db: &SplitConnection, id: i32, copies: i32) -> Result<sale::Model, DbErr> {
    let transaction = db.begin().await?;
    let book = book::Entity::find_by_id(id)
        .lock_exclusive()
        .one(&transaction)
        .await?
        .ok_or_else(|| DbErr::RecordNotFound(format!("book {id}")))?;
    let sale = sale::ActiveModel {
        copies: Set(copies),
        total: Set(book.price * copies),
        book_id: Set(book.id),
        ..Default::default()
    };
    let sale = sale.insert(&transaction).await?;
    let left = book.stock - copies;
    let mut book = book.into_active_model();
    book.stock = Set(left);
    book.update(&transaction).await?;
    if left < 0 {
        transaction.rollback().await?;
        return Err(DbErr::Custom(format!("too few copies of book {id}")));
    }
    transaction.commit().await?;
    Ok(sale)
}

/// What was taken in so far, in cents.
pub async fn takings(db: &impl ConnectionTrait) -> Result<i64, DbErr> {
    let sum: Option<Option<i64>> = sale::Entity::find()
        .select_only()
        .column_as(sale::Column::Total.sum(), "takings")
        .into_tuple()
        .one(db)
        .await?;
    Ok(sum.flatten().unwrap_or(0))
}

/// Takes a book out of the catalogue.
pub async fn withdraw(db: &impl ConnectionTrait, book: book::Model) -> Result<(), DbErr> {
    book.delete(db).await?;
    Ok(())
}
