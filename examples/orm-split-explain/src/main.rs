//! Says of each statement whether orm-split would send it to a replica, and why not.
//!
//! A team runs it over its own query log before it switches the library on.

mod answer;
mod input;

use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use answer::{Answer, Table};
use anyhow::Result;
use clap::{Parser, ValueEnum};

/// Says of each statement whether orm-split would send it to a replica, and why not.
///
/// Statements come as arguments, or one a line from standard input. Only the text is looked at: a
/// running application also asks its PostgreSQL server which of the user's functions and views read.
#[derive(Debug, Parser)]
#[command(name = "orm-split-explain", version)]
struct Arguments {
    /// Statements, one an argument; without any, each line of standard input is one
    sql: Vec<String>,
    /// Whose SQL it is
    #[arg(long, value_enum, default_value_t = Dialect::Postgres)]
    dialect: Dialect,
    /// Read one JSON string (a statement) a line; print one object a line, in which `cause` is null
    /// for reads: {"intent":"read","cause":null}
    #[arg(long)]
    json: bool,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Dialect {
    /// PostgreSQL
    Postgres,
    /// MySQL and MariaDB
    Mysql,
    /// SQLite
    Sqlite,
}

impl From<Dialect> for orm_split_core::Dialect {
    fn from(dialect: Dialect) -> Self {
        match dialect {
            Dialect::Postgres => Self::Postgres,
            Dialect::Mysql => Self::MySql,
            Dialect::Sqlite => Self::Sqlite,
        }
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse(), io::stdin().lock(), io::stdout().lock()) {
        Ok(()) => ExitCode::SUCCESS,
        // whoever reads has seen enough
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            drop(writeln!(io::stderr(), "orm-split-explain: {error}"));
            ExitCode::from(2)
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let cause = error.downcast_ref::<io::Error>();
    cause.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

fn run(arguments: &Arguments, input: impl BufRead, mut output: impl Write) -> Result<()> {
    let dialect = arguments.dialect.into();
    let mut table = Table::default();
    for statement in input::statements(&arguments.sql, arguments.json, input) {
        let sql = statement?;
        let answer = Answer::to(dialect, &sql);
        if arguments.json {
            serde_json::to_writer(&mut output, &answer.for_machines()).map_err(io::Error::from)?;
            writeln!(output)?;
        } else {
            table.add(&answer, &mut output)?;
        }
        // a program at the other end may wait for this line
        output.flush()?;
    }
    if !arguments.json {
        table.finish(&mut output)?;
    }
    Ok(())
}
