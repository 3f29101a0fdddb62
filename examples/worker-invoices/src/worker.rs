//! The loop: take a batch, bill it, say what was billed; wait where there is nothing to do.

use std::pin::pin;
use std::time::Duration;

use orm_split::sea_orm::SplitConnection;

use crate::billing::bill;
use crate::queue::backlog;
use crate::report::report;

/// How the worker works.
#[derive(Clone, Debug)]
pub struct Options {
    /// Jobs in one transaction.
    pub batch: u64,
    /// How long to wait where there is nothing to do.
    pub pause: Duration,
    /// Stops once it has done that many; none goes on until it is told to stop.
    pub jobs: Option<u64>,
}

/// Works until `stop` resolves, always finishing the batch it has begun. Yields how many jobs were done.
pub async fn run(
    db: &SplitConnection,
    options: &Options,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<u64> {
    let mut stop = pin!(stop);
    let mut done = 0;
    while options.jobs.is_none_or(|jobs| done < jobs) {
        let billed = match backlog(db).await? {
            0 => 0,
            _ => bill(db, options.batch).await?,
        };
        done += billed;
        let mut pause = options.pause;
        if billed > 0 {
            let all = report(db).await?;
            tracing::info!(
                billed,
                invoices = all.invoices,
                amount = all.amount,
                "billed"
            );
            pause = Duration::ZERO;
        }
        tokio::select! {
            biased;
            () = &mut stop => break,
            () = tokio::time::sleep(pause) => {}
        }
    }
    Ok(done)
}
