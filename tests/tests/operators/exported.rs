//! Which metrics, with which labels, a recorder has after everything has happened once that is counted.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use anyhow::{Context, Result};
use orm_split::sea_orm::SplitConnection;
use orm_split_tests::application::{Application as _, Settings};
use orm_split_tests::outages;
use tokio::time::{sleep, timeout};

use crate::watched::{OBSERVERS, Watched, cluster};

/// Labels by the name of the metric, histograms by their own names and without `le`.
pub(crate) type Exported = BTreeMap<String, BTreeSet<String>>;

/// What follows the name of a histogram.
const PARTS: [&str; 3] = ["_bucket", "_sum", "_count"];

/// The name under which a series belongs to a histogram, or its own.
pub(crate) fn metric_of(series: &str, is_histogram: impl Fn(&str) -> bool) -> &str {
    let whole = |part| series.strip_suffix(part).filter(|name| is_histogram(name));
    PARTS.into_iter().find_map(whole).unwrap_or(series)
}

/// Reads Prometheus' text format.
fn parsed(text: &str) -> Result<Exported> {
    let types = text.lines().filter_map(|line| line.strip_prefix("# TYPE "));
    let types: BTreeMap<&str, &str> = types.filter_map(|line| line.split_once(' ')).collect();
    let is_histogram = |name: &str| types.get(name) == Some(&"histogram");
    let mut exported = Exported::new();
    for line in text
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        let (series, value) = line.rsplit_once(' ').with_context(|| line.to_owned())?;
        value.parse::<f64>().with_context(|| line.to_owned())?;
        let (name, labels) = series.split_once('{').unwrap_or((series, ""));
        let name = metric_of(name, is_histogram);
        types
            .get(name)
            .with_context(|| format!("no type of {name}"))?;
        let labels = labels.trim_end_matches('}').split("\",");
        let keys = labels.filter_map(|label| Some(label.split_once('=')?.0.to_owned()));
        let known = exported.entry(name.to_owned()).or_default();
        known.extend(keys.filter(|key| key != "le"));
    }
    Ok(exported)
}

/// Whatever of ours is exported.
pub(crate) fn ours() -> Result<Exported> {
    let mut exported = parsed(&OBSERVERS.metrics.render())?;
    exported.retain(|name, _| name.starts_with("orm_split_"));
    Ok(exported)
}

/// Reads, writes, a replica that dies with reads under way, and gauges of all that.
pub(crate) async fn after_everything() -> Result<Exported> {
    let (cluster, database) = cluster(1).await?;
    let watched = Watched::<SplitConnection>::start(&Settings::of(&database)).await?;
    watched.app.create_counters(10).await?;
    outages::wait_for_replicas(&watched.app, 1).await?;
    watched.app.write(1, 1).await?;
    outages::read_some(&watched.app).await?;
    cluster.replicas().first().context("one")?.kill().await?;
    outages::read_some(&watched.app).await?;
    let noted = async {
        loop {
            let exported = ours()?;
            let has = |name: &str| exported.contains_key(name);
            if has("orm_split_attempt_failures_total") && has("orm_split_node_health") {
                return anyhow::Ok(exported);
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let exported = timeout(Duration::from_secs(30), noted).await;
    watched.close().await?;
    exported.context("no failure was counted, or no gauge set")?
}
