//! The library in trouble: what visitors notice when a replica lags, falls silent or is gone.
//!
//! The service runs inside the test, so that the test sees where its statements run.

#![cfg(target_os = "linux")]
#![allow(
    clippy::indexing_slicing,
    reason = "a field that a JSON value lacks reads as null"
)]

mod visitor;

use std::time::Duration;

use anyhow::{Context, Result};
use axum_library::{schema, serve};
use orm_split::sea_orm::{Consistency, SplitConnection};
use orm_split_tests::kit::assertions::{assert_stays_on_primary, reads_from_replica_within};
use orm_split_tests::kit::postgres::{Cluster, Database};
use orm_split_tests::kit::proxy::{Fault, FaultProxy};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use crate::visitor::Visitor;

/// How long anything may take, on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(30);

/// The service on a primary and one replica, which it reaches through a network that fails when told to.
struct Open {
    cluster: Cluster,
    _database: Database,
    network: FaultProxy,
    db: SplitConnection,
    visitor: Visitor,
    close: oneshot::Sender<()>,
    running: JoinSet<Result<()>>,
}

impl Open {
    async fn library() -> Result<Self> {
        let cluster = Cluster::builder().replicas(1).start().await?;
        let database = cluster.create_database().await?;
        let replica = cluster.replicas().first().context("a replica")?;
        let network = FaultProxy::start(replica.port()).await?;
        let url = database.replica_urls().first().context("a replica")?;
        let db = SplitConnection::builder()
            .primary(database.primary_url())
            .replica(network.url(url)?)
            .consistency(Consistency::Process)
            .connect()
            .await?;
        schema::create_tables(&db).await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let visitor = Visitor::at(&listener.local_addr()?.to_string())?;
        let (close, closed) = oneshot::channel::<()>();
        let mut running = JoinSet::new();
        running.spawn(serve(listener, db.clone(), async { drop(closed.await) }));
        visitor.is_well().await?;
        Ok(Self {
            cluster,
            _database: database,
            network,
            db,
            visitor,
            close,
            running,
        })
    }

    /// The catalogue comes from a replica, and lacks nothing.
    async fn catalogue_comes_from_a_replica(&self, books: usize) -> Result<()> {
        let looks = || self.visitor.looks_around(books);
        reads_from_replica_within(PATIENCE, || self.db.status(), looks).await
    }

    async fn close(mut self) -> Result<()> {
        let Self { close, .. } = self;
        // the service may have ended by itself, which is what is asked next
        let _ended = close.send(());
        while let Some(ended) = self.running.join_next().await {
            ended??;
        }
        Ok(())
    }
}

#[tokio::test]
async fn the_catalogue_is_read_from_a_replica_as_soon_as_it_has_the_new_books() -> Result<()> {
    let library = Open::library().await?;
    library.visitor.visit(1).await?;
    library.catalogue_comes_from_a_replica(2).await?;
    library.close().await
}

#[tokio::test]
async fn nobody_misses_a_new_book_while_the_replica_stands_still() -> Result<()> {
    let library = Open::library().await?;
    library.visitor.visit(1).await?;
    library.catalogue_comes_from_a_replica(2).await?;
    let replica = library.cluster.replicas().first().context("a replica")?;
    replica.pause_replay().await?;
    library.visitor.visit(2).await?;
    let looks = library.visitor.looks_around(4);
    assert_stays_on_primary(|| library.db.status(), looks).await?;
    replica.resume_replay().await?;
    library.catalogue_comes_from_a_replica(4).await?;
    library.close().await
}

#[tokio::test]
async fn the_catalogue_is_shown_whatever_befalls_the_network_of_the_replica() -> Result<()> {
    let library = Open::library().await?;
    library.visitor.visit(1).await?;
    library.catalogue_comes_from_a_replica(2).await?;
    for fault in [
        Fault::Refuse,
        Fault::Reset,
        Fault::BlackHole,
        Fault::CutAfter(200),
    ] {
        library.network.befall(fault).await?;
        library.visitor.looks_around(2).await?;
    }
    library.network.heal().await?;
    library.catalogue_comes_from_a_replica(2).await?;
    library.close().await
}
