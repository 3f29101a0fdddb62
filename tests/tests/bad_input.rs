//! What an application can get wrong at start, and that no password is ever printed.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{
    HealthState, Placement, Refusal, SplitBuilder, SplitConnection, split_error,
};
use orm_split_tests::app::{self, counter};
use orm_split_tests::bad_input::{self, with_password};
use orm_split_tests::kit::postgres::{APP_PASSWORD, Cluster, Stop};
use parking_lot::Mutex;
use sea_orm::{DbBackend, DbErr, EntityTrait, MockDatabase};
use tracing_subscriber::EnvFilter;

/// Everything that was logged in this process: DEBUG of all targets, TRACE of ours.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

async fn refused(builder: SplitBuilder) -> Result<DbErr> {
    let error = builder.connect().await.err().context("it connected")?;
    for text in [error.to_string(), format!("{error:?}")] {
        ensure!(!text.contains(APP_PASSWORD), "the password is in {text}");
    }
    Ok(error)
}

fn message(error: &DbErr) -> Result<String> {
    Ok(split_error(error).context("an error of ours")?.to_string())
}

#[tokio::test]
async fn urls_that_cannot_be_used_are_refused_by_field_value_and_what_is_accepted() -> Result<()> {
    bad_input::unusable_urls::<SplitConnection>().await
}

#[tokio::test]
async fn settings_that_cannot_be_used_are_refused_by_field_value_and_what_is_accepted() -> Result<()>
{
    let postgres = with_password("postgres");
    let builder = SplitConnection::builder;
    let cases = [
        (
            builder().primary(format!("{postgres}?sslmode=often")),
            "primary",
            "often",
        ),
        (
            builder()
                .primary(with_password("mysql"))
                .prepare_postgres(|_, _| Box::pin(async { Ok(true) })),
            "prepare_postgres",
            "of kind MySQL",
        ),
        (builder(), "primary", "nothing"),
        (
            builder()
                .primary_connection(MockDatabase::new(DbBackend::Postgres).into_connection())
                .replica(postgres.as_str()),
            "primary_connection",
            "no pool",
        ),
        (
            builder()
                .primary(postgres.as_str())
                .checkout_deadline(Duration::ZERO),
            "checkout_deadline",
            "0ns",
        ),
        (
            builder()
                .primary(postgres.as_str())
                .replica_at("postgres://app@replica/app", Placement::new().weight(0)),
            "replica-1.weight",
            "0",
        ),
        (
            builder()
                .primary(postgres.as_str())
                .replica_at("postgres://app@replica/app", Placement::new().zone("")),
            "replica-1.zone",
            "\"\"",
        ),
        (
            builder()
                .primary(postgres.as_str())
                .replica("postgres://app@replica/app")
                .zone(" "),
            "zone",
            "\" \"",
        ),
    ];
    for (builder, field, value) in cases {
        let text = message(&refused(builder).await?)?;
        bad_input::tells(&text, field, value)?;
    }
    Ok(())
}

#[tokio::test]
async fn a_single_database_is_checked_like_any_other() -> Result<()> {
    let error = SplitConnection::connect(with_password("oracle"))
        .await
        .err()
        .context("refused")?;
    ensure!(message(&error)?.contains("scheme `oracle`"));
    Ok(())
}

#[tokio::test]
async fn a_primary_that_cannot_be_reached_is_an_error_with_its_cause() -> Result<()> {
    bad_input::unreachable_primary::<SplitConnection>().await
}

#[tokio::test]
async fn a_wrong_password_or_database_is_an_error_on_the_primary_and_a_state_of_a_replica()
-> Result<()> {
    let told = bad_input::unknown_to_the_servers::<SplitConnection>().await?;
    println!("{told:?}");
    Ok(())
}

#[tokio::test]
async fn a_replica_of_another_cluster_is_refused() -> Result<()> {
    bad_input::another_cluster::<SplitConnection>().await
}

#[tokio::test]
async fn a_server_given_twice_under_two_names_is_refused() -> Result<()> {
    bad_input::one_server_twice::<SplitConnection>().await
}

#[tokio::test]
async fn a_replica_that_is_not_in_recovery_takes_no_reads_and_says_so() -> Result<()> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    let database = cluster.create_database().await?;
    cluster
        .replicas()
        .first()
        .context("a replica")?
        .promote()
        .await?;
    let db = app::builder(&database).connect().await?;
    let status = db.status();
    let node = status.nodes.get(1).context("the replica")?;
    ensure!(node.refusal == Some(Refusal::NotInRecovery), "{node:?}");
    db.close().await?;
    Ok(())
}

#[test]
fn no_password_is_printed_whatever_goes_wrong() -> Result<()> {
    let log = Log::default();
    let writer = log.clone();
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::new(
            "debug,orm_split=trace,orm_split_core=trace,sea_orm_split=trace",
        ))
        .with_writer(move || writer.clone())
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    runtime.block_on(go_wrong())?;
    let logged = log.0.lock();
    let text = String::from_utf8_lossy(&logged);
    ensure!(text.contains("node is down"), "the log was not captured");
    let line = text.lines().find(|line| line.contains(APP_PASSWORD));
    ensure!(line.is_none(), "the password is in: {line:?}");
    Ok(())
}

/// Everyday work, a replica that dies, a query that fails, and all that can be printed on the way.
async fn go_wrong() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let database = cluster.create_database().await?;
    let builder = app::builder(&database);
    ensure!(!format!("{builder:?}").contains(APP_PASSWORD));
    let db = builder.connect().await?;
    app::create_counters(&db, 10).await?;
    cluster
        .replicas()
        .first()
        .context("two")?
        .stop(Stop::Fast)
        .await?;
    for _ in 0..50 {
        counter::Entity::find_by_id(1).one(&db).await?;
    }
    let down = async {
        while db.status().nodes.get(1).map(|node| node.health) != Some(HealthState::Down) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(15), down).await?;
    let wrong =
        sea_orm::ConnectionTrait::execute_unprepared(&db, "SELECT nonsense FROM nowhere").await;
    let texts = [
        format!("{db:?}"),
        format!("{:?}", db.status()),
        format!("{:?}", db.explain("SELECT 1")),
        format!("{wrong:?}"),
        format!("{:?}", &*db),
    ];
    for text in texts {
        ensure!(!text.contains(APP_PASSWORD), "the password is in {text}");
    }
    db.close().await?;
    Ok(())
}
