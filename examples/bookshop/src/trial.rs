//! What a quick start must have printed, whichever ORM it is written with.

use std::process::{Command, Output};

use anyhow::{Context, Result, ensure};

/// A quick start, by the path of its program.
pub struct Trial {
    pub program: &'static str,
}

/// The statements that were printed.
#[derive(Debug)]
struct Lines(Vec<Line>);

/// One of them: node, why, and the statement's start.
type Line = (String, String, String);

impl Trial {
    pub fn reads_from_both_replicas_of_one_file(&self) -> Result<()> {
        let lines = self.passes(&[])?;
        for replica in ["replica-1", "replica-2"] {
            ensure!(lines.ran(replica, "read").count() > 0, "{lines:?}");
        }
        // the file is shared: no read has to wait for a replica
        ensure!(lines.ran("primary", "floor_not_met").count() == 0);
        Ok(())
    }

    #[cfg(target_os = "linux")]
    pub fn reads_its_own_writes_on_delayed_replicas(&self) -> Result<()> {
        let lines = self.passes(&["--postgres"])?;
        let own = lines.ran("primary", "floor_not_met");
        ensure!(own.count() > 0, "{lines:?}");
        Ok(())
    }

    pub fn gives_every_node_what_it_is_for(&self) -> Result<()> {
        let lines = self.passes(&[])?;
        let mut reads = lines.ran("replica", "read");
        ensure!(reads.all(|sql| sql.starts_with("SELECT")), "{lines:?}");
        let mut writes = lines.ran("primary", "write");
        ensure!(writes.any(|sql| sql.starts_with("INSERT")), "{lines:?}");
        let mut transaction = lines.ran("primary", "transaction");
        ensure!(transaction.next() == Some("BEGIN"), "{lines:?}");
        ensure!(transaction.any(|sql| sql == "COMMIT"), "{lines:?}");
        Ok(())
    }

    pub fn refuses_an_unknown_argument_by_name(&self) -> Result<()> {
        let output = self.output(&["--mysql"])?;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.code() == Some(2), "{complaint}");
        ensure!(complaint.contains("--mysql"), "{complaint}");
        Ok(())
    }

    fn output(&self, arguments: &[&str]) -> Result<Output> {
        Ok(Command::new(self.program).args(arguments).output()?)
    }

    /// The statements, after the three figures were compared with them.
    fn passes(&self, arguments: &[&str]) -> Result<Lines> {
        let output = self.output(arguments)?;
        let printed = std::str::from_utf8(&output.stdout)?;
        let complaints = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "{printed}{complaints}");
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
        ensure!(replicas + primary == lines.len(), "{printed}");
        ensure!(replicas > 0, "{printed}");
        let expected =
            format!("reads on replicas: {replicas}\non the primary: {primary}\nstale reads: 0\n");
        ensure!(figures == expected, "{printed}");
        Ok(Lines(lines))
    }
}

impl Lines {
    fn ran<'a>(&'a self, node: &'a str, why: &'a str) -> impl Iterator<Item = &'a str> {
        let matching = move |line: &&Line| line.0.starts_with(node) && line.1 == why;
        self.0.iter().filter(matching).map(|line| line.2.as_str())
    }
}

fn line(printed: &str) -> Option<Line> {
    let (node, rest) = printed.split_once(' ')?;
    let (why, statement) = rest.trim_start().split_once(' ')?;
    let line = [node, why, statement.trim_start()].map(str::to_owned);
    line.iter()
        .all(|cell| !cell.is_empty())
        .then(|| line.into())
}
