//! How many reads leave the primary, on real servers and through both ORMs.

use std::fmt::Debug;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use orm_split::sea_orm::{Hint, Mode, Reason, Role, Session, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::diesel_app::{self, Pool, schema, where_it_ran};
use orm_split_tests::kit::postgres::{Delay, shared};
use orm_split_tests::rollout::{
    modes_are_switched_under_load, shadow_mode_finds_what_replicas_would_have_missed,
};
use parking_lot::Mutex;
use sea_orm::{
    AccessMode, ActiveModelTrait, ActiveValue::Set, ConnectionTrait, DbBackend, EntityTrait,
    Statement, TransactionTrait,
};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};

#[tokio::test(flavor = "multi_thread")]
async fn nothing_fails_and_nobody_misses_its_writes_while_modes_are_switched() -> Result<()> {
    modes_are_switched_under_load::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_through_diesel_while_modes_are_switched() -> Result<()> {
    modes_are_switched_under_load::<Pool>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn shadow_mode_leaves_replicas_alone_and_finds_what_they_would_have_missed() -> Result<()> {
    shadow_mode_finds_what_replicas_would_have_missed::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn so_it_does_through_diesel() -> Result<()> {
    shadow_mode_finds_what_replicas_would_have_missed::<Pool>().await
}

#[tokio::test]
async fn who_opts_in_reads_from_replicas_and_still_writes_to_the_primary() -> Result<()> {
    let database = app::empty_database(Delay::Ms150).await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 3).await?;
    db.set_mode(Mode::OptIn);
    let handles = [db.clone(), db.clone().session(), db.with(Hint::None)];
    for handle in handles {
        ensure!(handle.explain("SELECT 1").reason == Reason::OptIn);
        let asked = [handle.replica(), handle.with(Hint::Replica)];
        ensure!(
            asked
                .iter()
                .all(|db| db.explain("SELECT 1").role == Role::Replica)
        );
    }
    let before = db.status();
    let asked = db.replica();
    let in_scope = async {
        write(&asked, 7).await?;
        let read = counter::Entity::find_by_id(1).one(&asked);
        anyhow::Ok(read.await?.context("the counter")?.value)
    };
    ensure!(Session::new().scope(in_scope).await? == 7, "its own write");
    ensure!(db.status().served_by_replicas() == before.served_by_replicas());

    // declared read-only it is begun where it is asked to, and a write in it is an error
    for (handle, role) in [(db.clone(), Role::Primary), (db.replica(), Role::Replica)] {
        let before = db.status();
        let transaction = handle
            .begin_with_config(None, Some(AccessMode::ReadOnly))
            .await?;
        counter::Entity::find_by_id(2).one(&transaction).await?;
        let after = db.status();
        let on_replicas = after.served_by_replicas() - before.served_by_replicas();
        ensure!(
            (on_replicas == 1) == (role == Role::Replica),
            "{role:?}: {after:?}"
        );
        let forced = counter::ActiveModel {
            id: Set(2),
            value: Set(9),
        };
        let refused = forced.update(&transaction).await;
        let refused = refused
            .err()
            .context("a write was let through")?
            .to_string();
        ensure!(refused.contains("read-only transaction"), "{refused}");
        transaction.rollback().await?;
    }
    let untouched = counter::Entity::find_by_id(2).one(&db.primary()).await?;
    ensure!(untouched.context("the counter")?.value == 0);
    Ok(db.close().await?)
}

#[tokio::test]
async fn who_opts_in_through_diesel_does_too_and_a_write_forced_onto_a_replica_is_an_error()
-> Result<()> {
    let database = shared(Delay::Ms150).await?.create_database().await?;
    let pool = diesel_app::builder(&database)
        .mode(Mode::OptIn)
        .build()
        .await?;
    pool.set_mode(Mode::Automatic);
    diesel_app::create_counters(&pool, 3).await?;
    pool.set_mode(Mode::OptIn);
    let value = || {
        schema::counter::table
            .find(1)
            .select(schema::counter::value)
    };
    let mut conn = pool.get().await?;
    let set = |value: i64| {
        diesel::update(schema::counter::table.find(1)).set(schema::counter::value.eq(value))
    };
    let reads = async |conn: &mut diesel_app::Conn| {
        let (read, role) = where_it_ran(&pool, value().first::<i64>(conn)).await?;
        read?;
        role.context("it ran")
    };
    ensure!(reads(&mut conn).await? == Role::Primary);
    let mut conn = pool.get().await?;
    conn.set_hint(Hint::Replica);
    ensure!(reads(&mut conn).await? == Role::Replica);
    // a raw connection to a replica is one that is asked for, and is read-only
    let mut conn = pool.get().await?;
    let forced = set(9).execute(conn.replica().await?).await;
    let refused = forced.err().context("a write was let through")?.to_string();
    ensure!(refused.contains("read-only transaction"), "{refused}");
    let mut conn = pool.get().await?;
    conn.set_hint(Hint::Replica);
    let (written, role) = where_it_ran(&pool, set(5).execute(&mut conn)).await?;
    ensure!((written?, role) == (1, Some(Role::Primary)));
    ensure!(value().first::<i64>(&mut conn).await? == 5);
    pool.close().await;
    Ok(())
}

#[derive(Clone, Default)]
struct Hazards(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for Hazards {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "orm_split::hazard" {
            let mut text = Text::default();
            event.record(&mut text);
            self.0.lock().push(text.0);
        }
    }
}

#[derive(Default)]
struct Text(String);

impl tracing::field::Visit for Text {
    fn record_debug(&mut self, field: &tracing::field::Field, value: &dyn Debug) {
        self.0 += &format!("{}: {value:?}\n", field.name());
    }
}

#[tokio::test]
async fn each_place_that_would_read_stale_data_is_told_about_once_without_its_values() -> Result<()>
{
    let hazards = Hazards::default();
    let subscriber = tracing_subscriber::registry().with(hazards.clone());
    // for the whole process: what a scoped subscriber sees depends on what other threads do meanwhile
    tracing::subscriber::set_global_default(subscriber)?;
    let database = app::empty_database(Delay::Ms500).await?;
    let db = app::builder(&database).connect().await?;
    app::create_counters(&db, 3).await?;
    db.set_mode(Mode::Shadow);
    let places = [
        "SELECT value AS told_about FROM counter WHERE id <> $1",
        "SELECT id AS told_about FROM counter WHERE id <> $1",
    ];
    for value in 1..=5 {
        write(&db, value).await?;
        for place in places {
            let read = Statement::from_sql_and_values(DbBackend::Postgres, place, [4711.into()]);
            db.query_one_raw(read).await?;
        }
    }
    let shadow = db.status().shadow;
    ensure!(shadow.hazards == 10, "{shadow:?}");
    let told = hazards.0.lock().clone();
    // other tests of this process have hazards too
    let told: Vec<_> = told
        .iter()
        .filter(|text| text.contains("told_about"))
        .collect();
    ensure!(told.len() == 2, "{told:?}");
    for (text, place) in told.into_iter().zip(places) {
        ensure!(text.contains(place), "{text}");
        ensure!(
            text.contains("fingerprint: ") && text.contains("after_ms: "),
            "{text}"
        );
        ensure!(!text.contains("4711"), "a value is shown: {text}");
    }
    Ok(db.close().await?)
}

async fn write(db: &SplitConnection, value: i64) -> Result<()> {
    let row = counter::ActiveModel {
        id: Set(1),
        value: Set(value),
    };
    Ok(row.update(db).await.map(drop)?)
}
