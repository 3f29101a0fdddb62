//! A day in the bookshop. Each step writes something, reads it back, and compares.

use std::time::Duration;

use anyhow::{Context, Result};
use orm_split::sea_orm::{Role, SplitConnection};
use tokio::time::{sleep, timeout};

use crate::ledger::Ledger;
use crate::shop;
use crate::shop::entities::{author, book};

/// How often each book is looked at once the shop has opened again.
const CUSTOMERS: usize = 6;

/// What is known of the shop without asking the database.
struct Shop {
    author: author::Model,
    emma: book::Model,
    persuasion: book::Model,
}

/// Morning, afternoon, a break, and an evening in which people only look.
pub async fn spend(db: &SplitConnection, ledger: &mut Ledger) -> Result<()> {
    let shop = morning(db, ledger).await?;
    afternoon(db, ledger, &shop).await?;
    close_for_a_moment(db).await?;
    evening(db, ledger, &shop).await
}

/// The tables, an author and her books.
async fn morning(db: &SplitConnection, ledger: &mut Ledger) -> Result<Shop> {
    shop::build(db).await?;
    let author = shop::add_author(db, "Jane Austen").await?;
    let emma = shop::add_book(db, &author, "Emma", 1290, 5).await?;
    let sanditon = shop::add_book(db, &author, "Sanditon", 990, 1).await?;
    let persuasion = shop::add_book(db, &author, "Persuasion", 1090, 3).await?;
    let found = titles(db).await?;
    ledger.compare("the shelf", found, ["Emma", "Persuasion", "Sanditon"]);

    shop::withdraw(db, sanditon.clone()).await?;
    let found = shop::book(db, sanditon.id).await?;
    ledger.compare("a withdrawn book", found, None);
    Ok(Shop {
        author,
        emma,
        persuasion,
    })
}

/// New prices and two sales, one of which fails.
async fn afternoon(db: &SplitConnection, ledger: &mut Ledger, shop: &Shop) -> Result<()> {
    shop::reprice(db, shop.emma.clone(), 1490).await?;
    let found = price_and_stock(db, &shop.emma).await?;
    ledger.compare("Emma", found, Some((1490, 5)));

    shop::discount(db, &shop.author, 200).await?;
    let found = price_and_stock(db, &shop.persuasion).await?;
    ledger.compare("Persuasion", found, Some((890, 3)));

    shop::sell(db, shop.emma.id, 2).await?;
    let found = price_and_stock(db, &shop.emma).await?;
    ledger.compare("Emma", found, Some((1290, 3)));
    let found = shop::takings(db).await?;
    ledger.compare("the takings", found, 2580);

    let refused = shop::sell(db, shop.persuasion.id, 4).await;
    anyhow::ensure!(refused.is_err(), "four copies were sold of three");
    let found = price_and_stock(db, &shop.persuasion).await?;
    ledger.compare("Persuasion", found, Some((890, 3)));
    Ok(())
}

/// Until the replicas have all that was written: at once on SQLite, where they read the same file.
async fn close_for_a_moment(db: &SplitConnection) -> Result<()> {
    let caught_up = async {
        while db.explain("SELECT title FROM book").role == Role::Primary {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(10);
    let waited = timeout(limit, caught_up).await;
    waited.with_context(|| format!("no replica caught up within {limit:?}"))
}

/// People look around, and see all that happened during the day.
async fn evening(db: &SplitConnection, ledger: &mut Ledger, shop: &Shop) -> Result<()> {
    let found = titles(db).await?;
    ledger.compare("the shelf", found, ["Emma", "Persuasion"]);
    let found = shop::books_of(db, &shop.author).await?.len();
    ledger.compare("books by Jane Austen", found, 2);
    for _ in 0..CUSTOMERS {
        let found = price_and_stock(db, &shop.emma).await?;
        ledger.compare("Emma", found, Some((1290, 3)));
        let found = price_and_stock(db, &shop.persuasion).await?;
        ledger.compare("Persuasion", found, Some((890, 3)));
    }
    let found = shop::takings(db).await?;
    ledger.compare("the takings", found, 2580);
    Ok(())
}

async fn titles(db: &SplitConnection) -> Result<Vec<String>> {
    let shelf = shop::shelf(db).await?;
    Ok(shelf.into_iter().map(|book| book.title).collect())
}

async fn price_and_stock(db: &SplitConnection, book: &book::Model) -> Result<Option<(i32, i32)>> {
    let book = shop::book(db, book.id).await?;
    Ok(book.map(|book| (book.price, book.stock)))
}
