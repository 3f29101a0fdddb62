//! A MariaDB server of one test, on a free port of 127.0.0.1, as an ordinary user.
//!
//! Started from an empty data folder, ended with the test. Statements go through MariaDB's own
//! command, one process each: what the server answers is all that counts.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

use super::account::Account;
use super::guard::Guard;
use super::ports::Port;

const DEBIAN: [&str; 2] = ["/usr/sbin", "/usr/bin"];
const PATIENCE: Duration = Duration::from_secs(30);

/// A running server.
#[derive(Debug)]
pub struct MariaDb {
    account: Account,
    port: Port,
    folder: PathBuf,
    child: Child,
    _guard: Guard,
}

impl MariaDb {
    /// Starts one, with a database `d`.
    ///
    /// # Errors
    /// There are no binaries, or the server does not answer within 30 s.
    pub async fn start() -> Result<Self> {
        let (account, guard) = (Account::choose()?, Guard::new()?);
        let folder = guard.folder().join("mariadb");
        account.make_folder(&folder)?;
        let mut install = account.command(binary("mariadb-install-db")?, &folder);
        install
            .args(["--no-defaults", "--basedir=/usr", "--skip-test-db"])
            .arg("--auth-root-authentication-method=normal")
            .arg(format!("--datadir={}", folder.display()));
        account.run(install).await?;
        let port = Port::pick()?;
        let child = server(&account, &folder, &port)?;
        let mut server = Self {
            account,
            port,
            folder,
            child,
            _guard: guard,
        };
        server.wait().await?;
        server.run("mysql", &[], "CREATE DATABASE d").await?;
        Ok(server)
    }

    async fn wait(&mut self) -> Result<()> {
        let until = tokio::time::Instant::now() + PATIENCE;
        while let Err(error) = self.run("mysql", &[], "SELECT 1").await {
            if let Some(status) = self.child.try_wait()? {
                bail!("mariadbd ended with {status}");
            }
            ensure!(tokio::time::Instant::now() < until, "{error:#}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        Ok(())
    }

    /// Runs a text in a session of its own in the database `d`.
    ///
    /// # Errors
    /// The server refuses; its message is in the error.
    pub async fn execute(&self, sql: &str) -> Result<()> {
        self.run("d", &[], sql).await
    }

    /// As [`execute`](Self::execute), in a session whose transactions are read-only.
    ///
    /// # Errors
    /// The server refuses; its message is in the error.
    pub async fn execute_read_only(&self, sql: &str) -> Result<()> {
        let read_only = "--init-command=SET SESSION TRANSACTION READ ONLY";
        self.run("d", &[read_only], sql).await
    }

    async fn run(&self, database: &str, options: &[&str], sql: &str) -> Result<()> {
        let mut client = self
            .account
            .command(binary("mariadb")?, Path::new(&self.folder));
        client
            .args(["--no-defaults", "--protocol=tcp", "--host=127.0.0.1"])
            .args(["--user=root", "--comments", "--binary-mode", "--batch"])
            .args(["--default-character-set=utf8mb4"])
            .arg(format!("--port={}", self.port.number()))
            .args(options)
            .args([database, "--execute", sql]);
        self.account.run(client).await
    }
}

impl Drop for MariaDb {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn server(account: &Account, folder: &Path, port: &Port) -> Result<Child> {
    let mut server: Command = account.command(binary("mariadbd")?, folder);
    server
        .args(["--no-defaults", "--bind-address=127.0.0.1"])
        .args(["--innodb-flush-log-at-trx-commit=0", "--pid-file=pid"])
        .arg(format!("--port={}", port.number()))
        .arg(format!("--datadir={}", folder.display()))
        .arg(format!("--socket={}/socket", folder.display()))
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    server.spawn().context("cannot start mariadbd")
}

fn binary(name: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = DEBIAN.map(PathBuf::from).into_iter();
    folders
        .chain(std::env::split_paths(&path))
        .map(|folder| folder.join(name))
        .find(|path| path.is_file())
        .with_context(|| format!("no {name} in PATH: run scripts/install-test-deps"))
}
