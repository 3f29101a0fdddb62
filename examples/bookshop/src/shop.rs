//! What a day in the shop needs of it, whichever ORM it is written with.

use anyhow::Result;

/// A bookshop on some database. Prices are in cents.
#[expect(
    async_fn_in_trait,
    reason = "a day is spent in one task; nobody needs its futures to be `Send`"
)]
pub trait Shop {
    type Author;
    type Book;

    /// Makes the tables.
    async fn build(&self) -> Result<()>;

    async fn add_author(&self, name: &str) -> Result<Self::Author>;

    /// Puts copies of a new book on the shelf.
    async fn add_book(
        &self,
        author: &Self::Author,
        title: &str,
        price: i32,
        stock: i32,
    ) -> Result<Self::Book>;

    /// Looks a book up: its price and how many copies are left, if it is still in the catalogue.
    async fn look_up(&self, book: &Self::Book) -> Result<Option<(i32, i32)>>;

    /// The titles of all books, sorted; each book is read together with its author.
    async fn shelf(&self) -> Result<Vec<String>>;

    /// How many books there are of an author.
    async fn books_of(&self, author: &Self::Author) -> Result<usize>;

    /// Gives a book another price.
    async fn reprice(&self, book: &Self::Book, price: i32) -> Result<()>;

    /// Makes all books of an author cheaper, by so many cents.
    async fn discount(&self, author: &Self::Author, cents: i32) -> Result<()>;

    /// Sells copies of a book: all of it happens, or nothing.
    async fn sell(&self, book: &Self::Book, copies: i32) -> Result<()>;

    /// What was taken in so far.
    async fn takings(&self) -> Result<i64>;

    /// Takes a book out of the catalogue.
    async fn withdraw(&self, book: &Self::Book) -> Result<()>;

    /// Whether somebody who looks at the shelf now is served by the primary.
    fn reads_on_primary(&self) -> bool;

    /// Lets go of the database.
    async fn close(self) -> Result<()>;
}
