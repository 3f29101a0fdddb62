//! Finds the processes of one server and signals them by process id.
//!
//! A process belongs to a server when its working folder is the server's data
//! folder: that holds for the postmaster and everything it forks, and also for
//! orphans of a killed postmaster. Nothing is ever signalled by name.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// The processes whose working folder is `folder`, zombies excepted.
pub(crate) fn members(folder: &Path) -> Result<Vec<Pid>> {
    let entries = fs::read_dir("/proc").context("the kit needs /proc")?;
    let pids = entries.flatten().filter_map(|entry| {
        let raw = entry.file_name().to_str()?.parse().ok()?;
        let cwd = fs::read_link(entry.path().join("cwd")).ok()?;
        (cwd == folder).then(|| Pid::from_raw(raw))?
    });
    Ok(pids.collect())
}

/// Sends `signal`; a process that is already gone is no error.
pub(crate) fn send(pid: Pid, signal: Signal) -> Result<()> {
    match kill_process(pid, signal) {
        Ok(()) | Err(Errno::SRCH) => Ok(()),
        Err(error) => Err(error).with_context(|| format!("cannot send {signal:?} to {pid:?}")),
    }
}

/// Whether `pid` is stopped by a signal, or gone.
pub(crate) fn stands_still(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // The program's name, in brackets, may hold spaces: the state follows the last bracket.
    let state = stat
        .ok()
        .and_then(|text| text.rsplit(')').next()?.trim_start().chars().next());
    matches!(state, None | Some('T' | 't' | 'Z' | 'X'))
}
