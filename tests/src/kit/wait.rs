//! Waits for something to become true, never without a bound.

use std::fmt::Display;
use std::time::Duration;

use anyhow::{Result, anyhow};
use tokio::time::{Instant, sleep, timeout};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(15);

/// Looks at `check` until it yields true, at most for `limit`.
///
/// An error of `check` counts as "not yet"; the last one is part of the error.
///
/// Not `AsyncFnMut`: futures of the kit must be `Send`, which it cannot promise.
pub(crate) async fn until<F, C>(what: impl Display, limit: Duration, check: F) -> Result<()>
where
    F: Fn() -> C,
    C: Future<Output = Result<bool>>,
{
    let end = Instant::now() + limit;
    let mut last = None;
    loop {
        let left = end.saturating_duration_since(Instant::now());
        match timeout(left, check()).await {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => last = None,
            Ok(Err(error)) => last = Some(error),
            Err(_) => {}
        }
        if Instant::now() >= end {
            let message = format!("{what}: not within {limit:?}");
            return Err(match last {
                Some(error) => error.context(message),
                None => anyhow!(message),
            });
        }
        sleep(EVERY).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn check_that_hangs_is_cut_short_at_the_bound() {
        let hang = async || std::future::pending().await;
        let error = until("it hangs", Duration::from_millis(30), hang)
            .await
            .unwrap_err();
        assert_eq!(error.to_string(), "it hangs: not within 30ms");
    }

    #[tokio::test]
    async fn last_error_is_told() {
        let fail = async || Err(anyhow!("no route"));
        let error = until("it fails", Duration::ZERO, fail).await.unwrap_err();
        assert!(format!("{error:#}").ends_with("no route"), "{error:#}");
    }
}
