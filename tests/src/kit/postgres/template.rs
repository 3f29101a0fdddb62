//! A freshly initialised data folder as one archive, made once per machine.
//!
//! `initdb` costs most of a second, unpacking costs milliseconds. Primary and
//! replicas are unpacked from the same archive: a server that was shut down
//! cleanly is a consistent base copy of itself, so no replica needs
//! `pg_basebackup`. The archive is one file that appears by renaming, so it is
//! either whole or absent, and it is used only when its owner is the servers'
//! user. Its name holds a digest of all that went into it.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::{ADMIN_ROLE, conf};
use crate::kit::account::Account;
use crate::kit::guard::Guard;
use crate::kit::locate;

/// Small segments: an idle server then weighs 30 MB instead of 40.
const INITDB: [&str; 6] = [
    "--no-sync",
    "--auth=trust",
    "--encoding=UTF8",
    "--no-locale",
    "--wal-segsize=4",
    "--pgdata=.",
];

/// Where the binaries are, and who runs them.
#[derive(Debug, Clone)]
pub(super) struct Tools {
    pub(super) bin: PathBuf,
    pub(super) account: Account,
}

impl Tools {
    pub(super) fn find() -> Result<Self> {
        Self::of(locate::postgres_bin()?)
    }

    pub(super) fn of(bin: PathBuf) -> Result<Self> {
        let account = Account::choose()?;
        Ok(Self { bin, account })
    }

    pub(super) fn command(&self, name: &str, folder: &Path) -> Command {
        self.account.command(self.bin.join(name), folder)
    }
}

/// Makes `folder` a data folder.
///
/// All folders from the archive are one cluster, with one system identifier;
/// `fresh` ones are made by their own `initdb` and share nothing.
pub(super) async fn archive(tools: &Tools, guard: &Guard, fresh: bool) -> Result<PathBuf> {
    if fresh {
        return make(tools, guard.folder()).await;
    }
    let cached = cached(tools)?;
    if !tools.account.owns_file(&cached) {
        let workshop = Guard::new()?;
        let made = make(tools, workshop.folder()).await?;
        // Whoever comes second replaces an equal file; readers keep theirs open.
        fs::rename(&made, &cached).with_context(|| format!("cannot keep {}", cached.display()))?;
    }
    Ok(cached)
}

/// Unpacks `archive` into `folder`, which must not exist.
pub(super) async fn unpack(tools: &Tools, archive: &Path, folder: &Path) -> Result<()> {
    tools.account.make_folder(folder)?;
    let mut command = tools.account.command("tar", folder);
    command.arg("-xpf").arg(archive);
    tools.account.run(command).await
}

fn cached(tools: &Tools) -> Result<PathBuf> {
    let version = tools
        .command("postgres", Path::new("/"))
        .arg("--version")
        .output()?;
    let mut digest = DefaultHasher::new();
    (
        version.stdout,
        &tools.bin,
        INITDB,
        conf::hba(),
        conf::roles(),
    )
        .hash(&mut digest);
    let name = format!(
        "orm-split-template-{}-{:016x}.tar",
        tools.account.uid(),
        digest.finish()
    );
    Ok(std::env::temp_dir().join(name))
}

async fn make(tools: &Tools, workshop: &Path) -> Result<PathBuf> {
    let (account, folder) = (tools.account, workshop.join("template"));
    account.make_folder(&folder)?;
    let mut initdb = tools.command("initdb", &folder);
    initdb.args(INITDB).args(["--username", ADMIN_ROLE]);
    account.run(initdb).await?;

    account.write(&folder.join("pg_hba.conf"), &conf::hba())?;
    let statements = workshop.join("roles.sql");
    account.write(&statements, &conf::roles())?;
    // Single-user mode needs no port, and ends with the checkpoint of a clean shutdown.
    let mut single = tools.command("postgres", &folder);
    single
        .args(["--single", "-F", "-j", "-D", ".", "postgres"])
        .stdin(File::open(&statements)?);
    account.run(single).await?;

    let packed = workshop.join("template.tar");
    account.write(&packed, "")?;
    let mut tar = account.command("tar", &folder);
    tar.arg("-cf").arg(&packed).arg(".");
    account.run(tar).await?;
    fs::remove_dir_all(&folder)?;
    Ok(packed)
}
