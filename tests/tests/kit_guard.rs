//! Nothing outlives a test process, however it ends.

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use orm_split_tests::kit::postgres::{Cluster, Delay, shared};
use tokio::time::Instant;

const END: &str = "ORM_SPLIT_KIT_TEST_END";

/// Not a test by itself: the process that the tests below end.
#[tokio::test]
#[ignore = "started by the other tests of this file"]
async fn stand_in() -> Result<()> {
    let Ok(end) = std::env::var(END) else {
        return Ok(());
    };
    let own = Cluster::builder().start().await?;
    let shared = shared(Delay::None).await?;
    shared.replicas()[0].freeze().await?;
    for cluster in [&own, shared] {
        println!(
            "stands {} {}",
            cluster.primary().port(),
            cluster.folder().display()
        );
    }
    println!("ready");
    match end.as_str() {
        "panic" => panic!("as asked"),
        "exit" => std::process::exit(0),
        _ => std::future::pending().await,
    }
}

struct StandIn {
    process: Child,
    clusters: Vec<(u16, PathBuf)>,
}

fn start(end: &str) -> Result<StandIn> {
    let mut process = Command::new(std::env::current_exe()?)
        .args(["--exact", "stand_in", "--ignored", "--nocapture"])
        .env(END, end)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    let mut clusters = Vec::new();
    for line in BufReader::new(process.stdout.take().context("no output")?).lines() {
        let line = line?;
        // The harness writes its own words in front of the first line.
        if let Some((_, text)) = line.split_once("stands ") {
            let (port, folder) = text.split_once(' ').context("no folder")?;
            clusters.push((port.parse()?, folder.into()));
        } else if line.ends_with("ready") {
            return Ok(StandIn { process, clusters });
        }
    }
    bail!("the stand-in ended early: {}", process.wait()?)
}

impl StandIn {
    fn assert_nothing_left(mut self) -> Result<()> {
        self.process.wait()?;
        assert_eq!(self.clusters.len(), 2);
        let end = Instant::now() + Duration::from_secs(20);
        while self.clusters.iter().any(|(_, folder)| folder.exists()) {
            assert!(Instant::now() < end, "still there: {:?}", self.clusters);
            std::thread::sleep(Duration::from_millis(20));
        }
        for (port, folder) in &self.clusters {
            assert!(TcpStream::connect(("127.0.0.1", *port)).is_err());
            assert_eq!(processes_in(folder)?, Vec::<PathBuf>::new());
        }
        Ok(())
    }
}

fn processes_in(folder: &Path) -> Result<Vec<PathBuf>> {
    let cwds = Path::new("/proc").read_dir()?.flatten();
    let cwds = cwds.filter_map(|entry| entry.path().join("cwd").read_link().ok());
    Ok(cwds.filter(|cwd| cwd.starts_with(folder)).collect())
}

#[test]
fn killed_test_process_leaves_no_server_and_no_folder() -> Result<()> {
    let mut stand_in = start("wait")?;
    stand_in.process.kill()?;
    stand_in.assert_nothing_left()
}

#[test]
fn panic_leaves_no_server_and_no_folder() -> Result<()> {
    start("panic")?.assert_nothing_left()
}

#[test]
fn exit_leaves_no_server_and_no_folder() -> Result<()> {
    start("exit")?.assert_nothing_left()
}
