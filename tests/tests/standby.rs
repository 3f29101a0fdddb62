//! What is called a read, executed on a real standby: none is refused there.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{Intent, SplitConnection};
use orm_split_tests::kit::postgres::{Database, Delay, shared};
use orm_split_tests::sql::{Generator, SCHEMA};
use orm_split_tests::{app, cases};
use tokio_postgres::{Client, NoTls};

/// What the rows of the case file name.
const NAMED: &str = r#"
CREATE TYPE my_enum AS ENUM ('1', '3');
CREATE TYPE "My Enum" AS ENUM ('1', '3');
CREATE TYPE user_kind AS ENUM ('admin');
CREATE TABLE t (
    id int, a int, b text, c int, d int, e int, j jsonb, at timestamptz, owner text,
    "update" int, "insert" int, "delete" int, "merge" int, "for" int, "into" int, "select" int,
    nextval int, setval int, lock int, notify int, no int, key int, share int, temp int, local int,
    first int, next int, value int, time int, zone int, second int, system int,
    data int, "a""; DELETE FROM t" int
);
INSERT INTO t (id, a, b) VALUES (1, 3, 'row');
CREATE TABLE u (id int, c int, "user" int, "current_user" int);
CREATE TABLE a (id int, j jsonb);
CREATE TABLE b (id int);
CREATE TABLE c (id int);
CREATE TABLE g (id int, link int);
CREATE TABLE d (data xml);
CREATE TABLE tbl (x int, y int);
CREATE TABLE cake (id int, name text);
CREATE TABLE "user" (id int, kind user_kind);
CREATE TABLE post (id int, user_id int);
CREATE TABLE fruit (id int);
CREATE TABLE "delete" ("update" int, "for update" int, "nextval" int);
CREATE TABLE t$1 (a$b$c int);
CREATE TABLE données (prix_été int, "été" int, naïve$ int);
CREATE TABLE updates (updated_at int, deleted int, inserted int, for_update int, into_x int);
CREATE TABLE "for" (id int);
CREATE TABLE nextval (id int);
CREATE SEQUENCE my_seq;
CREATE TABLE s (id int);
"#;

/// What a standby answers to what it must not run: in a read-only transaction, a feature not supported
/// during recovery, an object not in the state needed.
const REFUSALS: [&str; 3] = ["25006", "0A000", "55000"];

/// What came of the statements that are called reads.
#[derive(Debug, Default)]
struct Outcome {
    ran: usize,
    /// By the server's code: how many, and one of them.
    errors: BTreeMap<String, (usize, String)>,
}

impl Outcome {
    fn sent(&self) -> usize {
        self.ran + self.errors.values().map(|(count, _)| count).sum::<usize>()
    }

    /// None is refused, and most of them ran: with errors of their own they would show nothing.
    fn none_refused(&self) -> Result<()> {
        for code in REFUSALS {
            ensure!(
                !self.errors.contains_key(code),
                "{:?}",
                self.errors.get(code)
            );
        }
        ensure!(self.ran * 10 > self.sent() * 8, "{self:?}");
        Ok(())
    }
}

/// A standby, and what says of a text whether it is called a read.
struct Standby {
    db: SplitConnection,
    client: Client,
}

impl Standby {
    async fn of(database: &Database) -> Result<Self> {
        let db = app::builder(database).connect().await?;
        let known = async {
            while db.status().user_functions.is_none() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), known).await;
        waited.context("the catalogue is not read")?;
        let url = database.replica_urls().first().context("a replica")?;
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        drive(connection);
        client.batch_execute("SET statement_timeout = '2s'").await?;
        Ok(Self { db, client })
    }

    /// Sends each statement that is called a read. Parameters are NULL.
    async fn run(&self, statements: impl IntoIterator<Item = String>) -> Result<Outcome> {
        let mut outcome = Outcome::default();
        for sql in statements {
            if self.db.explain(&sql).intent != Intent::Read {
                continue;
            }
            match self.send(&sql).await {
                Ok(()) => outcome.ran += 1,
                Err(error) => {
                    let error = error.as_db_error().context("a server's answer")?;
                    let seen = outcome.errors.entry(error.code().code().to_owned());
                    let shown = || (0, format!("{}: {sql}", error.message()));
                    seen.or_insert_with(shown).0 += 1;
                }
            }
        }
        Ok(outcome)
    }

    async fn send(&self, sql: &str) -> Result<(), tokio_postgres::Error> {
        let parameters = if sql.contains('$') {
            self.client.prepare(sql).await?.params().len()
        } else {
            0
        };
        if parameters == 0 {
            return self.client.simple_query(sql).await.map(drop);
        }
        let nulls = vec!["NULL"; parameters].join(", ");
        self.client.batch_execute("DEALLOCATE ALL").await?;
        self.client
            .batch_execute(&format!("PREPARE p AS {sql}"))
            .await?;
        let execute = format!("EXECUTE p({nulls})");
        self.client.simple_query(&execute).await.map(drop)
    }
}

#[expect(clippy::disallowed_methods, reason = "ends with its client")]
fn drive<S, T>(connection: tokio_postgres::Connection<S, T>)
where
    tokio_postgres::Connection<S, T>:
        Future<Output = Result<(), tokio_postgres::Error>> + Send + 'static,
{
    drop(tokio::spawn(async move { drop(connection.await) }));
}

/// A database with these objects, and with what recorded statements make of it.
async fn database(objects: &str, recorded: &[String]) -> Result<Database> {
    let cluster = shared(Delay::None).await?;
    let database = cluster.create_database().await?;
    let client = cluster.primary().app(database.name()).await?;
    client.batch_execute(objects).await?;
    let make = |sql: &&String| sql.starts_with("CREATE") || sql.starts_with("ALTER");
    // in the order of the alphabet a table may come before the one it refers to; what several suites
    // make is made once
    for _ in 0..3 {
        for sql in recorded.iter().filter(make) {
            drop(client.batch_execute(sql).await);
        }
    }
    for replica in cluster.replicas() {
        replica.wait_caught_up(cluster.primary()).await?;
    }
    Ok(database)
}

/// How many generated statements are sent.
fn how_many() -> usize {
    let given = std::env::var("ORM_SPLIT_STATEMENTS").ok();
    given.and_then(|given| given.parse().ok()).unwrap_or(3_000)
}

#[tokio::test(flavor = "multi_thread")]
async fn no_generated_statement_that_is_called_a_read_is_refused() -> Result<()> {
    let standby = Standby::of(&database(SCHEMA, &[]).await?).await?;
    let mut generator = Generator::new(7).without_parameters().with_user_functions();
    let statements = std::iter::repeat_with(|| generator.statement()).take(how_many());
    let outcome = standby.run(statements).await?;
    println!("{} reads sent, {outcome:#?}", outcome.sent());
    outcome.none_refused()?;
    standby.db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_hard_statement_that_is_called_a_read_is_refused() -> Result<()> {
    let standby = Standby::of(&database(NAMED, &[]).await?).await?;
    let statements = cases::postgres()?.into_iter().map(|case| case.sql);
    let outcome = standby.run(statements).await?;
    println!("{} reads sent, {outcome:#?}", outcome.sent());
    outcome.none_refused()?;
    standby.db.close().await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn no_statement_of_an_orm_that_is_called_a_read_is_refused() -> Result<()> {
    let recorded = cases::recorded();
    let standby = Standby::of(&database("", &recorded).await?).await?;
    let outcome = standby.run(recorded).await?;
    println!("{} reads sent, {outcome:#?}", outcome.sent());
    outcome.none_refused()?;
    ensure!(outcome.ran > 80, "{outcome:?}");
    standby.db.close().await?;
    Ok(())
}
