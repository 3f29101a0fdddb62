//! Every row of the shared cases, sent to real servers in every way in which an application sends
//! text, and the statements that SeaORM's builders make.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use orm_split::sea_orm::{Consistency, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::cases::{self, Case};
use orm_split_tests::kit::postgres::{Delay, shared};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectOptions, ConnectionTrait, DbErr,
    EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Statement, StreamTrait,
};
use tokio::time::timeout;

/// A session that has a table of counters, and whose reads go to replicas whatever it wrote.
async fn postgres() -> Result<SplitConnection> {
    let database = shared(Delay::None).await?.create_database().await?;
    let mut primary = ConnectOptions::new(database.primary_url());
    // cases lock, sleep and wait; where they ran is all that counts
    primary.statement_timeout(Duration::from_millis(300));
    let replicas = database.replica_urls().iter();
    let builder = replicas.fold(
        SplitConnection::builder().primary(primary),
        |builder, url| {
            let mut replica = ConnectOptions::new(url);
            replica.statement_timeout(Duration::from_millis(300));
            builder.replica(replica)
        },
    );
    let db = builder.consistency(Consistency::Eventual).connect().await?;
    app::create_counters(&db, 10).await?;
    Ok(db)
}

async fn sqlite(folder: &std::path::Path) -> Result<SplitConnection> {
    let file = folder.join("cases.sqlite");
    let url = |mode: &str| format!("sqlite://{}?mode={mode}", file.display());
    let db = SplitConnection::builder()
        .primary(url("rwc"))
        .replica(url("ro"))
        .consistency(Consistency::Eventual)
        .connect()
        .await?;
    db.execute_unprepared("CREATE TABLE t (id integer PRIMARY KEY, a text)")
        .await?;
    Ok(db)
}

/// The role to which a statement was sent first; `None` if it was sent nowhere.
async fn where_it_ran<T>(
    db: &SplitConnection,
    sent: impl Future<Output = T>,
) -> Result<Option<Role>> {
    let before = db.status();
    drop(timeout(Duration::from_secs(5), sent).await);
    let after = db.status();
    let on_primary = after.served_by_primary() - before.served_by_primary();
    let on_replicas = after.served_by_replicas() - before.served_by_replicas();
    match (on_primary, on_replicas) {
        (0, 0) => Ok(None),
        (1.., 0) => Ok(Some(Role::Primary)),
        // what a replica's schema is too old for runs on the primary next; never the other way round
        (_, 1..) => Ok(Some(Role::Replica)),
    }
}

#[derive(Clone, Copy, Debug)]
enum Way {
    Execute,
    QueryOne,
    QueryAll,
    Stream,
    Unprepared,
}

const WAYS: [Way; 5] = [
    Way::Execute,
    Way::QueryOne,
    Way::QueryAll,
    Way::Stream,
    Way::Unprepared,
];

async fn send(db: &SplitConnection, way: Way, sql: &str) -> Result<(), DbErr> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    match way {
        Way::Execute => db.execute_raw(statement).await.map(drop),
        Way::QueryOne => db.query_one_raw(statement).await.map(drop),
        Way::QueryAll => db.query_all_raw(statement).await.map(drop),
        Way::Stream => {
            let mut rows = db.stream_raw(statement).await?;
            while let Some(row) = rows.next().await {
                row?;
            }
            Ok(())
        }
        Way::Unprepared => db.execute_unprepared(sql).await.map(drop),
    }
}

/// Sends each case in each way, in a session of its own.
#[expect(clippy::disallowed_methods, reason = "a task is what has a session")]
async fn check(db: &SplitConnection, cases: Vec<Case>) -> Result<usize> {
    let mut checked = 0;
    for case in cases {
        for way in WAYS {
            let (db, case) = (db.clone(), case.clone());
            let in_a_task = tokio::spawn(async move {
                let ran = where_it_ran(&db, send(&db, way, &case.sql)).await;
                let ran =
                    ran.with_context(|| format!("line {}, {way:?}: {}", case.line, case.sql))?;
                anyhow::Ok((case, ran))
            });
            let (case, ran) = in_a_task.await??;
            // a replica that refused it may pass it on, but only what was called a read gets there
            ensure!(
                ran == Some(case.role),
                "line {}, {way:?}: {} ran on {ran:?}",
                case.line,
                case.sql
            );
            checked += 1;
        }
    }
    Ok(checked)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_postgres_case_runs_where_it_has_to_in_every_way_of_sending_it() -> Result<()> {
    let db = postgres().await?;
    let checked = check(&db, cases::postgres()?).await?;
    println!("{checked} statements sent");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sqlite_case_runs_where_it_has_to_in_every_way_of_sending_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let db = sqlite(folder.path()).await?;
    // sqlx's SQLite driver never answers to a text with a NUL byte
    let sendable = cases::sqlite()?
        .into_iter()
        .filter(|case| !case.sql.contains('\0'));
    let checked = check(&db, sendable.collect()).await?;
    println!("{checked} statements sent");
    db.close().await?;
    // rows name a file, which the primary has made in the process's folder
    drop(std::fs::remove_file("x"));
    Ok(())
}

macro_rules! runs_on {
    ($db:expr, $role:expr, $($statement:expr),+ $(,)?) => {
        $(
            let ran = where_it_ran($db, async { $statement.await.map(drop) }).await?;
            ensure!(ran == Some($role), "{} ran on {ran:?}", stringify!($statement));
        )+
    };
}

#[tokio::test(flavor = "multi_thread")]
async fn what_builders_make_runs_where_it_has_to() -> Result<()> {
    use counter::{ActiveModel, Column, Entity};
    let db = &postgres().await?;
    let model = |id: i32| ActiveModel {
        id: Set(id),
        value: Set(0),
    };
    runs_on!(
        db,
        Role::Replica,
        Entity::find().all(db),
        Entity::find_by_id(1).one(db),
        Entity::find()
            .filter(Column::Value.gt(3))
            .order_by_asc(Column::Id)
            .all(db),
        Entity::find().count(db),
        Entity::find().paginate(db, 3).fetch_page(1),
        Entity::find()
            .cursor_by(Column::Id)
            .after(3)
            .first(2)
            .all(db),
        Entity::find()
            .select_only()
            .column_as(Column::Value.max(), "m")
            .into_tuple::<Option<i64>>()
            .one(db),
        Entity::find().stream(db),
    );
    runs_on!(
        db,
        Role::Primary,
        Entity::find().lock(LockType::Update).all(db),
        Entity::find().lock_exclusive().one(db),
        Entity::find_by_id(1).lock_shared().one(db),
        model(100).insert(db),
        model(100).update(db),
        Entity::insert(model(101)).exec(db),
        Entity::insert(model(102)).exec_with_returning(db),
        Entity::insert_many([model(103), model(104)]).exec(db),
        Entity::insert(model(101))
            .on_conflict(
                OnConflict::column(Column::Id)
                    .update_column(Column::Value)
                    .to_owned()
            )
            .exec(db),
        Entity::update_many()
            .col_expr(Column::Value, 1.into())
            .exec(db),
        Entity::update(model(101)).exec(db),
        Entity::delete_by_id(101).exec(db),
        Entity::delete_many().filter(Column::Id.gt(100)).exec(db),
        model(100).delete(db),
    );
    db.close_by_ref().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_that_text_cannot_show_is_run_once_on_the_primary_and_remembered() -> Result<()> {
    let db = postgres().await?;
    db.execute_unprepared("CREATE SEQUENCE s").await?;
    db.execute_unprepared("CREATE VIEW hidden AS SELECT nextval('s') AS n")
        .await?;
    app::wait_until_replicas_have(&db, "SELECT 1 FROM pg_class WHERE relname = 'hidden'").await?;
    let next = async || {
        let statement = Statement::from_string(db.get_database_backend(), "SELECT n FROM hidden");
        let row = db.query_one_raw(statement).await?.context("a row")?;
        anyhow::Ok(row.try_get::<i64>("", "n")?)
    };
    for expected in 1..=3 {
        ensure!(next().await? == expected, "a write was repeated or lost");
    }
    let status = db.status();
    ensure!(status.misroutes == 1, "{status:?}");
    ensure!(status.statements.get("refused") == Some(&1), "{status:?}");
    ensure!(status.statements.get("misrouted") == Some(&2), "{status:?}");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_advisory_lock_is_granted_to_one_session_only() -> Result<()> {
    let db = postgres().await?;
    let lock = |db: SplitConnection| async move {
        let sql = "SELECT pg_try_advisory_lock(42) AS granted";
        let statement = Statement::from_string(db.get_database_backend(), sql);
        let row = db.query_one_raw(statement).await?.context("a row")?;
        anyhow::Ok(row.try_get::<bool>("", "granted")?)
    };
    let before = db.status().served_by_replicas();
    let all = futures_util::future::try_join_all((0..8).map(|_| lock(db.clone()))).await?;
    let sent_on_replicas = db.status().served_by_replicas() - before;
    ensure!(all.contains(&true));
    ensure!(
        sent_on_replicas == 0,
        "a standby grants what the primary has granted"
    );
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_raw_begin_keeps_its_session_on_the_primary_until_its_end() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let mut primary = ConnectOptions::new(database.primary_url());
    primary.max_connections(1);
    for consistency in [Consistency::Session, Consistency::Eventual] {
        let replicas = database.replica_urls().iter();
        let db = replicas
            .fold(
                SplitConnection::builder().primary(primary.clone()),
                |b, url| b.replica(url.as_str()),
            )
            .consistency(consistency)
            .connect()
            .await?;
        db.execute_unprepared("DROP TABLE IF EXISTS counter")
            .await?;
        app::create_counters(&db, 3).await?;
        in_a_raw_transaction(&db).await?;
        db.close().await?;
    }
    Ok(())
}

async fn in_a_raw_transaction(db: &SplitConnection) -> Result<()> {
    let role = || db.explain("SELECT 1").role;
    db.execute_unprepared("/* begin */ BEGIN").await?;
    ensure!(role() == Role::Primary);
    db.execute_unprepared("UPDATE counter SET value = 9 WHERE id = 1")
        .await?;
    let found = counter::Entity::find_by_id(1).one(db).await?;
    ensure!(
        found.is_some_and(|found| found.value == 9),
        "its own uncommitted write"
    );
    db.execute_unprepared("COMMIT").await?;
    app::wait_until_replicas_serve(db).await
}
