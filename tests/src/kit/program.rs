//! A program under test, run as its users run it: started with an environment, listened to, stopped.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal};

use super::{process, wait};

/// How long anything a program does may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is logged: everything from `info` on, and each statement that the library routes.
const LOGGED: &str = "info,orm_split::statement=debug";

/// Names that a program may ask for and that must come from its test alone.
const OURS: [&str; 2] = ["DATABASE_URL", "REPLICA_URLS"];

/// A running program and what it has printed. Killed when dropped.
///
/// ```no_run
/// use orm_split_tests::kit::program::Program;
///
/// # async fn example() -> anyhow::Result<()> {
/// let program = Program::start("/usr/bin/app", &[("DATABASE_URL", "sqlite::memory:")])?;
/// program.line_with("listening on").await?;
/// let log = program.stop().await?;
/// # drop(log);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct Program {
    child: Mutex<Child>,
    printed: Arc<Mutex<Vec<String>>>,
}

impl Program {
    /// Starts the program at `path`.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(path: &str, environment: &[(&str, &str)]) -> Result<Self> {
        let mut command = Command::new(path);
        for name in OURS {
            command.env_remove(name);
        }
        command
            .envs([("RUST_LOG", LOGGED), ("NO_COLOR", "1")])
            .envs(environment.iter().copied())
            .stdout(Stdio::piped());
        let mut child = command.spawn().with_context(|| path.to_owned())?;
        let output = child.stdout.take().context("no output")?;
        let printed = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&printed);
        // ends with the program, whose pipe it reads
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().push(line);
            }
        });
        let child = Mutex::new(child);
        Ok(Self { child, printed })
    }

    /// What it has printed so far.
    #[must_use]
    pub fn log(&self) -> Vec<String> {
        self.printed.lock().clone()
    }

    /// Statements that it sent to replicas so far.
    #[must_use]
    pub fn reads_on_replicas(&self) -> usize {
        count(&self.log(), r#"role="replica""#)
    }

    /// Waits for a line that contains `text`.
    ///
    /// # Errors
    /// When there is none within a minute, or the program ended without it.
    pub async fn line_with(&self, text: &str) -> Result<String> {
        let find = || {
            let lines = self.printed.lock();
            lines.iter().find(|line| line.contains(text)).cloned()
        };
        let looked = wait::until(format!("{text:?} is printed"), PATIENCE, || async {
            Ok(find().is_some() || self.child.lock().try_wait()?.is_some())
        });
        looked.await?;
        find().with_context(|| format!("ended without {text:?}: {:#?}", self.log()))
    }

    /// Asks it to end, as a service manager does, and waits. Yields all that it printed.
    ///
    /// # Errors
    /// When it does not end within a minute, or not successfully.
    pub async fn stop(self) -> Result<Vec<String>> {
        let id = i32::try_from(self.child.lock().id())?;
        process::send(Pid::from_raw(id).context("no process id")?, Signal::TERM)?;
        self.ended().await
    }

    /// Waits until it ends by itself. Yields all that it printed.
    ///
    /// # Errors
    /// When it does not end within a minute, or not successfully.
    pub async fn ended(self) -> Result<Vec<String>> {
        let status = || -> Result<_> { Ok(self.child.lock().try_wait()?) };
        wait::until("the program ends", PATIENCE, || async {
            // the reader lets go of the lines when it has read the last one
            Ok(status()?.is_some() && Arc::strong_count(&self.printed) == 1)
        })
        .await?;
        let status = status()?.context("it ended")?;
        let log = self.log();
        ensure!(status.success(), "{status}: {log:#?}");
        Ok(log)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let child = self.child.get_mut();
        drop(child.kill());
        drop(child.wait());
    }
}

/// How many lines contain `text`.
#[must_use]
pub fn count(log: &[String], text: &str) -> usize {
    log.iter().filter(|line| line.contains(text)).count()
}
