//! The SQLite rows of the shared cases, judged by SQLite: `sqlite3_stmt_readonly` says of each that can
//! be prepared whether it writes, and a read-only connection runs it or refuses.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use orm_split_tests::cases;
use rusqlite::{Connection, ErrorCode, OpenFlags, Statement};

/// What the rows name. A row is prepared with the first of these with which it can be.
const SCHEMAS: [&str; 4] = [
    r#"
    CREATE TABLE t (id integer PRIMARY KEY, a, b, c, j, last_insert_rowid, changes, "delete");
    CREATE INDEX i ON t (a);
    CREATE TABLE a (id); CREATE TABLE b (id); CREATE TABLE cake (id); CREATE TABLE weather (temp);
    CREATE TABLE "update" ("for update", "delete", "insert");
    INSERT INTO t (a, j) VALUES (1, '{"a":1}');
    "#,
    "CREATE TABLE t (id); CREATE TABLE u (id);",
    "CREATE TABLE t (a);",
    "CREATE TABLE other (id);",
];

/// Why a statement is kept on the primary that SQLite calls read-only; `None` if nothing justifies it.
fn why_kept(cause: &str) -> Option<&'static str> {
    Some(match cause {
        "function" => "it answers for one connection, or reaches outside the database",
        "unknown_function" => "the word is a function's, whatever this build makes of it",
        "session_state" => "it concerns one connection alone",
        "transaction_begin" | "transaction_end" | "transaction_control" => {
            "it opens, ends or divides a transaction of one connection"
        }
        "not_understood" => {
            "nobody means a comment that never ends, or what stands behind a NUL byte"
        }
        "empty" => "there is nothing to run",
        _ => return None,
    })
}

/// Runs a statement to its end, with 1 for every parameter.
fn run(statement: &mut Statement<'_>) -> rusqlite::Result<()> {
    for parameter in 1..=statement.parameter_count() {
        statement.raw_bind_parameter(parameter, 1)?;
    }
    let mut rows = statement.raw_query();
    while rows.next()?.is_some() {}
    Ok(())
}

fn is_refused(error: &rusqlite::Error) -> bool {
    error.sqlite_error_code() == Some(ErrorCode::ReadOnly)
}

/// What SQLite says of a row.
struct Judged {
    is_readonly: bool,
    ran: rusqlite::Result<()>,
}

/// On a connection of its own: a row may attach, begin, or set something. `None` if the row cannot be
/// prepared.
fn judge(files: &[PathBuf], sql: &str) -> Result<Option<Judged>> {
    for file in files {
        let connection = Connection::open_with_flags(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        if let Ok(mut statement) = connection.prepare(sql) {
            return Ok(Some(Judged {
                is_readonly: statement.readonly(),
                ran: run(&mut statement),
            }));
        }
    }
    Ok(None)
}

fn databases(folder: &Path) -> Result<Vec<PathBuf>> {
    let database = |(number, schema): (usize, &&str)| {
        let file = folder.join(format!("{number}.sqlite"));
        Connection::open(&file)?.execute_batch(schema)?;
        Ok(file)
    };
    SCHEMAS.iter().enumerate().map(database).collect()
}

/// The statements of one sort, by what is said of them.
type Listed = BTreeMap<String, Vec<String>>;

#[test]
fn no_row_that_is_called_a_read_writes_and_each_that_is_kept_has_a_reason() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let files = databases(folder.path())?;
    // a row may name a file; no other test runs in this process
    std::env::set_current_dir(folder.path())?;
    let mut reads = 0;
    let (mut refused, mut taken) = (Listed::new(), Listed::new());
    let (mut kept, mut unprepared) = (Listed::new(), Listed::new());
    for case in cases::sqlite()? {
        let at = format!("line {}: {}", case.line, case.sql);
        let cause = case.expected.strip_prefix("primary:").map(str::to_owned);
        let (cause, judged) = match (cause, judge(&files, &case.sql)?) {
            (None, judged) => {
                let judged = judged.with_context(|| format!("{at} cannot be prepared"))?;
                ensure!(judged.is_readonly, "{at} is called a read, and writes");
                judged.ran.context(at)?;
                reads += 1;
                continue;
            }
            (Some(cause), None) => {
                unprepared.entry(cause).or_default().push(case.sql);
                continue;
            }
            (Some(cause), Some(judged)) => (cause, judged),
        };
        let (list, of) = if judged.is_readonly {
            let why = why_kept(&cause).with_context(|| format!("{at} is kept, and reads"))?;
            (&mut kept, format!("{cause}: {why}"))
        } else if judged.ran.as_ref().is_err_and(is_refused) {
            (&mut refused, cause)
        } else {
            (&mut taken, cause)
        };
        list.entry(of).or_default().push(case.sql);
    }
    println!("{reads} reads ran");
    println!("written by SQLite's word, and refused by a read-only connection: {refused:#?}");
    println!("written by SQLite's word, and not refused all the same: {taken:#?}");
    println!("kept on the primary though SQLite calls them read-only: {kept:#?}");
    println!("cannot be prepared: {unprepared:#?}");
    let count = |list: &Listed| list.values().map(Vec::len).sum::<usize>();
    ensure!(reads > 50 && count(&refused) > 25, "{reads} reads");
    ensure!(count(&unprepared) < 50, "{}", count(&unprepared));
    Ok(())
}
