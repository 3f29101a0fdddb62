//! How far a replica is behind, and what makes it so.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal};

use super::node::{Node, PATIENCE};
use super::{conf, sql};
use crate::kit::{process, wait};

impl Node {
    /// Stops replay where it is; streaming goes on.
    ///
    /// # Errors
    /// When the node is no replica or does not answer.
    pub async fn pause_replay(&self) -> Result<()> {
        self.sql("SELECT pg_wal_replay_pause()").await?;
        let paused = "SELECT pg_get_wal_replay_pause_state() = 'paused'";
        self.until("replay pauses", PATIENCE, || async {
            self.value(paused, &[]).await
        })
        .await
    }

    /// Lets replay go on.
    ///
    /// # Errors
    /// When the node is no replica or does not answer.
    pub async fn resume_replay(&self) -> Result<()> {
        self.sql("SELECT pg_wal_replay_resume()").await
    }

    /// Replays each commit `delay` after the primary made it, from now on.
    ///
    /// # Errors
    /// When the setting does not take effect.
    pub async fn set_apply_delay(&self, delay: Duration) -> Result<()> {
        self.configure("recovery_min_apply_delay", &conf::milliseconds(delay))
            .await?;
        self.standing.lock().delay = delay;
        Ok(())
    }

    /// The delay last set.
    #[must_use]
    pub fn apply_delay(&self) -> Duration {
        self.standing.lock().delay
    }

    /// Cuts the replica off its upstream: it answers, but receives nothing.
    ///
    /// What it has received it still replays. Holds across restarts until
    /// [`restore_wal_receiver`](Self::restore_wal_receiver).
    ///
    /// # Errors
    /// When the receiver does not end.
    pub async fn cut_wal_receiver(&self) -> Result<()> {
        self.configure("primary_conninfo", "").await?;
        self.until("the WAL receiver ends", PATIENCE, || async {
            let rows = sql::query(self.port(), RECEIVERS, &[]).await?;
            for row in &rows {
                // Replay would end it too, but only once it is neither paused nor delayed.
                if let Some(pid) = Pid::from_raw(row.try_get(0)?) {
                    process::send(pid, Signal::TERM)?;
                }
            }
            Ok(rows.is_empty())
        })
        .await
    }

    /// Lets the replica stream again from where it did before the cut.
    ///
    /// # Errors
    /// When the node never had an upstream, or does not take the setting.
    pub async fn restore_wal_receiver(&self) -> Result<()> {
        let upstream = self.standing.lock().upstream;
        let port = upstream.with_context(|| format!("{} never had an upstream", self.name))?;
        self.configure("primary_conninfo", &conf::conninfo(port, &self.name))
            .await
    }

    /// Lets the replica stream from `upstream` from now on, as after a promotion.
    ///
    /// # Errors
    /// When it does not stream within thirty seconds.
    pub async fn follow(&self, upstream: &Self) -> Result<()> {
        self.standing.lock().upstream = Some(upstream.port());
        self.restore_wal_receiver().await?;
        self.wait_streaming().await
    }

    /// Waits until the replica streams.
    ///
    /// # Errors
    /// When it does not within thirty seconds.
    pub async fn wait_streaming(&self) -> Result<()> {
        let port = self.standing.lock().upstream.map(i32::from);
        self.until("the replica streams", PATIENCE, || async {
            self.value(STREAMS, &[&port]).await
        })
        .await
    }

    /// The position this node's readers see, in bytes since the beginning:
    /// replayed on a replica, written on the primary.
    ///
    /// # Errors
    /// When the node does not answer.
    pub async fn replayed_lsn(&self) -> Result<u64> {
        let bytes: i64 = self.value(POSITION, &[]).await?;
        Ok(u64::try_from(bytes)?)
    }

    /// Waits until this node has replayed all that `primary` has written by now.
    ///
    /// # Errors
    /// When it has not, thirty seconds past the apply delay.
    pub async fn wait_caught_up(&self, primary: &Self) -> Result<()> {
        let goal = primary.replayed_lsn().await?;
        let limit = PATIENCE + self.apply_delay();
        let what = format!("{} reaches byte {goal} of the log", self.name);
        self.until(
            &what,
            limit,
            async || Ok(self.replayed_lsn().await? >= goal),
        )
        .await
    }

    /// Makes the replica a primary.
    ///
    /// # Errors
    /// When it does not accept writes within thirty seconds.
    pub async fn promote(&self) -> Result<()> {
        // Not waiting there: a statement that takes long would run into our own limit.
        self.sql("SELECT pg_promote(false)").await?;
        self.until("the replica is promoted", PATIENCE, || async {
            Ok(!self.in_recovery().await?)
        })
        .await?;
        let mut standing = self.standing.lock();
        (standing.upstream, standing.delay) = (None, Duration::ZERO);
        Ok(())
    }

    /// Sets one setting for good (`ALTER SYSTEM`) and waits until new sessions have it.
    ///
    /// Settings that need a restart take effect with the next one.
    ///
    /// # Errors
    /// When the server refuses the value or does not reload.
    pub async fn configure(&self, name: &str, value: &str) -> Result<()> {
        if !name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '.'))
        {
            bail!("{name:?} is no name of a setting");
        }
        let before: String = self.value(LOADED, &[]).await?;
        self.sql(&format!(
            "ALTER SYSTEM SET {name} = {}",
            conf::quoted(value)
        ))
        .await?;
        self.sql("SELECT pg_reload_conf()").await?;
        let reloaded = async || Ok(self.value::<String>(LOADED, &[]).await? != before);
        self.until("the configuration is reloaded", PATIENCE, reloaded)
            .await
    }

    /// A bounded wait whose error names the node and ends with its log.
    pub(super) async fn until<F, C>(&self, what: &str, limit: Duration, check: F) -> Result<()>
    where
        F: Fn() -> C,
        C: Future<Output = Result<bool>>,
    {
        let done = wait::until(format!("{}: {what}", self.name), limit, check).await;
        done.map_err(|error| self.server.explain(error))
    }
}

const RECEIVERS: &str = "SELECT pid FROM pg_stat_wal_receiver";

const STREAMS: &str = "SELECT EXISTS (SELECT FROM pg_stat_wal_receiver \
    WHERE status = 'streaming' AND sender_port = $1::int4)";

const POSITION: &str = "SELECT (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() \
    ELSE pg_current_wal_lsn() END - '0/0'::pg_lsn)::int8";

const LOADED: &str = "SELECT pg_conf_load_time()::text";
