//! A process of the small application: it serves the counter over HTTP, or works through jobs that tell of it.
//!
//! `ORM` is `sea-orm` or `diesel`, `WORK` is `http`, `jobs`, or `jobs-without-tokens`. `DATABASE_URL` and
//! `REPLICA_URLS` say where the counter is, `SECRET` what signs tokens. With `WORK=environment` it takes its
//! databases from the library's own variables, says where a read goes, and ends.

use std::env;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use orm_split::sea_orm::tower::{KeepsSessions, SessionLayer};
use orm_split::sea_orm::{Role, Session, SplitConnection, TokenKeys};
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::jobs::Queue;
use orm_split_tests::served::{self, COUNTER};
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(EnvFilter::from_default_env())
        .init();
    let from_environment = variable("WORK")? == "environment";
    match variable("ORM")?.as_str() {
        "sea-orm" if from_environment => tell(&SplitConnection::from_env().await?).await,
        "diesel" if from_environment => tell(&Pool::from_env().await?).await,
        "sea-orm" => work::<SplitConnection>().await,
        "diesel" => work::<Pool>().await,
        other => bail!("ORM: {other}"),
    }
}

fn variable(name: &'static str) -> Result<String> {
    env::var(name).context(name)
}

async fn work<A: Application + KeepsSessions>() -> Result<()> {
    let replicas = variable("REPLICA_URLS")?;
    let replicas: Vec<_> = replicas.split(',').map(str::to_owned).collect();
    let mut settings = Settings::new(variable("DATABASE_URL")?, &replicas);
    settings.token_keys = Some(TokenKeys::new(variable("SECRET")?)?);
    let app = A::connect(&settings).await?;
    // of a process that has just started nobody knows yet how far the replicas are behind
    while app.explain("SELECT 1").role == Role::Primary {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    match variable("WORK")?.as_str() {
        "http" => serve(app).await,
        "jobs" => jobs(&app, &settings.primary, true).await,
        "jobs-without-tokens" => jobs(&app, &settings.primary, false).await,
        other => bail!("WORK: {other}"),
    }
}

/// Says where a read goes, as soon as it would go to a replica if there is one.
async fn tell<A: Application>(app: &A) -> Result<()> {
    let nodes = app.status().nodes.len();
    while nodes > 1 && app.explain("SELECT 1").role == Role::Primary {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let node = app.explain("SELECT 1").node;
    tracing::info!("reads go to {node}, of {nodes} nodes");
    app.close().await
}

async fn serve<A: Application + KeepsSessions>(app: A) -> Result<()> {
    let layer = served::by_header(SessionLayer::new(&app));
    let router = served::routes(app).layer(layer);
    served::serve(router, |address| tracing::info!("listening on {address}")).await
}

async fn jobs<A: Application>(app: &A, primary: &str, with_tokens: bool) -> Result<()> {
    let queue = Queue::open(primary).await?;
    tracing::info!("working");
    loop {
        let Some(job) = queue.take().await? else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let read = async {
            if with_tokens {
                app.resume(&job.token).await?;
            }
            app.read(COUNTER).await
        };
        let seen = Session::new().scope(read).await?;
        queue.done(&job, seen).await?;
    }
}
