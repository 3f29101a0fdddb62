//! Queries about books.

use orm_split::sea_orm::SplitTransaction;
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectionTrait, DbErr, EntityTrait,
    ExprTrait, IntoActiveModel, ModelTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};

use crate::entities::{author, book};

/// What a book is at first.
#[derive(Debug)]
pub struct NewBook {
    pub author_id: i32,
    pub title: String,
    pub year: i32,
    pub copies: i32,
}

/// One page of a list.
#[derive(Debug)]
pub struct Page {
    pub books: Vec<book::Model>,
    pub pages: u64,
    pub total: u64,
}

pub async fn insert<C: ConnectionTrait>(db: &C, new: NewBook) -> Result<book::Model, DbErr> {
    let book = book::ActiveModel {
        author_id: Set(new.author_id),
        title: Set(new.title),
        year: Set(new.year),
        available: Set(new.copies),
        ..Default::default()
    };
    book.insert(db).await
}

pub async fn find<C: ConnectionTrait>(db: &C, id: i32) -> Result<Option<book::Model>, DbErr> {
    book::Entity::find_by_id(id).one(db).await
}

pub async fn with_author<C: ConnectionTrait>(
    db: &C,
    id: i32,
) -> Result<Option<(book::Model, Option<author::Model>)>, DbErr> {
    let book = book::Entity::find_by_id(id);
    book.find_also_related(author::Entity).one(db).await
}

pub async fn page<C: ConnectionTrait>(
    db: &C,
    title_has: Option<&str>,
    page: u64,
    per_page: u64,
) -> Result<Page, DbErr> {
    let mut books = book::Entity::find().order_by_asc(book::Column::Title);
    if let Some(part) = title_has {
        books = books.filter(book::Column::Title.contains(part));
    }
    let paginator = books.paginate(db, per_page);
    let counts = paginator.num_items_and_pages().await?;
    Ok(Page {
        books: paginator.fetch_page(page).await?,
        pages: counts.number_of_pages,
        total: counts.number_of_items,
    })
}

pub async fn rename<C: ConnectionTrait>(
    db: &C,
    book: book::Model,
    title: String,
) -> Result<book::Model, DbErr> {
    let mut book = book.into_active_model();
    book.title = Set(title);
    book.update(db).await
}

pub async fn delete<C: ConnectionTrait>(db: &C, book: book::Model) -> Result<(), DbErr> {
    book.delete(db).await.map(drop)
}

/// The book, which nobody else borrows or gives back until the transaction ends.
pub async fn lock(transaction: &SplitTransaction, id: i32) -> Result<Option<book::Model>, DbErr> {
    let book = book::Entity::find_by_id(id).lock_exclusive();
    book.one(transaction).await
}

/// Puts copies on the shelf, or takes them away.
pub async fn move_copies(
    transaction: &SplitTransaction,
    id: i32,
    copies: i32,
) -> Result<(), DbErr> {
    let available = Expr::col(book::Column::Available).add(copies);
    let update = book::Entity::update_many().col_expr(book::Column::Available, available);
    update
        .filter(book::Column::Id.eq(id))
        .exec(transaction)
        .await
        .map(drop)
}
