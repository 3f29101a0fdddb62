//! Sessions that are made, on real servers: replicas of which one lags by 500 ms and one does not, while
//! somebody else writes all the time.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::QueryDsl;
use futures_util::future::try_join_all;
use orm_split::diesel::SplitPool;
use orm_split::sea_orm::{Consistency, LeastInFlight, ReadConcern, Role, Session, SplitConnection};
use orm_split_tests::app::{self, counter};
use orm_split_tests::diesel_app::{self, Pool};
use orm_split_tests::kit::postgres::{Cluster, Database};
use orm_split_tests::topology::{Topology, wait_for_members};
use rstest::rstest;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, DbErr, EntityTrait, TransactionTrait};
use tokio::time::Instant;

const RAISE: &str = "UPDATE counter SET value = value + 1 WHERE id = 1";

/// A cluster whose second replica lags, and its counters.
async fn uneven(topology: Topology) -> Result<(Cluster, Database, SplitConnection)> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let database = topology.over(&cluster, database).await?;
    // who was slow once would be avoided for some seconds, and nobody would read on both
    let builder = app::builder(&database).policy(LeastInFlight);
    let db = builder.connect().await?;
    app::create_counters(&db, 3).await?;
    if topology == Topology::OneAddress {
        let reads = (0..8).map(|_| counter::Entity::find_by_id(1).one(&db));
        try_join_all(reads).await?;
        wait_for_members(2, || db.status()).await?;
        app::wait_until_replicas_serve(&db).await?;
    }
    let late = cluster.replicas().last().context("a replica")?;
    late.set_apply_delay(Duration::from_millis(500)).await?;
    Ok((cluster, database, db))
}

/// Raises the first counter every few milliseconds, as another process would.
async fn raise(cluster: &Cluster, database: &Database) -> Result<()> {
    let client = cluster.primary().app(database.name()).await?;
    loop {
        client.batch_execute(RAISE).await?;
        tokio::time::sleep(Duration::from_millis(4)).await;
    }
}

/// How often a reader saw an older value than before, in three seconds of others' writes.
async fn steps_back(
    (cluster, database): (&Cluster, &Database),
    mut read: impl AsyncFnMut() -> Result<i64>,
) -> Result<(u64, u64)> {
    let reader = async {
        let (mut seen, mut back, mut reads) = (0, 0, 0);
        let started = Instant::now();
        while started.elapsed() < Duration::from_secs(3) {
            let value = read().await?;
            back += u64::from(value < seen);
            seen = value;
            reads += 1;
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
        anyhow::Ok((back, reads))
    };
    tokio::select! {
        raised = raise(cluster, database) => raised.and(Ok((0, 0))),
        counted = reader => counted,
    }
}

async fn value(db: &SplitConnection) -> Result<i64> {
    let found = counter::Entity::find_by_id(1).one(db).await?;
    Ok(found.context("the counter")?.value)
}

async fn value_in_diesel(pool: &Pool) -> Result<i64> {
    use diesel_app::schema::counter;
    use diesel_async::RunQueryDsl;
    let conn = &mut pool.get().await?;
    let value = counter::table.find(1).select(counter::value);
    Ok(value.first(conn).await?)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_session_never_reads_backwards_and_without_one_the_same_reads_do(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (cluster, database, db) = uneven(topology).await?;
    let of = (&cluster, &database);
    let (back, reads) = steps_back(of, async || value(&db).await).await?;
    ensure!(back > 0, "{reads} reads of a task never went back");
    let before = db.status().served_by_replicas();

    let handle = db.session();
    let (back, reads) = steps_back(of, async || value(&handle).await).await?;
    assert_eq!(back, 0, "of {reads} through a handle");

    let scoped = steps_back(of, async || value(&db).await);
    let (back, reads) = Session::new().scope(scoped).await?;
    assert_eq!(back, 0, "of {reads} in a scope");
    let on_replicas = db.status().served_by_replicas() - before;
    ensure!(on_replicas > 100, "{on_replicas} reads on replicas");
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn under_diesel_a_connection_and_a_scope_never_read_backwards(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (cluster, database, _db) = uneven(topology).await?;
    let of = (&cluster, &database);
    let builder = diesel_app::builder(&database).policy(LeastInFlight);
    let pool: Pool = builder.build().await?;
    let (mut back, mut all) = (0, 0);
    for _ in 0..4 {
        // one at a time they would all be of the one connection that the pool then has
        try_join_all((0..8).map(|_| value_in_diesel(&pool))).await?;
        let (of_these, reads) = steps_back(of, async || value_in_diesel(&pool).await).await?;
        (back, all) = (back + of_these, all + reads);
        if back > 0 {
            break;
        }
    }
    ensure!(back > 0, "{all} reads of a task never went back");
    let before = pool.status().served_by_replicas();

    let mut conn = pool.get().await?;
    let one_connection = steps_back(of, async || {
        use diesel_app::schema::counter;
        use diesel_async::RunQueryDsl;
        let value = counter::table.find(1).select(counter::value);
        Ok(value.first(&mut conn).await?)
    });
    let (back, reads) = one_connection.await?;
    assert_eq!(back, 0, "of {reads} through a connection");

    let scoped = steps_back(of, async || value_in_diesel(&pool).await);
    let (back, reads) = Session::new().scope(scoped).await?;
    assert_eq!(back, 0, "of {reads} in a scope");
    let on_replicas = pool.status().served_by_replicas() - before;
    ensure!(on_replicas > 100, "{on_replicas} reads on replicas");
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_a_transaction_read_on_the_primary_no_later_read_of_its_session_misses(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (cluster, database, db) = uneven(topology).await?;
    let client = cluster.primary().app(database.name()).await?;
    let db = db.session();
    for _ in 0..20 {
        client.batch_execute(RAISE).await?;
        let transaction = db.begin().await?;
        let found = counter::Entity::find_by_id(1).one(&transaction).await?;
        let inside = found.context("the counter")?.value;
        transaction.rollback().await?;
        let after = value(&db).await?;
        ensure!(after >= inside, "{after} after {inside}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "another task is the point")]
async fn a_task_that_carries_the_session_writes_for_it_and_one_that_does_not_does_not() -> Result<()>
{
    let (_cluster, _database, db) = uneven(Topology::Apart).await?;
    let write = |to: i64, db: SplitConnection| async move {
        let model = counter::ActiveModel {
            id: Set(2),
            value: Set(to),
        };
        model.update(&db).await
    };
    let session = Session::new();
    let scope = async {
        tokio::spawn(Session::current().scope(write(7, db.clone()))).await??;
        anyhow::Ok(db.explain("SELECT 1").role)
    };
    assert_eq!(session.scope(scope).await?, Role::Primary);
    app::wait_until_replicas_serve(&db).await?;
    let scope = async {
        tokio::spawn(write(8, db.clone())).await??;
        anyhow::Ok(db.explain("SELECT 1").role)
    };
    assert_eq!(Session::new().scope(scope).await?, Role::Replica);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn levels_hold_for_a_handle_a_scope_and_a_query() -> Result<()> {
    let (_cluster, database, db) = uneven(Topology::Apart).await?;
    let role = |db: &SplitConnection| db.explain("SELECT 1").role;
    let strong = db.with(Consistency::Strong);
    assert_eq!(role(&strong), Role::Primary);
    assert_eq!(role(&db), Role::Replica);
    let found = counter::Entity::find_by_id(1)
        .one(&db.with(Consistency::Strong))
        .await?;
    ensure!(found.is_some());
    let in_scope = Session::new().with(Consistency::Strong);
    assert_eq!(in_scope.sync_scope(|| role(&db)), Role::Primary);
    let written = counter::ActiveModel {
        id: Set(1),
        value: Set(1),
    };
    written.update(&db).await?;
    assert_eq!(role(&db), Role::Primary, "its own write");
    assert_eq!(role(&db.with(Consistency::Eventual)), Role::Replica);

    let pool = SplitPool::builder()
        .primary(database.primary_url())
        .replica(database.replica_urls().first().context("a replica")?);
    let pool: Pool = pool.build().await?;
    let mut conn = pool.get().await?;
    assert_eq!(conn.explain("SELECT 1").role, Role::Replica);
    conn.set_read_concern(Consistency::Strong);
    assert_eq!(conn.explain("SELECT 1").role, Role::Primary);
    conn.set_read_concern(ReadConcern::new());
    assert_eq!(conn.explain("SELECT 1").role, Role::Replica);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listing_that_begins_on_the_primary_stays_there() -> Result<(), DbErr> {
    let of = uneven(Topology::Apart).await;
    let (_cluster, database, _db) = of.map_err(|error| DbErr::Custom(format!("{error:#}")))?;
    // a read that waited might begin on the replica that follows at once
    let hurries = app::builder(&database).read_wait(Duration::ZERO);
    let db = hurries.connect().await?.session();
    let written = counter::ActiveModel {
        id: Set(1),
        value: Set(1),
    };
    written.update(&db).await?;
    db.stay(Duration::from_secs(3));
    let before = db.status().served_by_primary();
    let started = Instant::now();
    let mut pages = 0;
    while started.elapsed() < Duration::from_millis(1500) {
        counter::Entity::find().all(&db).await?;
        pages += 1;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(db.status().served_by_primary() - before, pages);
    Ok(())
}
