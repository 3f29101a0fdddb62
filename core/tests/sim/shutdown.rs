//! The end of a splitter.

use std::time::Duration;

use orm_split_core::Options;
use tokio::runtime::Handle;
use tokio::time::{Instant, sleep};

use super::fake::{Answer, World};

#[tokio::test(start_paused = true)]
async fn t15_shutdown_joins_every_task_within_a_second_whatever_the_monitor_is_doing() {
    let mut longest = Duration::ZERO;
    let before = Handle::current().metrics().num_alive_tasks();
    for probes in [
        Answer::Never,
        Answer::After(Duration::from_millis(700)),
        super::fake::AT_ONCE,
    ] {
        // from the opening of a connection over questions to pauses
        for step in 0..40 {
            let world = World::start(4, Options::default()).await;
            for node in &world.nodes {
                node.set(|fake| fake.probes = probes);
            }
            sleep(Duration::from_millis(step * 97)).await;
            let started = Instant::now();
            world.splitter.shut_down().await;
            longest = longest.max(started.elapsed());
            let alive = Handle::current().metrics().num_alive_tasks();
            assert_eq!(alive, before, "a task is left");
        }
    }
    println!("T15: shutdown took at most {longest:?} of virtual time (1 s)");
    assert!(longest <= Duration::from_secs(1));
}
