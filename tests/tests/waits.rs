//! Reads that wait for a replica of a real cluster, through either ORM.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel_async::AsyncPgConnection;
use orm_split::diesel::SplitPool;
use orm_split::sea_orm::{SplitConnection, Status};
use orm_split_tests::application::{Application, Ran, Settings};
use orm_split_tests::kit::locate::postgres_19_or_skip;
use orm_split_tests::kit::postgres::{Cluster, Delay, shared};

const PAIRS: i64 = 20;

/// Each writes and reads at once, and must see it; says where the statements ran.
async fn pairs<A: Application>(app: &A) -> Result<Ran> {
    let before = app.status();
    for value in 1..=PAIRS {
        app.write(1, value).await?;
        let read = app.read(1).await?;
        ensure!(read == value, "wrote {value}, read {read}");
    }
    Ok(Ran::between(&before, &app.status()))
}

async fn connected<A: Application>(cluster: &Cluster, read_wait: Duration) -> Result<A> {
    let mut settings = Settings::of(&cluster.create_database().await?);
    settings.read_wait = read_wait;
    let app = A::connect(&settings).await?;
    app.create_counters(2).await?;
    Ok(app)
}

fn reads_on_replicas(ran: &Ran) -> u64 {
    ran.reasons.get("read").copied().unwrap_or_default()
}

#[rstest::rstest]
#[case::sea_orm(of::<SplitConnection>())]
#[case::diesel(of::<SplitPool<AsyncPgConnection>>())]
#[tokio::test(flavor = "multi_thread")]
async fn a_read_that_waits_is_served_by_a_replica_and_one_that_does_not_by_the_primary<
    A: Application,
>(
    #[case] _orm: Of<A>,
) -> Result<()> {
    let cluster = shared(Delay::Ms150).await?;
    let waits: A = connected(cluster, Duration::from_secs(5)).await?;
    let ran = pairs(&waits).await?;
    ensure!(reads_on_replicas(&ran) == PAIRS.unsigned_abs(), "{ran:?}");
    let status = waits.status();
    ensure!(status.reads_that_waited_in_vain == 0, "{status:?}");
    waits.close().await?;

    let hurries: A = connected(cluster, Duration::ZERO).await?;
    let ran = pairs(&hurries).await?;
    ensure!(reads_on_replicas(&ran) == 0, "{ran:?}");
    hurries.close().await
}

#[rstest::rstest]
#[case::sea_orm(of::<SplitConnection>())]
#[case::diesel(of::<SplitPool<AsyncPgConnection>>())]
#[tokio::test(flavor = "multi_thread")]
async fn no_read_waits_long_for_replicas_that_are_known_to_lag_by_more<A: Application>(
    #[case] _orm: Of<A>,
) -> Result<()> {
    let app: A = connected(shared(Delay::Ms500).await?, Duration::from_millis(20)).await?;
    pairs(&app).await?;
    let waited = app.status().reads_that_waited_in_vain;
    // until it is known how much they lag
    ensure!(waited < PAIRS.unsigned_abs() / 2, "{waited} of {PAIRS}");
    app.close().await
}

/// Questions that the monitor asked the replicas.
fn asked_of_replicas(status: &Status) -> u64 {
    let replicas = status.nodes.iter().skip(1);
    replicas.map(|node| node.questions).sum()
}

#[rstest::rstest]
#[case::sea_orm(of::<SplitConnection>())]
#[case::diesel(of::<SplitPool<AsyncPgConnection>>())]
#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_can_wait_itself_need_not_be_asked_all_the_time<A: Application>(
    #[case] _orm: Of<A>,
) -> Result<()> {
    let Some(binaries) = postgres_19_or_skip("WAIT FOR LSN") else {
        return Ok(());
    };
    let delay = Duration::from_millis(200);
    let cluster = Cluster::builder().binaries(binaries).replicas(1);
    let cluster = cluster.apply_delay(delay).setting("log_statement", "all");
    let cluster = cluster.start().await?;
    let app: A = connected(&cluster, Duration::from_secs(5)).await?;
    let before = app.status();
    let ran = pairs(&app).await?;
    ensure!(reads_on_replicas(&ran) == PAIRS.unsigned_abs(), "{ran:?}");
    let asked = asked_of_replicas(&app.status()) - asked_of_replicas(&before);
    // every 12 ms, as others are asked that lag by 200 ms, would be more than 300
    ensure!(asked < 150, "{asked}");
    let replica = cluster.replicas().first().context("a replica")?;
    let waited = replica.log()?.matches("WAIT FOR LSN").count();
    ensure!(waited >= 10, "{waited}: {:?}", app.status());
    app.close().await
}

/// Which ORM a case runs through.
struct Of<A>(std::marker::PhantomData<A>);

const fn of<A>() -> Of<A> {
    Of(std::marker::PhantomData)
}
