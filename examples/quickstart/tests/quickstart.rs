//! The quick start as a user runs it.

use std::process::{Command, Output};

use anyhow::{Context, Result};

/// One printed statement: node, why, and the statement's start.
type Line = (String, String, String);

fn quickstart(arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    Ok(command.args(arguments).output()?)
}

/// The statements, after the three figures were compared with them.
fn checked(output: &Output) -> Result<Vec<Line>> {
    let printed = std::str::from_utf8(&output.stdout)?;
    let complaints = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{printed}{complaints}");
    let (table, figures) = printed.split_once("\n\n").context("no figures")?;
    let lines = table.lines().skip(1).map(line);
    let lines: Vec<Line> = lines.collect::<Option<_>>().context("not three columns")?;
    let on = |wanted: &str| {
        lines
            .iter()
            .filter(|line| line.0.starts_with(wanted))
            .count()
    };
    let (replicas, primary) = (on("replica-"), on("primary"));
    assert_eq!(replicas + primary, lines.len(), "{printed}");
    assert!(replicas > 0, "{printed}");
    let expected =
        format!("reads on replicas: {replicas}\non the primary: {primary}\nstale reads: 0\n");
    assert_eq!(figures, expected, "{printed}");
    Ok(lines)
}

fn line(printed: &str) -> Option<Line> {
    let (node, rest) = printed.split_once(' ')?;
    let (why, statement) = rest.trim_start().split_once(' ')?;
    let line = [node, why, statement.trim_start()].map(str::to_owned);
    line.iter()
        .all(|cell| !cell.is_empty())
        .then(|| line.into())
}

fn ran<'a>(lines: &'a [Line], node: &'a str, why: &'a str) -> impl Iterator<Item = &'a str> {
    let matching = move |line: &&Line| line.0.starts_with(node) && line.1 == why;
    lines.iter().filter(matching).map(|line| line.2.as_str())
}

#[test]
fn bookshop_on_one_sqlite_file_reads_from_both_replicas() -> Result<()> {
    let lines = checked(&quickstart(&[])?)?;
    for replica in ["replica-1", "replica-2"] {
        assert!(ran(&lines, replica, "read").count() > 0, "{lines:?}");
    }
    // the file is shared: no read has to wait for a replica
    assert_eq!(ran(&lines, "primary", "floor_not_met").count(), 0);
    Ok(())
}

#[cfg(target_os = "linux")]
#[test]
fn bookshop_on_delayed_replicas_reads_its_own_writes_from_the_primary() -> Result<()> {
    let lines = checked(&quickstart(&["--postgres"])?)?;
    let own = ran(&lines, "primary", "floor_not_met");
    assert!(own.count() > 0, "{lines:?}");
    Ok(())
}

#[test]
fn every_node_takes_what_it_is_for() -> Result<()> {
    let lines = checked(&quickstart(&[])?)?;
    assert!(ran(&lines, "replica", "read").all(|sql| sql.starts_with("SELECT")));
    assert!(ran(&lines, "primary", "write").any(|sql| sql.starts_with("INSERT")));
    let mut transaction = ran(&lines, "primary", "transaction");
    assert_eq!(transaction.next(), Some("BEGIN"));
    assert!(transaction.any(|sql| sql == "COMMIT"));
    Ok(())
}

#[test]
fn unknown_argument_is_refused_by_name() -> Result<()> {
    let output = quickstart(&["--mysql"])?;
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("--mysql"));
    Ok(())
}
