//! What is said of a statement, to people and to programs.

use std::io::{self, Write};

use orm_split_core::{Classification, Dialect, Intent, explain};
use serde::Serialize;

use crate::input::shortened;

/// A statement and what it needs.
#[derive(Debug)]
pub(crate) struct Answer<'a> {
    sql: &'a str,
    classification: Classification,
}

/// A line of `--json`.
#[derive(Debug, Serialize)]
pub(crate) struct Line {
    intent: &'static str,
    cause: Option<&'static str>,
}

impl<'a> Answer<'a> {
    pub(crate) fn to(dialect: Dialect, sql: &'a str) -> Self {
        Self {
            sql,
            classification: explain(dialect, sql),
        }
    }

    pub(crate) fn for_machines(&self) -> Line {
        match self.classification.intent {
            Intent::Read => Line {
                intent: "read",
                cause: None,
            },
            Intent::Primary(cause) => Line {
                intent: "primary",
                cause: Some(cause.as_str()),
            },
        }
    }

    /// The token it was decided on and its place, counted in characters from 1.
    fn decided_on(&self) -> String {
        let range = self.classification.decided_on.clone();
        let found = range.and_then(|range| {
            let before = self.sql.get(..range.start)?;
            Some((self.sql.get(range)?, before.chars().count() + 1))
        });
        found.map_or_else(String::new, |(token, at)| {
            format!("{} at {at}", shortened(token))
        })
    }
}

/// Prints answers as rows and counts them.
#[derive(Debug, Default)]
pub(crate) struct Table {
    reads: usize,
    others: usize,
}

impl Table {
    pub(crate) fn add(&mut self, answer: &Answer<'_>, output: &mut impl Write) -> io::Result<()> {
        if self.reads + self.others == 0 {
            row(output, ["intent", "cause", "decided on", "statement"])?;
        }
        let Line { intent, cause } = answer.for_machines();
        match answer.classification.intent {
            Intent::Read => self.reads += 1,
            Intent::Primary(_) => self.others += 1,
        }
        let cause = cause.unwrap_or_default();
        row(
            output,
            [intent, cause, &answer.decided_on(), &shortened(answer.sql)],
        )
    }

    pub(crate) fn finish(&self, output: &mut impl Write) -> io::Result<()> {
        let Self { reads, others } = self;
        let all = reads + others;
        writeln!(
            output,
            "{all} statements: {reads} may run on a replica, {others} need the primary"
        )
    }
}

fn row(output: &mut impl Write, [intent, cause, token, sql]: [&str; 4]) -> io::Result<()> {
    writeln!(output, "{intent:<8} {cause:<20} {token:<28} {sql}")
}
