//! Authors and books.

use orm_split::sea_orm::SplitConnection;

use crate::entities::{author, book};
use crate::error::AppError;
use crate::repositories::books::{NewBook, Page};
use crate::repositories::{authors, books};

const LONGEST_TITLE: usize = 200;

pub async fn add_author(db: &SplitConnection, name: String) -> Result<author::Model, AppError> {
    require(!name.trim().is_empty(), "name", "must not be empty")?;
    Ok(authors::insert(db, name).await?)
}

pub async fn author(
    db: &SplitConnection,
    id: i32,
) -> Result<(author::Model, Vec<book::Model>), AppError> {
    let author = authors::with_books(db, id).await?;
    author.ok_or(AppError::NotFound("author"))
}

pub async fn add_book(db: &SplitConnection, new: NewBook) -> Result<book::Model, AppError> {
    check_title(&new.title)?;
    require(new.copies >= 0, "copies", "must not be negative")?;
    let has_author = authors::exists(db, new.author_id).await?;
    require(has_author, "author_id", "names no author")?;
    Ok(books::insert(db, new).await?)
}

pub async fn book(
    db: &SplitConnection,
    id: i32,
) -> Result<(book::Model, Option<author::Model>), AppError> {
    let book = books::with_author(db, id).await?;
    book.ok_or(AppError::NotFound("book"))
}

pub async fn search(
    db: &SplitConnection,
    title_has: Option<&str>,
    page: u64,
    per_page: u64,
) -> Result<Page, AppError> {
    let is_usable = (1..=100).contains(&per_page);
    require(is_usable, "per_page", "must be from 1 to 100")?;
    Ok(books::page(db, title_has, page, per_page).await?)
}

pub async fn rename(db: &SplitConnection, id: i32, title: String) -> Result<book::Model, AppError> {
    check_title(&title)?;
    let book = books::find(db, id).await?;
    let book = book.ok_or(AppError::NotFound("book"))?;
    Ok(books::rename(db, book, title).await?)
}

pub async fn withdraw(db: &SplitConnection, id: i32) -> Result<(), AppError> {
    let book = books::find(db, id).await?;
    let book = book.ok_or(AppError::NotFound("book"))?;
    Ok(books::delete(db, book).await?)
}

fn check_title(title: &str) -> Result<(), AppError> {
    let length = title.trim().len();
    let is_usable = (1..=LONGEST_TITLE).contains(&length);
    require(is_usable, "title", "must have 1 to 200 characters")
}

fn require(holds: bool, field: &'static str, rule: &'static str) -> Result<(), AppError> {
    if holds {
        Ok(())
    } else {
        Err(AppError::Invalid { field, rule })
    }
}
