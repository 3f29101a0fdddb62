//! The kit keeps what it promises: otherwise a test that uses it proves nothing.

use std::time::Duration;

use anyhow::{Context, Result};
use orm_split_tests::kit::postgres::{APP_PASSWORD, APP_ROLE, Cluster, Delay, Node, Stop, shared};
use tokio::time::Instant;
use tokio_postgres::NoTls;

async fn rows(node: &Node, database: &str) -> Result<i64> {
    let client = node.admin(database).await?;
    Ok(client
        .query_one("SELECT count(*) FROM t", &[])
        .await?
        .try_get(0)?)
}

async fn pair() -> Result<Cluster> {
    let cluster = Cluster::builder().replicas(1).start().await?;
    cluster.primary().sql("CREATE TABLE t (n int)").await?;
    for replica in cluster.replicas() {
        replica.wait_caught_up(cluster.primary()).await?;
    }
    Ok(cluster)
}

#[tokio::test]
async fn three_nodes_start_in_seconds_and_are_gone_after_the_drop() -> Result<()> {
    drop(Cluster::builder().start().await?); // the machine's first start makes the archive
    let begin = Instant::now();
    let cluster = Cluster::builder().replicas(2).start().await?;
    let up = begin.elapsed();
    let (folder, ports) = (cluster.folder().to_owned(), ports(&cluster));
    let begin = Instant::now();
    drop(cluster);
    eprintln!("up in {up:?}, down in {:?}", begin.elapsed());
    assert!(up < Duration::from_secs(10), "took {up:?}");
    assert!(!folder.exists());
    for port in ports {
        std::net::TcpStream::connect(("127.0.0.1", port)).unwrap_err();
    }
    Ok(())
}

fn ports(cluster: &Cluster) -> Vec<u16> {
    cluster.nodes().map(Node::port).collect()
}

#[tokio::test]
async fn application_writes_on_the_primary_reach_every_replica() -> Result<()> {
    let cluster = shared(Delay::None).await?;
    let database = cluster.create_database().await?;
    let primary = cluster.primary().app(database.name()).await?;
    primary
        .batch_execute("CREATE TABLE t (n int); INSERT INTO t VALUES (1)")
        .await?;
    assert_eq!(database.replica_urls().len(), 2);
    for replica in cluster.replicas() {
        replica.wait_caught_up(cluster.primary()).await?;
        let client = replica.app(database.name()).await?;
        client.query_one("SELECT n FROM t", &[]).await?;
        let refused = client
            .execute("INSERT INTO t VALUES (2)", &[])
            .await
            .unwrap_err();
        assert_eq!(refused.code().context("no code")?.code(), "25006");
    }
    Ok(())
}

#[tokio::test]
async fn databases_of_two_tests_are_two() -> Result<()> {
    let cluster = shared(Delay::None).await?;
    let (a, b) = tokio::try_join!(cluster.create_database(), cluster.create_database())?;
    assert_ne!(a.name(), b.name());
    Ok(())
}

#[tokio::test]
async fn application_role_is_ordinary_and_needs_its_password() -> Result<()> {
    let cluster = shared(Delay::None).await?;
    let database = cluster.create_database().await?;
    let client = cluster.primary().app(database.name()).await?;
    let query = "SELECT rolsuper OR rolreplication OR rolcreatedb OR rolcreaterole \
        OR pg_has_role('pg_monitor', 'USAGE') FROM pg_roles WHERE rolname = current_user";
    assert!(!client.query_one(query, &[]).await?.try_get::<_, bool>(0)?);
    let sessions = cluster
        .primary()
        .backend_pids_in(database.name(), APP_ROLE)
        .await?;
    assert_eq!(sessions.len(), 1);
    assert!(cluster.primary().connections_of(APP_ROLE).await? >= 1);

    let wrong = database.primary_url().replace(APP_PASSWORD, "guess");
    let refused = tokio_postgres::connect(&wrong, NoTls)
        .await
        .err()
        .context("let in")?;
    assert_eq!(refused.code().context("no code")?.code(), "28P01");
    let shown = cluster.primary().url_without_password(database.name());
    assert_eq!(
        database
            .primary_url()
            .replace(&format!(":{APP_PASSWORD}"), ""),
        shown
    );
    assert!(tokio_postgres::connect(&shown, NoTls).await.is_err());
    assert!(!cluster.primary().log()?.contains(APP_PASSWORD));
    Ok(())
}

#[tokio::test]
async fn apply_delay_delays_until_it_is_lifted() -> Result<()> {
    let delay = Duration::from_secs(3600);
    let cluster = Cluster::builder()
        .replicas(1)
        .apply_delay(delay)
        .start()
        .await?;
    let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
    let made = tokio::try_join!(cluster.create_database(), cluster.create_database())?;
    let name = made.0.name();
    assert_eq!(replica.apply_delay(), delay);
    primary.sql_in(name, "CREATE TABLE t (n int)").await?;
    tokio::time::sleep(Duration::from_millis(300)).await;
    rows(replica, name).await.unwrap_err();
    replica.set_apply_delay(Duration::from_millis(400)).await?;
    replica.wait_caught_up(primary).await?;

    primary.sql_in(name, "INSERT INTO t VALUES (1)").await?;
    let begin = Instant::now();
    replica.wait_caught_up(primary).await?;
    assert!(
        begin.elapsed() > Duration::from_millis(250),
        "took {:?}",
        begin.elapsed()
    );
    assert_eq!(rows(replica, name).await?, 1);
    Ok(())
}

#[tokio::test]
async fn paused_replay_resumes_where_it_stopped() -> Result<()> {
    let cluster = pair().await?;
    let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
    replica.pause_replay().await?;
    let paused_at = replica.replayed_lsn().await?;
    primary.sql("INSERT INTO t VALUES (1)").await?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(replica.replayed_lsn().await?, paused_at);
    replica.resume_replay().await?;
    replica.wait_caught_up(primary).await?;
    assert_eq!(rows(replica, "postgres").await?, 1);
    Ok(())
}

#[tokio::test]
async fn replica_cut_off_stays_behind_until_it_is_restored() -> Result<()> {
    let cluster = pair().await?;
    let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
    replica.pause_replay().await?;
    replica.cut_wal_receiver().await?;
    replica.resume_replay().await?;
    primary.sql("INSERT INTO t VALUES (1)").await?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(rows(replica, "postgres").await?, 0);
    replica.restart().await?;
    assert_eq!(rows(replica, "postgres").await?, 0);
    replica.restore_wal_receiver().await?;
    replica.wait_caught_up(primary).await?;
    assert_eq!(rows(replica, "postgres").await?, 1);
    Ok(())
}

#[tokio::test]
async fn killed_nodes_start_again_on_their_ports_with_their_data() -> Result<()> {
    let cluster = pair().await?;
    let (primary, replica) = (cluster.primary(), &cluster.replicas()[0]);
    let before = ports(&cluster);
    replica.kill().await?;
    primary.sql("INSERT INTO t VALUES (1)").await?;
    replica.admin("postgres").await.unwrap_err();
    replica.start().await?;
    replica.wait_caught_up(primary).await?;
    assert_eq!(rows(replica, "postgres").await?, 1);

    primary.kill().await?;
    primary.start().await?;
    assert_eq!(rows(primary, "postgres").await?, 1);
    primary.sql("INSERT INTO t VALUES (2)").await?;
    replica.wait_streaming().await?;
    replica.wait_caught_up(primary).await?;
    assert_eq!(ports(&cluster), before);
    Ok(())
}

#[tokio::test]
async fn every_shutdown_ends_and_a_smart_one_waits_for_clients() -> Result<()> {
    let cluster = Cluster::builder().start().await?;
    let node = cluster.primary();
    for mode in [Stop::Smart, Stop::Fast, Stop::Immediate] {
        node.stop(mode).await?;
        node.stop(mode).await.unwrap_err();
        node.start().await?;
    }
    let client = node.admin("postgres").await?;
    node.begin_stop(Stop::Smart)?;
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.simple_query("SELECT 1").await?;
    drop(client);
    node.wait_stopped().await
}

#[tokio::test]
async fn frozen_node_says_nothing_and_goes_on_when_thawed() -> Result<()> {
    let cluster = Cluster::builder().start().await?;
    let node = cluster.primary();
    let client = node.admin("postgres").await?;
    node.freeze().await?;
    let brief = Duration::from_millis(200);
    assert!(
        tokio::time::timeout(brief, client.simple_query("SELECT 1"))
            .await
            .is_err()
    );
    assert!(
        tokio::time::timeout(brief, node.admin("postgres"))
            .await
            .is_err()
    );
    node.thaw()?;
    client.simple_query("SELECT 1").await?;
    node.wait_ready().await?;
    node.freeze().await?;
    node.stop(Stop::Immediate).await?;
    node.start().await?;
    node.freeze().await?;
    let folder = cluster.folder().to_owned();
    drop(cluster);
    assert!(!folder.exists(), "a frozen server survived");
    Ok(())
}

#[tokio::test]
async fn killed_session_makes_the_server_recover_by_itself() -> Result<()> {
    let cluster = Cluster::builder().start().await?;
    let node = cluster.primary();
    let (victim, bystander) = (node.admin("postgres").await?, node.admin("postgres").await?);
    let pid: i32 = victim
        .query_one("SELECT pg_backend_pid()", &[])
        .await?
        .try_get(0)?;
    node.kill_backend(pid).await?;
    node.wait_ready().await?;
    victim.simple_query("SELECT 1").await.unwrap_err();
    bystander.simple_query("SELECT 1").await.unwrap_err();
    let ourselves = i32::try_from(std::process::id())?;
    node.kill_backend(ourselves).await.unwrap_err();
    Ok(())
}

#[tokio::test]
async fn promoted_replica_is_followed_and_the_old_primary_rejoins() -> Result<()> {
    let cluster = Cluster::builder().replicas(2).start().await?;
    let (old, [new, other]) = (cluster.primary(), cluster.replicas()) else {
        unreachable!()
    };
    old.stop(Stop::Immediate).await?;
    new.promote().await?;
    assert!(!new.in_recovery().await?);
    new.sql("CREATE TABLE t (n int)").await?;
    other.follow(new).await?;
    other.wait_caught_up(new).await?;
    assert_eq!(rows(other, "postgres").await?, 0);
    old.rejoin(new).await?;
    assert!(old.in_recovery().await?);
    old.wait_caught_up(new).await?;
    assert_eq!(rows(old, "postgres").await?, 0);
    Ok(())
}

#[tokio::test]
async fn own_identifier_differs_from_that_of_other_clusters() -> Result<()> {
    let builder = Cluster::builder().own_identifier();
    let (a, b) = tokio::try_join!(builder.start(), Cluster::builder().start())?;
    let mut identifiers = Vec::new();
    for node in a.nodes().chain(b.nodes()) {
        let query = "SELECT system_identifier FROM pg_control_system()";
        let row = node.admin("postgres").await?.query_one(query, &[]).await?;
        identifiers.push(row.try_get::<_, i64>(0)?);
    }
    assert_ne!(identifiers[0], identifiers[1]);
    Ok(())
}

#[tokio::test]
async fn server_that_cannot_start_says_why() -> Result<()> {
    let error = Cluster::builder()
        .setting("shared_buffers", "never")
        .start()
        .await
        .unwrap_err();
    assert!(
        format!("{error:#}").contains("invalid value for parameter"),
        "{error:#}"
    );
    Ok(())
}

#[test]
fn futures_may_be_spawned() {
    fn send<T: Send>(_: impl Fn(&'static Cluster, &'static Node) -> T) {}
    send(|_, node| node.promote());
    send(|_, node| node.freeze());
    send(|_, node| node.kill());
    send(|_, node| node.rejoin(node));
    send(|_, node| node.wait_caught_up(node));
    send(|cluster, _| cluster.create_database());
    send(|_, _| Cluster::builder().start());
}
