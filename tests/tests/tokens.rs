//! Tokens between processes, on replicas that lag by half a second: an application with SeaORM writes, one
//! with Diesel reads, and they share nothing but the token.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use diesel::QueryDsl;
use diesel_async::RunQueryDsl;
use futures_util::future::try_join_all;
use orm_split::diesel::{TokenError, TokenRefusal};
use orm_split::sea_orm::{Session, SessionToken, SplitConnection, TokenKeys};
use orm_split_tests::app::{self, counter};
use orm_split_tests::diesel_app::{self, Pool, schema};
use orm_split_tests::kit::postgres::{APP_ROLE, Cluster, Database, Delay};
use orm_split_tests::topology::Topology;
use rstest::rstest;
use sea_orm::{ActiveModelTrait, ActiveValue::Set, EntityTrait};
use tokio::time::timeout;

const SECRET: &str = "a secret of at least thirty-two bytes";

async fn writer_and_reader(topology: Topology) -> Result<(Database, SplitConnection, Pool)> {
    let database = topology.database(Delay::Ms500).await?;
    let writer = app::builder(&database).token_keys(TokenKeys::new(SECRET)?);
    let writer = writer.connect().await?;
    app::create_counters(&writer, 3).await?;
    let reader = diesel_app::builder(&database).token_keys(TokenKeys::new(SECRET)?);
    let reader = reader.build().await?;
    // several at a time, so that there are connections to whoever an address leads to
    let reads = (0..8).map(|_| counter::Entity::find_by_id(1).one(&writer));
    try_join_all(reads).await?;
    try_join_all((0..8).map(|_| read(&reader, None))).await?;
    topology.settle(Delay::Ms500, || writer.status()).await?;
    topology.settle(Delay::Ms500, || reader.status()).await?;
    Ok((database, writer, reader))
}

/// Writes in a session of its own, as a request does; the token that goes out with the answer.
async fn write(db: &SplitConnection, value: i64) -> Result<SessionToken> {
    let model = counter::ActiveModel {
        id: Set(1),
        value: Set(value),
    };
    let request = async {
        model.update(db).await?;
        anyhow::Ok(db.token().await?)
    };
    Session::new().scope(request).await
}

async fn read(pool: &Pool, token: Option<&SessionToken>) -> Result<i64> {
    let mut conn = pool.get().await?;
    if let Some(token) = token {
        conn.resume(token.as_str()).await?;
    }
    let value = schema::counter::table
        .find(1)
        .select(schema::counter::value);
    Ok(value.first(&mut conn).await?)
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn what_one_process_wrote_another_reads_with_its_token_and_misses_without(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, writer, reader) = writer_and_reader(topology).await?;
    let (mut stale, mut stale_without) = (0, 0);
    for value in 1..=40 {
        let token = write(&writer, value).await?;
        // several at once, so that behind one address also the connections to the later server are used
        let without = try_join_all((0..4).map(|_| read(&reader, None))).await?;
        stale_without += u32::from(without.iter().any(|seen| *seen < value));
        stale += u32::from(read(&reader, Some(&token)).await? < value);
    }
    ensure!(stale_without > 10, "{stale_without} without a token");
    assert_eq!(stale, 0);
    Ok(())
}

#[rstest]
#[tokio::test(flavor = "multi_thread")]
async fn a_job_whose_payload_holds_the_token_reads_from_replicas_once_they_have_it(
    #[values(Topology::Apart, Topology::OneAddress)] topology: Topology,
) -> Result<()> {
    let (_database, writer, reader) = writer_and_reader(topology).await?;
    let token = write(&writer, 7).await?;
    ensure!(!token.as_str().contains("127.0.0.1") && !token.as_str().contains(APP_ROLE));
    let before = reader.status().served_by_replicas();
    let job = async {
        while reader.status().served_by_replicas() == before {
            ensure!(read(&reader, Some(&token)).await? == 7);
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    };
    let waited = timeout(Duration::from_secs(30), job).await;
    waited.context("every job reads on the primary")?
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_of_another_cluster_and_forged_ones_are_refused_by_name() -> Result<()> {
    let (_database, writer, _) = writer_and_reader(Topology::Apart).await?;
    let token = write(&writer, 1).await?;
    let stranger = Cluster::builder().replicas(1).own_identifier();
    let stranger = stranger.start().await?;
    let foreign = stranger.create_database().await?;
    let foreign = diesel_app::builder(&foreign).token_keys(TokenKeys::new(SECRET)?);
    let foreign = foreign.build().await?;
    let conn = foreign.get().await?;
    let refused = conn.resume(token.as_str()).await;
    let other = TokenError::Refused(TokenRefusal::OtherCluster);
    assert_eq!(refused, Err(other));
    let forged = format!("B{}", token.as_str().get(1..).context("a token")?);
    let refused = conn.resume(&forged).await;
    assert_eq!(refused, Err(TokenError::Refused(TokenRefusal::Forged)));
    Ok(())
}
