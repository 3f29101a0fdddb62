//! The MySQL rows of the shared cases, each sent to a real MariaDB in a session of its own that is read-only.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use orm_split_tests::cases::{self, Case};
use orm_split_tests::kit::mariadb::MariaDb;
use tokio::time::timeout;

/// What the rows name.
const SCHEMA: &str = "
CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(20), `insert` int, `update` int, FULLTEXT (b)) CHARSET utf8mb4;
CREATE TABLE u (id int); CREATE TABLE v (id int); CREATE TABLE `delete` (`for update` int);
CREATE TABLE w (value int, nextval int, `$a` int, `#` int); CREATE TABLE größe (id int); CREATE TABLE 1x (id int);
CREATE SEQUENCE s; INSERT INTO t (id, a, b) VALUES (1, 2, 'row');
CREATE FUNCTION f(n int) RETURNS int RETURN n;
";

/// `ER_CANT_EXECUTE_IN_READ_ONLY_TRANSACTION`
const READ_ONLY_TRANSACTION: &str = "1792";

/// Why a row is not sent.
fn why_skipped(case: &Case) -> Option<&'static str> {
    if case.heading == "MySQL only: MariaDB does not have these" {
        return Some("MariaDB does not have it");
    }
    match case.sql.as_str() {
        sql if sql.contains("OUTFILE") || sql.contains("DUMPFILE") => {
            Some("it writes a file of the server's, which no transaction forbids")
        }
        sql if sql.contains('\0') => Some("no command line takes a NUL byte"),
        "SHUTDOWN" | "KILL 1" => Some("it ends the server, or a session of it"),
        _ => None,
    }
}

/// What the server made of a row: "ran", or the number of its error.
async fn outcome(server: &MariaDb, sql: &str) -> Result<String> {
    let answer = timeout(Duration::from_secs(20), server.execute_read_only(sql)).await;
    let Err(error) = answer.context("no answer within 20 s")? else {
        return Ok("ran".to_owned());
    };
    let said = format!("{error:#}");
    let (_, code) = said.rsplit_once("ERROR ").with_context(|| said.clone())?;
    Ok(code.split(' ').next().unwrap_or_default().to_owned())
}

/// Why a statement is kept on the primary that a read-only session runs; `None` if nothing justifies it.
fn why_kept(cause: &str) -> Option<&'static str> {
    Some(match cause {
        "lock" => "a read-only session takes shared locks",
        "function" => "it locks, waits, or answers for one session or server",
        "unknown_function" => "a stored function may do anything",
        "session_state" => "it concerns one session alone",
        "transaction_begin" | "transaction_end" | "transaction_control" => {
            "it opens, ends or divides a transaction of one session"
        }
        "utility" => "it looks after the server, or describes it",
        "multiple_statements" => "what the statements are together is not looked at",
        "not_understood" => "the meaning depends on sql_mode or on the server's version",
        "empty" => "there is nothing to run",
        _ => return None,
    })
}

#[tokio::test]
async fn a_read_only_session_runs_every_read_and_no_write() -> Result<()> {
    let server = MariaDb::start().await?;
    server.execute(SCHEMA).await?;
    let (mut reads, mut refused) = (0, BTreeMap::<_, Vec<_>>::new());
    let mut kept = BTreeMap::<_, Vec<_>>::new();
    let mut skipped = BTreeMap::<_, Vec<_>>::new();
    for case in cases::mysql()? {
        let at = format!("line {}: {}", case.line, case.sql);
        if let Some(why) = why_skipped(&case) {
            skipped.entry(why).or_default().push(case.sql);
            continue;
        }
        let outcome = outcome(&server, &case.sql).await;
        let outcome = outcome.with_context(|| at.clone())?;
        match (case.expected.strip_prefix("primary:"), outcome.as_str()) {
            (None, "ran") => reads += 1,
            (None, code) => bail!("{at} is called a read, and answered with {code}"),
            (Some(cause), "ran") => {
                let why = why_kept(cause).with_context(|| format!("{at} ran"))?;
                kept.entry((cause.to_owned(), why))
                    .or_default()
                    .push(case.sql);
            }
            (Some(_), _) => refused.entry(outcome).or_default().push(case.sql),
        }
    }
    println!("{reads} reads ran");
    println!("refused, by MariaDB's error: {refused:#?}");
    println!("kept on the primary though they ran: {kept:#?}");
    println!("not sent: {skipped:#?}");
    ensure!(reads > 100, "{reads} reads");
    let writes = refused.get(READ_ONLY_TRANSACTION).map_or(0, Vec::len);
    ensure!(writes > 40, "{writes} writes and locks");
    let skipped: usize = skipped.values().map(Vec::len).sum();
    ensure!(skipped < 15, "{skipped} skipped");
    // the server would take it, were the session not read-only
    server.execute("INSERT INTO t (id) VALUES (9)").await
}
