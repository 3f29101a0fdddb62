//! One cluster for all tests of a process that break nothing.

use std::time::Duration;

use anyhow::Result;
use tokio::sync::OnceCell;

use super::cluster::Cluster;

/// Which shared cluster: how far its replicas are behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Delay {
    /// Replicas replay at once.
    None,
    /// Replicas replay 150 ms after the commit: enough for a read that follows a
    /// write to miss it, short enough to wait for often.
    Ms150,
    /// Replicas replay half a second after the commit: a write is surely not
    /// there for a read that follows it.
    Ms500,
    /// The first replays at once, the second two seconds after the commit.
    Uneven,
}

/// The cluster all tests of this process share: a primary and two replicas.
///
/// The first use starts it. Tests keep apart by [`Cluster::create_database`],
/// and must not stop, delay or change its nodes: those that do start their own.
///
/// # Errors
/// When it cannot be started; the next use tries again.
pub async fn shared(delay: Delay) -> Result<&'static Cluster> {
    static AT_ONCE: OnceCell<Cluster> = OnceCell::const_new();
    static MS_150: OnceCell<Cluster> = OnceCell::const_new();
    static MS_500: OnceCell<Cluster> = OnceCell::const_new();
    static UNEVEN: OnceCell<Cluster> = OnceCell::const_new();
    let (cell, apply) = match delay {
        Delay::None => (&AT_ONCE, Duration::ZERO),
        Delay::Ms150 => (&MS_150, Duration::from_millis(150)),
        Delay::Ms500 => (&MS_500, Duration::from_millis(500)),
        Delay::Uneven => return UNEVEN.get_or_try_init(uneven).await,
    };
    cell.get_or_try_init(|| Cluster::builder().replicas(2).apply_delay(apply).start())
        .await
}

async fn uneven() -> Result<Cluster> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    if let Some(late) = cluster.replicas().last() {
        late.set_apply_delay(Duration::from_secs(2)).await?;
    }
    Ok(cluster)
}
