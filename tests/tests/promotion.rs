//! A promotion behind the primary's address: the address leads to another server from then on. What was
//! proved of the replicas before counts no longer; who follows the old primary serves no session.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use orm_split::sea_orm::{
    Refusal, Role, Session, SplitConnection, TokenError, TokenKeys, TokenRefusal,
};
use orm_split_tests::app;
use orm_split_tests::application::{Application, Settings};
use orm_split_tests::diesel_app::Pool;
use orm_split_tests::kit::balancer::Balancer;
use orm_split_tests::kit::postgres::{Cluster, Database, Node, Stop};
use orm_split_tests::outages::{cluster, wait_for_replicas};
use tokio::time::{Instant, sleep, timeout};

/// Written to everyone.
const KEPT: i32 = 1;
/// Written after the next primary was cut off: lost with the promotion.
const LOST: i32 = 2;
/// Written on the new primary.
const NEW: i32 = 3;

/// For what takes a probe or two; an idle prober connects anew every 5 s.
const WITHIN: Duration = Duration::from_secs(15);

/// A primary behind an address, the replica that takes its place, and the one that follows the old one.
struct Failover {
    cluster: Cluster,
    database: Database,
    address: Balancer,
}

impl Failover {
    async fn start() -> Result<Self> {
        let (cluster, database) = cluster().await?;
        let address = Balancer::start(&[cluster.primary().port()]).await?;
        Ok(Self {
            cluster,
            database,
            address,
        })
    }

    fn settings(&self) -> Result<Settings> {
        let mut settings = Settings::of(&self.database);
        settings.primary = self.address.url(self.database.primary_url())?;
        settings.primary_wait = Duration::from_secs(3);
        Ok(settings)
    }

    fn old(&self) -> &Node {
        self.cluster.primary()
    }

    fn next(&self) -> Result<&Node> {
        self.cluster.replicas().first().context("two replicas")
    }

    fn other(&self) -> Result<&Node> {
        self.cluster.replicas().last().context("two replicas")
    }

    /// Somebody who still reaches the old primary writes there.
    async fn write_on_the_old(&self, id: i32, value: i64) -> Result<()> {
        let client = self.old().app(self.database.name()).await?;
        let write = format!("UPDATE counter SET value = {value} WHERE id = {id}");
        Ok(client.batch_execute(&write).await?)
    }

    /// The next primary gets nothing any more …
    async fn cut_off_the_next(&self) -> Result<()> {
        self.next()?.wait_caught_up(self.old()).await?;
        self.next()?.cut_wal_receiver().await
    }

    /// … and takes over without what it lacks. The old one goes on as if nothing had been.
    async fn promote(&self) -> Result<()> {
        self.next()?.promote().await?;
        self.address.point_to(self.next()?.port());
        Ok(())
    }
}

/// Waits until the new primary was found at the address.
async fn noticed<A: Application>(app: &A, epoch: u64) -> Result<()> {
    let noticed = async {
        while app.status().epoch == epoch {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let noticed = timeout(WITHIN, noticed).await;
    noticed.with_context(|| format!("not noticed: {:?}", app.status()))
}

/// Waits until a replica is, or is not, refused.
async fn refused<A: Application>(app: &A, node: usize, refusal: Option<Refusal>) -> Result<()> {
    let as_said = async {
        while app.status().nodes.get(node).map(|node| node.refusal) != Some(refusal) {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let limit = Duration::from_secs(45); // a standby may learn late on which timeline it is
    let waited = timeout(limit, as_said).await;
    waited.with_context(|| format!("not {refusal:?}: {:?}", app.status()))
}

/// Reads in a session, for some time; each read has to be answered and to show `value`.
async fn reads<A: Application>(app: &A, session: &Session, id: i32, value: i64) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < Duration::from_secs(1) {
        let read = timeout(WITHIN, session.clone().scope(app.read(id)));
        let read = read.await.context("the read hangs")??;
        ensure!(read == value, "{read} of counter {id}, which is {value}");
    }
    Ok(())
}

async fn sessions_outlive_a_promotion<A: Application>() -> Result<()> {
    let failover = Failover::start().await?;
    let app = A::connect(&failover.settings()?).await?;
    app.create_counters(5).await?;
    wait_for_replicas(&app, 2).await?;
    let epoch = app.status().epoch;
    let session = Session::new();
    session.clone().scope(app.write(KEPT, 1)).await?;
    failover.cut_off_the_next().await?;
    session.clone().scope(app.write(LOST, 100)).await?;
    failover.other()?.wait_caught_up(failover.old()).await?;

    failover.promote().await?;
    // the second standby follows the old primary on, further than the new one has come
    failover.write_on_the_old(LOST, 200).await?;
    failover.write_on_the_old(KEPT, -1).await?;
    noticed(&app, epoch).await?;
    failover.other()?.wait_caught_up(failover.old()).await?;

    // a floor from before neither hangs nor shows what is on the old history alone
    reads(&app, &session, KEPT, 1).await?;
    reads(&app, &session, LOST, 0).await?;
    let after = Session::new();
    after.clone().scope(app.write(NEW, 7)).await?;
    reads(&app, &after, NEW, 7).await?;
    refused(&app, 1, Some(Refusal::SameServer)).await?;
    refused(&app, 2, Some(Refusal::OtherTimeline)).await?;
    reads(&app, &Session::new(), LOST, 0).await?;

    // copied from the new primary it serves again, and what was written before too
    let other = failover.other()?;
    other.stop(Stop::Fast).await?;
    other.rejoin(failover.next()?).await?;
    refused(&app, 2, None).await?;
    let before = app.status().served_by_replicas();
    let served = async {
        while app.status().served_by_replicas() == before {
            reads(&app, &after, NEW, 7).await?;
        }
        anyhow::Ok(())
    };
    timeout(WITHIN, served)
        .await
        .context("it serves nobody")??;
    app.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_seaorm_outlive_a_promotion_and_read_nothing_of_the_old_history() -> Result<()>
{
    sessions_outlive_a_promotion::<SplitConnection>().await
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_of_diesel_outlive_a_promotion_and_read_nothing_of_the_old_history() -> Result<()>
{
    sessions_outlive_a_promotion::<Pool>().await
}

/// A standby that has nothing which the new primary lacks may follow it without a new copy. Until it is
/// known to be on the new timeline it serves no session.
#[tokio::test(flavor = "multi_thread")]
async fn a_standby_serves_sessions_once_it_is_known_to_follow_the_new_primary() -> Result<()> {
    let failover = Failover::start().await?;
    let app = <SplitConnection as Application>::connect(&failover.settings()?).await?;
    app::create_counters(&app, 5).await?;
    wait_for_replicas(&app, 2).await?;
    let epoch = app.status().epoch;
    let (next, other) = (failover.next()?, failover.other()?);
    next.wait_caught_up(failover.old()).await?;
    failover.old().stop(Stop::Fast).await?;
    failover.promote().await?;
    noticed(&app, epoch).await?;
    let session = Session::new();
    session.clone().scope(app.write(NEW, 7)).await?;
    refused(&app, 2, Some(Refusal::OtherTimeline)).await?;
    reads(&app, &session, NEW, 7).await?;

    other.follow(next).await?;
    // a restart point writes down the timeline where an ordinary role can read it
    next.sql("CHECKPOINT").await?;
    other.wait_caught_up(next).await?;
    other.sql("CHECKPOINT").await?;
    refused(&app, 2, None).await?;
    let role = async {
        while session.clone().scope(explain_in(&app)).await != Role::Replica {
            reads(&app, &session, NEW, 7).await?;
        }
        anyhow::Ok(())
    };
    timeout(WITHIN, role).await.context("it serves nobody")??;
    reads(&app, &session, NEW, 7).await?;
    app.close().await?;
    Ok(())
}

async fn explain_in(app: &SplitConnection) -> Role {
    app.explain("SELECT 1").role
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_from_before_a_promotion_are_refused_and_pin_nobody() -> Result<()> {
    let failover = Failover::start().await?;
    let settings = failover.settings()?;
    let builder = SplitConnection::builder()
        .primary(settings.primary.as_str())
        .token_keys(TokenKeys::new("a secret of at least thirty-two bytes")?);
    let replicas = settings.replicas.iter();
    let builder = replicas.fold(builder, |builder, url| builder.replica(url.as_str()));
    let db = builder.connect().await?;
    app::create_counters(&db, 5).await?;
    let epoch = db.status().epoch;
    let writes = async {
        db.write(KEPT, 1).await?;
        anyhow::Ok(db.token().await?)
    };
    let token = Session::new().scope(writes).await?;
    ensure!(db.session().resume(token.as_str()).await.is_ok());
    failover.cut_off_the_next().await?;
    failover.promote().await?;
    noticed(&db, epoch).await?;

    let session = db.session();
    let started = Instant::now();
    let refused = session.resume(token.as_str()).await;
    let other = TokenError::Refused(TokenRefusal::OtherTimeline);
    assert_eq!(refused, Err(other));
    ensure!(started.elapsed() < Duration::from_secs(5), "it waited");
    let written = async {
        db.write(NEW, 7).await?;
        anyhow::Ok(db.token().await?)
    };
    let token = Session::new().scope(written).await?;
    session.resume(token.as_str()).await?;
    ensure!(session.read(NEW).await? == 7);
    db.close().await?;
    Ok(())
}
