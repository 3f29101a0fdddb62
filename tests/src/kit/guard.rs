//! Tears a cluster down however its test ends: returned, panicked or killed.
//!
//! A shell process waits at the read end of a pipe. The write end lives in the
//! test process alone (it is close-on-exec), so the pipe ends with it, and the
//! shell then stops the servers and deletes the folder. Dropping the guard fires
//! it the same way: there is one way down, and every test exercises it.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

const SCRIPT: &str = include_str!("guard.sh");

/// A folder in the temp folder, and the process that outlives us to clean it up.
#[derive(Debug)]
pub(crate) struct Guard {
    folder: PathBuf,
    process: Child,
}

impl Guard {
    /// Makes the folder and starts the process.
    pub(crate) fn new() -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("orm-split-kit-")
            .tempdir()
            .context("cannot make a folder for the servers")?;
        // The servers' user has to get through to its own folders below.
        fs::set_permissions(folder.path(), Permissions::from_mode(0o711))?;
        // The kernel reports working folders without links.
        let resolved = folder.path().canonicalize()?;
        let process = Command::new("sh")
            .args(["-c", SCRIPT, "orm-split-guard"])
            .arg(&resolved)
            .current_dir("/")
            .stdin(Stdio::piped())
            // An inherited output would keep `cargo test | tee` waiting.
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Whoever ends the test's process group must not end its guard.
            .process_group(0)
            .spawn()
            .context("cannot start the guard")?;
        let _path = folder.keep();
        Ok(Self {
            folder: resolved,
            process,
        })
    }

    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.process.stdin.take());
        for _ in 0..1_000 {
            if !matches!(self.process.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(Duration::from_millis(10));
        }
    }
}
