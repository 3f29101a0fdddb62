//! The ways a node fails, and comes back.

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

use super::node::{Node, PATIENCE, Standing};
use super::server::Stop;
use super::{ADMIN_ROLE, conf};
use crate::kit::process;

impl Node {
    /// Shuts down and waits until all processes are gone.
    ///
    /// # Errors
    /// When the server does not run, or does not end within thirty seconds:
    /// [`Stop::Smart`] waits for clients, which may never leave.
    pub async fn stop(&self, mode: Stop) -> Result<()> {
        self.begin_stop(mode)?;
        self.wait_stopped().await
    }

    /// Asks for a shutdown and returns at once.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn begin_stop(&self, mode: Stop) -> Result<()> {
        self.server
            .begin_stop(mode)
            .with_context(|| self.name.clone())
    }

    /// Waits until the server and all its processes are gone.
    ///
    /// # Errors
    /// When they are not within thirty seconds.
    pub async fn wait_stopped(&self) -> Result<()> {
        self.server
            .wait_stopped()
            .await
            .with_context(|| self.name.clone())
    }

    /// Kills the server and all its processes with SIGKILL, as the kernel's
    /// out-of-memory killer or a power cut would.
    ///
    /// # Errors
    /// When the server does not run.
    pub async fn kill(&self) -> Result<()> {
        self.server.kill().await.with_context(|| self.name.clone())
    }

    /// Starts the server again on the same port and waits until it accepts sessions.
    ///
    /// # Errors
    /// When it runs already or does not get ready.
    pub async fn start(&self) -> Result<()> {
        self.server.spawn().with_context(|| self.name.clone())?;
        self.wait_ready().await
    }

    /// A fast shutdown, then a start.
    ///
    /// # Errors
    /// Those of [`stop`](Self::stop) and [`start`](Self::start).
    pub async fn restart(&self) -> Result<()> {
        self.stop(Stop::Fast).await?;
        self.start().await
    }

    /// Stops all processes where they are. Sockets stay open, new connections
    /// are accepted by the kernel, and nothing answers: a hung machine.
    ///
    /// # Errors
    /// When the server does not run.
    pub async fn freeze(&self) -> Result<()> {
        self.server
            .freeze()
            .await
            .with_context(|| self.name.clone())
    }

    /// Lets a frozen server go on as if nothing had been.
    ///
    /// # Errors
    /// When the server does not run.
    pub fn thaw(&self) -> Result<()> {
        self.server
            .signal_all(Signal::CONT)
            .with_context(|| self.name.clone())
    }

    /// Kills one session's process with SIGKILL: the server then ends all other
    /// sessions, recovers, and accepts sessions again by itself.
    ///
    /// Returns once the recovery has begun; see [`wait_ready`](Self::wait_ready).
    ///
    /// # Errors
    /// When `pid` is no process of this node, or is the server itself.
    pub async fn kill_backend(&self, pid: i32) -> Result<()> {
        let pid = Pid::from_raw(pid).context("no process id")?;
        let ours = self.server.members()?.contains(&pid);
        if !ours || pid == self.server.postmaster()? {
            bail!("{}: {pid:?} is no session of this node", self.name);
        }
        process::send(pid, Signal::KILL)?;
        let seen = format!("(PID {}) was terminated by signal 9", pid.as_raw_nonzero());
        self.until("the server notices", PATIENCE, || async {
            Ok(self.log()?.contains(&seen))
        })
        .await
    }

    /// Throws this node's data away and makes it a replica of `upstream`, as one
    /// does with a primary that was replaced while it was away.
    ///
    /// # Errors
    /// When the node still runs, or the copy fails.
    pub async fn rejoin(&self, upstream: &Self) -> Result<()> {
        if self.server.postmaster().is_ok() {
            bail!("{}: stop it first", self.name);
        }
        let (folder, tools) = (self.server.folder(), self.server.tools());
        let settings = std::fs::read_to_string(folder.join("postgresql.conf"))?;
        std::fs::remove_dir_all(folder)?;
        tools.account.make_folder(folder)?;
        let mut copy = tools.command("pg_basebackup", folder);
        copy.args([
            "--pgdata=.",
            "--checkpoint=fast",
            "--no-sync",
            "--host=127.0.0.1",
        ])
        .args([
            "--username",
            ADMIN_ROLE,
            "--port",
            &upstream.port().to_string(),
        ]);
        tools.account.run(copy).await?;

        let standing = Standing {
            upstream: Some(upstream.port()),
            delay: std::time::Duration::ZERO,
        };
        *self.standing.lock() = standing;
        let role = conf::replica(upstream.port(), &self.name, standing.delay);
        tools.account.write(
            &folder.join("postgresql.conf"),
            &format!("{settings}{role}"),
        )?;
        // The copy brought what was set on the upstream; it is not ours.
        tools
            .account
            .write(&folder.join("postgresql.auto.conf"), "")?;
        tools.account.write(&folder.join("standby.signal"), "")?;
        self.start().await?;
        self.wait_streaming().await
    }
}
