//! A bookshop: an ordinary SeaORM application.
//!
//! Nothing in it knows of nodes: the connection's type is all that differs from an application on one
//! database. Only [`reads_on_primary`](Shop::reads_on_primary), for the report, asks where a read goes.

pub mod entities;

use anyhow::{Context, Result, bail};
use bookshop::Shop;
use orm_split::sea_orm::{Role, SplitConnection};
use sea_orm::sea_query::Expr;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, ExprTrait, IntoActiveModel,
    ModelTrait, QueryFilter, QueryOrder, QuerySelect, TransactionTrait,
};

use self::entities::{author, book, sale};

#[derive(Debug)]
pub struct SeaOrmShop {
    pub db: SplitConnection,
}

impl Shop for SeaOrmShop {
    type Author = author::Model;
    type Book = book::Model;

    async fn build(&self) -> Result<()> {
        let tables = self.db.get_schema_builder();
        tables
            .register(author::Entity)
            .register(book::Entity)
            .register(sale::Entity)
            .apply(&self.db)
            .await?;
        Ok(())
    }

    async fn add_author(&self, name: &str) -> Result<author::Model> {
        let author = author::ActiveModel {
            name: Set(name.to_owned()),
            ..Default::default()
        };
        Ok(author.insert(&self.db).await?)
    }

    async fn add_book(
        &self,
        author: &author::Model,
        title: &str,
        price: i32,
        stock: i32,
    ) -> Result<book::Model> {
        let book = book::ActiveModel {
            title: Set(title.to_owned()),
            price: Set(price),
            stock: Set(stock),
            author_id: Set(author.id),
            ..Default::default()
        };
        Ok(book.insert(&self.db).await?)
    }

    async fn look_up(&self, book: &book::Model) -> Result<Option<(i32, i32)>> {
        let found = book::Entity::find_by_id(book.id).one(&self.db).await?;
        Ok(found.map(|book| (book.price, book.stock)))
    }

    async fn shelf(&self) -> Result<Vec<String>> {
        let books = book::Entity::load()
            .with(author::Entity)
            .order_by_asc(book::Column::Title)
            .all(&self.db)
            .await?;
        Ok(books.into_iter().map(|book| book.title).collect())
    }

    async fn books_of(&self, author: &author::Model) -> Result<usize> {
        let books = author.find_related(book::Entity).all(&self.db).await?;
        Ok(books.len())
    }

    async fn reprice(&self, book: &book::Model, price: i32) -> Result<()> {
        let mut book = book.clone().into_active_model();
        book.price = Set(price);
        book.update(&self.db).await?;
        Ok(())
    }

    async fn discount(&self, author: &author::Model, cents: i32) -> Result<()> {
        let cheaper = Expr::col(book::Column::Price).sub(cents);
        book::Entity::update_many()
            .col_expr(book::Column::Price, cheaper)
            .filter(book::Column::AuthorId.eq(author.id))
            .exec(&self.db)
            .await?;
        Ok(())
    }

    async fn sell(&self, book: &book::Model, copies: i32) -> Result<()> {
        let transaction = self.db.begin().await?;
        let book = book::Entity::find_by_id(book.id)
            .lock_exclusive()
            .one(&transaction)
            .await?
            .context("the book is not in the catalogue")?;
        let sale = sale::ActiveModel {
            copies: Set(copies),
            total: Set(book.price * copies),
            book_id: Set(book.id),
            ..Default::default()
        };
        sale.insert(&transaction).await?;
        let left = book.stock - copies;
        let mut book = book.into_active_model();
        book.stock = Set(left);
        book.update(&transaction).await?;
        if left < 0 {
            transaction.rollback().await?;
            bail!("there are too few copies of the book");
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn takings(&self) -> Result<i64> {
        let sum: Option<Option<i64>> = sale::Entity::find()
            .select_only()
            .column_as(sale::Column::Total.sum(), "takings")
            .into_tuple()
            .one(&self.db)
            .await?;
        Ok(sum.flatten().unwrap_or(0))
    }

    async fn withdraw(&self, book: &book::Model) -> Result<()> {
        book.clone().delete(&self.db).await?;
        Ok(())
    }

    fn reads_on_primary(&self) -> bool {
        self.db.explain("SELECT title FROM book").role == Role::Primary
    }

    async fn close(self) -> Result<()> {
        Ok(self.db.close().await?)
    }
}
