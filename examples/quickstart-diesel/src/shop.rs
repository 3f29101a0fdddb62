//! A bookshop: an ordinary application of diesel-async.
//!
//! Nothing in it knows of nodes: the pool's type is all that differs from an application on one database.
//! Only [`reads_on_primary`](Shop::reads_on_primary), for the report, asks where a read goes.

use anyhow::{Result, ensure};
use bookshop::Shop;
use diesel::dsl::sum;
use diesel::prelude::*;
use diesel_async::{AsyncConnection, RunQueryDsl};
use orm_split::diesel::{Role, SplitPool};

use super::{Connection, KEY};
use crate::schema::{author, book, sale};

#[derive(Debug, Identifiable, Queryable, Selectable)]
#[diesel(table_name = author)]
pub struct Author {
    id: i32,
}

#[derive(Associations, Debug, Identifiable, Queryable, Selectable)]
#[diesel(belongs_to(Author))]
#[diesel(table_name = book)]
pub struct Book {
    id: i32,
    title: String,
    price: i32,
    stock: i32,
    author_id: i32,
}

#[derive(Debug)]
pub struct DieselShop {
    pub pool: SplitPool<Connection>,
}

impl Shop for DieselShop {
    type Author = Author;
    type Book = Book;

    async fn build(&self) -> Result<()> {
        let conn = &mut self.pool.get().await?;
        for columns in [
            format!("author (id {KEY}, name text NOT NULL UNIQUE)"),
            format!(
                "book (id {KEY}, title text NOT NULL, price integer NOT NULL, stock integer NOT NULL, \
                 author_id integer NOT NULL REFERENCES author (id))"
            ),
            format!(
                "sale (id {KEY}, copies integer NOT NULL, total integer NOT NULL, \
                 book_id integer NOT NULL REFERENCES book (id))"
            ),
        ] {
            let create = diesel::sql_query(format!("CREATE TABLE {columns}"));
            create.execute(conn).await?;
        }
        Ok(())
    }

    async fn add_author(&self, name: &str) -> Result<Author> {
        let conn = &mut self.pool.get().await?;
        let author = diesel::insert_into(author::table)
            .values(author::name.eq(name))
            .returning(Author::as_returning())
            .get_result(conn)
            .await?;
        Ok(author)
    }

    async fn add_book(&self, by: &Author, title: &str, price: i32, stock: i32) -> Result<Book> {
        let conn = &mut self.pool.get().await?;
        let book = diesel::insert_into(book::table)
            .values((
                book::title.eq(title),
                book::price.eq(price),
                book::stock.eq(stock),
                book::author_id.eq(by.id),
            ))
            .returning(Book::as_returning())
            .get_result(conn)
            .await?;
        Ok(book)
    }

    async fn look_up(&self, wanted: &Book) -> Result<Option<(i32, i32)>> {
        let conn = &mut self.pool.get().await?;
        let found: Option<Book> = book::table
            .find(wanted.id)
            .select(Book::as_select())
            .first(conn)
            .await
            .optional()?;
        Ok(found.map(|book| (book.price, book.stock)))
    }

    async fn shelf(&self) -> Result<Vec<String>> {
        let conn = &mut self.pool.get().await?;
        let books: Vec<(Book, Author)> = book::table
            .inner_join(author::table)
            .order(book::title)
            .select((Book::as_select(), Author::as_select()))
            .load(conn)
            .await?;
        Ok(books.into_iter().map(|(book, _)| book.title).collect())
    }

    async fn books_of(&self, author: &Author) -> Result<usize> {
        let conn = &mut self.pool.get().await?;
        let books: Vec<Book> = Book::belonging_to(author)
            .select(Book::as_select())
            .load(conn)
            .await?;
        Ok(books.len())
    }

    async fn reprice(&self, book: &Book, price: i32) -> Result<()> {
        let conn = &mut self.pool.get().await?;
        diesel::update(book)
            .set(book::price.eq(price))
            .execute(conn)
            .await?;
        Ok(())
    }

    async fn discount(&self, author: &Author, cents: i32) -> Result<()> {
        let conn = &mut self.pool.get().await?;
        diesel::update(Book::belonging_to(author))
            .set(book::price.eq(book::price - cents))
            .execute(conn)
            .await?;
        Ok(())
    }

    async fn sell(&self, book: &Book, copies: i32) -> Result<()> {
        let conn = &mut self.pool.get().await?;
        conn.transaction(async |conn| {
            // the row is locked from here on, on either database
            let sold: Book = diesel::update(book)
                .set(book::stock.eq(book::stock - copies))
                .returning(Book::as_returning())
                .get_result(conn)
                .await?;
            diesel::insert_into(sale::table)
                .values((
                    sale::copies.eq(copies),
                    sale::total.eq(sold.price * copies),
                    sale::book_id.eq(sold.id),
                ))
                .execute(conn)
                .await?;
            ensure!(sold.stock >= 0, "there are too few copies of the book");
            Ok(())
        })
        .await
    }

    async fn takings(&self) -> Result<i64> {
        let conn = &mut self.pool.get().await?;
        let taken: Option<i64> = sale::table.select(sum(sale::total)).first(conn).await?;
        Ok(taken.unwrap_or(0))
    }

    async fn withdraw(&self, book: &Book) -> Result<()> {
        let conn = &mut self.pool.get().await?;
        diesel::delete(book).execute(conn).await?;
        Ok(())
    }

    fn reads_on_primary(&self) -> bool {
        self.pool.explain("SELECT title FROM book").role == Role::Primary
    }

    async fn close(self) -> Result<()> {
        self.pool.close().await;
        Ok(())
    }
}
