//! A browser of the tests' own: headless Chromium under chromedriver, with an empty profile.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fantoccini::actions::{InputSource, KeyAction, KeyActions};
use fantoccini::{Client, ClientBuilder};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// What a page is made for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Scheme {
    Light,
    Dark,
}

/// Keys, as WebDriver names them.
pub(crate) const TAB: char = '\u{e004}';
pub(crate) const ENTER: char = '\u{e007}';

/// One window. It ends with its driver, when it is dropped.
pub(crate) struct Browser {
    pub(crate) client: Client,
    driver: Child,
    _profile: TempDir,
}

impl Drop for Browser {
    fn drop(&mut self) {
        // an error means that it has ended already
        drop(self.driver.kill());
        drop(self.driver.wait());
    }
}

/// A driver, and the port that it listens on.
fn driver() -> Result<(Child, u16)> {
    let mut driver = Command::new("chromedriver")
        .arg("--port=0")
        .stdout(Stdio::piped())
        .spawn()
        .context("no chromedriver: scripts/install-test-deps installs it")?;
    let output = driver.stdout.take().context("no output")?;
    for line in BufReader::new(output).lines() {
        let line = line?;
        let port = line.split_once("started successfully on port ");
        if let Some((_, port)) = port {
            return Ok((driver, port.trim_end_matches('.').parse()?));
        }
    }
    drop(driver.kill());
    bail!("chromedriver does not say where it listens")
}

impl Browser {
    pub(crate) async fn open(scheme: Scheme, url: &str) -> Result<Self> {
        let profile = tempfile::tempdir()?;
        let (driver, port) = driver()?;
        let folder = profile.path().display();
        let preferred = match scheme {
            Scheme::Dark => 0,
            Scheme::Light => 1,
        };
        let arguments = [
            "--headless".to_owned(),
            "--no-sandbox".to_owned(),
            "--disable-gpu".to_owned(),
            "--disable-quic".to_owned(),
            "--disable-dev-shm-usage".to_owned(),
            "--no-first-run".to_owned(),
            "--disable-background-networking".to_owned(),
            "--disable-component-update".to_owned(),
            "--disable-sync".to_owned(),
            "--window-size=920,740".to_owned(),
            format!("--blink-settings=preferredColorScheme={preferred}"),
            format!("--user-data-dir={folder}"),
        ];
        let capabilities = json!({ "goog:chromeOptions": { "args": arguments } });
        let Value::Object(capabilities) = capabilities else {
            bail!("no object");
        };
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await;
        let browser = Self {
            client: client?,
            driver,
            _profile: profile,
        };
        browser.client.goto(url).await?;
        Ok(browser)
    }

    pub(crate) async fn press(&self, key: char) -> Result<()> {
        let keys = KeyActions::new("keyboard".to_owned())
            .then(KeyAction::Down { value: key })
            .then(KeyAction::Up { value: key });
        Ok(self.client.perform_actions(keys).await?)
    }

    /// What an expression of JavaScript yields.
    pub(crate) async fn asks(&self, expression: &str) -> Result<Value> {
        let script = format!("return {expression}");
        Ok(self.client.execute(&script, Vec::new()).await?)
    }

    /// Waits until an expression is true.
    pub(crate) async fn sees(&self, expression: &str, limit: Duration) -> Result<()> {
        let seen = async {
            while self.asks(expression).await? != Value::Bool(true) {
                sleep(Duration::from_millis(50)).await;
            }
            anyhow::Ok(())
        };
        match timeout(limit, seen).await {
            Ok(seen) => seen,
            Err(_) => bail!("not within {limit:?}: {expression}"),
        }
    }

    pub(crate) async fn close(self) -> Result<()> {
        Ok(self.client.clone().close().await?)
    }
}
