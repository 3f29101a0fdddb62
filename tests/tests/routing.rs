//! Every row of the shared cases, sent to real servers through both ORMs in every way in which an
//! application sends text, and the statements that SeaORM's builders make.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use futures_util::future::try_join;
use orm_split::sea_orm::{Consistency, Role, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::application::{Application, Ran, Settings, Way};
use orm_split_tests::cases;
use orm_split_tests::diesel_app::{FilePool, Pool};
use orm_split_tests::kit::postgres::{Delay, shared};
use orm_split_tests::sent_cases::{agree, send_all};
use sea_orm::sea_query::{LockType, OnConflict};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, ConnectOptions, ConnectionTrait, EntityTrait,
    PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Statement,
};
use tokio::time::timeout;

/// A session that has a table of counters, and whose reads go to replicas whatever it wrote.
async fn postgres<A: Application>() -> Result<A> {
    let database = shared(Delay::None).await?.create_database().await?;
    // cases lock, sleep and wait; where they ran is all that counts
    let impatient = |url: &String| format!("{url}?options=-c%20statement_timeout%3D300");
    let replicas: Vec<_> = database.replica_urls().iter().map(impatient).collect();
    let primary = impatient(&database.primary_url().to_owned());
    let mut settings = Settings::new(primary, &replicas);
    settings.consistency = Consistency::Eventual;
    let app = A::connect(&settings).await?;
    app.create_counters(10).await?;
    Ok(app)
}

async fn sqlite<A: Application>(primary: String, replica: String) -> Result<A> {
    let mut settings = Settings::new(primary, &[replica]);
    settings.consistency = Consistency::Eventual;
    let app = A::connect(&settings).await?;
    app.send(
        Way::Script,
        "CREATE TABLE t (id integer PRIMARY KEY, a text)",
    )
    .await?;
    Ok(app)
}

/// The role to which a statement was sent first; `None` if it was sent nowhere.
async fn where_it_ran<T>(
    db: &SplitConnection,
    sent: impl Future<Output = T>,
) -> Result<Option<Role>> {
    let before = db.status();
    drop(timeout(Duration::from_secs(5), sent).await);
    Ok(Ran::between(&before, &db.status()).first_role())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_postgres_case_runs_where_it_has_to_in_every_way_of_sending_it() -> Result<()> {
    let cases = cases::postgres()?;
    let (sea_orm, diesel) = (
        postgres::<SplitConnection>().await?,
        postgres::<Pool>().await?,
    );
    let both = try_join(send_all(&sea_orm, &cases), send_all(&diesel, &cases));
    let (by_sea_orm, by_diesel) = both.await?;
    agree::<SplitConnection, Pool>(&by_sea_orm, &by_diesel)?;
    println!("{} statements sent through each", by_sea_orm.len());
    sea_orm.close().await?;
    diesel.close().await;
    // rows name a file, which the primaries have made in the process's folder
    drop(std::fs::remove_file("x"));
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_sqlite_case_runs_where_it_has_to_in_every_way_of_sending_it() -> Result<()> {
    let folder = tempfile::tempdir()?;
    // sqlx's SQLite driver never answers to a text with a NUL byte
    let sendable = cases::sqlite()?.into_iter();
    let cases: Vec<_> = sendable.filter(|case| !case.sql.contains('\0')).collect();
    let file = folder.path().join("sea_orm.sqlite");
    let url = |mode: &str| format!("sqlite://{}?mode={mode}", file.display());
    let sea_orm = sqlite::<SplitConnection>(url("rwc"), url("ro")).await?;
    let file = folder.path().join("diesel.sqlite").display().to_string();
    let diesel = sqlite::<FilePool>(file.clone(), file).await?;
    let both = try_join(send_all(&sea_orm, &cases), send_all(&diesel, &cases));
    let (by_sea_orm, by_diesel) = both.await?;
    agree::<SplitConnection, FilePool>(&by_sea_orm, &by_diesel)?;
    println!("{} statements sent through each", by_sea_orm.len());
    sea_orm.close().await?;
    diesel.close().await;
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
    let db = &postgres::<SplitConnection>().await?;
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
    let db = postgres::<SplitConnection>().await?;
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
    let db = postgres::<SplitConnection>().await?;
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
