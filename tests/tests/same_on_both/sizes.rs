//! What routing adds to the size of a future.
//!
//! SeaORM boxes what a connection does with a statement, so a query's own future is about the same on
//! every connection; the box is where routing shows. (How deep the types nest, the recursion limit of
//! this crate says.)

use anyhow::{Result, ensure};
use orm_split_tests::app::{self, counter};
use orm_split_tests::kit::postgres::Delay;
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ConnectionTrait, EntityTrait, PaginatorTrait, Statement,
    StreamTrait, TransactionTrait,
};

use crate::shop::{author, book};

/// Bytes of futures, by name: as an application holds them, and as SeaORM boxes them.
type Sizes = Vec<(&'static str, usize)>;

/// The futures that an application holds: built, measured, never polled.
macro_rules! sizes_on {
    ($db:expr) => {{
        let db = $db;
        let statement = || Statement::from_string(db.get_database_backend(), "SELECT 1");
        let row = || counter::ActiveModel {
            id: Set(1),
            value: Set(1),
        };
        let tree = author::ActiveModel::builder().add_book(book::ActiveModel::builder());
        let pages = counter::Entity::find().paginate(db, 5);
        let held: Sizes = vec![
            ("one", size_of_val(&counter::Entity::find_by_id(1).one(db))),
            ("all", size_of_val(&counter::Entity::find().all(db))),
            ("insert", size_of_val(&row().insert(db))),
            ("a tree", size_of_val(&tree.save(db))),
            ("page", size_of_val(&pages.fetch_page(0))),
            ("stream", size_of_val(&counter::Entity::find().stream(db))),
            (
                "closure",
                size_of_val(&db.transaction_async(async |t| row().update(t).await)),
            ),
            ("ping", size_of_val(&db.ping())),
        ];
        let boxed: Sizes = vec![
            (
                "query_one_raw",
                size_of_val(&*db.query_one_raw(statement())),
            ),
            (
                "query_all_raw",
                size_of_val(&*db.query_all_raw(statement())),
            ),
            ("execute_raw", size_of_val(&*db.execute_raw(statement()))),
            ("stream_raw", size_of_val(&*db.stream_raw(statement()))),
            ("begin", size_of_val(&*db.begin())),
        ];
        (held, boxed)
    }};
}

#[tokio::test]
async fn a_routed_future_is_not_much_larger_than_a_plain_one() -> Result<()> {
    let database = app::empty_database(Delay::Ms150).await?;
    let plain = sea_orm::Database::connect(database.primary_url()).await?;
    let split = app::builder(&database).connect().await?;
    let (held, boxed) = sizes_on!(&plain);
    let (held_split, boxed_split) = sizes_on!(&split);
    for ((name, plain), (_, routed)) in held.iter().zip(&held_split) {
        println!("{name}: {plain} bytes, routed {routed}");
        // a transaction of ours is SeaORM's and what is known of its session
        ensure!(*routed <= plain + 128, "{name}");
    }
    for ((name, plain), (_, routed)) in boxed.iter().zip(&boxed_split) {
        println!("{name}: {plain} bytes in a box, routed {routed}");
        ensure!(routed <= plain, "{name}");
    }
    plain.close().await?;
    split.close().await?;
    Ok(())
}
