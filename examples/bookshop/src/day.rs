//! A day in the bookshop. Each step writes something, reads it back, and compares.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::time::{sleep, timeout};

use crate::ledger::Ledger;
use crate::shop::Shop;

/// How often each book is looked at once the shop has opened again.
const CUSTOMERS: usize = 6;

/// What is known of the shop without asking the database.
struct Known<S: Shop> {
    author: S::Author,
    emma: S::Book,
    persuasion: S::Book,
}

/// Morning, afternoon, a break, and an evening in which people only look.
pub(crate) async fn spend<S: Shop>(shop: &S, ledger: &mut Ledger) -> Result<()> {
    let known = morning(shop, ledger).await?;
    afternoon(shop, ledger, &known).await?;
    close_for_a_moment(shop).await?;
    evening(shop, ledger, &known).await
}

/// The tables, an author and her books.
async fn morning<S: Shop>(shop: &S, ledger: &mut Ledger) -> Result<Known<S>> {
    shop.build().await?;
    let author = shop.add_author("Jane Austen").await?;
    let emma = shop.add_book(&author, "Emma", 1290, 5).await?;
    let sanditon = shop.add_book(&author, "Sanditon", 990, 1).await?;
    let persuasion = shop.add_book(&author, "Persuasion", 1090, 3).await?;
    let found = shop.shelf().await?;
    ledger.compare("the shelf", found, ["Emma", "Persuasion", "Sanditon"]);

    shop.withdraw(&sanditon).await?;
    let found = shop.look_up(&sanditon).await?;
    ledger.compare("a withdrawn book", found, None);
    Ok(Known {
        author,
        emma,
        persuasion,
    })
}

/// New prices and two sales, one of which fails.
async fn afternoon<S: Shop>(shop: &S, ledger: &mut Ledger, known: &Known<S>) -> Result<()> {
    shop.reprice(&known.emma, 1490).await?;
    let found = shop.look_up(&known.emma).await?;
    ledger.compare("Emma", found, Some((1490, 5)));

    shop.discount(&known.author, 200).await?;
    let found = shop.look_up(&known.persuasion).await?;
    ledger.compare("Persuasion", found, Some((890, 3)));

    shop.sell(&known.emma, 2).await?;
    let found = shop.look_up(&known.emma).await?;
    ledger.compare("Emma", found, Some((1290, 3)));
    let found = shop.takings().await?;
    ledger.compare("the takings", found, 2580);

    let refused = shop.sell(&known.persuasion, 4).await;
    anyhow::ensure!(refused.is_err(), "four copies were sold of three");
    let found = shop.look_up(&known.persuasion).await?;
    ledger.compare("Persuasion", found, Some((890, 3)));
    Ok(())
}

/// Until the replicas have all that was written: at once on SQLite, where they read the same file.
async fn close_for_a_moment<S: Shop>(shop: &S) -> Result<()> {
    let caught_up = async {
        while shop.reads_on_primary() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(10);
    let waited = timeout(limit, caught_up).await;
    waited.with_context(|| format!("no replica caught up within {limit:?}"))
}

/// People look around, and see all that happened during the day.
async fn evening<S: Shop>(shop: &S, ledger: &mut Ledger, known: &Known<S>) -> Result<()> {
    let found = shop.shelf().await?;
    ledger.compare("the shelf", found, ["Emma", "Persuasion"]);
    let found = shop.books_of(&known.author).await?;
    ledger.compare("books by Jane Austen", found, 2);
    for _ in 0..CUSTOMERS {
        let found = shop.look_up(&known.emma).await?;
        ledger.compare("Emma", found, Some((1290, 3)));
        let found = shop.look_up(&known.persuasion).await?;
        ledger.compare("Persuasion", found, Some((890, 3)));
    }
    let found = shop.takings().await?;
    ledger.compare("the takings", found, 2580);
    Ok(())
}
