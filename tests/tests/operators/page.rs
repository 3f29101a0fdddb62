//! The status page in a real browser.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::SplitConnection;
use orm_split_tests::application::{Application as _, Settings};
use orm_split_tests::outages;
use tokio::time::{Instant, sleep};

use crate::browser::{Browser, ENTER, Scheme, TAB};
use crate::watched::{Watched, cluster};

/// For what takes no longer than the browser and the machine do.
const PATIENCE: Duration = Duration::from_secs(30);

/// Whether the row of a node holds a text.
fn row_has(node: &str, text: &str) -> String {
    format!(
        "(document.querySelector('[data-node=\"{node}\"]')?.textContent ?? '').includes('{text}')"
    )
}

async fn watched(replicas: &[String], primary: &str) -> Result<Watched<SplitConnection>> {
    let watched = Watched::<SplitConnection>::start(&Settings::new(primary, replicas)).await?;
    watched.app.create_counters(10).await?;
    outages::wait_for_replicas(&watched.app, replicas.len()).await?;
    Ok(watched)
}

async fn reads(watched: &Watched<SplitConnection>, count: i32) -> Result<()> {
    for id in 0..count {
        watched.app.read(id % 10).await?;
    }
    Ok(())
}

// the browser is started by a call that blocks: the application must go on meanwhile
#[tokio::test(flavor = "multi_thread")]
async fn the_page_loads_and_updates_and_shows_a_killed_replica_within_five_seconds() -> Result<()> {
    let (cluster, database) = cluster(2).await?;
    let watched = watched(database.replica_urls(), database.primary_url()).await?;
    let browser = Browser::open(Scheme::Light, &format!("{}/database/status", watched.url)).await?;
    for node in ["primary", "replica-1", "replica-2"] {
        browser.sees(&row_has(node, "up"), PATIENCE).await?;
    }
    let all_is_well = "document.getElementById('verdict').textContent === 'All nodes are healthy'";
    browser.sees(all_is_well, PATIENCE).await?;
    // the style is applied, and the line is drawn
    let hidden = "getComputedStyle(document.querySelector('caption')).position === 'absolute'";
    browser.sees(hidden, PATIENCE).await?;
    let drawn = "document.querySelectorAll('#chart path.series[d^=\"M\"]').length === 2";
    browser.sees(drawn, PATIENCE).await?;
    let served = "[...document.querySelectorAll('[data-node^=replica]')]\
                  .map(row => Number(row.cells[5].textContent)).reduce((one, other) => one + other)";
    let before = browser.asks(served).await?.as_f64().context("a count")?;
    reads(&watched, 50).await?;
    browser
        .sees(&format!("{served} >= {}", before + 50.0), PATIENCE)
        .await?;

    let killed_at = Instant::now();
    cluster.replicas().first().context("two")?.kill().await?;
    browser
        .sees(&row_has("replica-1", "▲"), Duration::from_secs(5))
        .await?;
    println!(
        "the page showed the killed replica after {:?}",
        killed_at.elapsed()
    );
    let verdict = "document.getElementById('verdict').textContent.includes('without replica-1')";
    browser.sees(verdict, PATIENCE).await?;
    browser.close().await?;
    watched.close().await
}

// the browser is started by a call that blocks: the application must go on meanwhile
#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_used_by_keyboard_alone() -> Result<()> {
    let (_cluster, database) = cluster(1).await?;
    let watched = watched(database.replica_urls(), database.primary_url()).await?;
    let browser = Browser::open(Scheme::Light, &format!("{}/database/status", watched.url)).await?;
    browser.sees(&row_has("replica-1", "up"), PATIENCE).await?;

    browser.press(TAB).await?;
    browser
        .sees("document.activeElement.id === 'pause'", PATIENCE)
        .await?;
    let outline = "getComputedStyle(document.activeElement).outlineStyle === 'solid'";
    browser.sees(outline, PATIENCE).await?;
    browser.press(ENTER).await?;
    browser
        .sees(
            "document.activeElement.textContent === 'Resume updates'",
            PATIENCE,
        )
        .await?;
    browser
        .asks("document.getElementById('updated').textContent = 'frozen'")
        .await?;
    sleep(Duration::from_millis(2_500)).await;
    let frozen = "document.getElementById('updated').textContent === 'frozen'";
    ensure!(browser.asks(frozen).await? == true, "it went on");
    browser.press(ENTER).await?;
    browser.sees(&format!("!({frozen})"), PATIENCE).await?;

    browser.press(TAB).await?;
    browser
        .sees(
            "document.activeElement.getAttribute('role') === 'region'",
            PATIENCE,
        )
        .await?;
    browser.press(TAB).await?;
    browser
        .sees("document.activeElement.tagName === 'SUMMARY'", PATIENCE)
        .await?;
    browser.press(ENTER).await?;
    browser
        .sees("document.getElementById('why').open", PATIENCE)
        .await?;
    reads(&watched, 20).await?;
    browser
        .sees(
            "document.getElementById('reasons').textContent.includes('read')",
            PATIENCE,
        )
        .await?;
    browser.close().await?;
    watched.close().await
}

/// Every text stands out from what is behind it, as WCAG's level AA has it: 4.5 to 1.
const CONTRASTS: &str = r"(() => {
  const parts = text => text.match(/[\d.]+/g).map(Number);
  const linear = value => (value /= 255) <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  const ground = luminance(parts(getComputedStyle(document.body).backgroundColor));
  const poor = [];
  for (const element of document.querySelectorAll('h1, h2, p, th, td, summary, figcaption span, li')) {
    const colour = luminance(parts(getComputedStyle(element).color));
    const ratio = (Math.max(ground, colour) + 0.05) / (Math.min(ground, colour) + 0.05);
    if (ratio < 4.5) poor.push(element.tagName + ' ' + element.textContent + ' ' + ratio);
  }
  return poor.length ? poor.join('; ') : ground;
})()";

// the browser is started by a call that blocks: the application must go on meanwhile
#[tokio::test(flavor = "multi_thread")]
async fn the_page_can_be_read_in_light_and_in_dark() -> Result<()> {
    let (cluster, database) = cluster(2).await?;
    let watched = watched(database.replica_urls(), database.primary_url()).await?;
    reads(&watched, 400).await?;
    cluster
        .replicas()
        .get(1)
        .context("two")?
        .pause_replay()
        .await?;
    watched.app.write(1, 1).await?;
    let url = format!("{}/database/status", watched.url);
    let mut grounds = Vec::new();
    for (scheme, name) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
        let browser = Browser::open(scheme, &url).await?;
        browser.sees(&row_has("replica-2", "s"), PATIENCE).await?;
        browser
            .asks("document.getElementById('why').open = true")
            .await?;
        let notes = "(document.querySelector('#chart path')?.getAttribute('d') ?? '').split('L').length > 4";
        browser.sees(notes, PATIENCE).await?;
        let ground = browser.asks(CONTRASTS).await?;
        grounds.push(
            ground
                .as_f64()
                .with_context(|| format!("{name}: {ground}"))?,
        );
        let shot = browser.client.screenshot().await?;
        ensure!(shot.starts_with(b"\x89PNG"), "no picture");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        std::fs::write(folder.join(format!("status-page-{name}.png")), shot)?;
        browser.close().await?;
    }
    ensure!(
        matches!(grounds[..], [light, dark] if light > 0.8 && dark < 0.1),
        "{grounds:?}"
    );
    watched.close().await
}
