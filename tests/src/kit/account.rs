//! Decides which operating system user the servers run as, and runs tools as it.
//!
//! PostgreSQL refuses to run as root; test environments often are root. Servers
//! never see the caller's environment: `PGDATA` and its like would mislead them.

use std::ffi::OsStr;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// The user and group that servers and their tools run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Account {
    uid: u32,
    gid: u32,
    switch: bool,
}

impl Account {
    /// Oneself; as root `postgres` if there is one, else `nobody`.
    pub(crate) fn choose() -> Result<Self> {
        let (uid, gid) = (rustix::process::geteuid(), rustix::process::getegid());
        if !uid.is_root() {
            return Ok(Self {
                uid: uid.as_raw(),
                gid: gid.as_raw(),
                switch: false,
            });
        }
        ["postgres", "nobody"]
            .iter()
            .find_map(|name| {
                Some(Self {
                    uid: id("-u", name)?,
                    gid: id("-g", name)?,
                    switch: true,
                })
            })
            .context("root cannot run PostgreSQL, and there is no user `postgres` or `nobody`")
    }

    pub(crate) const fn uid(&self) -> u32 {
        self.uid
    }

    /// A command that will run as this user, inside `folder`, in a clean environment.
    ///
    /// The working folder is set before the program starts, which is what lets
    /// the guard find a process that has not yet written any file.
    pub(crate) fn command(&self, program: impl AsRef<OsStr>, folder: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .current_dir(folder)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("LC_ALL", "C")
            .stdin(Stdio::null());
        if self.switch {
            command.uid(self.uid).gid(self.gid);
        }
        command
    }

    /// Runs a tool to its end; its output is part of the error.
    pub(crate) async fn run(&self, command: Command) -> Result<()> {
        let shown = format!("{command:?}");
        let mut command = tokio::process::Command::from(command);
        let output = command.kill_on_drop(true).output().await;
        let output = output.with_context(|| format!("cannot run {shown}"))?;
        if !output.status.success() {
            let said = String::from_utf8_lossy(&output.stderr);
            bail!("{shown} ended with {}: {}", output.status, said.trim());
        }
        Ok(())
    }

    /// Makes a folder only this user (and root) can enter.
    pub(crate) fn make_folder(&self, path: &Path) -> Result<()> {
        fs::create_dir(path).with_context(|| format!("cannot make {}", path.display()))?;
        // The server refuses a data folder that others may look into.
        fs::set_permissions(path, Permissions::from_mode(0o700))?;
        self.own(path)
    }

    /// Writes a file this user can read and replace.
    pub(crate) fn write(&self, path: &Path, text: &str) -> Result<()> {
        fs::write(path, text).with_context(|| format!("cannot write {}", path.display()))?;
        self.own(path)
    }

    /// Hands a file or folder to this user.
    pub(crate) fn own(&self, path: &Path) -> Result<()> {
        if !self.switch {
            return Ok(());
        }
        chown(path, Some(self.uid), Some(self.gid))
            .with_context(|| format!("cannot hand {} to user {}", path.display(), self.uid))
    }

    /// Whether `path` is a plain file this user owns: nobody else can have put it there.
    pub(crate) fn owns_file(&self, path: &Path) -> bool {
        fs::symlink_metadata(path).is_ok_and(|found| found.is_file() && found.uid() == self.uid)
    }
}

fn id(which: &str, name: &str) -> Option<u32> {
    let output = Command::new("id").args([which, name]).output().ok()?;
    String::from_utf8(output.stdout).ok()?.trim().parse().ok()
}
