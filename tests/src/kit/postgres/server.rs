//! One server process: started, ended and signalled. Knows no SQL.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use parking_lot::Mutex;
use rustix::process::{Pid, Signal};

use super::template::Tools;
use crate::kit::{process, wait};

const PATIENCE: Duration = Duration::from_secs(30);
const TAIL_LINES: usize = 30;

/// How a server shuts down.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// Lets nobody in and waits until every client has left by itself.
    Smart,
    /// Ends every session, rolling back; clients see SQLSTATE 57P01.
    Fast,
    /// Quits at once without a checkpoint; the next start recovers.
    Immediate,
}

/// A data folder and the server that runs on it, if it runs.
#[derive(Debug)]
pub(super) struct Server {
    tools: Tools,
    folder: PathBuf,
    log: PathBuf,
    child: Mutex<Option<Child>>,
}

impl Server {
    pub(super) fn new(tools: Tools, folder: PathBuf) -> Self {
        let log = folder.with_extension("log");
        Self {
            tools,
            folder,
            log,
            child: Mutex::new(None),
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    pub(super) const fn tools(&self) -> &Tools {
        &self.tools
    }

    /// Starts the process; it is not ready yet.
    pub(super) fn spawn(&self) -> Result<()> {
        let mut child = self.child.lock();
        if let Some(running) = child.as_mut()
            && running.try_wait()?.is_none()
        {
            bail!("the server already runs as {}", running.id());
        }
        // A killed server's file stays, and its number may be anybody's by now:
        // the server would take that process for itself and refuse to start.
        let _gone = fs::remove_file(self.folder.join("postmaster.pid"));
        let log = File::options().create(true).append(true).open(&self.log)?;
        let mut command = self.tools.command("postgres", &self.folder);
        command
            .arg("-D")
            .arg(&self.folder)
            .stdout(Stdio::null())
            .stderr(log);
        *child = Some(command.spawn().context("cannot start postgres")?);
        Ok(())
    }

    /// How the process ended, if it was started and did.
    pub(super) fn exited(&self) -> Result<Option<ExitStatus>> {
        self.child
            .lock()
            .as_mut()
            .map_or(Ok(None), |child| Ok(child.try_wait()?))
    }

    pub(super) fn postmaster(&self) -> Result<Pid> {
        let mut child = self.child.lock();
        let running = child.as_mut().context("the server was never started")?;
        if let Some(status) = running.try_wait()? {
            bail!("the server does not run: it ended with {status}");
        }
        Ok(Pid::from_child(running))
    }

    /// The postmaster and all it forked.
    pub(super) fn members(&self) -> Result<Vec<Pid>> {
        process::members(&self.folder)
    }

    /// Asks for a shutdown without waiting for it.
    pub(super) fn begin_stop(&self, mode: Stop) -> Result<()> {
        let signal = match mode {
            Stop::Smart => Signal::TERM,
            Stop::Fast => Signal::INT,
            Stop::Immediate => Signal::QUIT,
        };
        let postmaster = self.postmaster()?;
        process::send(postmaster, signal)?;
        // A frozen server acts on nothing before it is thawed.
        self.signal_all(Signal::CONT)
    }

    /// Waits until the process and all it forked are gone.
    pub(super) async fn wait_stopped(&self) -> Result<()> {
        let ended = wait::until("the server ends", PATIENCE, || async {
            Ok(self.exited()?.is_some() && self.members()?.is_empty())
        });
        ended.await.map_err(|error| self.explain(error))
    }

    /// Kills the postmaster first, so that it cannot tidy up after the others.
    pub(super) async fn kill(&self) -> Result<()> {
        process::send(self.postmaster()?, Signal::KILL)?;
        wait::until("killed processes go", PATIENCE, || async {
            self.signal_all(Signal::KILL)?;
            Ok(self.exited()?.is_some() && self.members()?.is_empty())
        })
        .await
    }

    /// Stops all processes where they are; sockets stay open.
    pub(super) async fn freeze(&self) -> Result<()> {
        // The postmaster first: nothing is forked once it stands still.
        let postmaster = self.postmaster()?;
        process::send(postmaster, Signal::STOP)?;
        wait::until("the server freezes", PATIENCE, || async {
            if !process::stands_still(postmaster) {
                return Ok(false);
            }
            self.signal_all(Signal::STOP)?;
            Ok(self.members()?.into_iter().all(process::stands_still))
        })
        .await
    }

    pub(super) fn signal_all(&self, signal: Signal) -> Result<()> {
        self.members()?
            .into_iter()
            .try_for_each(|pid| process::send(pid, signal))
    }

    /// All the server has logged.
    pub(super) fn log(&self) -> Result<String> {
        let bytes = fs::read(&self.log).with_context(|| format!("no {}", self.log.display()))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Adds the end of the log to an error.
    pub(super) fn explain(&self, error: anyhow::Error) -> anyhow::Error {
        let log = self.log().unwrap_or_default();
        let lines: Vec<&str> = log.lines().collect();
        let (_, tail) = lines.split_at(lines.len().saturating_sub(TAIL_LINES));
        anyhow!(
            "{error:#}\nend of {}:\n{}",
            self.log.display(),
            tail.join("\n")
        )
    }
}

impl Drop for Server {
    /// Reaps the process, which the guard has ended by now.
    fn drop(&mut self) {
        if let Some(child) = self.child.get_mut() {
            let _status = child.try_wait();
        }
    }
}
