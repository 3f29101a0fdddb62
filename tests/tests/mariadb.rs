//! The MySQL rows of the shared cases, against a real MariaDB.

use anyhow::{Result, ensure};
use orm_split_tests::cases;
use orm_split_tests::kit::mariadb::MariaDb;

/// What the rows name.
const SCHEMA: &str = "
CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(20), `insert` int, `update` int, FULLTEXT (b)) CHARSET utf8mb4;
CREATE TABLE u (id int); CREATE TABLE v (id int); CREATE TABLE `delete` (`for update` int);
CREATE TABLE w (value int, nextval int, `$a` int, `#` int); CREATE TABLE größe (id int); CREATE TABLE 1x (id int);
CREATE SEQUENCE s; INSERT INTO t (id, a, b) VALUES (1, 2, 'row');
CREATE FUNCTION f(n int) RETURNS int RETURN n;
";

#[tokio::test]
async fn a_read_only_session_runs_every_read_and_no_write() -> Result<()> {
    let server = MariaDb::start().await?;
    server.execute(SCHEMA).await?;
    let (mut reads, mut refused) = (0, 0);
    for case in cases::mysql()? {
        let runs = server.execute_read_only(&case.sql);
        match case.expected.as_str() {
            "read" if case.heading != "MySQL only: MariaDB does not have these" => {
                runs.await?;
                reads += 1;
            }
            // a file of the server's is no transaction's matter
            "primary:write" if !case.sql.contains("FILE") => {
                ensure!(runs.await.is_err(), "line {}: {} ran", case.line, case.sql);
                refused += 1;
            }
            _ => {}
        }
    }
    println!("{reads} reads ran, {refused} writes were refused");
    ensure!(
        reads > 80 && refused > 12,
        "{reads} reads, {refused} writes"
    );
    // the server would take it, were the session not read-only
    server.execute("INSERT INTO t (id) VALUES (9)").await
}
