//! What only the server knows: the user's functions and views.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Cause, Intent, Role, SplitConnection, UserFunctions};
use orm_split_tests::app;
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use sea_orm::{ConnectionTrait, Statement};
use tokio::time::Instant;

/// Objects that a text does not show for what they are.
const HIDDEN: &str = "
CREATE TABLE word (n int);
CREATE SEQUENCE ticket;
CREATE FUNCTION shout(text) RETURNS text IMMUTABLE LANGUAGE sql AS 'SELECT upper($1)';
CREATE FUNCTION words() RETURNS bigint STABLE LANGUAGE sql AS 'SELECT count(*) FROM word';
CREATE FUNCTION draw() RETURNS bigint VOLATILE LANGUAGE sql AS 'SELECT nextval(''ticket'')';
CREATE FUNCTION lies() RETURNS bigint STABLE LANGUAGE plpgsql AS 'BEGIN RETURN nextval(''ticket''); END';
CREATE FUNCTION reverse(int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT -$1';
CREATE FUNCTION step(int, int) RETURNS int VOLATILE LANGUAGE sql AS 'SELECT $1 + $2';
CREATE AGGREGATE folded(int) (sfunc = step, stype = int, initcond = 0);
CREATE AGGREGATE gathered(int) (sfunc = int4pl, stype = int, initcond = 0);
CREATE VIEW plain AS SELECT n FROM word;
CREATE VIEW drawn AS SELECT nextval('ticket') AS n;
CREATE VIEW behind AS SELECT d.n FROM drawn d;
CREATE UNLOGGED TABLE fleeting (n int);
CREATE DOMAIN counted AS int CHECK (draw() > VALUE);
CREATE TABLE guarded (n int);
CREATE POLICY draws ON guarded FOR SELECT USING (draw() > 0);
ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;
";

async fn database() -> Result<Database> {
    let database = shared(Delay::None).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    db.execute_unprepared(HIDDEN).await?;
    let last = "SELECT 1 WHERE to_regclass('word') IS NOT NULL";
    app::wait_until_replicas_have(&db, last).await?;
    db.close().await?;
    Ok(database)
}

/// Waits until something is true of the splitter's state.
async fn eventually(what: &str, mut holds: impl FnMut() -> bool) -> Result<()> {
    let until = Instant::now() + Duration::from_secs(20);
    while !holds() {
        ensure!(Instant::now() < until, "not within 20 s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    Ok(())
}

async fn number(db: &SplitConnection, sql: &str) -> Result<i64> {
    let statement = Statement::from_string(db.get_database_backend(), sql);
    let row = db.query_one_raw(statement).await?.context("a row")?;
    Ok(row.try_get_by_index(0)?)
}

#[tokio::test(flavor = "multi_thread")]
async fn the_catalogue_tells_which_functions_and_views_read() -> Result<()> {
    let database = database().await?;
    let db = app::builder(&database).connect().await?;
    eventually("the catalogue is read", || {
        db.status().user_functions.is_some()
    })
    .await?;
    let reads = [
        "SELECT shout('a')",
        "SELECT public.shout('a'), words()",
        "SELECT \"words\"()",
        "SELECT U&\"\\0077ords\"()",
        "SELECT gathered(n) FROM word",
        "SELECT * FROM plain",
        "SELECT pg_catalog.reverse('a')",
    ];
    for sql in reads {
        let route = db.explain(sql);
        ensure!(route.intent == Intent::Read, "{sql}: {route:?}");
    }
    let kept = [
        ("SELECT draw()", Cause::Function),
        ("SELECT public.\"draw\"()", Cause::Function),
        ("SELECT other.words()", Cause::UnknownFunction),
        ("SELECT absent()", Cause::UnknownFunction),
        ("SELECT folded(n) FROM word", Cause::Function),
        // hides a built-in function: which one is called depends on the argument's type
        ("SELECT reverse(1)", Cause::Function),
        ("SELECT * FROM drawn", Cause::Relation),
        ("SELECT b.n FROM behind b", Cause::Relation),
        ("TABLE public.\"fleeting\"", Cause::Relation),
        ("SELECT 1::counted", Cause::Relation),
        ("SELECT CAST(1 AS counted)", Cause::Relation),
        ("SELECT n FROM guarded", Cause::Relation),
    ];
    for (sql, cause) in kept {
        let route = db.explain(sql);
        ensure!(route.intent == Intent::Primary(cause), "{sql}: {route:?}");
    }
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_reads_is_offloaded_and_one_that_lies_is_remembered() -> Result<()> {
    let database = database().await?;
    let db = app::builder(&database).connect().await?;
    eventually("the catalogue is read", || {
        db.status().user_functions.is_some()
    })
    .await?;
    app::wait_until_replicas_serve(&db).await?;
    let on_replicas = || db.status().served_by_replicas();
    let before = on_replicas();
    ensure!(number(&db, "SELECT words()").await? == 0);
    ensure!(on_replicas() == before + 1, "{:?}", db.status());
    ensure!(number(&db, "SELECT draw()").await? == 1);
    ensure!(
        on_replicas() == before + 1,
        "a VOLATILE function ran on a replica"
    );
    app::wait_until_replicas_serve(&db).await?;
    for expected in 2..=4 {
        ensure!(number(&db, "SELECT lies()").await? == expected);
    }
    let status = db.status();
    ensure!(status.misroutes == 1, "{status:?}");
    ensure!(status.statements.get("refused") == Some(&1), "{status:?}");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_function_is_known_after_its_statement_and_only_as_the_user_allows() -> Result<()> {
    let database = database().await?;
    let builder = || app::builder(&database).catalogue_refresh(Duration::from_secs(3_600));
    let db = builder().connect().await?;
    let strict = builder()
        .user_functions(UserFunctions::Immutable)
        .connect()
        .await?;
    eventually("both catalogues are read", || {
        db.status().user_functions.is_some() && strict.status().user_functions.is_some()
    })
    .await?;
    let role = |sql: &str| db.explain(sql).intent;
    ensure!(role("SELECT late()") != Intent::Read);
    db.execute_unprepared("CREATE FUNCTION late() RETURNS int STABLE LANGUAGE sql AS 'SELECT 1'")
        .await?;
    eventually("the new function is known", || {
        role("SELECT late()") == Intent::Read
    })
    .await?;
    ensure!(strict.explain("SELECT shout('a')").intent == Intent::Read);
    ensure!(strict.explain("SELECT words()").intent != Intent::Read);
    strict.close().await?;
    db.close().await?;
    Ok(())
}

/// Declared VOLATILE, and taken for reads after a look at each: they change nothing on the server.
const VOLATILE_READS: [&str; 21] = [
    "array_sample",
    "array_shuffle",
    "clock_timestamp",
    "gen_random_uuid",
    "lo_get",
    "pg_database_size",
    "pg_indexes_size",
    "pg_partition_ancestors",
    "pg_partition_tree",
    "pg_relation_size",
    "pg_sleep",
    "pg_sleep_for",
    "pg_sleep_until",
    "pg_table_size",
    "pg_tablespace_size",
    "pg_total_relation_size",
    "random",
    "random_normal",
    "timeofday",
    "uuidv4",
    "uuidv7",
];

/// What `scripts/list-read-functions` prints of a server: its built-in functions, each with the worst
/// volatility of its overloads.
async fn listed(url: &str) -> Result<Vec<(String, char)>> {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../scripts/list-read-functions"
    );
    let command = tokio::process::Command::new(script).arg(url).output();
    let output = command.await?;
    let complained = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{complained}");
    let said = String::from_utf8(output.stdout)?;
    let parsed = said.lines().map(|line| {
        let (name, volatility) = line.split_once(' ')?;
        Some((name.to_owned(), volatility.chars().next()?))
    });
    parsed.collect::<Option<_>>().context("two columns")
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_server_declares_volatile_is_no_read_unless_it_was_looked_at() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let db = app::builder(&database).connect().await?;
    let (mut reads, mut volatile) = (0, Vec::new());
    for (name, volatility) in listed(database.primary_url()).await? {
        if db.explain(&format!("SELECT \"{name}\"()")).intent != Intent::Read {
            continue;
        }
        reads += 1;
        if volatility == 'v' && !VOLATILE_READS.contains(&name.as_str()) {
            volatile.push(name);
        }
    }
    println!("{reads} functions of this server are reads");
    ensure!(volatile.is_empty(), "{volatile:?}");
    ensure!(reads > 400, "{reads}");
    db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comment_hint_counts_only_where_it_is_switched_on() -> Result<()> {
    let database = shared(Delay::None).await?.create_database().await?;
    let db = app::builder(&database)
        .comment_hints(true)
        .connect()
        .await?;
    app::wait_until_replicas_serve(&db).await?;
    let route = db.explain("/* orm_split: primary */ SELECT 1");
    ensure!(route.intent == Intent::Primary(Cause::Hint), "{route:?}");
    ensure!(db.explain("/* orm_split: replica */ SELECT f(1)").role == Role::Replica);
    ensure!(db.explain("/* orm_split: replica */ DELETE FROM t").role == Role::Primary);
    db.close().await?;
    Ok(())
}
